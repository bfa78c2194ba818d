"""Automatic differentiation: the graph that operators record, and the pass backwards through it.

From the bottom up: `modes` (whether to record), `rules` (the table of gradients), `graph` (what is recorded),
`writes` (in-place operators), `engine` (the pass backwards), `function` (operators of a user's own).
"""
