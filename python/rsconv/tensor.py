"""`Tensor`, an array with PyTorch's methods and a versioned storage.

Operations follow PyTorch: its names, its `dim` and `keepdim`, its type promotion, views where it has views.
Every write goes through `Tensor._store`, so that the storage knows when what was packed from it is stale.
"""

import builtins
import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import arithmetic, conversion, dtypes, operators, shaping
from ._autograd.modes import enabled
from ._autograd.writes import check_writable
from .backends import backend_of, select
from .backends.checks import share_memory
from .device import CPU
from .device import device as Device
from .differentiation import Differentiable
from .errors import ArgumentError, GradientError
from .names import missing_attribute
from .printing import tensor_repr
from .size import Size
from .storage import Array, Storage

__all__ = ["Tensor"]

Shape = tuple[builtins.int, ...]


def _index(tensor: "Tensor", index: Any) -> tuple[Any, ...]:
    """The parts of an index, with arrays for the Tensors and sequences in it. Raises DeviceError."""
    given = index if isinstance(index, tuple) else (index,)
    return tuple(
        operators.operand(tensor, part)
        if isinstance(part, Tensor)
        else np.asarray(part, None if part else np.int64)
        if isinstance(part, (list, tuple, range))
        else part
        for part in given
    )


class Tensor(Differentiable):
    """An n-dimensional array on a device.

    `Tensor(data)` is float32 whatever `data` is, and `Tensor(2, 3)` an uninitialised one of that shape, as in
    PyTorch; `rsconv.tensor` keeps the dtype. What concerns gradients is in `differentiation.py`.
    """

    __slots__ = ("__dict__", "__weakref__", "_array", "_storage")
    __array_priority__ = 1000

    _array: Array
    _storage: Storage

    def __init__(self, *data: Any) -> None:
        """A float32 copy of one array or sequence, or an uninitialised tensor of the sizes given."""
        if len(data) == 1 and not isinstance(data[0], int):
            array = np.array(arithmetic.to_array(data[0].numpy() if isinstance(data[0], Tensor) else data[0]))
            array = arithmetic.cast_host(array, dtypes.float32)
        else:
            array = np.empty(data or (0,), np.float32)
        self._set(select().upload(array), Storage())

    def _set(self, array: Array, storage: Storage, requires_grad: builtins.bool = False) -> None:
        self._bind(array, storage)
        self._forget(requires_grad)

    def _bind(self, array: Array, storage: Storage) -> None:
        self._array, self._storage = array, storage
        storage.track(self)

    @staticmethod
    def _new(array: Array) -> "Tensor":
        """Wrap an array that nobody else holds."""
        tensor = object.__new__(Tensor)
        tensor._set(array, Storage())
        return tensor

    @staticmethod
    def _from_array(array: Array, borrowed: builtins.bool = False) -> "Tensor":
        """Wrap an array of the caller's without copying it; writes reach it, unless it is `borrowed`.

        Raises DtypeError for what a Tensor cannot hold.
        """
        dtypes.check_dtype(array.dtype)
        tensor, storage = object.__new__(Tensor), Storage(exposed=True)
        array = np.asarray(array)
        if borrowed:
            storage.borrow(array)
        tensor._set(array, storage)
        return tensor

    def _derive(self, array: Array) -> "Tensor":
        """Wrap what the backend made of the array: a view shares the storage, a copy has its own."""
        if array is not self._array and not share_memory(array, self._array):
            return Tensor._new(array)
        tensor = object.__new__(Tensor)
        tensor._set(array, self._storage)
        return tensor

    def _write(self, change: Callable[[Array], object]) -> "Tensor":
        """As `_store`, for writes that gradients do not flow through. Raises GradientError if they should."""
        if self._requires_grad and enabled.get():
            check_writable(self)
            raise GradientError(
                f"cannot write to a Tensor of shape {self.shape} that requires grad by an operator that is "
                "not recorded; write inside of `with rsconv.no_grad():`"
            )
        return self._store(change)

    def _store(self, change: Callable[[Array], object]) -> "Tensor":
        """Let `change` write to the array: the one way in which a tensor's contents change."""
        array = self._array
        if array.size and any(
            stride == 0 and length > 1 for stride, length in zip(self.stride(), array.shape, strict=True)
        ):
            raise ArgumentError(
                f"cannot write to a Tensor of shape {array.shape} whose elements share memory (an expanded "
                "view); clone() it first"
            )
        storage = self._storage
        storage.make_own()
        if isinstance(self._array, np.ndarray) and not self._array.flags.writeable:
            raise ArgumentError(
                f"cannot write to a Tensor over a read-only array of shape {array.shape}; clone() it first"
            )
        storage.write(change, self._array)
        return self

    @property
    def _packed(self) -> dict[Any, Any]:
        """What was packed from the present contents of just this view: see `Storage.packed_of`."""
        return self._storage.packed_of(backend_of(self._array).identity(self._array))

    # What it is.

    @property
    def shape(self) -> Size:
        """The sizes of the dimensions."""
        return Size(self._array.shape)

    @property
    def dtype(self) -> dtypes.Dtype:
        """The dtype, in native byte order."""
        native: dtypes.Dtype = self._array.dtype.newbyteorder("=")
        return native

    @property
    def device(self) -> Device:
        """Where the tensor lives: `device("cpu")`, which equals `"cpu"`, or a GPU, `device("gpu")`."""
        return CPU if isinstance(self._array, np.ndarray) else Device._of(backend_of(self._array))

    @property
    def ndim(self) -> builtins.int:
        """The number of dimensions."""
        ndim: builtins.int = self._array.ndim
        return ndim

    @property
    def nbytes(self) -> builtins.int:
        """The bytes that the elements take."""
        return self.numel() * self.dtype.itemsize

    @property
    def _version(self) -> builtins.int:
        return self._storage.version

    @property
    def data(self) -> "Tensor":
        """The same memory without gradients; assigning replaces memory, shape and dtype."""
        return self.detach()

    @data.setter
    def data(self, value: "Tensor") -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"data must be a Tensor, but got {type(value).__name__}")
        self._bind(value._array, value._storage)

    def size(self, dim: builtins.int | None = None) -> Any:
        """All sizes, or that of dimension `dim`."""
        return self.shape if dim is None else self.shape[arithmetic.normalize_dim(dim, self.ndim)]

    def dim(self) -> builtins.int:
        """The number of dimensions."""
        return self.ndim

    def numel(self) -> builtins.int:
        """The number of elements."""
        size: builtins.int = self._array.size
        return size

    def stride(self) -> Shape:
        """The steps between elements, counted in elements."""
        return backend_of(self._array).strides(self._array)

    def is_contiguous(self) -> builtins.bool:
        """Whether the elements lie in C order without gaps."""
        step = 1
        for size, stride in zip(reversed(self.shape), reversed(self.stride()), strict=True):
            if size != 1 and stride != step and self.numel():
                return False
            step *= size
        return True

    def is_floating_point(self) -> builtins.bool:
        """Whether the dtype is float16, float32 or float64."""
        return self.dtype.kind == "f"

    # To host memory and other dtypes.

    def numpy(self) -> Array:
        """The elements as an ndarray over the same memory, read-only if a Parameter owns it; of a Tensor on a
        GPU a copy."""
        if not isinstance(self._array, np.ndarray):
            return conversion.host(self)
        if self._storage.protected:
            # By way of a read-only buffer, because a plain view's `writeable` flag can be set again.
            return np.asarray(memoryview(self._array).toreadonly())  # type: ignore[arg-type]
        self._storage.exposed = True
        return self._array

    def __array__(self, dtype: Any = None, copy: builtins.bool | None = None) -> Array:
        """The protocol of `np.asarray` and `np.array`, NumPy 2's `copy` included."""
        wanted = self._array.dtype if dtype is None else np.dtype(dtype)
        here = isinstance(self._array, np.ndarray)
        if copy is False and not (here and wanted == self._array.dtype):
            raise ValueError(
                f"a Tensor of {self.dtype} on {self.device} cannot become an array of {wanted} without a copy"
            )
        if copy or wanted != self._array.dtype:
            return conversion.host(self).astype(wanted)
        return self.numpy()

    def __array_wrap__(
        self, array: Array, context: Any = None, return_scalar: builtins.bool = False
    ) -> "Tensor":
        """Make the result of a NumPy function of a Tensor a Tensor."""
        return Tensor._from_array(np.asarray(array))

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: Any = None,
        dl_device: Any = None,
        copy: builtins.bool | None = None,
    ) -> Any:
        """The DLPack protocol, NumPy's, for Tensors on the CPU. Raises BufferError for others."""
        self.__dlpack_device__()
        return np.asarray(self).__dlpack__(
            stream=stream, max_version=max_version, dl_device=dl_device, copy=copy
        )

    def __dlpack_device__(self) -> tuple[builtins.int, builtins.int]:
        """DLPack's number for the CPU. Raises BufferError for a Tensor elsewhere."""
        if not isinstance(self._array, np.ndarray):
            raise BufferError(f"a Tensor on {self.device} has no DLPack form; move it by cpu() first")
        device: tuple[builtins.int, builtins.int] = self._array.__dlpack_device__()
        return device

    item = conversion.item
    _on = conversion.on
    tolist = conversion.tolist
    to = conversion.to
    cpu = conversion.cpu
    type_as = conversion.type_as
    half = conversion.to_dtype(dtypes.float16)
    float = conversion.to_dtype(dtypes.float32)
    double = conversion.to_dtype(dtypes.float64)
    int = conversion.to_dtype(dtypes.int32)
    long = conversion.to_dtype(dtypes.int64)
    bool = conversion.to_dtype(dtypes.bool_)
    clone = conversion.clone
    contiguous = conversion.contiguous

    # Views of another shape, and indexing.

    reshape = shaping.reshape
    view = shaping.view
    view_as = shaping.view_as
    flatten = shaping.flatten
    permute = shaping.permute
    transpose = shaping.transpose
    t = shaping.t
    T = property(
        lambda self: self.permute(*reversed(range(self.ndim))),
        doc="A view with the dimensions in reverse order.",
    )
    unsqueeze = shaping.unsqueeze
    squeeze = shaping.squeeze
    expand = shaping.expand
    expand_as = shaping.expand_as

    def __getitem__(self, index: Any) -> "Tensor":
        """NumPy's indexing; ints and slices give views, of no dimensions too, the rest copies."""
        return operators.get_item(self, _index(self, index))

    def __setitem__(self, index: Any, value: Any) -> None:
        """Write `value`, broadcast and cast, where `index` selects. Raises ShapeError."""
        operators.set_item(self, _index(self, index), value)

    def __len__(self) -> builtins.int:
        """The size of the first dimension."""
        if not self.ndim:
            raise TypeError("len() of a Tensor without dimensions")
        size: builtins.int = self.shape[0]
        return size

    def __iter__(self) -> "Iterator[Tensor]":
        """The views along the first dimension."""
        if not self.ndim:
            raise TypeError("iteration over a Tensor without dimensions")
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> builtins.bool:
        """Whether an element equals `value`."""
        return builtins.bool((self == value).any().item())

    # Writes.

    copy_ = operators.copy_
    fill_ = operators.fill_
    zero_ = operators.zero_
    normal_ = operators.normal_
    uniform_ = operators.uniform_

    # Arithmetic, in PyTorch's dtypes.

    __add__ = operators.binary("add")
    __sub__ = operators.binary("sub")
    add, sub = operators.scaled(__add__), operators.scaled(__sub__)
    __mul__ = mul = operators.binary("mul")
    __truediv__ = operators.binary("div")
    __floordiv__ = operators.binary("floor_divide")
    __mod__ = operators.binary("remainder")
    __pow__ = pow = operators.binary("pow")
    __and__ = operators.binary("bitwise_and")
    __or__ = operators.binary("bitwise_or")
    __xor__ = operators.binary("bitwise_xor")
    __radd__ = operators.binary("add", reflected=True)
    __rsub__ = operators.binary("sub", reflected=True)
    __rmul__ = operators.binary("mul", reflected=True)
    __rtruediv__ = operators.binary("div", reflected=True)
    __rfloordiv__ = operators.binary("floor_divide", reflected=True)
    __rmod__ = operators.binary("remainder", reflected=True)
    __rpow__ = operators.binary("pow", reflected=True)
    __rand__ = operators.binary("bitwise_and", reflected=True)
    __ror__ = operators.binary("bitwise_or", reflected=True)
    __rxor__ = operators.binary("bitwise_xor", reflected=True)
    __iadd__ = operators.in_place("add")
    __isub__ = operators.in_place("sub")
    add_, sub_ = operators.scaled(__iadd__), operators.scaled(__isub__)
    __imul__ = mul_ = operators.in_place("mul")
    __itruediv__ = div_ = operators.in_place("div")
    __ifloordiv__ = operators.in_place("floor_divide")
    __imod__ = operators.in_place("remainder")
    __ipow__ = pow_ = operators.in_place("pow")
    __iand__ = operators.in_place("bitwise_and")
    __ior__ = operators.in_place("bitwise_or")
    __ixor__ = operators.in_place("bitwise_xor")
    __eq__ = eq = operators.binary("eq")  # type: ignore[assignment]
    __ne__ = ne = operators.binary("ne")  # type: ignore[assignment]
    __lt__ = lt = operators.binary("lt")
    __le__ = le = operators.binary("le")
    __gt__ = gt = operators.binary("gt")
    __ge__ = ge = operators.binary("ge")
    __hash__ = object.__hash__
    __neg__ = neg = operators.unary("neg")
    __abs__ = abs = operators.unary("abs")
    __invert__ = operators.unary("bitwise_not")
    exp = operators.unary("exp")
    log = operators.unary("log")
    sqrt = operators.unary("sqrt")
    rsqrt = operators.unary("rsqrt")
    square = operators.unary("square")
    erf = operators.unary("erf")
    sin = operators.unary("sin")
    cos = operators.unary("cos")
    tanh = operators.unary("tanh")
    sigmoid = operators.unary("sigmoid")
    floor = operators.unary("floor")
    ceil = operators.unary("ceil")
    round = operators.unary("round")
    sign = operators.unary("sign")
    reciprocal = operators.unary("reciprocal")
    __matmul__ = matmul = operators.matmul
    __rmatmul__ = operators.rmatmul
    relu = operators.unary("relu")
    relu_ = operators.relu_

    # Reductions.

    sum = operators.sum
    mean = operators.mean
    prod = operators.prod
    var = operators.var
    std = operators.std
    amax = operators.amax
    amin = operators.amin
    max = operators.max
    min = operators.min
    argmax = operators.argmax
    argmin = operators.argmin
    any = operators.any
    all = operators.all

    # As Python objects.

    def __bool__(self) -> builtins.bool:
        """The truth of the one element. Raises ArgumentError if there are more or fewer."""
        if self._array.size != 1:
            raise ArgumentError(
                f"the truth of a Tensor of shape {self.shape} is ambiguous; use any() or all()"
            )
        return builtins.bool(self.item())

    def __int__(self) -> builtins.int:
        """The one element as an int."""
        return builtins.int(self.item())

    def __index__(self) -> builtins.int:
        """The one whole number, to index with. Raises TypeError for another dtype."""
        if self.dtype.kind not in "biu" or self._array.size != 1:
            raise TypeError(
                f"a Tensor of shape {self.shape} and dtype {self.dtype} cannot be used as an index"
            )
        return builtins.int(self.item())

    def __float__(self) -> builtins.float:
        """The one element as a float."""
        return builtins.float(self.item())

    def __complex__(self) -> complex:
        """The one element as a complex number."""
        return complex(self.item())

    def __format__(self, spec: str) -> str:
        """The number's format where there are no dimensions, else that of the repr."""
        return format(self.item(), spec) if not self.ndim else format(repr(self), spec)

    def __repr__(self) -> str:
        """As PyTorch prints it."""
        function = "" if self.is_leaf else repr(self._node)
        return tensor_repr(conversion.host(self), self._requires_grad, str(self.device), function)

    def __getattr__(self, name: str) -> Any:
        """Fail, naming the nearest attributes."""
        raise missing_attribute(f"{type(self).__name__!r} object", name, dir(type(self)), self)

    def __copy__(self) -> "Tensor":
        """Another Tensor over the same memory."""
        result = self._like(self._array, self._storage, dict(self.__dict__))
        if not self.is_leaf:
            result._node = self._node
        return result

    def __deepcopy__(self, memo: dict[builtins.int, Any]) -> "Tensor":
        """A Tensor with memory of its own; `grad` is copied too. Raises GradientError for a result."""
        if not self.is_leaf:
            raise GradientError(
                f"only leaves can be deep-copied, but this Tensor of shape {self.shape} is a result of "
                f"{self._node.op!r}; use detach().clone()"
            )
        array = backend_of(self._array).copy(self._array, self.dtype)
        result = self._like(array, Storage(), {})
        memo[id(self)] = result
        result._grad = copy.deepcopy(self._grad, memo)
        result.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return result

    def _like(self, array: Array, storage: Storage, attributes: dict[str, Any]) -> "Tensor":
        """A Tensor of the same class and flags over other memory."""
        result = object.__new__(type(self))
        result._set(array, storage, self._requires_grad)
        result.__dict__.update(attributes)
        return result

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the elements; views do not stay views of each other."""
        array = conversion.host(self).astype(self.dtype)
        return _restore, (type(self), array, self._requires_grad, self.__dict__, self.device)


def _restore(
    kind: type[Tensor], array: Array, requires_grad: bool, attributes: dict[str, Any], device: Device
) -> Tensor:
    result = object.__new__(kind)
    result._set(device._backend.upload(array), Storage(), requires_grad)
    result.__dict__.update(attributes)
    return result
