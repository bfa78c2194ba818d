"""Functions on arrays, with PyTorch's names, argument order and defaults.

Arrays
    ndarrays in any layout (strided, read-only, byte-swapped, memory-mapped, subclasses), lists, or Tensors.
    Inputs are never written. The result is a new base ndarray in native byte order, or a Tensor if any array
    argument is one. Python numbers in lists take the dtype of the arrays beside them.
dtypes
    Convolutions take float16 (accumulated in float32), float32, float64, complex64, complex128 and the
    integers of 8 to 64 bits (which wrap around). All arrays of a call must have one dtype: there is no
    promotion. DtypeError, naming them, otherwise.

Convolutions
    stride, dilation, output_padding: an integer, or one for each spatial dimension.
    padding: the same, or one `(low, high)` pair for each dimension, or a string: 'valid' (none); 'same'
        (stride 1 only, the odd one of the total goes to the end, as in PyTorch); 'same_upper' and
        'same_lower' (the output has `ceil(size / stride)` elements, the odd one goes to the end or the start:
        the rule of ONNX and TensorFlow); 'causal' (1-D only, all at the start). Transposed convolutions take
        integers and pairs.
    padding_mode: what the padding holds: 'zeros', 'reflect', 'replicate' or 'circular' (see `pad`).
        Transposed convolutions take 'zeros' and 'circular' (see `conv_transpose1d`).
    out: an array for the result, of its shape and dtype, that shares no memory with an input; it is returned.
        A batch of 0 gives a batch of 0. Without input channels the result is the bias alone, or zero, in the
        full output shape (PyTorch returns no channels). A zero weight on an infinite input gives NaN.

    Raises ShapeError, ArgumentError or DtypeError with the names and values at fault, MemoryError with the
    number of bytes. The first three are ValueErrors and RuntimeErrors at once.
"""

from typing import Any

from ._functional.activation import (
    celu,
    elu,
    gelu,
    glu,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    log_softmax,
    logsigmoid,
    mish,
    prelu,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softmax,
    softmin,
    softplus,
    softshrink,
    softsign,
    tanh,
    tanhshrink,
    threshold,
)
from ._functional.alpha_dropout import alpha_dropout, feature_alpha_dropout, rrelu
from ._functional.attention import scaled_dot_product_attention
from ._functional.compositions import cosine_similarity, normalize, pairwise_distance
from ._functional.conv import (
    conv1d,
    conv2d,
    conv3d,
    conv_tbc,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from ._functional.dropout import dropout, dropout1d, dropout2d, dropout3d
from ._functional.embedding import embedding
from ._functional.fold import fold, unfold
from ._functional.grids import affine_grid, grid_sample
from ._functional.in_place import (
    celu_,
    elu_,
    hardtanh_,
    leaky_relu_,
    relu_,
    rrelu_,
    selu_,
    threshold_,
)
from ._functional.indexing import one_hot
from ._functional.interpolation import interpolate, upsample
from ._functional.linear import linear
from ._functional.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from ._functional.lp_pooling import lp_pool1d, lp_pool2d, lp_pool3d
from ._functional.normalization import batch_norm, group_norm, instance_norm, layer_norm
from ._functional.pad import pad
from ._functional.pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from ._functional.response_norm import local_response_norm, rms_norm
from ._functional.shuffle import channel_shuffle, pixel_shuffle, pixel_unshuffle
from ._functional.unpooling import max_unpool1d, max_unpool2d, max_unpool3d
from .names import missing_attribute

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "affine_grid",
    "alpha_dropout",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "celu_",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_tbc",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cosine_similarity",
    "cross_entropy",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "elu_",
    "embedding",
    "feature_alpha_dropout",
    "fold",
    "gelu",
    "glu",
    "grid_sample",
    "group_norm",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "local_response_norm",
    "log_softmax",
    "logsigmoid",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "mish",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "pixel_shuffle",
    "pixel_unshuffle",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rms_norm",
    "rrelu",
    "rrelu_",
    "scaled_dot_product_attention",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
    "unfold",
    "upsample",
]


def __getattr__(name: str) -> Any:
    raise missing_attribute(f"module {__name__!r}", name, __all__)
