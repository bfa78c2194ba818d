"""Bounds on what a file may cost, so that a small hostile one cannot take all memory or run for hours."""

from collections import Counter, OrderedDict
from typing import Any

import numpy as np

from ..errors import WeightsError

__all__ = ["Budget", "check_key", "check_result", "shown"]

# A state dict takes about forty steps a tensor.
MAX_STEPS = 20_000_000
_MAX_DEPTH = 200
_MAX_ITEMS = 50_000_000
_LEAVES = (type(None), bool, int, float, complex, str, bytes, bytearray, np.ndarray, np.generic, np.dtype)


class Budget:
    """How much work and memory a file may cause: the steps that are left.

    A pickle can have a large object copied by each of a million three-byte calls, so that checking sizes one
    by one bounds neither time nor memory.
    """

    def __init__(self) -> None:
        """All of MAX_STEPS to spend."""
        self.left = MAX_STEPS

    def charge(self, steps: int) -> None:
        """Spend `steps`; raises WeightsError when none are left."""
        self.left -= steps
        if self.left < 0:
            raise WeightsError("the pickle takes more steps or copies than any real checkpoint")


def shown(value: object) -> str:
    """`value` for a message: in full only if that is short and cannot recurse."""
    if isinstance(value, (str, bytes)):
        return repr(value) if len(value) <= 100 else f"{value[:97]!r}..."
    scalar = value is None or isinstance(value, (bool, int, float))
    return repr(value) if scalar else f"a {type(value).__name__}"


def check_key(key: object, budget: Budget) -> None:
    """Raise WeightsError unless `key` may be a key of a dict or an element of a set.

    Hashing a deeply nested tuple overflows the C stack, and long integers and crafted tuples can be made to
    collide; hence nothing but scalars, and short flat tuples of them at a price.
    """
    if type(key) is tuple:
        budget.charge(1000)
        if len(key) > 16 or tuple in map(type, key):
            raise WeightsError("a dictionary key is a long or nested tuple")
        for part in key:
            check_key(part, budget)
    elif type(key) is int:
        if not -(2**63) <= key < 2**64:
            raise WeightsError(f"a dictionary key is an integer of {key.bit_length()} bits")
    elif key is not None and type(key) not in (str, bytes, float, bool):
        raise WeightsError(f"a dictionary key is a {type(key).__name__}")


def _children(value: Any) -> list[Any] | None:
    """The values inside a container, or None if `value` is not one that a checkpoint may hold."""
    if type(value) in (list, tuple):
        return list(value)
    if type(value) in (dict, OrderedDict, Counter):
        # Keys have passed check_key; the attribute holds the versions of a state dict's modules.
        return (
            [*value.values(), *vars(value).values()] if type(value) is OrderedDict else list(value.values())
        )
    return [] if type(value) in (set, frozenset) else None


def check_result(root: object) -> None:
    """Raise WeightsError unless code that walks `root` recursively comes to an end.

    A pickle can put a list into itself, nest a million lists, or have each of a hundred lists hold the one
    before twice: harmless as objects, fatal to whoever visits, prints or copies them.
    """
    measured: dict[int, tuple[int, int]] = {}  # id: depth, items counted as often as they are reached
    entered: set[int] = set()
    pending: list[tuple[Any, list[Any] | None]] = [(root, None)]
    while pending:
        value, children = pending.pop()
        if children is None:
            if isinstance(value, _LEAVES) or id(value) in measured:
                continue
            if id(value) in entered:
                raise WeightsError(f"a {type(value).__name__} contains itself")
            children = _children(value)
            if children is None:
                raise WeightsError(
                    f"a {getattr(value, 'name', type(value).__name__)} stands where a value belongs"
                )
            entered.add(id(value))
            pending.append((value, children))
            pending += [(child, None) for child in children]
        else:
            sizes = [measured.get(id(child), (0, 1)) for child in children]
            depth = 1 + max((size[0] for size in sizes), default=0)
            items = 1 + sum(size[1] for size in sizes)
            if depth > _MAX_DEPTH:
                raise WeightsError(f"containers are nested more than {_MAX_DEPTH} deep")
            if items > _MAX_ITEMS:
                raise WeightsError(f"shared containers unfold to more than {_MAX_ITEMS} items")
            entered.discard(id(value))
            measured[id(value)] = depth, items
