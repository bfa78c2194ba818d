"""Batches from samples."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..creation import as_tensor
from ..errors import DtypeError, ShapeError
from ..functions import stack
from ..tensor import Tensor

__all__ = ["default_collate", "default_convert", "on_device", "selected"]


def default_collate(batch: Sequence[Any]) -> Any:
    """Samples of one kind as a batch: a Tensor of one dimension more, in front.

    Tensors, arrays and NumPy's numbers keep their dtype, floats give float64, ints int64, bools bool. Tuples
    and lists give a list of batches, dicts a dict, named tuples a named tuple, strings a list of strings.

    Raises ShapeError for samples whose shapes or lengths differ, TypeError for other things.

    Source: torch.utils.data.default_collate.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        _check_shapes([sample.shape for sample in batch])
        return stack(batch)
    if isinstance(first, (np.ndarray, np.generic, bool, int, float)):
        arrays = [np.asarray(sample) for sample in batch]
        _check_shapes([array.shape for array in arrays])
        return _tensor(np.stack(arrays))
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, Mapping):
        return {key: default_collate([sample[key] for sample in batch]) for key in first}
    if isinstance(first, (tuple, list)):
        lengths = [len(sample) for sample in batch]
        if len(set(lengths)) > 1:
            raise ShapeError(f"samples of a batch must have equally many parts, but they have {lengths}")
        parts = [default_collate(part) for part in zip(*batch, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else parts
    raise TypeError(
        "default_collate makes batches of Tensors, arrays, numbers, strings, dicts, tuples and lists, but "
        f"got {type(first).__name__}; give the loader a collate_fn"
    )


def default_convert(sample: Any) -> Any:
    """A sample with Tensors for its arrays; what a loader yields that makes no batches."""
    if isinstance(sample, (np.ndarray, np.generic)):
        return _tensor(np.array(sample))
    if isinstance(sample, Mapping):
        return {key: default_convert(value) for key, value in sample.items()}
    if isinstance(sample, (tuple, list)):
        parts = [default_convert(part) for part in sample]
        return type(sample)(*parts) if hasattr(sample, "_fields") else type(sample)(parts)
    return sample


def selected(array: Any, indices: Sequence[int]) -> Tensor:
    """The samples of some indices of a Tensor or array, as `default_collate` would make them."""
    return array[indices] if isinstance(array, Tensor) else _tensor(array.take(indices, axis=0))


def _check_shapes(shapes: Sequence[tuple[int, ...]]) -> None:
    if len(set(shapes)) > 1:
        different = next(i for i, shape in enumerate(shapes) if shape != shapes[0])
        raise ShapeError(
            f"samples of a batch must have the same shape, but sample 0 has shape {shapes[0]} and sample "
            f"{different} {shapes[different]}"
        )


def _tensor(array: np.ndarray[Any, Any]) -> Tensor:
    if array.dtype.kind not in "biufc":
        raise DtypeError(f"arrays of {array.dtype} are no Tensors; give the loader a collate_fn")
    tensor: Tensor = as_tensor(array, device="cpu")
    return tensor


def on_device(batch: Any, device: Any) -> Any:
    """A batch with all its Tensors on a device, as `Tensor.to` moves them."""
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {key: on_device(value, device) for key, value in batch.items()}
    if isinstance(batch, (tuple, list)):
        parts = [on_device(part, device) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    return batch
