"""`Module`: what owns parameters, buffers and other modules. Behaviour and texts are PyTorch's."""

from collections.abc import Callable, Iterator
from typing import Any, Self

from .._autograd.modes import no_grad
from ..backends import Backend, backend_of, select
from ..device import placement
from ..dtypes import Dtype, float16, float32, float64
from ..errors import ArgumentError, DtypeError, no_cuda
from ..names import missing_attribute
from ..parameter import Parameter
from ..tensor import Tensor
from . import calling, state
from .describe import describe
from .hooks import HookTable
from .host_arrays import Arguments, backend_of_arguments, calls, unwrap
from .parameter import UninitializedBuffer

__all__ = ["Module"]


_TABLES = ("_parameters", "_buffers", "_modules")


class Module:
    """The base of all layers and networks: subclass it, assign layers and Parameters, define `forward`.

    Calling a module runs its `forward`, which always sees Tensors. ndarrays among the arguments are wrapped
    without a copy and never written; a module on a GPU, or one without members beside Tensors on a GPU, gets
    them there, int64 ones as the int32 that GPUs have if they fit. If there are ndarrays and no Tensors, the
    result is in ndarrays too; within another module's call it stays in Tensors.
    """

    training: bool
    _version = 1
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _non_persistent_buffers_set: set[str]
    _modules: dict[str, Any]
    _forward_hooks: HookTable
    _forward_pre_hooks: HookTable
    _backward_hooks: HookTable
    _backward_pre_hooks: HookTable
    _state_dict_hooks: HookTable
    _state_dict_pre_hooks: HookTable
    _load_state_dict_pre_hooks: HookTable
    _load_state_dict_post_hooks: HookTable

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """An empty module; a subclass calls it before it assigns layers or Parameters."""
        if args or kwargs:
            given = ", ".join([*map(repr, args), *kwargs])
            raise TypeError(f"{type(self).__name__}.__init__() got arguments that it does not take: {given}")
        fields: dict[str, Any] = {
            "training": True,
            "_parameters": {},
            "_buffers": {},
            "_non_persistent_buffers_set": set(),
            "_modules": {},
            "_forward_hooks": HookTable(),
            "_forward_pre_hooks": HookTable(),
            "_backward_hooks": HookTable(),
            "_backward_pre_hooks": HookTable(),
            "_state_dict_hooks": HookTable(),
            "_state_dict_pre_hooks": HookTable(),
            "_load_state_dict_pre_hooks": HookTable(),
            "_load_state_dict_post_hooks": HookTable(),
        }
        self.__dict__.update(fields)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward()")

    # Calling.

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the hooks and `forward`. See the class for what becomes of ndarrays."""
        if calls.depth and not kwargs and len(args) == 1 and type(args[0]) is Tensor:
            return self._run(args, kwargs)
        met = Arguments(self._backend() or backend_of_arguments((args, kwargs)) or select())
        args, kwargs = met.wrap(args), met.wrap(kwargs)
        unwraps = met.arrays and not met.tensors and not calls.depth
        calls.depth += 1
        try:
            if not unwraps:
                return self._run(args, kwargs)
            # Nobody could ask an ndarray for gradients.
            with no_grad():
                return unwrap(self._run(args, kwargs))
        finally:
            calls.depth -= 1

    def _backend(self) -> Backend | None:
        """Where the members live, by the first of them."""
        for _, module in self.named_modules():
            for table in (module._parameters, module._buffers):
                for member in table.values():
                    if member is not None:
                        return backend_of(member._array)
        return None

    _run = calling.run
    register_forward_pre_hook = calling.register_forward_pre_hook
    register_forward_hook = calling.register_forward_hook
    register_full_backward_pre_hook = calling.register_full_backward_pre_hook
    register_full_backward_hook = calling.register_full_backward_hook

    # Attributes.

    def __getattr__(self, name: str) -> Any:
        """Find parameters, buffers and modules; fail, naming the nearest attributes."""
        for table in _TABLES:
            found = self.__dict__.get(table, {})
            if name in found:
                return found[name]
        raise missing_attribute(f"{type(self).__name__!r} object", name, dir(self), self)

    def __setattr__(self, name: str, value: Any) -> None:
        """Register Parameters and Modules under `name`, and keep buffers buffers."""
        tables = self.__dict__
        kind = (
            "_parameters"
            if isinstance(value, Parameter)
            else "_modules"
            if isinstance(value, Module)
            else None
        )
        if kind is not None:
            if kind not in tables:
                raise AttributeError(
                    f"cannot assign {name!r} before Module.__init__() call", name=name, obj=self
                )
            self._forget(name, but=kind)
            tables.pop(name, None)
            tables[kind][name] = value
            return
        for table, what, allowed in (
            ("_parameters", "parameter", ()),
            ("_modules", "child module", ()),
            ("_buffers", "buffer", (Tensor,)),
        ):
            if name in tables.get(table, ()):
                if value is not None and not isinstance(value, allowed):
                    expected = {"parameter": "nn.Parameter", "buffer": "Tensor"}.get(what, "nn.Module")
                    raise TypeError(
                        f"cannot assign {type(value).__name__!r} as {what} {name!r} "
                        f"({expected} or None expected)"
                    )
                tables[table][name] = value
                return
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        """Forget a parameter, a buffer, a module or another attribute."""
        if not self._forget(name):
            object.__delattr__(self, name)

    def _forget(self, name: str, but: str = "") -> bool:
        """Take `name` out of every table except `but`, and say whether it was there."""
        found = False
        for table in _TABLES:
            if table != but and name in self.__dict__.get(table, ()):
                del self.__dict__[table][name]
                found = True
        if found:
            self._non_persistent_buffers_set.discard(name)
        return found

    def __dir__(self) -> list[str]:
        """Parameters, buffers and modules too."""
        return sorted({*object.__dir__(self)}.union(*(self.__dict__.get(table, ()) for table in _TABLES)))

    def _check_name(self, what: str, name: Any, kind: str) -> None:
        table = self.__dict__.get(kind)
        if table is None:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call", name=name, obj=self)
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {type(name).__name__}")
        if name == "" or "." in name:
            raise KeyError(f'{what} name can\'t be empty or contain ".", got: {name!r}')
        if name not in table and (name in self.__dict__ or hasattr(self, name)):
            raise KeyError(f"attribute {name!r} already exists")

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Keep a Tensor that is no Parameter: converted by `to`, and in the state dict if `persistent`.

        Raises KeyError for a bad or taken name, TypeError for what is neither Tensor nor None.
        """
        self._check_name("buffer", name, "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign {type(tensor).__name__!r} object to buffer {name!r} (Tensor or None required)"
            )
        self._buffers[name] = tensor
        change = (
            self._non_persistent_buffers_set.discard if persistent else self._non_persistent_buffers_set.add
        )
        change(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Own a Parameter; None reserves the name. Raises KeyError, TypeError as `register_buffer`."""
        self._check_name("parameter", name, "_parameters")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign {type(param).__name__!r} object to parameter {name!r} "
                "(nn.Parameter or None required)"
            )
        self._parameters[name] = param

    def add_module(self, name: str, module: "Module | None") -> None:
        """Own a module; None reserves the name. Raises KeyError, TypeError as `register_buffer`."""
        self._check_name("module", name, "_modules")
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._modules[name] = module

    register_module = add_module

    # Traversal.

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """The modules one level down with their names, each once."""
        seen: set[int] = set()
        for name, module in self._modules.items():
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator["Module"]:
        """The modules one level down."""
        return (module for _, module in self.named_children())

    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, "Module"]]:
        """This module and all below it with their dotted names."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(
                    memo, f"{prefix}.{name}" if prefix else name, remove_duplicate
                )

    def modules(self) -> Iterator["Module"]:
        """This module and all below it."""
        return (module for _, module in self.named_modules())

    def _named_members(
        self, table: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        modules = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        for path, module in modules:
            for name, member in getattr(module, table).items():
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                yield (f"{path}.{name}" if path else name), member

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The Parameters with their dotted names."""
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The Parameters, each once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers with their dotted names."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> "Module":
        """The module with a dotted name; "" is this one. Raises AttributeError."""
        module: Module = self
        for name in target.split(".") if target else ():
            found = getattr(module, name)
            if not isinstance(found, Module):
                raise AttributeError(f"{name!r} of {target!r} is not a Module, but a {type(found).__name__}")
            module = found
        return module

    def set_submodule(self, target: str, module: "Module") -> None:
        """Put `module` under a dotted name. Raises AttributeError if what it lies in does not exist.

        ArgumentError for an empty name, TypeError for what is no Module.
        """
        if not target:
            raise ArgumentError("the name of a submodule cannot be empty")
        path, _, name = target.rpartition(".")
        if not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        setattr(self.get_submodule(path), name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The Parameter with a dotted name. Raises AttributeError."""
        path, _, name = target.rpartition(".")
        found = getattr(self.get_submodule(path), name)
        if not isinstance(found, Parameter):
            raise AttributeError(f"{target!r} is not a Parameter, but a {type(found).__name__}")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer with a dotted name. Raises AttributeError."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        found = getattr(module, name)
        if name not in module._buffers or not isinstance(found, Tensor):
            raise AttributeError(f"{target!r} is not a buffer, but a {type(found).__name__}")
        return found

    # Changing all of it.

    def apply(self, fn: Callable[["Module"], object]) -> Self:
        """Call `fn` on every module below and then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self, convert: Callable[[Tensor], Tensor]) -> Self:
        for child in self.children():
            child._apply(convert)
        for parameter in self._parameters.values():
            if parameter is not None:
                parameter.data = convert(parameter.data)
                parameter.grad = None if parameter.grad is None else convert(parameter.grad)
        for name, buffer in self._buffers.items():
            if isinstance(buffer, UninitializedBuffer):
                buffer.data = convert(buffer.data)
            elif buffer is not None:
                self._buffers[name] = convert(buffer)
        return self

    def _to_dtype(self, dtype: Dtype, kinds: str) -> Self:
        return self._apply(lambda t: t.to(dtype=dtype) if t.dtype.kind in kinds else t)

    def type(self, dst_type: Any) -> Self:
        """Floating-point members to a dtype; see `to`."""
        return self.to(dst_type)

    def to(self, *args: Any, device: Any = None, dtype: Any = None, non_blocking: bool = False) -> Self:
        """Move to a device, and floating-point and complex members to a dtype, in place.

        Raises DeviceError for a device that is not available, DtypeError for a dtype that is neither.
        """
        place, wanted = placement(args, device, dtype)
        if wanted is not None and wanted.kind not in "fc":
            raise DtypeError(f"Module.to() takes floating-point and complex dtypes, but got {wanted}")
        return self._apply(lambda t: t.to(device=place, dtype=wanted if t.dtype.kind in "fc" else None))

    def cpu(self) -> Self:
        """Move to the CPU."""
        return self.to("cpu")

    def cuda(self, device: Any = None) -> Self:
        """Raise DeviceError, which says how to use a GPU: there is no CUDA here."""
        raise no_cuda()

    def half(self) -> Self:
        """Floating-point members to float16."""
        return self._to_dtype(float16, "f")

    def float(self) -> Self:
        """Floating-point members to float32."""
        return self._to_dtype(float32, "f")

    def bfloat16(self) -> Self:
        """Raises DtypeError: NumPy has no such dtype."""
        raise DtypeError("bfloat16 is not supported: NumPy has no such dtype; half() and float() are there")

    def double(self) -> Self:
        """Floating-point members to float64."""
        return self._to_dtype(float64, "f")

    def train(self, mode: bool = True) -> Self:
        """Set `training` here and below."""
        if not isinstance(mode, bool):
            raise ValueError(f"training mode is expected to be boolean, but got {mode!r}")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """`train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set `requires_grad` of all Parameters."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all Parameters, or set them to zero."""
        for parameter in self.parameters():
            if parameter.grad is not None:
                parameter.grad = None if set_to_none else parameter.grad.detach().zero_()

    # State.

    state_dict = state.state_dict
    load_state_dict = state.load_state_dict
    register_state_dict_pre_hook = state.register_state_dict_pre_hook
    register_state_dict_post_hook = state.register_state_dict_post_hook
    _register_state_dict_hook = state.register_state_dict_post_hook
    register_load_state_dict_pre_hook = state.register_load_state_dict_pre_hook
    register_load_state_dict_post_hook = state.register_load_state_dict_post_hook
    _register_load_state_dict_pre_hook = state.register_load_state_dict_pre_hook_of_no_module
    _save_to_state_dict = state.save_to_state_dict
    _load_from_state_dict = state.load_from_state_dict
    get_extra_state = state.get_extra_state
    set_extra_state = state.set_extra_state

    # Text.

    def extra_repr(self) -> str:
        """What stands between the parentheses of the repr, before the children."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    __repr__ = describe
