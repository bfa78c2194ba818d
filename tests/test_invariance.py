"""The same bits for a sample alone or in a batch, for any number of threads, run after run."""

import threading

import numpy as np
import pytest
import rsconv
from cases import Case, random_array
from rsconv import functional as F
from rsconv.backends import Geometry, cpu

# Each is large enough to be split between threads, and together they meet every algorithm.
CASES = [
    Case((30, 33), (3, 3), 24, 40, batch=5, pads=1),
    Case((14, 14), (1, 1), 96, 70, batch=4),
    Case((40, 44), (3, 3), 3, 16, batch=3, stride=2, pads=1),
    Case((33, 31), (3, 3), 32, 32, batch=4, groups=32, pads=1),
    Case((21, 22), (3, 3), 32, 48, batch=4, groups=8, pads=1),
    Case((300,), (3,), 32, 33, batch=4, stride=2, pads=1),
    Case((8, 9, 11), (3, 3, 3), 9, 12, batch=3, pads=1, dilation=(1, 2, 1)),
    Case((12, 13), (2, 2), 24, 20, batch=4, stride=2, transposed=True),
    Case((11, 10), (3, 3), 20, 18, batch=3, stride=2, pads=1, output_padding=1, transposed=True),
    Case((6, 6), (3, 3), 300, 16, batch=4, pads=1),
    Case((17, 19), (3, 3), 8, 12, batch=3, pads=1, dtype="float16"),
    Case((17, 19), (3, 3), 8, 12, batch=3, pads=1, dtype="float64"),
    Case((17, 19), (3, 3), 8, 12, batch=3, pads=1, dtype="complex64"),
    Case((17, 19), (3, 3), 8, 12, batch=3, pads=1, dtype="int32"),
]
every_case = pytest.mark.parametrize("case", CASES, ids=str)


@pytest.fixture
def threads():
    """Sets the number of threads; puts it back."""
    before = rsconv.get_num_threads()
    yield rsconv.set_num_threads
    rsconv.set_num_threads(before)


def geometry_of(case, shape):
    settings = (case.stride, case.pairs, case.output_padding, case.groups, case.dilation, case.transposed)
    return Geometry(case.rank, shape, case.weight_shape, (case.outputs,), *settings)


def passes(case, x, w, b, g):
    """Results of all passes, the weight gradient last: it alone sums over the batch."""
    geometry = geometry_of(case, x.shape)
    packed = cpu.pack(geometry, w)
    return (
        cpu.conv(geometry, x, w, b),
        cpu.conv(geometry, x, packed, b),
        cpu.conv_input_grad(geometry, w, g),
        cpu.conv_weight_grad(geometry, x, g),
    )


def same(a, b):
    """Equal bit by bit, signs of zero included."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


@every_case
def test_a_sample_alone_has_the_bits_it_has_in_a_batch(case):
    x, w, b, g = case.arrays()
    *batched, _ = passes(case, x, w, b, g)
    for i in range(case.batch):
        *alone, _ = passes(case, x[i : i + 1], w, b, g[i : i + 1])
        *unbatched, _ = passes(case, x[i], w, b, g[i])
        for whole, one, bare in zip(batched, alone, unbatched, strict=True):
            assert same(whole[i : i + 1], one) and same(whole[i], bare)


@every_case
def test_any_number_of_threads_gives_the_same_bits(case, threads):
    arrays = case.arrays()
    threads(1)
    expected = passes(case, *arrays)
    for count in (2, 3, 8):
        threads(count)
        assert rsconv.get_num_threads() == count
        assert all(map(same, passes(case, *arrays), expected)), count


@every_case
def test_every_run_gives_the_same_bits(case):
    arrays = case.arrays()
    expected = passes(case, *arrays)
    for _ in range(5):
        assert all(map(same, passes(case, *arrays), expected))


def test_callers_from_many_threads(threads):
    threads(2)
    jobs = [(case, case.arrays()) for case in CASES[:8]]
    expected = [passes(case, *arrays) for case, arrays in jobs]
    wrong, start = [], threading.Barrier(12)

    def work(first):
        start.wait()
        for i in range(first, first + 2 * len(jobs)):
            case, arrays = jobs[i % len(jobs)]
            if not all(map(same, passes(case, *arrays), expected[i % len(jobs)])):
                wrong.append(str(case))

    callers = [threading.Thread(target=work, args=(i,)) for i in range(12)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(timeout=60)
        assert not caller.is_alive(), "a caller is stuck"
    assert not wrong


def test_threads_may_change_while_others_run(threads):
    case = CASES[0]
    arrays = case.arrays()
    expected = passes(case, *arrays)
    stop, wrong = threading.Event(), []

    def work():
        while not stop.is_set():
            if not all(map(same, passes(case, *arrays), expected)):
                wrong.append(1)

    callers = [threading.Thread(target=work) for _ in range(3)]
    for caller in callers:
        caller.start()
    for count in [1, 2, 3, 4] * 10:
        threads(count)
    stop.set()
    for caller in callers:
        caller.join(timeout=60)
        assert not caller.is_alive(), "a caller is stuck"
    assert not wrong


def test_layout_operators_do_not_depend_on_the_batch():
    x = random_array(np.random.default_rng(0), (3, 4, 9, 8), "float32")
    columns = F.unfold(x, 3, padding=1)
    folded = F.fold(columns, (9, 8), 3, padding=1)
    padded = F.pad(x, (2, 1), "reflect")
    for i in range(3):
        assert same(F.unfold(x[i], 3, padding=1), columns[i])
        assert same(F.fold(columns[i], (9, 8), 3, padding=1), folded[i])
        assert same(F.pad(x[i], (2, 1), "reflect"), padded[i])
