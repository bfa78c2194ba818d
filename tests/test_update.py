"""The core's update of arrays in place: what it refuses, and every instruction set."""

import os
import subprocess
import sys

import numpy as np
import pytest
from rsconv import _core
from rsconv.errors import ArgumentError, DtypeError, ShapeError

SGD = (-1.0, 0.0, 1.0)
MOMENTUM = (-1.0, 0.0, 1.0, 0.5, 1.0, 0.0)
ONES = np.ones(4, np.float32)


def read_only():
    array = ONES.copy()
    array.flags.writeable = False
    return array


def misaligned():
    return np.zeros(17, np.uint8)[1:].view(np.float32)


WHOLE = np.zeros(6, np.float32)
REFUSED = [
    ("sgd", [ONES.astype(np.float64)], SGD, DtypeError, "array 0 of sgd has type float64, .* type float32"),
    ("sgd", [np.ones(3, np.float32)], SGD, ShapeError, r"array 0 of sgd has shape \[3\], .* shape \[4\]"),
    ("sgd", [read_only()], SGD, ArgumentError, r"array 0 of sgd of shape \[4\] is read-only"),
    ("sgd", [misaligned()], SGD, ArgumentError, "misaligned or of foreign byte order"),
    ("sgd", [ONES.astype(">f4")], SGD, ArgumentError, "misaligned or of foreign byte order"),
    (
        "sgd",
        [np.lib.stride_tricks.as_strided(WHOLE, (4,), (0,))],
        SGD,
        ArgumentError,
        "elements that share memory",
    ),
    (
        "sgd_momentum",
        [WHOLE[:4], WHOLE[2:]],
        MOMENTUM,
        ArgumentError,
        "arrays 0 and 1 of sgd_momentum overlap",
    ),
    ("sgd", [], SGD, ArgumentError, "sgd rewrites 1 arrays and takes 3 constants, but got 0 and 3"),
    ("sgd", [ONES], (1.0,), ArgumentError, "but got 1 and 1"),
    ("lion", [ONES], SGD, ArgumentError, "there is no update named 'lion'"),
]


@pytest.mark.parametrize(("op", "arrays", "params", "error", "message"), REFUSED)
def test_refused(op, arrays, params, error, message):
    before = [array.copy() for array in arrays]
    with pytest.raises(error, match=message):
        _core.update(op, arrays, ONES.copy(), params)
    for array, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_gradients_of_other_types():
    with pytest.raises(
        DtypeError, match="gradient has type int32; supported are float16, float32 and float64"
    ):
        _core.update("sgd", [np.ones(2, np.int32)], np.ones(2, np.int32), SGD)


SCRIPT = """
import numpy as np
from rsconv import _core
rng = np.random.default_rng(0)
for dtype, tolerance in (("float64", 1e-14), ("float32", 1e-6), ("float16", 2e-3)):
    p, m, v, g = (rng.uniform(0.1, 1, 1003).astype(dtype) for _ in range(4))
    a, b, c, d = (x.astype(np.float64) for x in (p, m, v, g))
    d = d + 0.1 * a
    b = 0.9 * b + 0.1 * d
    c = 0.99 * c + 0.01 * d * d
    a = a - 0.2 * b / (np.sqrt(c) / 0.5 + 1e-3)
    _core.update("adam", [p, m, v], g, (-0.2, 0.1, 1.0, 1.0, 0.1, 0.99, 0.01, 0.5, 1e-3))
    for got, wanted in zip((p, m, v), (a, b, c)):
        np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)
print(_core.info()["isa"])
"""


@pytest.mark.parametrize("isa", _core.info()["isas"])
def test_every_instruction_set(isa):
    environment = {**os.environ, "RSCONV_ISA": isa}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == isa
