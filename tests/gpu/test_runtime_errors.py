"""What goes wrong on a GPU, and what it says."""

import os
import subprocess
import sys

import numpy as np
import pytest
import rsconv
from rsconv.backends import gpu
from rsconv.backends.gpu import devices
from rsconv.errors import ArgumentError, DeviceError, GpuError, InternalError, OutOfMemoryError

from test_runtime import SCALE, scaled, values  # isort: skip

NAMED = "GPU '.*', {} on \\(64,\\) float32, \\(64,\\) float32, workgroups \\(1, 1, 1\\): "


def dispatch(backend, variant, source=None, words=bytes(16), groups=(1, 1, 1), inputs=1):
    runtime = backend.runtime
    if source is not None:
        runtime.pipelines.sources[variant] = source
    x = runtime.bind(backend.upload(values(64)))
    runtime.dispatch(variant, words, [x] * inputs, [runtime.bind(backend.upload(values(64)))], groups)


def test_a_shader_that_does_not_parse(fresh):
    with pytest.raises(GpuError, match=NAMED.format("broken") + "(?s:.)*expected to be `u32`"):
        dispatch(fresh, "broken", SCALE.replace("let i =", "let i: u32 = 1.5; let j ="))
    # The device works on.
    np.testing.assert_array_equal(fresh.download(scaled(fresh.upload(values(9)), 2)), 2 * values(9))


def test_a_shader_that_does_not_fit_its_bindings(fresh):
    with pytest.raises(GpuError, match=NAMED.format("apart") + "(?s:.)*binding: 3"):
        dispatch(fresh, "apart", SCALE.replace("@binding(2)", "@binding(3)"))


def test_a_failed_first_dispatch_does_not_spoil_the_next(fresh, monkeypatch):
    from rsconv.backends.gpu.parameters import Arena

    x = fresh.upload(values(64))
    with monkeypatch.context() as patch:
        # An offset that no device allows makes the whole batch invalid.
        patch.setattr(Arena, "place", lambda self, words: 3)
        with pytest.raises(GpuError, match=NAMED.format("scale")):
            dispatch(fresh, "scale", SCALE)
    np.testing.assert_array_equal(fresh.download(scaled(x, 2)), 2 * values(64))


def test_a_batch_that_fails_names_its_kernels(fresh, monkeypatch):
    from rsconv.backends.gpu.parameters import Arena

    x = fresh.upload(values(64))
    scaled(x, 2)
    with monkeypatch.context() as patch:
        patch.setattr(Arena, "place", lambda self, words: 3)
        with pytest.raises(GpuError, match=r"submitting scale; their results are lost: (?s:.)*ffset"):
            scaled(x, 5)
            fresh.runtime.synchronize()
    np.testing.assert_array_equal(fresh.download(scaled(x, 7)), 7 * values(64))


def test_a_variant_that_does_not_exist(backend):
    with pytest.raises(Exception, match="no_such_variant"):
        dispatch(backend, "no_such_variant")


def test_dispatches_out_of_bounds(fresh):
    with pytest.raises(InternalError, match=r"scale on .*, workgroups \(65536, 1, 1\): at most 65535"):
        dispatch(fresh, "scale", SCALE, groups=(65536, 1, 1))
    with pytest.raises(
        InternalError, match=r"scale on .*: 528 bytes of parameters, not a multiple of 16 up to 512"
    ):
        dispatch(fresh, "scale", words=bytes(528))
    with pytest.raises(InternalError, match="scale: 8 inputs and 1 outputs"):
        dispatch(fresh, "scale", inputs=8)
    # No workgroups are no dispatch.
    dispatch(fresh, "scale", groups=(0, 1, 1))
    assert fresh.runtime.stats()["dispatches"] == 0


def test_an_array_larger_than_any_buffer(backend):
    runtime = backend.runtime
    count = runtime.limits["max-buffer-size"] // 4 + 1
    with pytest.raises(
        OutOfMemoryError, match=f"{4 * count:,} bytes does not fit the device's largest buffer"
    ):
        runtime.empty((count,), np.dtype(np.float32))


def test_errors_of_the_driver_are_out_of_memory_errors(fresh):
    import wgpu

    def fail(**keywords):
        raise wgpu.GPUOutOfMemoryError("not enough memory left")

    class Device:
        create_buffer = staticmethod(fail)

    whole, fresh.runtime.device = fresh.runtime.device, Device()
    fresh.runtime.synchronize = lambda: None
    fresh.runtime.pool._wait = lambda: None
    with pytest.raises(
        OutOfMemoryError, match=r"allocating 1,\d+ bytes: not enough memory left\n0 bytes are in use"
    ):
        fresh.runtime.empty((300,), np.dtype(np.float32))
    fresh.runtime.device = whole


@pytest.mark.filterwarnings("ignore")
def test_a_lost_device_says_so_and_can_be_opened_again(fresh, caplog):
    x = fresh.upload(values(10))
    result = scaled(x, 2)
    fresh.runtime.device.destroy()
    with pytest.raises(GpuError, match=r"(?s)reading .*lost.*rsconv\.gpu\.reset\(\)") as caught:
        fresh.download(result)
    for again in (
        lambda: fresh.download(x),
        lambda: fresh.upload(values(10)),
        lambda: scaled(x, 3),
        lambda: fresh.runtime.empty((3,), x.dtype),
        lambda: fresh.runtime.synchronize(),
    ):
        with pytest.raises(GpuError, match=r"rsconv\.gpu\.reset\(\)") as later:
            again()
        assert later.value is not caught.value
    devices.reset(fresh)
    np.testing.assert_array_equal(fresh.download(scaled(fresh.upload(values(10)), 2)), 2 * values(10))
    with pytest.raises(GpuError, match="lost"):
        fresh.download(x)


def test_reset_loses_what_was_there(fresh):
    x = fresh.upload(values(10))
    devices.reset(fresh)
    with pytest.raises(GpuError, match="the device was reset, and what this Tensor held there is lost"):
        fresh.download(x)
    np.testing.assert_array_equal(fresh.download(fresh.upload(values(10))), values(10))


FORK = """
import os, sys, threading
import numpy as np, rsconv
from rsconv.backends import gpu
x = rsconv.tensor(np.ones(5, np.float32)).to("gpu")
y = x + x
held, done = threading.Event(), threading.Event()
def hold():
    with gpu.opened()[0].runtime.lock:
        held.set()
        done.wait()
# A lock that another thread holds is never released in the child.
threading.Thread(target=hold).start()
held.wait()
child = os.fork()
if child:
    done.set()
if child == 0:
    # Not by sys.exit: Mesa's own exit handler waits for threads that a fork leaves behind.
    caught = []
    for call in (lambda: y.numpy(), lambda: x + x, lambda: rsconv.device("gpu:0"), lambda: gpu.open("other"),
                 lambda: rsconv.gpu.synchronize()):
        try:
            call()
        except rsconv.DeviceError as error:
            caught.append("forked" in str(error) and "spawn" in str(error))
    del x, y
    os._exit(0 if caught == [True] * 5 else 1)
print(os.waitstatus_to_exitcode(os.wait()[1]), y.numpy().sum())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_after_a_fork_the_gpu_raises(backend):
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=60)
    assert done.stdout == "0 10.0\n", done.stderr


def test_a_fork_before_any_use_may_use_the_gpu(backend):
    code = (
        "import os, numpy as np, rsconv, rsconv.backends.gpu\n"
        "if os.fork() == 0:\n"
        "    os._exit(int(rsconv.tensor(np.ones(5, np.float32)).to('gpu').numpy().sum()))\n"
        "print(os.waitstatus_to_exitcode(os.wait()[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "5\n", done.stderr


PUBLIC = """
import numpy as np, rsconv
x = rsconv.tensor(np.ones(200_000, np.float32)).to("gpu")
del x
assert rsconv.gpu.memory_stats()["bytes_pooled"] > 800_000
rsconv.gpu.empty_cache("gpu:0")
stats = rsconv.gpu.memory_stats("gpu")
assert stats["bytes_pooled"] == 0 and stats["bytes_uploaded"] == 800_000
rsconv.gpu.set_memory_limit(1 << 20)
try:
    rsconv.zeros(1 << 20, device="gpu")
except rsconv.OutOfMemoryError as error:
    assert "limit of 1,048,576 bytes" in str(error)
rsconv.gpu.set_memory_limit(None)
kept = rsconv.ones(1 << 20, device="gpu")
with rsconv.gpu.timer() as timer:
    kept = kept + 1
assert 0 < timer.seconds < 60
rsconv.gpu.reset()
try:
    kept.numpy()
except rsconv.GpuError as error:
    assert "was reset" in str(error)
print(rsconv.ones(3, device="gpu").numpy(), rsconv.gpu.memory_stats()["bytes_downloaded"])
"""


def test_what_rsconv_gpu_offers(backend):
    done = subprocess.run([sys.executable, "-c", PUBLIC], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[1. 1. 1.] 12\n", done.stderr


def test_limits_on_memory_are_read(monkeypatch):
    read = devices.parse_bytes
    assert [read(text) for text in ("1500000", "512M", "2G", "2 GiB", "1kb")] == [
        *(1_500_000, 512 << 20, 2 << 30, 2 << 30, 1024)
    ]
    for text in ("lots", "-1", "1.5G", "0", "G"):
        with pytest.raises(
            ArgumentError, match=f"RSCONV_GPU_MEMORY_LIMIT={text} is not valid: expected bytes"
        ):
            read(text)


def test_the_variable_limits_memory(backend, monkeypatch):
    monkeypatch.setenv("RSCONV_GPU_MEMORY_LIMIT", "1M")
    limited = gpu.GpuBackend(devices.start(backend.runtime.adapter), "gpu")
    with pytest.raises(OutOfMemoryError, match="limit of 1,048,576 bytes"):
        limited.upload(np.zeros(1 << 19, np.float32))


def test_webgpus_own_limits_can_be_forced(backend, monkeypatch):
    monkeypatch.setenv("RSCONV_GPU_DEFAULT_LIMITS", "1")
    runtime = devices.start(backend.runtime.adapter)
    limits = runtime.limits
    assert limits["max-buffer-size"] == 256 << 20 and runtime.max_binding == 128 << 20
    assert limits["max-storage-buffers-per-shader-stage"] == 8
    assert limits["max-compute-workgroup-storage-size"] == 16384
    assert limits["min-storage-buffer-offset-alignment"] == 256


def test_two_limits_that_are_none(backend):
    for limit in (0, -5, "1G", 1.5):
        with pytest.raises(ArgumentError, match=f"limit={limit!r} must be a positive number"):
            rsconv.gpu.set_memory_limit(limit, "gpu")
    with pytest.raises(DeviceError, match="device 'cpu' is not a GPU"):
        rsconv.gpu.memory_stats("cpu")
