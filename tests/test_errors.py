"""Bad calls: PyTorch's exception type, and the names and values at fault in every message."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import rsconv
from rsconv import functional as F
from rsconv.backends import Geometry
from rsconv.errors import ArgumentError, DeviceError, DtypeError, InternalError, ShapeError, WeightsError
from rsconv.nn import grad

GOLDEN = json.loads((Path(__file__).parent / "golden" / "errors.json").read_text())


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


X1, W1 = zeros(1, 4, 8), zeros(6, 4, 3)
X2, W2 = zeros(1, 4, 8, 8), zeros(6, 4, 3, 3)
T1 = zeros(4, 6, 3)


def names_and_values(entry):
    """What a message must hold: the numbers of PyTorch's if it has them, else the bad arguments."""
    message, arguments = entry["message"], entry["kwargs"]
    if re.match("Given|Expected|Calculated|Invalid padding", message):
        return re.findall(r"\d+|weight|bias|input|groups|'full'", message)
    if (
        message.startswith("expected stride") and "stride" not in arguments
    ) or "weight should have" in message:
        return ["weight", str(entry["shapes"][1])]
    return [token for name, value in arguments.items() for token in (name, str(value))]


@pytest.mark.parametrize("entry", GOLDEN, ids=[f"{i}-{e['op']}" for i, e in enumerate(GOLDEN)])
def test_golden_error(entry):
    def call():
        return getattr(F, entry["op"])(*(zeros(*shape) for shape in entry["shapes"]), **entry["kwargs"])

    if entry["type"] is None:
        assert isinstance(call(), np.ndarray)
        return
    with pytest.raises({"RuntimeError": RuntimeError, "ValueError": ValueError}[entry["type"]]) as caught:
        call()
    assert isinstance(caught.value, ValueError)
    message = str(caught.value)
    for token in names_and_values(entry):
        assert token in message, (token, message)


def fails(call, error, *tokens):
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    missing = [token for token in tokens if token not in message]
    assert not missing, f"{missing} not in: {message}"


BAD_CALLS = {
    "input dimensions": (lambda: F.conv2d(X1[0], W2), ShapeError, "conv2d", "3D", "4D", "[4, 8]"),
    "weight dimensions": (lambda: F.conv2d(X2, W1), ShapeError, "conv2d", "4D", "weight", "[6, 4, 3]"),
    "input channels": (
        lambda: F.conv1d(X1, zeros(6, 3, 3)),
        ShapeError,
        "[6, 3, 3]",
        "[1, 4, 8]",
        "3 channels",
    ),
    "transposed channels": (
        lambda: F.conv_transpose1d(X1, zeros(3, 6, 3)),
        ShapeError,
        "transposed=1",
        "[3, 6, 3]",
        "[1, 4, 8]",
        "got 4 channels",
    ),
    "groups of weight": (
        lambda: F.conv1d(X1, zeros(5, 2, 3), groups=2),
        ShapeError,
        "groups=2",
        "divisible by 2",
        "[5, 2, 3]",
    ),
    "fewer outputs than groups": (
        lambda: F.conv1d(X1, zeros(1, 2, 3), groups=2),
        ShapeError,
        "groups=2",
        "at least 2",
        "[1, 2, 3]",
    ),
    "bias": (lambda: F.conv1d(X1, W1, zeros(5)), ShapeError, "bias", "6 elements", "[5]", "[6, 4, 3]"),
    "bias dimensions": (lambda: F.conv1d(X1, W1, zeros(6, 1)), ShapeError, "bias", "6 elements", "[6, 1]"),
    "no outputs": (lambda: F.conv_transpose1d(X1, zeros(4, 0, 3)), ShapeError, "output channel", "[4, 0, 3]"),
    "kernel of zero": (lambda: F.conv1d(X1, zeros(6, 4, 0)), ShapeError, "kernel size", "[6, 4, 0]"),
    "kernel too large": (lambda: F.conv2d(X2, zeros(6, 4, 9, 3)), ShapeError, "(8 x 8)", "(9 x 3)"),
    "dilated kernel too large": (lambda: F.conv1d(X1, W1, dilation=4), ShapeError, "(8)", "(9)"),
    "empty input": (lambda: F.conv1d(zeros(1, 4, 0), W1, padding=4), ShapeError, "(8)", "[1, 4, 0]"),
    "stride count": (
        lambda: F.conv2d(X2, W2, None, (1, 2, 3)),
        ArgumentError,
        "stride",
        "2 values",
        "[1, 2, 3]",
    ),
    "dilation count": (
        lambda: F.conv1d(X1, W1, dilation=(1, 2)),
        ArgumentError,
        "dilation",
        "1 values",
        "[1, 2]",
    ),
    "padding count": (
        lambda: F.conv2d(X2, W2, padding=(1, 2, 3)),
        ArgumentError,
        "padding",
        "2 values",
        "[1, 2, 3]",
    ),
    "pairs count": (lambda: F.conv2d(X2, W2, padding=((1, 2),) * 3), ArgumentError, "padding", "2 values"),
    "output_padding count": (
        lambda: F.conv_transpose1d(X1, T1, output_padding=(1, 0)),
        ArgumentError,
        "output_padding",
        "[1, 0]",
    ),
    "no stride": (lambda: F.conv2d(X2, W2, None, ()), ArgumentError, "stride", "[]"),
    "stride 0": (lambda: F.conv2d(X2, W2, stride=(1, 0)), ArgumentError, "non-positive stride", "[1, 0]"),
    "dilation -2": (lambda: F.conv1d(X1, W1, dilation=-2), ArgumentError, "non-positive dilation", "-2"),
    "padding -1": (lambda: F.conv1d(X1, W1, padding=-1), ArgumentError, "negative padding", "-1"),
    "pair of -1": (
        lambda: F.conv1d(X1, W1, padding=((2, -1),)),
        ArgumentError,
        "negative padding",
        "(2, -1)",
    ),
    "output_padding -1": (
        lambda: F.conv_transpose1d(X1, T1, output_padding=-1),
        ArgumentError,
        "negative output_padding",
        "-1",
    ),
    "groups 0": (lambda: F.conv1d(X1, W1, groups=0), ArgumentError, "groups=0"),
    "padding string": (
        lambda: F.conv1d(X1, W1, padding="SAME"),
        ArgumentError,
        "'SAME'",
        "'same'",
        "'valid'",
    ),
    "same with stride": (
        lambda: F.conv1d(X1, W1, None, 2, "same"),
        ArgumentError,
        "padding='same'",
        "stride=[2]",
    ),
    "causal in 2-D": (lambda: F.conv2d(X2, W2, padding="causal"), ArgumentError, "'causal'", "conv2d"),
    "transposed same": (
        lambda: F.conv_transpose1d(X1, T1, padding="same"),
        ArgumentError,
        "conv_transpose1d",
        "padding='same'",
    ),
    "large output_padding": (
        lambda: F.conv_transpose1d(X1, T1, stride=2, dilation=3, output_padding=3),
        ArgumentError,
        "output_padding=[3]",
        "stride=[2]",
        "dilation=[3]",
    ),
    "transposed to nothing": (
        lambda: F.conv_transpose1d(X1, T1, padding=5),
        ShapeError,
        "(8)",
        "[0]",
        "too small",
        "[4, 6, 3]",
    ),
    "transposed of nothing": (lambda: F.conv_transpose1d(zeros(1, 4, 0), T1), ShapeError, "(0)", "too small"),
    "rank": (lambda: Geometry(4, (1, 1), (1, 1)), ArgumentError, "rank=4"),
    "overflowing pads": (lambda: F.conv1d(X1, W1, padding=2**62), ShapeError, "9223372036854775814"),
    "overflowing output": (
        lambda: F.conv_transpose2d(X2, zeros(4, 6, 3, 3), stride=2**31),
        ShapeError,
        "output",
        "15032385539",
    ),
    "overflowing dilation": (lambda: F.conv1d(X1, W1, dilation=2**62), ShapeError, "(8)"),
    "padding_mode": (
        lambda: F.conv2d(X2, W2, padding_mode="symmetric"),
        ArgumentError,
        "padding_mode='symmetric'",
        "'zeros', 'reflect', 'replicate', 'circular'",
        "conv2d",
    ),
    "transposed padding_mode": (
        lambda: F.conv_transpose1d(X1, T1, padding_mode="reflect"),
        ArgumentError,
        "padding_mode='reflect'",
        "'zeros', 'circular'",
        "conv_transpose1d",
    ),
    "reflect too far": (
        lambda: F.conv1d(X1, W1, padding=8, padding_mode="reflect"),
        ArgumentError,
        "less than",
        "(8, 8)",
        "axis 2",
        "[1, 4, 8]",
        "'reflect'",
    ),
    "circular too far": (
        lambda: F.conv1d(X1, W1, padding=9, padding_mode="circular"),
        ArgumentError,
        "wrapping around more than once",
        "(9, 9)",
        "[1, 4, 8]",
    ),
    "transposed circular too far": (
        lambda: F.conv_transpose1d(
            zeros(1, 4, 4), zeros(4, 1, 4), padding=((3, 0),), padding_mode="circular"
        ),
        None,
    ),
    "transposed circular wraps twice": (
        lambda: F.conv_transpose1d(
            zeros(1, 4, 4), zeros(4, 1, 4), padding=((5, 0),), padding_mode="circular"
        ),
        ArgumentError,
        "wrapping around more than once",
        "(5, 0)",
        "[1, 1, 2]",
    ),
    "conv_tbc input": (lambda: F.conv_tbc(X2, W1, None), ShapeError, "[1, 4, 8, 8]", "[6, 4, 3]", "time"),
    "conv_tbc channels": (lambda: F.conv_tbc(zeros(5, 2, 3), zeros(2, 4, 6), None), ShapeError, "[5, 2, 3]"),
    "conv_tbc bias": (
        lambda: F.conv_tbc(zeros(5, 2, 3), zeros(2, 3, 6), zeros(5)),
        ShapeError,
        "6 elements",
        "[5]",
    ),
    "pad odd": (lambda: F.pad(X1, (1, 2, 3)), ArgumentError, "divisible by 2", "(1, 2, 3)"),
    "pad int": (lambda: F.pad(X1, 1), ArgumentError, "pad=1"),
    "pad float": (lambda: F.pad(X1, (1, 0.5)), ArgumentError, "pad=(1, 0.5)"),
    "pad too many": (lambda: F.pad(X1, (1,) * 8), ShapeError, "(1, 1, 1, 1, 1, 1, 1, 1)", "[1, 4, 8]"),
    "pad mode": (lambda: F.pad(X1, (1, 1), "edge"), ArgumentError, "mode='edge'", "'replicate'"),
    "pad value": (lambda: F.pad(X1, (1, 1), "reflect", 2.5), ArgumentError, "mode='reflect'", "value=2.5"),
    "pad value of int": (
        lambda: F.pad(zeros(3, dtype=np.int8), (1, 1), value=0.5),
        ArgumentError,
        "int8",
        "0.5",
    ),
    "pad value range": (
        lambda: F.pad(zeros(3, dtype=np.uint8), (1, 1), value=256),
        ArgumentError,
        "uint8",
        "256",
    ),
    "pad value nan": (
        lambda: F.pad(zeros(3, dtype=int), (1, 1), value=np.nan),
        ArgumentError,
        "int64",
        "nan",
    ),
    "pad crop": (lambda: F.pad(X1, (-5, -4)), ShapeError, "(-5, -4)", "axis 2", "8", "[1, 4, 8]"),
    "pad reflect": (lambda: F.pad(X1, (0, 8), "reflect"), ArgumentError, "(0, 8)", "axis 2", "[1, 4, 8]"),
    "pad reflect cropped": (lambda: F.pad(X1, (-1, 7), "reflect"), ArgumentError, "(-1, 7)"),
    "pad circular": (lambda: F.pad(X1, (9, 0), "circular"), ArgumentError, "(9, 0)", "axis 2", "[1, 4, 8]"),
    "pad replicate": (lambda: F.pad(zeros(1, 0), (1, 0), "replicate"), ArgumentError, "(1, 0)", "[1, 0]"),
    "relu of complex": (lambda: F.relu(zeros(2, dtype=np.complex64)), DtypeError, "relu", "complex64"),
    "relu of bools": (lambda: F.relu(rsconv.tensor([True]), True), DtypeError, "relu", "bool"),
    "relu in an array": (lambda: F.relu(X1, inplace=True), ArgumentError, "inplace=True", "ndarray"),
    "unfold dimensions": (lambda: F.unfold(X1, (3,) * 3), ShapeError, "4D", "5D", "(3, 3, 3)", "[1, 4, 8]"),
    "unfold kernel": (lambda: F.unfold(X2, (3, 0)), ArgumentError, "kernel_size", "(3, 0)"),
    "unfold rank": (lambda: F.unfold(X2, (1,) * 4), ArgumentError, "unfold", "(1, 1, 1, 1)"),
    "unfold stride": (lambda: F.unfold(X2, 3, stride=0), ArgumentError, "stride", "0"),
    "unfold size": (lambda: F.unfold(X2, 9), ShapeError, "(8 x 8)", "(9 x 9)"),
    "fold dimensions": (lambda: F.fold(zeros(1, 1, 9, 4), 4, 3), ShapeError, "2D", "3D", "[1, 1, 9, 4]"),
    "fold channels": (lambda: F.fold(zeros(1, 10, 4), 4, 3), ShapeError, "(3, 3)", "[1, 10, 4]", "10", "9"),
    "fold windows": (
        lambda: F.fold(zeros(1, 9, 5), (4, 4), 3),
        ShapeError,
        "(4, 4)",
        "[1, 9, 5]",
        "2 * 2 = 4",
    ),
    "fold sizes": (
        lambda: F.fold(zeros(1, 9, 4), (4, 4), (3, 3, 1)),
        ArgumentError,
        "kernel_size",
        "(3, 3, 1)",
    ),
    "prepare rank": (lambda: rsconv.prepare(zeros(3, 2), input_shape=(1, 2)), ArgumentError, "[3, 2]"),
    "prepare output_padding": (
        lambda: rsconv.prepare(W1, input_shape=X1.shape, output_padding=1),
        ArgumentError,
        "output_padding=1",
    ),
    "prepared input": (
        lambda: rsconv.prepare(W1, input_shape=X1.shape)(zeros(1, 4, 9)),
        ShapeError,
        "input",
        "[1, 4, 9]",
        "[1, 4, 8]",
    ),
    "explain": (lambda: rsconv.explain(F.pad, X1, (1, 1)), ArgumentError, "'pad'", "conv2d", "conv3d_weight"),
    "input_size": (lambda: grad.conv1d_input(8, W1, zeros(1, 6, 6)), ShapeError, "[8]"),
    "grad_output of input": (
        lambda: grad.conv1d_input(X1.shape, W1, zeros(1, 6, 7)),
        ShapeError,
        "grad_output",
        "[1, 6, 7]",
        "[1, 6, 6]",
    ),
    "grad_output of weight": (
        lambda: grad.conv1d_weight(X1, W1.shape, zeros(1, 5, 6)),
        ShapeError,
        "grad_output",
        "[1, 5, 6]",
        "[1, 6, 6]",
    ),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_call(name):
    call, error, *tokens = BAD_CALLS[name]
    if error is None:
        call()
    else:
        fails(call, error, *tokens)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("argument", ["stride", "dilation", "padding", "groups"])
@pytest.mark.parametrize("value", [1.5, (1, 2.5, 3), "two", [[1]], 2**70])
def test_bad_type_of_argument(rank, transposed, argument, value):
    shape = (4,) * rank
    function = getattr(F, f"conv{'_transpose' * transposed}{rank}d")
    with pytest.raises((ArgumentError, TypeError)) as caught:
        function(zeros(1, 4, *shape), zeros(4, 4, *shape), **{argument: value})
    assert argument in str(caught.value) or repr(value) in str(caught.value), caught.value


DTYPE_CALLS = {
    "weight": (lambda a, b: F.conv1d(a(X1), b(W1)), "weight"),
    "bias": (lambda a, b: F.conv1d(a(X1), a(W1), b(zeros(6))), "bias"),
    "transposed": (lambda a, b: F.conv_transpose1d(a(X1), b(T1)), "weight"),
    "padding_mode": (lambda a, b: F.conv1d(a(X1), b(W1), padding=1, padding_mode="reflect"), "weight"),
    "circular transposed": (
        lambda a, b: F.conv_transpose1d(a(X1), a(T1), b(zeros(6)), padding_mode="circular"),
        "bias",
    ),
    "conv_tbc": (lambda a, b: F.conv_tbc(a(zeros(5, 2, 3)), b(zeros(2, 3, 6)), None), "weight"),
    "prepare": (lambda a, b: rsconv.prepare(a(W1), b(zeros(6)), input_shape=X1.shape), "bias"),
    "prepared": (lambda a, b: rsconv.prepare(a(W1), input_shape=X1.shape)(b(X1)), "weight"),
    "explain": (lambda a, b: rsconv.explain(F.conv1d, a(X1), b(W1)), "weight"),
    "input gradient": (lambda a, b: grad.conv1d_input(X1.shape, a(W1), b(zeros(1, 6, 6))), "grad_output"),
    "weight gradient": (lambda a, b: grad.conv1d_weight(a(X1), W1.shape, b(zeros(1, 6, 6))), "grad_output"),
}


@pytest.mark.parametrize("name", DTYPE_CALLS)
@pytest.mark.parametrize("pair", [("float32", "float64"), ("complex64", "float32"), ("int8", "complex128")])
def test_mixed_dtypes_name_both(name, pair):
    call, argument = DTYPE_CALLS[name]
    # The name may begin a sentence.
    for first, second in (pair, pair[::-1]):
        fails(
            lambda first=first, second=second: call(lambda a: a.astype(first), lambda a: a.astype(second)),
            DtypeError,
            *pair,
            argument[1:],
        )


def test_a_list_of_arrays_has_their_dtype():
    fails(lambda: F.conv1d([X1[0]], W1.astype(np.float64)), DtypeError, "float32", "float64", "weight")
    fails(
        lambda: F.conv1d(X1.astype(int), (0.5 * np.ones(W1.shape)).tolist()), DtypeError, "float64", "int64"
    )


@pytest.mark.parametrize("dtype", ["bool", "longdouble", "clongdouble", "M8[s]", "O", "U3", "i4,f4"])
def test_unsupported_dtypes_are_named(dtype):
    dtype = np.dtype(dtype)
    x, w, g = zeros(1, 1, 3, dtype=dtype), zeros(1, 1, 2, dtype=dtype), zeros(1, 1, 2, dtype=dtype)
    for call in (
        lambda: F.conv1d(x, w),
        lambda: F.conv_transpose1d(x, w),
        lambda: grad.conv1d_input(x.shape, w, g),
        lambda: grad.conv1d_weight(x, w.shape, g),
        lambda: rsconv.prepare(w, input_shape=x.shape),
        lambda: rsconv.explain(F.conv1d, x, w),
    ):
        with pytest.raises(DtypeError) as caught:
            call()
        assert dtype.name in str(caught.value) or str(dtype) in str(caught.value), caught.value


OUT_CALLS = {
    "conv": lambda x, w, b, out: F.conv1d(x, w, b, out=out),
    "transposed": lambda x, w, b, out: F.conv_transpose1d(x, w.swapaxes(0, 1), b, padding=2, out=out),
    "padding_mode": lambda x, w, b, out: F.conv1d(x, w, b, padding_mode="circular", out=out),
    "circular transposed": lambda x, w, b, out: F.conv_transpose1d(
        x, w.swapaxes(0, 1), b, padding=2, padding_mode="circular", out=out
    ),
    "conv_tbc": lambda x, w, b, out: F.conv_tbc(x.transpose(2, 0, 1), w.transpose(2, 1, 0), b, out=out),
    "prepared": lambda x, w, b, out: rsconv.prepare(w, b, input_shape=x.shape)(x, out),
}


@pytest.mark.parametrize("name", OUT_CALLS)
@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.int16])
def test_out_is_checked(name, dtype):
    call = OUT_CALLS[name]
    shape = (4, 4, 8)
    memory = zeros(1000, dtype=dtype)
    x, w, b = memory[:128].reshape(shape), memory[128 : 128 + 4 * 4 * 3].reshape(4, 4, 3), memory[200:204]
    good = call(x, w, b, None)
    assert call(x, w, b, zeros(*good.shape, dtype=dtype)) is not None

    def refused(error, out, *tokens):
        fails(lambda: call(x, w, b, out), error, "out", *tokens)

    sizes = ", ".join(map(str, good.shape))
    refused(ShapeError, zeros(1, *good.shape, dtype=dtype), f"1, {sizes}", sizes)
    refused(DtypeError, zeros(*good.shape, dtype=np.float64), "float64", np.dtype(dtype).name)
    read_only = zeros(*good.shape, dtype=dtype)
    read_only.flags.writeable = False
    refused(ArgumentError, read_only, "read-only")
    refused(ArgumentError, [1.0], "list")
    # A prepared call reads its own copies of the weight and the bias.
    overlaps = {"input": 100} if name == "prepared" else {"input": 100, "weight": 150, "bias": 203}
    for argument, start in overlaps.items():
        out = memory[start : start + good.size]
        refused(ArgumentError, out.reshape(good.shape), "overlap", argument)
    assert (memory == 0).all()


def test_classes_satisfy_both_families():
    for error in (ShapeError, ArgumentError, DtypeError, DeviceError, WeightsError):
        assert issubclass(error, ValueError) and issubclass(error, RuntimeError)
    assert issubclass(DtypeError, TypeError)
    assert issubclass(InternalError, RuntimeError)
