"""The core as a guest in a process: forks, spawned children, Ctrl-C, memory and sizes beyond 32 bits."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import rsconv
from rsconv import functional as F

X = np.linspace(-1, 1, 4 * 16 * 40 * 40, dtype=np.float32).reshape(4, 16, 40, 40)
W = np.linspace(-1, 1, 24 * 16 * 9, dtype=np.float32).reshape(24, 16, 3, 3)


def python(code, timeout=60, **environment):
    """Run code in a fresh interpreter and return what it printed."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def digest():
    """Bytes that every process must compute alike."""
    return F.conv2d(X, W, padding=1).tobytes()[::997]


def in_forked_child(function):
    """What `function` returns in a forked child, at most 20 s later."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            with os.fdopen(writer, "wb") as stream:
                stream.write(function())
            os._exit(0)
        except BaseException:
            os._exit(1)
    os.close(writer)
    deadline = time.monotonic() + 20
    os.set_blocking(reader, False)
    answer = b""
    while time.monotonic() < deadline:
        try:
            part = os.read(reader, 1 << 16)
        except BlockingIOError:
            time.sleep(0.01)
            continue
        if not part:
            break
        answer += part
    else:
        os.kill(child, signal.SIGKILL)
    os.close(reader)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, "the child failed or hung"
    return answer


@pytest.fixture
def two_threads():
    before = rsconv.get_num_threads()
    rsconv.set_num_threads(2)
    yield
    rsconv.set_num_threads(before)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork(two_threads):
    expected = digest()
    for _ in range(3):
        assert in_forked_child(digest) == expected
    # A child of a child, and the parent afterwards.
    assert in_forked_child(lambda: in_forked_child(digest)) == expected
    assert digest() == expected


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork_while_another_thread_computes(two_threads):
    import threading

    expected, stop = digest(), threading.Event()

    def work():
        while not stop.is_set():
            digest()

    busy = threading.Thread(target=work)
    busy.start()
    try:
        for _ in range(5):
            assert in_forked_child(digest) == expected
    finally:
        stop.set()
        busy.join(timeout=20)
    assert not busy.is_alive()


def test_spawned_children(tmp_path):
    script = tmp_path / "spawned.py"
    script.write_text(
        textwrap.dedent(
            """
            import multiprocessing
            import numpy as np
            from rsconv import functional as F

            def work(seed):
                x = np.random.default_rng(seed).normal(size=(2, 8, 30, 30))
                return F.conv2d(x, np.ones((8, 8, 3, 3)), padding=1).sum()

            if __name__ == "__main__":
                here = [work(seed) for seed in range(4)]
                with multiprocessing.get_context("spawn").Pool(2) as pool:
                    assert pool.map(work, range(4)) == here
                print("same")
            """
        )
    )
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert run.stdout == "same\n", run.stderr
    assert "spawn" in multiprocessing.get_all_start_methods()


@pytest.mark.parametrize("call", ["forward", "input_grad", "weight_grad", "int", "int_plane", "int_taps"])
def test_interrupt_ends_a_long_call(call):
    """Ctrl-C comes 0.6 s into a call of many seconds; the exception must be there half a second later."""
    out = python(
        f"""
        import os, signal, threading, time
        import numpy as np
        import rsconv
        from rsconv import functional as F
        from rsconv.nn import grad
        rsconv.set_num_threads(2)
        dtype = np.int32 if {call!r} == "int" else np.float32
        # Zeros are mapped lazily and read from one page, so that setting up takes no time.
        x = np.zeros((64, 256, 160, 160), dtype)
        w = np.zeros((512, 256, 7, 7), dtype)
        g = np.zeros((64, 512, 154, 154), dtype)
        sent = []
        def interrupt():
            time.sleep(0.6)
            sent.append(time.monotonic())
            signal.raise_signal(signal.SIGINT) if os.name == "nt" else os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt).start()
        try:
            if {call!r} == "input_grad":
                grad.conv2d_input(x.shape, w, g)
            elif {call!r} == "int_plane":
                F.conv2d(np.zeros((1, 1, 4096, 4096), np.uint8), np.zeros((16, 1, 15, 15), np.uint8))
            elif {call!r} == "int_taps":
                g = np.zeros((1, 1, 4066, 4066), np.uint8)
                grad.conv2d_weight(np.zeros((1, 1, 4096, 4096), np.uint8), (1, 1, 31, 31), g)
            elif {call!r} == "weight_grad":
                grad.conv2d_weight(x, w.shape, g)
            else:
                F.conv2d(x, w)
            print("finished")
        except KeyboardInterrupt:
            late = time.monotonic() - sent[0]
            print("interrupted" if late < 0.5 else f"late: {{late}}")
        # The library still works.
        assert F.conv1d(np.ones((1, 1, 3)), np.ones((1, 1, 2)))[0, 0].tolist() == [2, 2]
        """
    )
    assert out == "interrupted\n"


@pytest.mark.parametrize("transposed", [False, True])
def test_what_cannot_be_allocated_raises_with_its_bytes(transposed):
    if transposed:
        x, w = np.zeros((1, 1, 2, 2), np.float32), np.zeros((1, 1, 1, 1), np.float32)
        arguments = {"stride": 2**21, "output_padding": 0}
        bytes_needed = (2**21 + 1) ** 2 * 4
    else:
        x, w = np.zeros((1, 1, 1), np.float32), np.zeros((1, 1, 1), np.float32)
        arguments = {"padding": 2**42}
        bytes_needed = (2**43 + 1) * 4
    function = F.conv_transpose2d if transposed else F.conv1d
    with pytest.raises(MemoryError, match=str(bytes_needed)):
        function(x, w, **arguments)


def test_sizes_beyond_the_address_space_raise():
    x, w = np.zeros((1, 1, 2, 2), np.float32), np.zeros((1, 1, 1, 1), np.float32)
    with pytest.raises(ValueError, match="more elements than"):
        F.conv_transpose2d(x, w, stride=2**40)


def test_peak_memory_of_a_large_layer():
    """A 3x3 layer of 64 channels on 2048 x 2048 needs its input, its output and at most 32 MB."""
    out = python(
        """
        import numpy as np
        from rsconv import functional as F

        def peak():
            with open("/proc/self/status") as status:
                return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

        F.conv2d(np.ones((1, 64, 16, 16), np.float32), np.ones((64, 64, 3, 3), np.float32))
        shape = (1, 64, 2048, 2048)
        w = np.ones((64, 64, 3, 3), np.float32)
        # What is read of x but was never written is one shared page of zeros: only copies of it would count.
        x, out = np.zeros(shape, np.float32), np.empty(shape, np.float32)
        x[..., :8, :8] = 1
        out.fill(0)
        before = peak()
        F.conv2d(x, w, padding=1, out=out)
        assert out[0, 0, 5, 5] == 576 and out[0, 0, 0, 0] == 256
        print(peak() - before)
        """,
        timeout=300,
    )
    assert int(out) <= 32 * 2**20


@pytest.mark.parametrize("size", [2**32 + 64])
def test_more_than_32_bits_of_elements(size):
    """The zeros are never touched but where a stride lands, so that this costs little memory and time."""
    stride = 2**24
    x = np.zeros((1, 1, size), np.int8)
    x[0, 0, ::stride] = 1
    x[0, 0, -64:] = np.arange(64)
    w = np.ones((1, 1, 2), np.int8)
    got = F.conv1d(x, w, stride=stride)
    assert got.shape == (1, 1, 257)
    np.testing.assert_array_equal(got[0, 0, :256], np.ones(256))
    assert got[0, 0, 256] == 1
    # The last window of all, and taps that are 2**32 apart.
    np.testing.assert_array_equal(F.conv1d(x, w, dilation=2**32, stride=2)[0, 0, :4], [1, 2, 4, 6])


def test_threads_from_the_environment():
    code = "import rsconv; print(rsconv.get_num_threads())"
    assert python(code, RSCONV_NUM_THREADS="3") == "3\n"
    if hasattr(os, "sched_getaffinity"):
        one = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); " + code
        environment = {"RSCONV_NUM_THREADS": ""}
        assert python(one, **environment) == "1\n"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("RSCONV_NUM_THREADS", "0", "expected an integer from 1 to 4096"),
        ("RSCONV_NUM_THREADS", "two", "expected an integer from 1 to 4096"),
        ("RSCONV_ISA", "sse9", "not one that this machine has"),
    ],
)
def test_variables_that_are_not_valid(name, value, message):
    code = """
        try:
            import rsconv
        except ValueError as error:
            assert type(error).__name__ == "ArgumentError"
            print(error)
        """
    out = python(code, **{name: value})
    assert f"{name}={value} " in out and message in out


@pytest.mark.parametrize("threads", [0, -1, 4097])
def test_numbers_of_threads_that_are_not_valid(threads):
    before = rsconv.get_num_threads()
    with pytest.raises(rsconv.ArgumentError, match=f"from 1 to 4096, but got {threads}"):
        rsconv.set_num_threads(threads)
    assert rsconv.get_num_threads() == before


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_panic_becomes_an_internal_error(threads, capfd):
    with pytest.raises(rsconv.InternalError, match="task 63 panics on purpose"):
        rsconv._core._panic(threads)
    assert "panics on purpose" in capfd.readouterr().err
    # The library still works.
    assert F.conv1d(np.ones((1, 1, 3)), np.ones((1, 1, 2)))[0, 0].tolist() == [2, 2]
