"""Memory of large results is used again, and never while somebody can see it."""

import gc
import sys

import numpy as np
import pytest
from rsconv.backends import cpu

ELEMENTS = 9 << 20  # of float32: 36 MiB


@pytest.fixture
def x():
    return np.arange(ELEMENTS, dtype=np.float32)


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_that_nobody_has_is_used_again(x):
    first = cpu.elementwise("add", [x, 1.0])
    place = address(first)
    assert place % 64 == 0
    assert first.flags.writeable and first.flags.c_contiguous and first.dtype == np.float32
    del first
    gc.collect()
    seen = [cpu.elementwise("add", [x, 2.0])]
    if getattr(sys, "_is_gil_enabled", lambda: True)():
        # Other tests may have left a block that fits, too.
        seen += [cpu.elementwise("add", [x, float(i)]) for i in range(3)]
        assert place in [address(array) for array in seen]


def test_live_results_and_views_of_them_are_left_alone(x):
    held = []
    for i in range(6):
        result = cpu.elementwise("add", [x, float(i)])
        # What stays is a view, or what only knows its memory.
        held.append((result[5:10], np.asarray(memoryview(result))[5:10])[i % 2])
        del result
    gc.collect()
    for i, view in enumerate(held):
        np.testing.assert_array_equal(view, x[5:10] + i)


def test_results_through_other_protocols_are_left_alone(x):
    foreign = np.from_dlpack(cpu.elementwise("add", [x, 1.0]))
    reshaped = cpu.elementwise("add", [x, 2.0]).reshape(3, -1).T
    for i in range(8):
        cpu.elementwise("mul", [x, float(i)])
    assert foreign[7] == 8 and reshaped[7, 0] == 9


def test_results_of_all_types_and_shapes(x):
    wide = cpu.elementwise("lt", [x.reshape(3, -1), x.reshape(3, -1)[:1]])
    assert wide.dtype == np.bool_ and not wide.any()
    doubles = cpu.elementwise("add", [x[: ELEMENTS // 2].astype(np.float64), 1.0])
    assert doubles.dtype == np.float64 and doubles[3] == 4
    swapped = cpu.elementwise("relu", [x.reshape(3, -1).T])
    assert swapped.shape == (ELEMENTS // 3, 3) and swapped.flags.f_contiguous
