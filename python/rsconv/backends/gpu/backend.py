"""The operators of one GPU, collected from the modules of their kernels."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..._core import Geometry
from . import conv as _conv
from . import elementwise as _elementwise
from . import gather as _gather
from . import indexing, layout, random, reduction, resampling, transfer, weight_grad, windows
from . import matmul as _matmul
from . import pad as _pad
from . import softmax as _softmax
from . import unfold as _unfold
from . import update as _update
from .array import GpuArray
from .calls import by_plan, planned
from .runtime import Runtime

if TYPE_CHECKING:
    from .. import Backend

__all__ = ["GpuBackend"]


class GpuBackend:
    """The operators on one device; see `rsconv.backends.Backend`.

    `name` is the device's: "gpu", "gpu:1", or part of an adapter's name. The runtime is another one after
    `reset`; arrays of the former one are lost.
    """

    def __init__(self, runtime: Runtime, name: str) -> None:
        """The operators that run on `runtime`."""
        self.name = name
        self.index_dtype = np.dtype(np.int32)
        self.use(runtime)

    def use(self, runtime: Runtime) -> None:
        """Run on `runtime` from now on."""
        self.runtime = runtime
        self.hardware = runtime.adapter.name
        runtime.backend = self

    def upload(self, array: NDArray[Any]) -> GpuArray:
        """A host array on this device."""
        return transfer.upload(self.runtime, array)

    def download(self, x: GpuArray) -> NDArray[Any]:
        """An array of this device as a base ndarray."""
        return transfer.download(x)

    def full(self, shape: tuple[int, ...], value: Any, dtype: np.dtype[Any]) -> GpuArray:
        """A new array of one value."""
        return layout.full(self.runtime, shape, value, np.dtype(dtype))

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> GpuArray:
        """A new array of arbitrary contents."""
        return self.runtime.empty(shape, self.runtime.check_dtype(np.dtype(dtype)))

    by_plan = staticmethod(by_plan)

    def explain(self, geometry: Geometry, dtype: np.dtype[Any], which: str) -> dict[str, Any]:
        """The plan of a pass, 'forward', 'input_grad' or 'weight_grad', without running it."""
        if which == "weight_grad":
            return weight_grad.explain(self.runtime, geometry, np.dtype(dtype))
        return _conv.explain(self.runtime, geometry, np.dtype(dtype), which)

    reshape = staticmethod(layout.reshape)
    permute = staticmethod(layout.permute)
    slice = staticmethod(layout.slice)
    expand = staticmethod(layout.expand)
    copy = staticmethod(planned(layout.copy))
    contiguous = staticmethod(layout.contiguous)
    assign = staticmethod(layout.assign)
    concatenate = staticmethod(planned(layout.concatenate))
    strides = staticmethod(indexing.strides)
    identity = staticmethod(indexing.identity)
    index = staticmethod(indexing.index)
    index_assign = staticmethod(indexing.index_assign)

    elementwise = staticmethod(planned(_elementwise.elementwise))
    reduce = staticmethod(planned(reduction.reduce))
    arg_reduce = staticmethod(planned(reduction.arg_reduce))
    moments = staticmethod(planned(reduction.moments))
    softmax = staticmethod(planned(_softmax.softmax))
    matmul = staticmethod(planned(_matmul.matmul))
    update = staticmethod(_update.update)

    conv = staticmethod(planned(_conv.conv))
    conv_input_grad = staticmethod(planned(_conv.conv_input_grad))
    conv_weight_grad = staticmethod(planned(weight_grad.conv_weight_grad))
    pack = staticmethod(_conv.pack)
    conv_of = staticmethod(_conv.conv_of)
    unfold = staticmethod(planned(_unfold.unfold))
    fold = staticmethod(planned(_unfold.fold))

    max_pool = staticmethod(planned(windows.max_pool))
    max_pool_grad = staticmethod(planned(windows.max_pool_grad))
    resample = staticmethod(planned(resampling.resample))
    pad = staticmethod(planned(_pad.pad))
    pad_grad = staticmethod(planned(_pad.pad_grad))
    gather = staticmethod(planned(_gather.gather))
    scatter_add = staticmethod(planned(_gather.scatter_add))
    dropout = staticmethod(random.dropout)


if TYPE_CHECKING:
    _implemented: type[Backend] = GpuBackend
