"""Indexing on a GPU: NumPy's rules over views, `gather` and `where`.

Indices decide shapes and are checked, so those that lie on the GPU are read back first.
"""

import math
from collections.abc import Hashable
from types import EllipsisType
from typing import Any, NamedTuple

import numpy as np

from ...errors import ShapeError
from .array import GpuArray

__all__ = ["identity", "index", "index_assign", "strides"]


def strides(x: GpuArray) -> tuple[int, ...]:
    """The steps between neighbours along each axis, in elements."""
    return x.strides


def identity(x: GpuArray) -> Hashable:
    """Buffer and layout."""
    return id(x.buffer), x.layout


class _Selection(NamedTuple):
    """An index in two steps: a view, and host arrays of indices for some axes of it."""

    view: GpuArray
    axes: tuple[int, ...]
    arrays: tuple[np.ndarray[Any, Any], ...]
    place: int
    """The axis of the result where the arrays' axes begin."""


def index(x: GpuArray, index: tuple[Any, ...]) -> GpuArray:
    """NumPy's indexing: a view without arrays in the index, else a copy."""
    chosen = _select(x, index)
    if not chosen.axes:
        return chosen.view
    backend = x.runtime.backend
    rows, shape, rest = _rows(chosen)
    columns = math.prod(rest)
    flat = backend.reshape(_axes_first(chosen), (_count(chosen), columns))
    found = backend.gather(flat, 0, _column(x, rows, columns))
    found = backend.reshape(found, (*shape, *rest))
    result: GpuArray = backend.permute(found, _order(chosen, len(shape), len(rest)))
    return result


def index_assign(target: GpuArray, index: tuple[Any, ...], value: Any) -> None:
    """Write `value`, broadcast and cast, where `index` selects; the last of equal indices wins.

    Raises ShapeError if `value` does not fit.
    """
    chosen, backend = _select(target, index), target.runtime.backend
    given = value.shape if isinstance(value, GpuArray) else ()
    rows: Any = None
    if chosen.axes:
        rows, shape, rest = _rows(chosen)
        whole = (*rest[: chosen.place], *shape, *rest[chosen.place :])
    else:
        whole = chosen.view.shape
    while len(given) > len(whole) and given[0] == 1:
        given = given[1:]
        value = backend.reshape(value, given)
    try:
        fits = np.broadcast_shapes(given, whole) == whole
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"a value of shape {given} does not fit the selected shape {whole}")
    if not chosen.axes:
        backend.assign(chosen.view, value)
        return
    if rows.size == 0 or 0 in rest:
        return
    columns, count = math.prod(rest), _count(chosen)
    # For each row of the target the row of the value that it takes, or none.
    source = np.full(count, -1, np.int32)
    source[rows] = np.arange(rows.size, dtype=np.int32)
    taken = np.flatnonzero(source >= 0)
    first = _axes_first(chosen)
    old = backend.reshape(first, (count, columns))
    if isinstance(value, GpuArray):
        value = backend.copy(value, target.dtype) if value.dtype != target.dtype else value
        value = backend.permute(backend.expand(value, whole), _back(chosen, len(shape), len(rest)))
        value = backend.reshape(value, (rows.size, columns))
        value = backend.gather(value, 0, _column(target, np.maximum(source, 0), columns))
    mask = np.zeros((count, 1), np.bool_)
    mask[taken] = True
    new = backend.elementwise("where", (backend.expand(backend.upload(mask), (count, columns)), value, old))
    backend.assign(first, backend.reshape(new, first.shape))


def _count(chosen: _Selection) -> int:
    return math.prod(chosen.view.shape[axis] for axis in chosen.axes)


def _axes_first(chosen: _Selection) -> GpuArray:
    """The view with the indexed axes in front."""
    view = chosen.view
    rest = tuple(axis for axis in range(view.ndim) if axis not in chosen.axes)
    moved: GpuArray = view.runtime.backend.permute(view, (*chosen.axes, *rest))
    return moved


def _rows(chosen: _Selection) -> tuple[np.ndarray[Any, Any], tuple[int, ...], tuple[int, ...]]:
    """The flat indices over the indexed axes, their shape, and the other axes' sizes."""
    view = chosen.view
    try:
        arrays = np.broadcast_arrays(*chosen.arrays)
    except ValueError:
        shapes = ", ".join(str(array.shape) for array in chosen.arrays)
        raise IndexError(f"index arrays of shapes {shapes} do not broadcast") from None
    flat = np.zeros(arrays[0].shape, np.int64)
    for axis, array in zip(chosen.axes, arrays, strict=True):
        size = view.shape[axis]
        outside = array[(array < -size) | (array >= size)]
        if outside.size:
            raise IndexError(f"index {int(outside[0])} is out of bounds for axis {axis} of size {size}")
        flat = flat * size + np.where(array < 0, array + size, array)
    rest = tuple(size for axis, size in enumerate(view.shape) if axis not in chosen.axes)
    return flat.reshape(-1), arrays[0].shape, rest


def _column(x: GpuArray, rows: np.ndarray[Any, Any], columns: int) -> GpuArray:
    """Row numbers on the device, the same for every column."""
    backend = x.runtime.backend
    column: GpuArray = backend.expand(backend.upload(rows.astype(np.int32)[:, None]), (rows.size, columns))
    return column


def _order(chosen: _Selection, shape: int, rest: int) -> tuple[int, ...]:
    """From (index axes, other axes) to the result's order."""
    others = tuple(range(shape, shape + rest))
    return (*others[: chosen.place], *range(shape), *others[chosen.place :])


def _back(chosen: _Selection, shape: int, rest: int) -> tuple[int, ...]:
    """The inverse of `_order`."""
    return tuple(int(axis) for axis in np.argsort(_order(chosen, shape, rest)))


def _select(x: GpuArray, index: tuple[Any, ...]) -> _Selection:
    backend = x.runtime.backend
    parts = [_as_part(part) for part in index]
    used = sum(part.ndim if _is_mask(part) else part is not None and part is not ... for part in parts)
    ellipses = sum(part is ... for part in parts)
    if ellipses > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if used > x.ndim:
        raise IndexError(f"too many indices for an array of shape {x.shape}: {used} were given")
    if not ellipses:
        parts.append(...)
    fancy = any(isinstance(part, np.ndarray) for part in parts)
    slices: list[slice] = []
    # For each axis of the view: the axis of `x` it comes from, None for a new one.
    sources: list[int | None] = []
    arrays: dict[int, np.ndarray[Any, Any]] = {}
    advanced: list[int] = []
    for place, part in enumerate(parts):
        axis = len(slices)
        if part is ...:
            for size in x.shape[axis : axis + x.ndim - used]:
                sources.append(len(slices))
                slices.append(slice(0, size, 1))
        elif part is None:
            sources.append(None)
        elif isinstance(part, slice):
            start, stop, step = part.indices(x.shape[axis])
            sources.append(axis)
            slices.append(slice(start, None if stop < 0 else stop, step))
        elif isinstance(part, int) and not fancy:
            size = x.shape[axis]
            if not -size <= part < size:
                raise IndexError(f"index {part} is out of bounds for axis {axis} of size {size}")
            slices.append(slice(part % size, part % size + 1, 1))
        elif _is_mask(part) and part.ndim == 0:
            # A mask of no dimensions selects along a new one: its one element, or none.
            advanced.append(place)
            arrays[len(sources)] = np.zeros(int(part), np.int64)
            sources.append(None)
        else:
            advanced.append(place)
            for array in _indices(part, x.shape, axis):
                arrays[len(sources)] = array
                sources.append(len(slices))
                slices.append(slice(0, x.shape[len(slices)], 1))
    cut = backend.slice(x, tuple(slices))
    view = cut.view(
        tuple(1 if source is None else cut.shape[source] for source in sources),
        tuple(0 if source is None else cut.strides[source] for source in sources),
        cut.offset,
    )
    axes = tuple(arrays)
    together = not advanced or advanced == list(range(advanced[0], advanced[0] + len(advanced)))
    return _Selection(view, axes, tuple(arrays.values()), axes[0] if axes and together else 0)


def _as_part(part: Any) -> Any:
    if isinstance(part, GpuArray):
        return part.runtime.backend.download(part)
    if part is None or isinstance(part, (slice, EllipsisType, np.ndarray)):
        return part
    if isinstance(part, (bool, np.bool_)):
        return np.asarray(part)
    try:
        return part.__index__()
    except AttributeError:
        raise IndexError(
            "only integers, slices, ellipsis, None, and integer or bool arrays are indices, but got "
            f"{type(part).__name__}"
        ) from None


def _is_mask(part: Any) -> bool:
    return isinstance(part, np.ndarray) and part.dtype == np.bool_


def _indices(part: Any, shape: tuple[int, ...], axis: int) -> tuple[np.ndarray[Any, Any], ...]:
    """The index arrays that an int, an array or a mask stands for."""
    if isinstance(part, int):
        return (np.asarray(part),)
    if not _is_mask(part):
        if part.dtype.kind not in "iu":
            raise IndexError(f"arrays used as indices must be of integers or bools, but got {part.dtype}")
        return (part,)
    if part.shape != shape[axis : axis + part.ndim]:
        raise IndexError(
            f"a mask of shape {part.shape} does not match axis {axis} and its followers of shape {shape}"
        )
    return np.nonzero(part)
