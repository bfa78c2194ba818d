"""PyTorch's element types: how each is stored, and what it becomes in NumPy."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._narrow_floats import NARROW_ITEMSIZE, widen

__all__ = ["DTYPES", "REFUSED_ELEMENTS", "STORAGES", "ElementType"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ElementType:
    """An element type: PyTorch's name, bytes per element in a file, and the dtype it is loaded as."""

    name: str
    itemsize: int
    loaded: "np.dtype[Any]"

    def shares_memory(self, native: bool) -> bool:
        """Whether an array of `loaded` can be a view of the file's bytes, `native` telling their order."""
        same_size = self.loaded.itemsize == self.itemsize
        return same_size and self.name != "bool" and (native or self.itemsize == 1)

    def decode(self, raw: Array, byteorder: str) -> Array:
        """The values of `raw`, a contiguous uint8 array of whole elements, as a new array of `loaded`."""
        if self.name in NARROW_ITEMSIZE:
            return widen(raw, self.name, byteorder)
        if self.name == "bool":
            # A byte other than 0 and 1 would be a bool that equals neither True nor False.
            nonzero: Array = raw != 0
            return nonzero
        if self.name == "complex32":
            # Widening a signalling NaN raises the invalid flag, which is no news about the file.
            with np.errstate(invalid="ignore"):
                return raw.view(byteorder + "f2").astype(np.float32).view(np.complex64)
        return raw.view(byteorder + self.loaded.str[1:]).astype(self.loaded)


def _element_types() -> dict[str, ElementType]:
    numpy_names = (
        "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 complex64 complex128"
    )
    types = {name: ElementType(name, np.dtype(name).itemsize, np.dtype(name)) for name in numpy_names.split()}
    types["complex32"] = ElementType("complex32", 4, np.dtype(np.complex64))
    for name, itemsize in NARROW_ITEMSIZE.items():
        types[name] = ElementType(name, itemsize, np.dtype(np.float32))
    return types


# Under the names of torch.float32 and its like.
DTYPES = _element_types()

# Under the names of torch.FloatStorage and its like. An untyped storage counts bytes.
STORAGES = {
    f"{prefix}Storage": DTYPES[name]
    for prefix, name in {
        "Bool": "bool",
        "Byte": "uint8",
        "Char": "int8",
        "Short": "int16",
        "Int": "int32",
        "Long": "int64",
        "Half": "float16",
        "Float": "float32",
        "Double": "float64",
        "BFloat16": "bfloat16",
        "ComplexHalf": "complex32",
        "ComplexFloat": "complex64",
        "ComplexDouble": "complex128",
        "Untyped": "uint8",
    }.items()
}

# Known to PyTorch, and without an equal in NumPy.
REFUSED_ELEMENTS = {
    **dict.fromkeys(
        [f"torch.{prefix}Storage" for prefix in ("QInt8", "QUInt8", "QInt32", "QUInt4x2", "QUInt2x4")]
        + [f"torch.{name}" for name in ("qint8", "quint8", "qint32", "quint4x2", "quint2x4")]
        + ["torch._utils._rebuild_qtensor"],
        "quantized tensors are not read; save their dequantize()",
    ),
    **dict.fromkeys(
        ["torch._utils._rebuild_sparse_tensor", "torch._utils._rebuild_sparse_csr_tensor"],
        "sparse tensors are not read; save their to_dense()",
    ),
    "torch._utils._rebuild_nested_tensor": "nested tensors are not read; save the tensors they consist of",
    "torch._utils._rebuild_meta_tensor_no_storage": "tensors on the device 'meta' have no values to read",
    "torch.float4_e2m1fn_x2": "packed 4-bit floats are not read",
}
