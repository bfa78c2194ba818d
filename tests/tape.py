"""Reverse-mode differentiation by the gradient rules, for tests: who computed what, and then backwards."""

from rsconv import functions as f
from rsconv._functional.gradients import gradients
from rsconv._functional.recorder import recorder


class Tape:
    """As a context manager it listens to every operator of the thread."""

    def __init__(self):
        self.steps = []

    def __enter__(self):
        self._token = recorder.set(lambda *step: self.steps.append(step))
        return self

    def __exit__(self, *error):
        recorder.reset(self._token)

    def gradients(self, output, grad_output, wanted):
        """The gradients of `sum(output * grad_output)` with respect to the arrays `wanted`; None for zero.

        Results are known by identity: an array is the one that an operator returned, not an equal one.
        """
        steps = list(self.steps)
        found = {id(output): grad_output}
        for op, inputs, outputs, args in reversed(steps):
            grad = found.get(id(outputs[0]))
            if grad is None:
                continue
            for name, gradient in gradients(op, grad, inputs, outputs, args).items():
                key = id(inputs[name])
                found[key] = gradient if key not in found else f.add(found[key], gradient)
        return [found.get(id(x)) for x in wanted]
