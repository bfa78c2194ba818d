"""What a module's call does around `forward`: its hooks. These functions are Module's methods."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .backward_hooks import Crossing
from .hooks import RemovableHandle

if TYPE_CHECKING:
    from .module import Module

__all__ = [
    "register_forward_hook",
    "register_forward_pre_hook",
    "register_full_backward_hook",
    "register_full_backward_pre_hook",
    "run",
]


def run(module: "Module", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The hooks before `forward`, `forward`, and those after it."""
    backward = module._backward_hooks or module._backward_pre_hooks
    if not (module._forward_hooks or module._forward_pre_hooks or backward):
        return module.forward(*args, **kwargs)
    called: set[int] = set()
    try:
        for hook, with_kwargs, _ in list(module._forward_pre_hooks.values()):
            changed = hook(module, args, kwargs) if with_kwargs else hook(module, args)
            if changed is None:
                continue
            if not with_kwargs:
                args = changed if isinstance(changed, tuple) else (changed,)
            elif isinstance(changed, tuple) and len(changed) == 2:
                args, kwargs = changed
            else:
                raise RuntimeError(
                    "a forward pre-hook with_kwargs must return None or a tuple of new args and kwargs, "
                    f"but got {changed!r}"
                )
        crossing = Crossing(module) if backward else None
        result = module.forward(*(args if crossing is None else crossing.inputs(args)), **kwargs)
        for key, (hook, with_kwargs, _) in list(module._forward_hooks.items()):
            called.add(key)
            changed = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
            result = result if changed is None else changed
        return result if crossing is None else crossing.outputs(result)
    except Exception:
        for key, (hook, with_kwargs, always_call) in list(module._forward_hooks.items()):
            if always_call and key not in called:
                hook(module, args, kwargs, None) if with_kwargs else hook(module, args, None)
        raise


def register_forward_pre_hook(
    module: "Module", hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
) -> RemovableHandle:
    """Call `hook(module, args)` before every `forward`; what it returns, if not None, replaces `args`.

    With `with_kwargs` it is `hook(module, args, kwargs)` and may return both.
    """
    return module._forward_pre_hooks.add(hook, prepend, with_kwargs)


def register_forward_hook(
    module: "Module",
    hook: Callable[..., Any],
    *,
    prepend: bool = False,
    with_kwargs: bool = False,
    always_call: bool = False,
) -> RemovableHandle:
    """Call `hook(module, args, output)` after every `forward`; if not None, its result replaces `output`.

    With `with_kwargs` it is `hook(module, args, kwargs, output)`; with `always_call` it is called after
    an exception too, with None for the output.
    """
    return module._forward_hooks.add(hook, prepend, with_kwargs, always_call)


def register_full_backward_pre_hook(
    module: "Module", hook: Callable[..., Any], prepend: bool = False
) -> RemovableHandle:
    """Call `hook(module, grad_output)` when the gradients of the module's outputs are known.

    `grad_output` is a tuple; what the hook returns, if not None, replaces it.
    """
    return module._backward_pre_hooks.add(hook, prepend, False)


def register_full_backward_hook(
    module: "Module", hook: Callable[..., Any], prepend: bool = False
) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` when the gradients of the module's inputs are known.

    Both are tuples, with None for what has no gradient: of the positional arguments, and of the Tensors
    that `forward` returned. What the hook returns, if not None, replaces `grad_input`.
    """
    return module._backward_hooks.add(hook, prepend, False)
