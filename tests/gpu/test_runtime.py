"""The GPU runtime: arrays to and fro, the batch of commands, and what it creates."""

import asyncio
import gc
import struct
import threading

import numpy as np
import pytest
from rsconv.backends.gpu.sentinels import Sentinels
from rsconv.errors import BindingTooLarge, DtypeError, InternalError, OutOfMemoryError

SCALE = """
struct Params { count: u32, from_: u32, to: u32, factor: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) n: vec3u,
        @builtin(local_invocation_id) at: vec3u) {
    let i = (wg.y * n.x + wg.x) * 64u + at.x;
    if (i < p.count) { y[p.to + i] = x[p.from_ + i] * p.factor; }
}
"""


def scaled(x, factor, into=None):
    """A kernel of the tests' own: `factor` times `x`."""
    runtime = x.runtime
    runtime.pipelines.sources["scale"] = SCALE
    y = runtime.empty(x.shape, x.dtype) if into is None else into
    source, target = runtime.bind(x), runtime.bind(y)
    words = struct.pack("<3If", x.size, source.first, target.first, factor)
    runtime.dispatch("scale", words, (source,), (target,), runtime.grid(-(-x.size // 64)))
    return y


def values(*shape, dtype=np.float32, seed=0):
    return (np.random.default_rng(seed).standard_normal(shape) * 10).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int32, np.bool_])
@pytest.mark.parametrize(
    "shape", [(), (1,), (3,), (5, 7), (2, 3, 4, 5), (0,), (3, 0, 2), (70_001,), (1, 1, 9)]
)
def test_arrays_come_back_as_they_went(backend, dtype, shape):
    x = values(*shape, dtype=dtype)
    back = backend.download(backend.upload(x))
    assert back.dtype == x.dtype and back.shape == x.shape and type(back) is np.ndarray
    np.testing.assert_array_equal(back, x)
    assert back.flags.c_contiguous and back.flags.writeable


def test_host_arrays_may_have_any_strides(backend):
    x = values(6, 8, 10)
    read_only = x.copy()
    read_only.flags.writeable = False
    swapped = x.astype(">f4")
    for given in (x.T, x[::-2, 1:, ::3], np.broadcast_to(x[:1], x.shape), read_only, swapped, x[:, ::-1]):
        back = backend.download(backend.upload(given))
        np.testing.assert_array_equal(back, given)
        assert back.dtype == np.float32


def test_an_upload_keeps_a_dense_order_of_memory(backend):
    x = values(2, 5, 6, 3).transpose(0, 3, 1, 2)
    device = backend.upload(x)
    assert device.order() == (0, 2, 3, 1) and device.strides == (90, 1, 18, 3)
    np.testing.assert_array_equal(backend.download(device), x)
    assert backend.upload(x[:, :, ::2]).is_contiguous()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.bool_])
def test_views_are_read_back_by_their_strides(backend, dtype):
    x = values(4, 5, 6, dtype=dtype)
    device = backend.upload(x)
    cases = [
        (device.view((6, 4), (1, 30), 12), x[:, 2].T),
        (device.view((4, 6), (-30, 2), 90), None),
        (device.view((3,), (1,), 7), x.reshape(-1)[7:10]),
        (device.view((2, 3), (0, 1), 1), np.broadcast_to(x.reshape(-1)[1:4], (2, 3))),
    ]
    for view, expected in cases:
        if expected is None:
            at = 90 + np.arange(4)[:, None] * -30 + np.arange(6) * 2
            expected = x.reshape(-1)[at]
        np.testing.assert_array_equal(backend.download(view), expected)


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.complex64, np.uint8, np.int16])
def test_other_dtypes_are_refused_with_advice(backend, dtype):
    advice = "float32" if dtype in (np.float64, np.complex64) else "int32"
    with pytest.raises(DtypeError, match=rf"{np.dtype(dtype).name} is not supported .*astype\(np.{advice}\)"):
        backend.upload(np.zeros(3, dtype))


def test_float16_needs_the_feature(fresh):
    fresh.runtime.features = frozenset()
    with pytest.raises(DtypeError, match=r"float16 .* lacks the feature shader-f16: convert with x.astype"):
        fresh.upload(np.zeros(3, np.float16))


def test_order_is_that_of_memory(backend):
    runtime, dtype = backend.runtime, np.dtype(np.float32)
    shape = (2, 3, 4, 5)
    assert runtime.empty(shape, dtype).order() == (0, 1, 2, 3)
    last = runtime.empty(shape, dtype, (0, 2, 3, 1))
    assert last.strides == (60, 1, 15, 3) and last.order() == (0, 2, 3, 1) and not last.is_contiguous()
    # One channel, or one pixel: both orders are the same.
    assert runtime.empty((2, 1, 4, 5), dtype, (0, 2, 3, 1)).is_contiguous()
    assert runtime.empty((2, 3, 1, 1), dtype, (0, 2, 3, 1)).is_contiguous()
    assert last.view((2, 3, 4, 4), last.strides, 0).order() is None
    assert last.view((2, 3), (0, 1), 0).order() is None
    assert last.view((2, 3), (-60, 1), 60).order() is None
    assert runtime.empty((3, 0), dtype).order() == (0, 1)


# Dispatches.


def test_a_long_chain_keeps_its_order(backend):
    x = values(1000)
    device = backend.upload(x)
    expected = x.copy()
    for step in range(150):
        factor = np.float32(1 + (step % 5 - 2) / 64)
        device = scaled(device, factor)
        expected *= factor
    np.testing.assert_allclose(backend.download(device), expected, rtol=1e-5)


def test_more_parameters_than_the_arena_has_places(fresh):
    x = fresh.upload(np.ones(4, np.float32))
    results = [scaled(x, factor) for factor in range(5000)]
    for factor in (0, 1, 4094, 4095, 4096, 4097, 4999):
        np.testing.assert_array_equal(fresh.download(results[factor]), np.full(4, factor, np.float32))


def test_grid_covers_counts_beyond_one_axis(backend):
    runtime = backend.runtime
    for count in (0, 1, 65535, 65536, 65537, 10**6, 3 * 10**9):
        x, y, z = runtime.grid(count)
        assert x <= 65535 and y <= 65535 and z == 1
        assert count <= x * y < count + max(y, 1)
    with pytest.raises(InternalError, match=r"4,294,967,296 workgroups"):
        runtime.grid(2**32)


def test_an_input_in_the_buffer_of_the_output_is_copied_first(backend):
    x = values(300)
    device = backend.upload(x)
    # The second hundred from the first: in one buffer, which WebGPU lets no dispatch read and write.
    scaled(device.view((100,), (1,), 0), 2, into=device.view((100,), (1,), 100))
    expected = np.concatenate([x[:100], 2 * x[:100], x[200:]])
    np.testing.assert_array_equal(backend.download(device), expected)
    # And overlapping itself: what is read is what was there before.
    scaled(device.view((200,), (1,), 0), 3, into=device.view((200,), (1,), 1))
    expected = np.concatenate([expected[:1], 3 * expected[:200], expected[201:]])
    np.testing.assert_array_equal(backend.download(device), expected)


def test_parts_of_buffers_are_bound_where_the_whole_is_too_large(fresh):
    runtime = fresh.runtime
    x = values(100_000)
    device = fresh.upload(x)
    runtime.max_binding = 40_000
    for start, count in ((0, 5000), (63, 64), (64, 65), (12_345, 9000), (99_990, 10)):
        view = device.view((count,), (1,), start)
        binding = runtime.bind(view)
        assert binding.bytes <= 40_000 and binding.offset % 256 == 0
        assert binding.offset // 4 + binding.first == start
        assert binding.offset + binding.bytes >= -(-4 * (start + count) // 16) * 16
        np.testing.assert_array_equal(fresh.download(scaled(view, 2)), 2 * x[start : start + count])
    backwards = runtime.bind(device.view((1000,), (-1,), 50_999))
    assert backwards.offset // 4 + backwards.first == 50_999 and backwards.offset <= 4 * 50_000
    with pytest.raises(
        BindingTooLarge, match=r"shape \(20000,\) \(float32\) spans 80,\d+ bytes .* 40,000 bytes"
    ):
        runtime.bind(device.view((20_000,), (1,), 0))


# What is created, and what is kept.


def test_a_second_call_creates_nothing(fresh):
    x = values(64, 64)

    def call():
        device = fresh.upload(x)
        for factor in (1, 2, 3):
            device = scaled(device, factor)
        return fresh.download(device)

    call()
    call()
    before = fresh.runtime.stats()
    for _ in range(5):
        np.testing.assert_array_equal(call(), 6 * x)
    after = fresh.runtime.stats()
    for name in ("buffers_created", "bind_groups_created", "pipelines", "bytes_peak"):
        assert after[name] == before[name], name
    assert after["dispatches"] == before["dispatches"] + 15
    assert after["bytes_uploaded"] == before["bytes_uploaded"] + 5 * x.nbytes
    assert after["bytes_downloaded"] == before["bytes_downloaded"] + 5 * x.nbytes


def test_a_second_shape_compiles_nothing(fresh):
    scaled(fresh.upload(values(10)), 2)
    before = fresh.runtime.stats()["pipelines"]
    for size in (1, 63, 64, 65, 1000, 100_000):
        scaled(fresh.upload(values(size)), 2)
    assert fresh.runtime.stats()["pipelines"] == before == 1


def test_ten_thousand_calls_do_not_grow(fresh):
    x = fresh.upload(values(256))
    counts = []
    for call in range(10_000):
        scaled(x, call % 7)
        if call % 1000 == 999:
            fresh.runtime.synchronize()
            stats = fresh.runtime.stats()
            counts.append([stats[n] for n in ("buffers", "bind_groups", "bytes_in_use", "bytes_pooled")])
    assert counts[0] == counts[-1]
    assert fresh.runtime.stats()["dispatches"] == 10_000
    assert fresh.runtime.stats()["buffers"] <= 3


def test_bind_groups_leave_with_their_buffers(fresh):
    scaled(fresh.upload(values(1000)), 2)
    assert fresh.runtime.stats()["bind_groups"] == 1
    gc.collect()
    fresh.runtime.empty_cache()
    stats = fresh.runtime.stats()
    assert stats["bind_groups"] == stats["buffers"] == stats["bytes_in_use"] == stats["bytes_pooled"] == 0


def test_bind_groups_are_bounded(fresh, monkeypatch):
    from rsconv.backends.gpu import pipelines

    monkeypatch.setattr(pipelines, "_MOST_GROUPS", 10)
    arrays = [fresh.upload(values(10, seed=n)) for n in range(12)]
    for _ in range(2):
        for seed, array in enumerate(arrays):
            np.testing.assert_array_equal(fresh.download(scaled(array, 2)), 2 * values(10, seed=seed))
    assert fresh.runtime.stats()["bind_groups"] == 10


def test_tables_are_uploaded_once(fresh):
    runtime = fresh.runtime
    table = np.arange(10, dtype=np.int32)
    first = runtime.table(("a", 1), table)
    up = runtime.stats()["bytes_uploaded"]
    assert runtime.table(("a", 1), table) is first and runtime.stats()["bytes_uploaded"] == up
    assert runtime.table(("a", 2), table) is not first
    np.testing.assert_array_equal(fresh.download(first), table)
    assert fresh.download(runtime.table("none", np.zeros(0, np.float32))).shape == (0,)


# Hazards.


@pytest.mark.parametrize("size", [100, 100_000])
def test_an_upload_into_a_buffer_that_pending_commands_use(backend, size):
    """The queue's writes land before the commands that are open; both small and staged uploads must wait."""
    first, second = values(size, seed=1), values(size, seed=2)
    for _ in range(20):
        backend.runtime.empty_cache()
        device = backend.upload(first)
        uid = device.buffer.block.uid
        result = scaled(device, 2)
        del device
        again = backend.upload(second)
        assert again.buffer.block.uid == uid
        np.testing.assert_array_equal(backend.download(result), 2 * first)
        np.testing.assert_array_equal(backend.download(again), second)
        del result, again


def test_many_large_uploads_in_a_row(backend):
    arrays = [values(40_000, seed=n) for n in range(8)]
    devices = [backend.upload(array) for array in arrays]
    results = [scaled(device, 3) for device in devices]
    for array, result in zip(arrays, results, strict=True):
        np.testing.assert_array_equal(backend.download(result), 3 * array)


def test_arrays_longer_than_staging_memory(fresh, monkeypatch):
    from rsconv.backends.gpu import staging

    monkeypatch.setattr(staging, "_CHUNK", 1 << 17)
    for size in (32_768, 32_769, 100_003):
        for dtype in (np.float32, np.float16, np.bool_):
            x = values(size, dtype=dtype)
            device = fresh.upload(x)
            np.testing.assert_array_equal(fresh.download(device), x)
            np.testing.assert_array_equal(fresh.download(device.view((size - 1,), (1,), 1)), x[1:])


def test_threads_share_a_device(backend):
    failures = []

    def work(seed):
        x = values(2000, seed=seed)
        for step in range(30):
            got = backend.download(scaled(scaled(backend.upload(x), 2), step))
            if not np.array_equal(got, 2 * x * np.float32(step)):
                failures.append((seed, step))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_an_event_loop_may_run(backend):
    async def main():
        return backend.download(scaled(backend.upload(values(50)), 2))

    np.testing.assert_array_equal(asyncio.run(main()), 2 * values(50))


def test_a_memory_limit_holds_on_the_device(fresh):
    fresh.runtime.pool.set_limit(1 << 20)
    kept = fresh.upload(np.ones(100_000, np.float32))
    with pytest.raises(OutOfMemoryError, match=r"limit of 1,048,576 bytes .* bytes are in use"):
        fresh.upload(np.ones(200_000, np.float32))
    del kept
    assert fresh.download(fresh.upload(np.ones(200_000, np.float32))).all()


def test_many_small_uploads_without_a_dispatch_are_not_hoarded(fresh, monkeypatch):
    from rsconv.backends.gpu import staging

    monkeypatch.setattr(staging, "_CHUNK", 1 << 12)
    arrays = [values(300, seed=n) for n in range(20)]
    submitted = []
    queue = fresh.runtime.queue
    monkeypatch.setattr(
        queue, "submit", lambda commands, submit=queue.submit: submitted.append(submit(commands))
    )
    devices = [fresh.upload(array) for array in arrays]
    # Four of them are more than 4 KiB.
    assert len(submitted) == 5
    for array, device in zip(arrays, devices, strict=True):
        np.testing.assert_array_equal(fresh.download(device), array)


# Sentinels.


def test_sentinels_see_gaps_and_overruns(backend):
    x = backend.upload(np.ones(100, np.float32))
    with Sentinels(backend.runtime) as sentinels:
        whole = scaled(x, 2)
        assert sentinels.unwritten(whole) == 0 and sentinels.overrun() == []
        gaps = backend.runtime.empty((100,), x.dtype)
        scaled(x.view((60,), (1,), 0), 2, into=gaps.view((60,), (1,), 0))
        assert sentinels.unwritten(gaps) == 40
        assert sentinels.unwritten(gaps.view((50,), (2,), 0)) == 20
        small = backend.runtime.empty((90,), x.dtype)
        scaled(x, 2, into=small.view((100,), (1,), 0))
        # The last two of the ninety share a vec4 with two behind them, which kernels may overwrite.
        assert sentinels.overrun() == [f"8 words behind {small}"]
    halves = np.full(3, 1, np.float16)
    with Sentinels(backend.runtime) as sentinels:
        assert sentinels.unwritten(backend.runtime.empty((3,), halves.dtype)) == 3
        assert sentinels.unwritten(backend.upload(halves)) == 0
    assert backend.runtime.sentinels is None


# Time.


@pytest.mark.parametrize("clock", ["device", "host"])
def test_a_timer_sees_the_work_within(fresh, clock):
    from rsconv.backends.gpu.timing import Timer

    if clock == "host":
        fresh.runtime.features = frozenset()
    x = fresh.upload(values(1 << 20))
    scaled(x, 2)
    with Timer(fresh.runtime) as nothing:
        pass
    with Timer(fresh.runtime) as timer:
        for _ in range(20):
            scaled(x, 3)
    assert timer.on_device == ("timestamp-query" in fresh.runtime.features)
    # Twenty times 8 MB take longer than nothing, and far less than a minute.
    assert 0 <= nothing.seconds < timer.seconds < 60
