"""Sharing devices and buffers with other code over wgpu-py."""

import subprocess
import sys

import numpy as np
import pytest
import rsconv
from rsconv.errors import ArgumentError, DeviceError, DtypeError, GpuError, ShapeError


def own_buffer(backend, array, usage=None):
    import wgpu

    flags = wgpu.BufferUsage
    usage = flags.STORAGE | flags.COPY_SRC | flags.COPY_DST if usage is None else usage
    device = backend.runtime.device
    buffer = device.create_buffer(size=array.nbytes, usage=usage)
    device.queue.write_buffer(buffer, 0, array)
    return buffer


def test_a_buffer_comes_in_without_a_copy(backend):
    x = np.arange(24, dtype=np.float32).reshape(4, 6)
    buffer = own_buffer(backend, x)
    before = rsconv.gpu.memory_stats("gpu")
    tensor = rsconv.gpu.from_buffer(buffer, (4, 6), "float32")
    turned = rsconv.gpu.from_buffer(buffer, (5, 4), np.float32, strides=(1, 6), offset=1)
    after = rsconv.gpu.memory_stats("gpu")
    assert (after["buffers_created"], after["bytes_uploaded"]) == (
        *(before["buffers_created"], before["bytes_uploaded"]),
    )
    assert tensor.device == "gpu" and tensor.shape == (4, 6)
    np.testing.assert_array_equal((tensor + 1).numpy(), x + 1)
    np.testing.assert_array_equal(turned.numpy(), x[:, 1:].T)
    # Another library's writes are seen, and ours reach its buffer.
    backend.runtime.device.queue.write_buffer(buffer, 0, -x)
    np.testing.assert_array_equal(tensor.numpy(), -x)
    tensor[1] = 7
    rsconv.gpu.synchronize()
    seen = np.frombuffer(backend.runtime.device.queue.read_buffer(buffer), np.float32).reshape(4, 6)
    np.testing.assert_array_equal(seen, np.where(np.arange(4)[:, None] == 1, 7, -x))


def test_a_buffer_that_came_in_is_not_used_for_anything_else(backend):
    x = np.ones(1000, np.float32)
    buffer = own_buffer(backend, x)
    tensor = rsconv.gpu.from_buffer(buffer, (1000,), "float32")
    del tensor
    for _ in range(3):
        rsconv.tensor(np.zeros(1000, np.float32), device="gpu")
    assert np.frombuffer(backend.runtime.device.queue.read_buffer(buffer), np.float32).all()


def test_a_buffer_goes_out_without_a_copy(backend):
    x = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    tensor = rsconv.tensor(x, device="gpu") * 2
    shared = rsconv.gpu.buffer_of(tensor[:, 1])
    data = np.frombuffer(backend.runtime.device.queue.read_buffer(shared.buffer), shared.dtype)
    found = np.lib.stride_tricks.as_strided(
        data[shared.offset :], shared.shape, [4 * stride for stride in shared.strides]
    )
    np.testing.assert_array_equal(found, 2 * x[:, 1])
    # The memory outlives the Tensor for as long as it is shared.
    uid = tensor._array.buffer.block.uid
    del tensor
    others = [rsconv.tensor(x, device="gpu") for _ in range(3)]
    assert uid not in {other._array.buffer.block.uid for other in others}
    del shared
    more = [rsconv.tensor(x, device="gpu") for _ in range(3)]
    assert uid in {other._array.buffer.block.uid for other in more}


def test_what_does_not_fit_is_refused(backend):
    import wgpu

    x = np.zeros(12, np.float32)
    buffer = own_buffer(backend, x)
    take = rsconv.gpu.from_buffer
    with pytest.raises(ShapeError, match=r"\(4, 4\), .* reach from byte 0 to 64, but the buffer has 48"):
        take(buffer, (4, 4), "float32")
    with pytest.raises(ShapeError, match="reach from byte -8 to 4"):
        take(buffer, (3,), "float32", strides=(-1,))
    with pytest.raises(ShapeError, match=r"strides \(1, 1\) and shape \(3,\) differ"):
        take(buffer, (3,), "float32", strides=(1, 1))
    with pytest.raises(DtypeError, match="float64 is not supported on the GPU"):
        take(buffer, (3,), "float64")
    with pytest.raises(ArgumentError, match="needs a GPUBuffer of wgpu, but got ndarray"):
        take(x, (12,), "float32")
    with pytest.raises(GpuError, match="needs STORAGE, COPY_SRC and COPY_DST"):
        take(own_buffer(backend, x, wgpu.BufferUsage.STORAGE | wgpu.BufferUsage.COPY_DST), (12,), "float32")
    with pytest.raises(DeviceError, match="needs a Tensor on a GPU, but got one on cpu"):
        rsconv.gpu.buffer_of(rsconv.zeros(3))
    with pytest.raises(DeviceError, match="needs a GPUDevice of wgpu, but got str"):
        rsconv.gpu.use_device("gpu")


def test_a_device_in_use_is_not_replaced(backend, fresh):
    foreign = own_buffer(fresh, np.zeros(3, np.float32))
    with pytest.raises(DeviceError, match="a buffer of a device that is not in use: call use_device"):
        rsconv.gpu.from_buffer(foreign, (3,), "float32")
    with pytest.raises(DeviceError, match="in use through another device already"):
        rsconv.gpu.use_device(fresh.runtime.device)
    assert rsconv.gpu.use_device(backend.runtime.device) == "gpu"


SHARED = """
import numpy as np, rsconv, wgpu
from wgpu.utils.device import get_default_device
device = get_default_device()
assert rsconv.gpu.use_device(device) == "gpu"
x = np.arange(6, dtype=np.float32)
tensor = rsconv.tensor(x).to("gpu")
shared = rsconv.gpu.buffer_of(tensor * 3)
assert shared.buffer._device is device
print(np.frombuffer(device.queue.read_buffer(shared.buffer, 4 * shared.offset, 24), np.float32))
"""


def test_the_default_device_of_wgpu_can_be_used(backend):
    done = subprocess.run([sys.executable, "-c", SHARED], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[ 0.  3.  6.  9. 12. 15.]\n", done.stderr
