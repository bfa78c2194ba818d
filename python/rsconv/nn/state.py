"""State dicts: what a module holds, under dotted names. These functions are Module's methods."""

import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..autograd import no_grad
from ..errors import ShapeError, WeightsError
from ..parameter import Parameter
from ..tensor import Tensor
from .hooks import RemovableHandle
from .parameter import UninitializedBuffer, UninitializedParameter

if TYPE_CHECKING:
    from .module import Module

__all__ = [
    "IncompatibleKeys",
    "load_from_state_dict",
    "load_state_dict",
    "register_load_state_dict_post_hook",
    "register_load_state_dict_pre_hook",
    "register_load_state_dict_pre_hook_of_no_module",
    "register_state_dict_post_hook",
    "register_state_dict_pre_hook",
    "save_to_state_dict",
    "state_dict",
]

_EXTRA = "_extra_state"
_UNINITIALIZED = (UninitializedBuffer, UninitializedParameter)


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` found missing in the state dict, and what the module has no place for."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        """One line, and a short one if nothing is wrong."""
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class _StateDict(OrderedDict[str, Any]):
    """Tensors by name, with the version of each module's layout in `_metadata`."""

    _metadata: OrderedDict[str, dict[str, Any]]


def _members(module: "Module") -> dict[str, Tensor]:
    buffers = {k: b for k, b in module._buffers.items() if k not in module._non_persistent_buffers_set}
    return {k: v for k, v in {**module._parameters, **buffers}.items() if v is not None}


def _has_extra_state(module: "Module") -> bool:
    return type(module).get_extra_state is not get_extra_state


def get_extra_state(module: "Module") -> Any:
    """What else a state dict shall hold; subclasses that have something define this and `set_extra_state`."""
    raise NotImplementedError(f"{type(module).__name__} does not define get_extra_state()")


def set_extra_state(module: "Module", state: Any) -> None:
    """Take over what `get_extra_state` once returned."""
    raise NotImplementedError(f"{type(module).__name__} does not define set_extra_state()")


def save_to_state_dict(module: "Module", destination: Any, prefix: str, keep_vars: bool) -> None:
    """Add the module's own members to `destination`; subclasses may add more."""
    for name, member in _members(module).items():
        lazy = isinstance(member, _UNINITIALIZED)
        destination[prefix + name] = member if keep_vars or lazy else member.detach()
    if _has_extra_state(module):
        destination[prefix + _EXTRA] = module.get_extra_state()


def state_dict(
    module: "Module", *, destination: Any = None, prefix: str = "", keep_vars: bool = False
) -> Any:
    """Parameters and persistent buffers by dotted name, in order: detached Tensors over the same memory.

    With `keep_vars` the Parameters themselves; `prefix` goes before every name.
    """
    if destination is None:
        destination = _StateDict()
        destination._metadata = OrderedDict()
    metadata = {"version": module._version}
    if hasattr(destination, "_metadata"):
        destination._metadata[prefix[:-1]] = metadata
    for hook, *_ in list(module._state_dict_pre_hooks.values()):
        hook(module, prefix, keep_vars)
    module._save_to_state_dict(destination, prefix, keep_vars)
    for name, child in module._modules.items():
        if child is not None:
            child.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
    for hook, *_ in list(module._state_dict_hooks.values()):
        hook(module, destination, prefix, metadata)
    return destination


def register_state_dict_pre_hook(module: "Module", hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, prefix, keep_vars)` before the members go into a state dict."""
    return module._state_dict_pre_hooks.add(hook, False, False)


def register_state_dict_post_hook(module: "Module", hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, state_dict, prefix, local_metadata)` after them; it may change the dict."""
    return module._state_dict_hooks.add(hook, False, False)


def register_load_state_dict_pre_hook(module: "Module", hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, state_dict, prefix, local_metadata, strict, missing, unexpected, errors)` before the
    module's own members are loaded; it may change the dict and the three lists.
    """
    reference = weakref.ref(module)
    return register_load_state_dict_pre_hook_of_no_module(module, lambda *args: hook(reference(), *args))


def register_load_state_dict_pre_hook_of_no_module(
    module: "Module", hook: Callable[..., Any]
) -> RemovableHandle:
    """As `register_load_state_dict_pre_hook` without the module as an argument: what older code calls."""
    return module._load_state_dict_pre_hooks.add(hook, False, False)


def register_load_state_dict_post_hook(module: "Module", hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, incompatible_keys)` after all is loaded; it may change the two lists."""
    return module._load_state_dict_post_hooks.add(hook, False, False)


def load_state_dict(
    module: "Module", state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
) -> IncompatibleKeys:
    """Copy Tensors or ndarrays into the members of the same dotted names, casting to their dtypes.

    With `assign` the members become what the state dict holds, in its dtype; ndarrays are copied even so.
    Returns the keys that were missing and those that were not expected.

    Raises WeightsError that lists all of them if `strict`, and in any case every size that differs;
    TypeError if `state_dict` is no mapping.
    """
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict).__name__}")
    metadata = getattr(state_dict, "_metadata", {})
    missing: list[str] = []
    unexpected: list[str] = []
    errors: list[str] = []

    def load(target: "Module", state: Mapping[str, Any], prefix: str) -> None:
        local = {**metadata.get(prefix[:-1], {}), "assign_to_params_buffers": assign}
        for hook, *_ in list(target._load_state_dict_pre_hooks.values()):
            hook(state, prefix, local, True, missing, unexpected, errors)
        target._load_from_state_dict(state, prefix, local, True, missing, unexpected, errors)
        for name, child in target._modules.items():
            if child is not None:
                below = f"{prefix}{name}."
                load(child, {k: v for k, v in state.items() if k.startswith(below)}, below)
        for hook, *_ in list(target._load_state_dict_post_hooks.values()):
            hook(target, IncompatibleKeys(missing, unexpected))

    load(module, dict(state_dict), "")
    if strict:
        for what, keys in (("Unexpected", unexpected), ("Missing", missing)):
            if keys:
                names = ", ".join(f'"{key}"' for key in keys)
                errors.insert(0, f"{what} key(s) in state_dict: {names}. ")
    if errors:
        lines = "\n\t".join(errors)
        raise WeightsError(f"Error(s) in loading state_dict for {type(module).__name__}:\n\t{lines}")
    return IncompatibleKeys(missing, unexpected)


def load_from_state_dict(
    module: "Module",
    state_dict: Mapping[str, Any],
    prefix: str,
    local_metadata: Mapping[str, Any],
    strict: bool,
    missing_keys: list[str],
    unexpected_keys: list[str],
    error_msgs: list[str],
) -> None:
    """Load the module's own members, not those of modules below, and append to the three lists.

    Subclasses may extend it; `local_metadata` has the `version` that wrote the state dict, if that is known.
    """
    members = _members(module)
    assign = bool(local_metadata.get("assign_to_params_buffers", False))
    for name, member in members.items():
        key = prefix + name
        if key in state_dict:
            try:
                _load_member(module, name, key, member, state_dict[key], assign)
            except (ShapeError, TypeError) as error:
                error_msgs.append(str(error))
        elif strict:
            missing_keys.append(key)
    if _has_extra_state(module):
        if prefix + _EXTRA in state_dict:
            module.set_extra_state(state_dict[prefix + _EXTRA])
        elif strict:
            missing_keys.append(prefix + _EXTRA)
        members = {**members, _EXTRA: None}  # type: ignore[dict-item]
    if strict:
        for key in state_dict:
            if key.startswith(prefix):
                name, dot, _ = key[len(prefix) :].partition(".")
                if name not in (module._modules if dot else members):
                    unexpected_keys.append(key)


def _load_member(module: "Module", name: str, key: str, member: Tensor, value: Any, assign: bool) -> None:
    """Copy or assign one member, whose name in the state dict is `key`."""
    if not isinstance(value, (Tensor, np.ndarray)):
        raise TypeError(f'expected a Tensor or an ndarray for "{key}", but got {type(value).__name__}')
    if isinstance(value, _UNINITIALIZED):
        if not isinstance(member, _UNINITIALIZED):
            raise ShapeError(
                f"cannot load {key}: the checkpoint holds an uninitialized {value._settled.__name__}"
            )
        return
    source = value if isinstance(value, Tensor) else Tensor._from_array(value)
    if isinstance(member, _UNINITIALIZED):
        member.materialize(source.shape)
    if source.shape == (1,) and member.shape == () and not assign:
        source = source[0]
    if source.shape != member.shape:
        raise ShapeError(
            f"size mismatch for {key}: copying a param with shape {source.shape} from checkpoint, the shape "
            f"in current model is {member.shape}."
        )
    if source.dtype.kind == "c" and member.dtype.kind != "c":
        raise TypeError(
            f"cannot load {key}: the checkpoint is {source.dtype}, the current model {member.dtype}"
        )
    if not assign:
        with no_grad():
            member.copy_(source)
    elif isinstance(member, Parameter):
        setattr(module, name, Parameter(source, requires_grad=member.requires_grad))
    else:
        module._buffers[name] = source if isinstance(value, Tensor) else source.clone()
