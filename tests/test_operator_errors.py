"""Bad calls of operators: the exception's type, and the names and values at fault in its message."""

import numpy as np
import pytest
import rsconv
from rsconv import functional as F
from rsconv.errors import ArgumentError, DtypeError, ShapeError


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


X1, X2, X3 = zeros(2, 3, 8), zeros(2, 3, 8, 9), zeros(2, 3, 4, 5, 6)
INTS = zeros(2, 3, dtype=np.int64)


def fails(call, error, *tokens):
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    missing = [token for token in tokens if token not in message]
    assert not missing, f"{missing} not in: {message}"


POOLS = [("max_pool", rank) for rank in (1, 2, 3)] + [("avg_pool", rank) for rank in (1, 2, 3)]


@pytest.mark.parametrize(("kind", "rank"), POOLS)
def test_pooling(kind, rank):
    name = f"{kind}{rank}d"
    pool, x = getattr(F, name), (X1, X2, X3)[rank - 1]
    many = (2,) * (rank + 1)
    fails(lambda: pool(x, many), ArgumentError, f"kernel_size={many}", f"{rank} positive integers")
    fails(lambda: pool(x, 0), ArgumentError, "kernel_size=0")
    fails(lambda: pool(x, 2.5), ArgumentError, "kernel_size=2.5")
    fails(lambda: pool(x, 2, stride=0), ArgumentError, "stride=0")
    fails(lambda: pool(x, 2, padding=-1), ArgumentError, "padding=-1")
    half = ("pad should be at most half of effective kernel size", "pad=2", "kernel_size=3", "dilation=1")
    fails(lambda: pool(x, 3, padding=2), ArgumentError, *half)
    sizes = "x".join(map(str, x.shape[1:]))
    fails(lambda: pool(x, 40), ShapeError, f"Given input size: ({sizes})", "Output size is too small", name)
    fails(
        lambda: pool(x[0, 0], 2),
        ShapeError,
        f"Expected {rank + 1}D",
        f"{rank + 2}D",
        name,
        str(list(x[0, 0].shape)),
    )
    fails(lambda: pool(x.astype(complex), 2), DtypeError, name, "complex128")


def test_pooling_of_one_kind():
    for rank, x in ((2, X2), (3, X3)):
        pool = getattr(F, f"avg_pool{rank}d")
        fails(
            lambda pool=pool, x=x: pool(x, 2, divisor_override=0),
            ArgumentError,
            "divisor must be not zero",
            "=0",
        )
    fails(lambda: F.max_pool2d(X2, 2, dilation=0), ArgumentError, "dilation=0")
    fails(lambda: F.max_pool1d(zeros(3, 8, dtype=bool), 2), DtypeError, "max_pool1d", "bool")
    fails(lambda: F.avg_pool1d(zeros(3, 8, dtype=bool), 2), DtypeError, "avg_pool1d", "bool")


@pytest.mark.parametrize("kind", ["avg", "max"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_adaptive_pooling(kind, rank):
    name = f"adaptive_{kind}_pool{rank}d"
    pool, x = getattr(F, name), (X1, X2, X3)[rank - 1]
    fails(lambda: pool(x, 0), ArgumentError, "output_size", "0")
    many = (2,) * (rank + 1)
    fails(lambda: pool(x, many), ArgumentError, f"output_size={many}")
    empty = zeros(2, 3, *(0,) * rank)
    fails(lambda: pool(empty, 1), ShapeError, name, str(list(empty.shape)))
    fails(lambda: pool(x[0, 0], 1), ShapeError, name, str(list(x[0, 0].shape)))


def test_batch_norm():
    mean, var = zeros(3), zeros(3)
    fails(lambda: F.batch_norm(zeros(3), mean, var), ShapeError, "batch_norm", "[3]")
    fails(lambda: F.batch_norm(X2, zeros(4), var), ShapeError, "running_mean should contain 3", "[4]")
    fails(lambda: F.batch_norm(X2, mean, zeros(4)), ShapeError, "running_var", "[4]")
    fails(lambda: F.batch_norm(X2, mean, var, zeros(3, 1)), ShapeError, "weight", "[3, 1]")
    fails(lambda: F.batch_norm(X2, mean, var, None, zeros(2)), ShapeError, "bias", "[2]")
    fails(lambda: F.batch_norm(X2, None, var), ArgumentError, "running_mean", "training=False")
    fails(
        lambda: F.batch_norm(zeros(1, 3), None, None, training=True),
        ShapeError,
        "more than 1 value",
        "[1, 3]",
    )
    fails(
        lambda: F.batch_norm(X2, mean, None, training=True),
        ArgumentError,
        "running_mean",
        "Tensor",
        "ndarray",
    )
    fails(lambda: F.batch_norm(X2, mean.astype(float), var), DtypeError, "running_mean", "float64", "float32")
    fails(lambda: F.batch_norm(INTS, mean, var), DtypeError, "batch_norm", "int64")


def test_other_normalizations():
    fails(lambda: F.instance_norm(zeros(2, 3)), ShapeError, "instance_norm", "[2, 3]")
    fails(lambda: F.instance_norm(zeros(2, 3, 1)), ShapeError, "more than 1 spatial element", "[2, 3, 1]")
    fails(lambda: F.instance_norm(X2, weight=zeros(2)), ShapeError, "weight", "3", "[2]")
    fails(lambda: F.group_norm(X2, 2), ArgumentError, "num_groups=2", "[2, 3, 8, 9]")
    fails(lambda: F.group_norm(X2, 0), ArgumentError, "num_groups=0")
    fails(lambda: F.group_norm(X2, 3, zeros(4)), ShapeError, "weight", "[4]")
    fails(lambda: F.group_norm(zeros(3), 1), ShapeError, "group_norm", "[3]")
    fails(lambda: F.layer_norm(X1, (3,)), ShapeError, "normalized_shape=[3]", "[2, 3, 8]")
    fails(lambda: F.layer_norm(X1, (8,), zeros(3)), ShapeError, "weight", "[3]", "[8]")
    fails(lambda: F.layer_norm(X1, (8,), None, zeros(8, dtype=float)), DtypeError, "bias", "float64")


def test_matrices():
    fails(lambda: F.linear(X1, zeros(4, 7)), ShapeError, "[2, 3, 8]", "[4, 7]")
    fails(lambda: F.linear(X1, zeros(8)), ShapeError, "weight", "[8]")
    fails(lambda: F.linear(X1, zeros(4, 8), zeros(3)), ShapeError, "bias", "4 elements", "[3]")
    fails(lambda: F.linear(X1, zeros(4, 8, dtype=float)), DtypeError, "weight", "float64", "float32")
    fails(lambda: rsconv.matmul(zeros(2, 3), zeros(4, 5)), ShapeError, "(2, 3)", "(4, 5)")
    fails(lambda: rsconv.mm(zeros(2, 3), zeros(3)), ShapeError, "mm", "[2, 3]", "[3]")
    fails(lambda: rsconv.bmm(zeros(2, 3, 4), zeros(3, 4, 5)), ShapeError, "bmm", "[2, 3, 4]", "[3, 4, 5]")


def test_interpolate():
    fails(lambda: F.interpolate(X2), ArgumentError, "size=None", "scale_factor=None")
    fails(lambda: F.interpolate(X2, 4, 2), ArgumentError, "size=4", "scale_factor=2")
    fails(lambda: F.interpolate(X2, (4, 4, 4)), ArgumentError, "[8, 9]", "(4, 4, 4)")
    fails(lambda: F.interpolate(X2, scale_factor=(2,)), ArgumentError, "scale_factor=(2,)", "[8, 9]")
    fails(lambda: F.interpolate(X2, scale_factor=-1), ArgumentError, "scale_factor=-1")
    fails(lambda: F.interpolate(X2, 0), ShapeError, "greater than 0", "[0, 0]")
    fails(lambda: F.interpolate(X2, scale_factor=0.01), ShapeError, "greater than 0", "[0, 0]")
    fails(lambda: F.interpolate(X2, 4, mode="cubic"), ArgumentError, "mode='cubic'", "'bicubic'")
    fails(lambda: F.interpolate(X1, 4, mode="bilinear"), ShapeError, "3D", "bilinear", "4D", "[2, 3, 8]")
    fails(lambda: F.interpolate(zeros(2, 3), 4), ShapeError, "2D", "nearest", "[2, 3]")
    fails(lambda: F.interpolate(X2, 4, align_corners=True), ArgumentError, "align_corners=True", "'nearest'")
    fails(lambda: F.interpolate(X2, 4, antialias=True, mode="bilinear"), ArgumentError, "antialias=True")
    fails(
        lambda: F.interpolate(X2, 4, recompute_scale_factor=True),
        ArgumentError,
        "size=4",
        "recompute_scale_factor",
    )
    whole = zeros(1, 1, 4, 4, dtype=np.int32)
    fails(lambda: F.interpolate(whole, 8, mode="bilinear"), DtypeError, "'bilinear'", "int32")


def test_shuffles():
    fails(lambda: F.pixel_shuffle(X2, 2), ShapeError, "3", "divisible by 4")
    fails(lambda: F.pixel_shuffle(X2, 0), ArgumentError, "upscale_factor=0")
    fails(lambda: F.pixel_shuffle(X2, 1.5), ArgumentError, "upscale_factor=1.5")
    fails(lambda: F.pixel_shuffle(zeros(4, 4), 2), ShapeError, "at least 3 dimensions", "[4, 4]")
    fails(lambda: F.pixel_unshuffle(X2, 2), ShapeError, "width 9", "downscale_factor", "divisible by 2")
    fails(lambda: F.pixel_unshuffle(X2, 3), ShapeError, "height 8")
    fails(lambda: F.channel_shuffle(X2, 2), ShapeError, "3 channels", "2 groups")
    fails(lambda: F.channel_shuffle(zeros(2, 4), 2), ShapeError, "[2, 4]")


def test_activations():
    for name in (
        "relu",
        "relu6",
        "leaky_relu",
        "elu",
        "selu",
        "celu",
        "silu",
        "mish",
        "hardswish",
        "hardsigmoid",
    ):
        function = getattr(F, name)
        fails(lambda function=function: function(X1, inplace=True), ArgumentError, "inplace=True", "ndarray")
    fails(lambda: F.threshold(X1, 0, 1, inplace=True), ArgumentError, "inplace=True", "ndarray")
    fails(lambda: F.hardtanh(X1, 1, -1), ArgumentError, "min_val=1", "max_val=-1")
    fails(lambda: F.gelu(X1, "sigmoid"), ArgumentError, "approximate='sigmoid'")
    fails(lambda: F.celu(X1, 0), ArgumentError, "alpha=0")
    fails(lambda: F.softshrink(X1, -1), ArgumentError, "lambd=-1")
    fails(lambda: F.glu(X1, 1), ShapeError, "dimension 1 is size 3", "[2, 3, 8]")
    fails(lambda: F.glu(zeros()), ShapeError, "0-dimensional")
    fails(lambda: F.glu(INTS), DtypeError, "int64")
    fails(lambda: F.prelu(X1, zeros(4)), ShapeError, "3 channels", "[4]")
    fails(lambda: F.prelu(X1, zeros(3, dtype=float)), DtypeError, "float32", "float64")
    fails(lambda: F.softmax(INTS, 0), DtypeError, "softmax", "int64")
    fails(lambda: F.softmax(X1, 3), IndexError, "3", "[-3, 2]")
    fails(lambda: F.silu(rsconv.tensor([1]), True), DtypeError, "silu", "int64")
    fails(lambda: F.leaky_relu(zeros(2, dtype=complex)), DtypeError, "leaky_relu", "complex128")


def test_elementwise():
    fails(lambda: rsconv.add(zeros(2), zeros(3)), ShapeError, "(2,)", "(3,)", "add")
    fails(lambda: rsconv.where(zeros(2, dtype=bool), zeros(3), 0.0), ShapeError, "(2,)", "(3,)", "where")
    fails(lambda: rsconv.where(zeros(2), zeros(2), 0.0), DtypeError, "condition", "float32")
    fails(lambda: rsconv.clamp(X1), ArgumentError, "min", "max", "None")
    fails(lambda: rsconv.div(X1, 2, rounding_mode="up"), ArgumentError, "rounding_mode='up'")
    fails(lambda: rsconv.floor_divide(INTS, 0), ZeroDivisionError, "floor_divide")
    fails(lambda: rsconv.remainder(INTS, INTS), ZeroDivisionError, "remainder")
    fails(lambda: rsconv.pow(INTS, -1), ArgumentError, "int64", "negative powers")
    fails(lambda: rsconv.sub(zeros(2, dtype=bool), True), DtypeError, "sub", "bool")
    fails(lambda: rsconv.neg(zeros(2, dtype=bool)), DtypeError, "neg", "bool")
    fails(lambda: rsconv.lt(zeros(2, dtype=complex), 1), DtypeError, "lt", "complex128")
    fails(lambda: rsconv.bitwise_and(X1, X1), DtypeError, "bitwise_and", "float32")
    fails(lambda: rsconv.bitwise_not(X1), DtypeError, "bitwise_not", "float32")


def test_reductions():
    fails(lambda: rsconv.sum(X1, 3), IndexError, "[-3, 2]", "3")
    fails(lambda: rsconv.sum(X1, (0, -3)), ArgumentError, "more than once", "(0, -3)")
    fails(lambda: rsconv.mean(INTS), DtypeError, "mean", "int64")
    fails(lambda: rsconv.var(INTS), DtypeError, "var", "int64")
    fails(lambda: rsconv.std(X1, correction="1"), ArgumentError, "correction='1'")
    fails(lambda: rsconv.amax(zeros(0, 3), 0), ShapeError, "max", "(0, 3)")
    fails(lambda: rsconv.argmin(zeros(0)), ShapeError, "min", "(0,)")


def test_joining():
    fails(lambda: rsconv.cat([]), ArgumentError, "cat", "[]")
    fails(
        lambda: rsconv.cat([zeros(2, 3), zeros(2, 4)]),
        ShapeError,
        "size 3",
        "size 4",
        "dimension 1",
        "number 1",
    )
    fails(lambda: rsconv.cat([zeros(2, 3), zeros(2)]), ShapeError, "2 and 1", "number 1")
    fails(lambda: rsconv.cat([zeros(), zeros()]), ShapeError, "stack")
    fails(lambda: rsconv.cat([X1, X1], 3), IndexError, "3")
    fails(lambda: rsconv.stack([]), ArgumentError, "stack", "[]")
    fails(lambda: rsconv.stack([zeros(2), zeros(3)]), ShapeError, "[2] at entry 0", "[3] at entry 1")
    fails(lambda: rsconv.narrow(X1, 2, 5, 4), ArgumentError, "start (5)", "length (4)", "(8)")
    fails(lambda: rsconv.narrow(X1, 2, 9, 0), IndexError, "[-8, 8]", "9")
    fails(lambda: rsconv.split(X1, [3, 3], 2), ArgumentError, "[3, 3]", "8", "dimension 2")
    fails(lambda: rsconv.split(X1, 0), ArgumentError, "split_size=0")
    fails(lambda: rsconv.chunk(X1, 0), ArgumentError, "chunks=0")
    fails(lambda: rsconv.split(zeros(), 1), ShapeError, "without dimensions")
    fails(lambda: rsconv.flip(X1, 3), IndexError, "3")


def test_indexing():
    x = zeros(3, 4)
    fails(lambda: rsconv.gather(x, 1, [[4]]), IndexError, "index 4", "size 4", "gather")
    fails(lambda: rsconv.gather(x, 1, [[-1]]), IndexError, "index -1")
    fails(lambda: rsconv.gather(x, 1, [0]), ShapeError, "[1]", "[3, 4]")
    fails(lambda: rsconv.gather(x, 1, np.zeros((4, 1), int)), ShapeError, "[4, 1]", "[3, 4]", "than 1")
    fails(lambda: rsconv.gather(x, 1, [[0.5]]), DtypeError, "gather", "float64")
    fails(lambda: rsconv.index_select(x, 0, [3]), IndexError, "index 3", "size 3")
    fails(lambda: rsconv.index_select(x, 0, [[0]]), ShapeError, "1-dimensional", "[1, 1]")
    fails(lambda: rsconv.scatter_add(x, 0, [[5]], x), IndexError, "index 5")
    fails(lambda: rsconv.scatter_add(x, 0, np.zeros((4, 4), int), x), ShapeError, "[3, 4]", "[4, 4]")
    fails(lambda: rsconv.scatter(x, 0, [[5]], x), IndexError, "index 5")
    fails(lambda: rsconv.scatter(x, 0, [[1]]), ArgumentError, "src=None and value=None")
    fails(lambda: rsconv.scatter(x, 0, np.zeros((3, 5), int), x), ShapeError, "[3, 5]", "[3, 4]", "than 0")
    fails(lambda: rsconv.scatter(x, 1, np.zeros((3, 2), int), zeros(3, 1)), ShapeError, "src", "[3, 1]")
    fails(lambda: rsconv.index_add(x, 1, [0, 1], x), ShapeError, "[2]", "[3, 4]", "dim=1")
    fails(lambda: rsconv.index_add(zeros(), 0, [0], zeros(1)), ShapeError, "dimensions")
    fails(lambda: rsconv.index_add(x, 0, [7], zeros(1, 4)), IndexError, "index 7")


def test_grids():
    x, grid = zeros(1, 2, 4, 5), zeros(1, 3, 3, 2)
    fails(lambda: F.grid_sample(x, grid, "cubic"), ArgumentError, "'cubic'", "bicubic")
    fails(lambda: F.grid_sample(x, grid, padding_mode="wrap"), ArgumentError, "'wrap'", "reflection")
    fails(lambda: F.grid_sample(x, grid[..., :1]), ShapeError, "[1, 2, 4, 5]", "[1, 3, 3, 1]")
    fails(lambda: F.grid_sample(x, zeros(2, 3, 3, 2)), ShapeError, "[2, 3, 3, 2]")
    wide = zeros(1, 2, 4, 5, 6), zeros(1, 2, 3, 3, 3)
    fails(lambda: F.grid_sample(*wide, "bicubic"), ShapeError, "unless bicubic", "[1, 2, 4, 5, 6]")
    fails(lambda: F.grid_sample(x, grid.astype(np.float16)), DtypeError, "float16")
    fails(lambda: F.affine_grid(zeros(1, 2, 2), (1, 1, 4, 4)), ShapeError, "[1, 2, 2]", "[1, 1, 4, 4]")
    fails(lambda: F.affine_grid(np.zeros((1, 2, 3), int), (1, 1, 4, 4)), DtypeError, "int64")


@pytest.mark.parametrize("name", ["dropout", "dropout1d", "dropout2d", "dropout3d"])
def test_dropout(name):
    function = getattr(F, name)
    x = {"1": X1, "2": X2, "3": X3}.get(name[-2], X1)
    for p in (-0.1, 1.1):
        fails(lambda p=p: function(x, p), ArgumentError, "between 0 and 1", f"p={p}")
    fails(lambda: function(x, inplace=True), ArgumentError, "inplace=True", "ndarray")
    fails(lambda: function(x.astype(int)), DtypeError, name, "int64")
    if name != "dropout":
        fails(lambda: function(zeros(3)), ShapeError, name, "[3]")


def test_losses():
    x, t = zeros(2, 5), np.array([0, 1])
    for loss in (F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.binary_cross_entropy, F.kl_div):
        fails(lambda loss=loss: loss(x, zeros(5, 2)), ShapeError, loss.__name__, "[5, 2]", "[2, 5]")
        fails(lambda loss=loss: loss(x, x, reduction="avg"), ArgumentError, "reduction='avg'")
    fails(lambda: F.mse_loss(x, x.astype(float)), DtypeError, "float32", "float64")
    fails(lambda: F.mse_loss(INTS, INTS), DtypeError, "mse_loss", "int64")
    fails(lambda: F.smooth_l1_loss(x, x, beta=-1), ArgumentError, "beta=-1")
    fails(lambda: F.huber_loss(x, x, delta=0), ArgumentError, "delta=0")
    fails(lambda: F.binary_cross_entropy(x + 2, x), ArgumentError, "between 0 and 1", "2.0")
    for loss in (F.cross_entropy, F.nll_loss):
        fails(lambda loss=loss: loss(x, [0, 5]), IndexError, "Target 5", "5 classes")
        fails(lambda loss=loss: loss(x, [0, -1]), IndexError, "Target -1")
        fails(lambda loss=loss: loss(x, [0, 1, 2]), ShapeError, "[2]", "[3]")
        fails(lambda loss=loss: loss(x, t, zeros(4)), ShapeError, "5 classes", "[4]")
        fails(lambda loss=loss: loss(x, t, zeros(5, dtype=float)), DtypeError, "weight", "float64")
    fails(lambda: F.nll_loss(x, [0.5, 1.0]), DtypeError, "nll_loss", "float64")
    fails(lambda: F.nll_loss(INTS, [0, 1]), DtypeError, "nll_loss", "int64")
    fails(lambda: F.nll_loss(zeros(), 0), ShapeError, "nll_loss", "[]")
    fails(lambda: F.cross_entropy(x, t, label_smoothing=2.0), ArgumentError, "label_smoothing=2.0")
    fails(lambda: F.cross_entropy(zeros(), 0), ShapeError, "[]")
