"""The state dict of an optimizer: parameters by number, as PyTorch numbers them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..arithmetic import cast_host
from ..backends import backend_of
from ..conversion import host
from ..errors import WeightsError
from ..tensor import Tensor

__all__ = ["packed", "restored"]

Group = dict[str, Any]
State = Mapping[Tensor, dict[str, Any]]


def packed(state: State, groups: Sequence[Group]) -> dict[str, Any]:
    """`{"state": .., "param_groups": ..}` with numbers for parameters."""
    numbers: dict[int, int] = {}
    for group in groups:
        for param in group["params"]:
            numbers[id(param)] = len(numbers)
    return {
        "state": {numbers[id(param)]: dict(entries) for param, entries in state.items()},
        "param_groups": [
            {**group, "params": [numbers[id(param)] for param in group["params"]]} for group in groups
        ],
    }


def restored(
    state_dict: Mapping[str, Any], groups: Sequence[Group]
) -> tuple[dict[Tensor, dict[str, Any]], list[Group]]:
    """State and groups of a dict for the parameters of `groups`, which keep options that the dict lacks.

    Raises WeightsError if it does not fit them.
    """
    missing = {"state", "param_groups"} - set(state_dict)
    if missing:
        raise WeightsError(
            f"the state dict of an optimizer has no {sorted(missing)}, but {sorted(state_dict)}"
        )
    saved = state_dict["param_groups"]
    if len(saved) != len(groups):
        raise WeightsError(
            f"the state dict has {len(saved)} parameter groups, but the optimizer {len(groups)}"
        )
    params: dict[Any, Tensor] = {}
    for i, (theirs, own) in enumerate(zip(saved, groups, strict=True)):
        if len(theirs["params"]) != len(own["params"]):
            raise WeightsError(
                f"group {i} of the state dict has {len(theirs['params'])} parameters, but that of the "
                f"optimizer {len(own['params'])}"
            )
        params.update(zip(theirs["params"], own["params"], strict=True))
    state: dict[Tensor, dict[str, Any]] = {}
    for number, entries in state_dict["state"].items():
        if number not in params:
            raise WeightsError(f"the state dict has state of a parameter {number!r} that is in no group")
        param = params[number]
        state[param] = {
            name: _value(f"{name!r} of parameter {number!r}", name, value, param)
            for name, value in entries.items()
        }
    merged = [{**own, **theirs, "params": own["params"]} for theirs, own in zip(saved, groups, strict=True)]
    return state, merged


def _value(what: str, name: str, value: Any, param: Tensor) -> Any:
    """A copy of an entry; arrays become Tensors of the parameter's dtype and device."""
    if name == "step":
        # A number in files of old.
        return Tensor._new(np.array(host(value) if isinstance(value, Tensor) else value, np.float32))
    if not isinstance(value, (Tensor, np.ndarray)):
        return value
    array = host(value) if isinstance(value, Tensor) else value
    if array.shape != param.shape:
        raise WeightsError(f"{what} has shape {array.shape}, but the parameter has shape {param.shape}")
    backend = backend_of(param._array)
    own = backend.copy(param._array)
    backend.assign(own, backend.upload(cast_host(array, param.dtype)))
    return Tensor._new(own)
