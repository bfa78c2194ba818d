"""Calls by plan: the second of a signature dispatches what the first did, for other contents."""

import threading

import numpy as np
import pytest
import rsconv
from rsconv import functional as F
from rsconv import nn
from rsconv.backends.gpu import calls, devices, native
from rsconv.backends.gpu.sentinels import Sentinels
from rsconv.errors import GpuError


def values(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def on(array):
    return rsconv.tensor(array, device="gpu")


@pytest.fixture
def runtime(backend):
    backend.runtime.plans.clear()
    return backend.runtime


CALLS = {
    "relu": F.relu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.1),
    "add": lambda x: x + x,
    "scaled": lambda x: x * 2.5,
    "sum": lambda x: x.sum(1),
    "mean": lambda x: x.mean((2, 3), keepdim=True),
    "softmax": lambda x: F.softmax(x, 1),
    "matmul": lambda x: x @ x,
    "max_pool2d": lambda x: F.max_pool2d(x, 2, padding=1),
    "max_pool2d with indices": lambda x: F.max_pool2d(x, 2, return_indices=True),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 3, 1, 1, count_include_pad=False),
    "batch_norm": lambda x: F.batch_norm(x, x[0, :, 0, 0], x[0, :, 0, 0].square()),
    "group_norm": lambda x: F.group_norm(x, 2),
    "layer_norm": lambda x: F.layer_norm(x, (8, 8)),
    "linear": lambda x: F.linear(x, x[0, 0]),
    "conv2d": lambda x: F.conv2d(x, x[:, :, :3, :3], padding=1),
    "conv2d circular": lambda x: F.conv2d(x, x[:, :, :3, :3], padding=1, padding_mode="circular"),
    "conv_transpose2d": lambda x: F.conv_transpose2d(x, x[:, :, :3, :3], x[0, :, 0, 0], stride=2),
}


def arrays_of(result):
    return [part.numpy() for part in (result if isinstance(result, tuple) else (result,))]


@pytest.mark.parametrize("name", CALLS)
def test_a_planned_call_computes_with_its_own_arrays(runtime, name):
    call = CALLS[name]
    arrays = [values(4, 4, 8, 8, seed=seed) for seed in range(3)]
    tensors = [on(array) for array in arrays]
    results = [call(x) for x in tensors]
    made = len(runtime.plans)
    assert made >= 1
    again = [call(x) for x in tensors]
    assert len(runtime.plans) == made
    for array, first, second in zip(arrays, results, again, strict=True):
        expected = arrays_of(call(rsconv.tensor(array, device="cpu")))
        for want, got, repeated in zip(expected, arrays_of(first), arrays_of(second), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
            np.testing.assert_array_equal(got, repeated)
    for x, array in zip(tensors, arrays, strict=True):
        np.testing.assert_array_equal(x.numpy(), array)


def test_a_second_call_creates_and_plans_nothing(fresh):
    plain = fresh.upload(values(30, 40))
    for _ in range(2):
        fresh.softmax(plain, 1, False)
    before, plans = fresh.runtime.stats(), len(fresh.runtime.plans)
    for _ in range(5):
        fresh.softmax(plain, 1, False)
    after = fresh.runtime.stats()
    assert after["dispatches"] == before["dispatches"] + 5 and len(fresh.runtime.plans) == plans
    for name in ("buffers_created", "bind_groups_created", "pipelines", "bytes_uploaded"):
        assert after[name] == before[name], name


def test_indices_are_checked_in_calls_that_have_a_plan(fresh):
    x, names = values(5, 4), np.int32([[0, 4, 2, 1], [3, 3, 0, 4]])
    device = fresh.upload(x)
    for step in range(4):
        index = fresh.upload((names + step) % 5)
        taken = fresh.gather(device, 0, index)
        np.testing.assert_array_equal(fresh.download(taken), np.take_along_axis(x, (names + step) % 5, 0))
        summed = np.zeros((5, 4), np.float32)
        np.add.at(summed, ((names + step) % 5, np.arange(4)), x[:2])
        added = fresh.scatter_add(fresh.slice(device, (slice(2), slice(None))), 0, index, 5)
        np.testing.assert_array_equal(fresh.download(added), summed)
        assert len(fresh.runtime.plans) == 2
    wrong = fresh.upload(np.int32([[0, 7, 2, 1], [3, 3, 0, 4]]))
    for _ in range(2):
        fresh.gather(device, 0, wrong)
        with pytest.raises(IndexError, match="index 7 is out of bounds for dimension with size 5 in gather"):
            fresh.runtime.synchronize()
        fresh.runtime.synchronize()
    assert len(fresh.runtime.plans) == 2


def test_layouts_have_plans_of_their_own(runtime):
    x = values(6, 6)
    for view in (lambda t: t, lambda t: t.t(), lambda t: t[1:], lambda t: t[:, 2:4], lambda t: t[::-1] if
                 isinstance(t, np.ndarray) else t.flip(0)):  # fmt: skip
        for _ in range(2):
            expected = np.maximum(view(rsconv.tensor(x)).numpy(), 0)
            np.testing.assert_array_equal(F.relu(view(on(x))).numpy(), expected)


def test_one_array_for_two_arguments_is_no_plan_for_two_arrays(runtime):
    a, b, c = (values(3, 5, seed=seed) for seed in range(3))
    for x, y in ((a, a), (a, b), (b, c), (c, c), (b, a)):
        s, t = on(x), on(y)
        t = s if x is y else t
        np.testing.assert_array_equal((s - t).numpy(), x - y)
        found = rsconv.cat([s, t, s]).numpy()
        np.testing.assert_array_equal(found, np.concatenate([x, y, x]))
        np.testing.assert_allclose(F.mse_loss(s, t).item(), np.mean((x - y) ** 2), rtol=1e-5)


def test_numbers_that_are_equal_differ_in_type_and_sign(runtime):
    x, whole = on(np.float32([-1, 2])), on(np.int32([3, 4]))
    for _ in range(2):
        assert (whole + 1).dtype == (whole + True).dtype == np.int32
        assert (whole + 1.0).dtype == np.float32
        assert not np.signbit(F.threshold(x, 0.0, 0.0).numpy()[0])
        assert np.signbit(F.threshold(x, 0.0, -0.0).numpy()[0])
        assert np.isnan((x * float("nan")).numpy()).all()


def test_what_is_refused_is_refused_after_equal_arguments(runtime):
    x = on(values(1, 2, 8, 8))
    for kernel, padding in (([2.0, 2.0], 0), ((2.0, 2.0), 0), (2.0, 0), (2, 1.0), (2, 2)):
        with pytest.raises((TypeError, ValueError)) as before:
            F.max_pool2d(x, kernel, padding=padding)
        for same in (2, (2, 2), [2, 2]):
            F.max_pool2d(x, same, padding=1)
        with pytest.raises(type(before.value), match=r".*") as after:
            F.max_pool2d(x, kernel, padding=padding)
        assert str(after.value) == str(before.value)


def test_a_packed_weight_is_never_stale(runtime):
    layer = nn.Conv2d(3, 5, 3, padding=1).requires_grad_(False).to("gpu")
    x = on(values(1, 3, 9, 9))
    for seed in range(3):
        with rsconv.no_grad():
            layer.weight.copy_(values(5, 3, 3, 3, seed=seed))
        for _ in range(3):
            expected = F.conv2d(x.cpu(), layer.weight.cpu(), layer.bias.cpu(), padding=1)
            np.testing.assert_allclose(layer(x).numpy(), expected.numpy(), rtol=1e-5, atol=1e-5)
    before = runtime.stats()["dispatches"]
    layer(x)
    # The layout of x, and the convolution; no weight.
    assert runtime.stats()["dispatches"] == before + 2


def test_arguments_that_no_dictionary_takes(runtime):
    layer = nn.Conv2d(2, 2, 3).requires_grad_(False).to("gpu")
    x = on(values(1, 2, 9, 9))
    expected = F.conv2d(x.cpu(), layer.weight.cpu(), stride=2).numpy()
    for _ in range(3):
        got = F.conv2d(x, layer.weight, stride=[2, 2]).numpy()
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_writes_happen_every_time(runtime):
    x = values(4, 3, 5)
    mean, var = on(np.zeros(3, np.float32)), on(np.ones(3, np.float32))
    expected = np.zeros(3, np.float32)
    for _ in range(4):
        F.batch_norm(on(x), mean, var, training=True, momentum=0.5)
        expected = 0.5 * expected + 0.5 * x.mean((0, 2))
        np.testing.assert_allclose(mean.numpy(), expected, rtol=1e-5, atol=1e-6)
    for seed in range(3):
        y = on(values(7, seed=seed))
        assert F.relu(y, inplace=True) is y
        np.testing.assert_array_equal(y.numpy(), np.maximum(values(7, seed=seed), 0))


def test_gradients_are_recorded_of_what_has_a_plan(runtime):
    x, w = on(values(1, 2, 6, 6)), on(values(2, 2, 3, 3))
    for _ in range(2):
        F.relu(F.conv2d(x, w))
    w.requires_grad_()
    F.relu(F.conv2d(x, w)).sum().backward()
    on_host = w.detach().cpu().requires_grad_()
    F.relu(F.conv2d(x.cpu(), on_host)).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), on_host.grad.numpy(), rtol=1e-4, atol=1e-4)
    with rsconv.no_grad():
        assert not F.relu(F.conv2d(x, w)).requires_grad


def test_a_lower_limit_of_bindings_is_seen(fresh):
    x = values(1000)
    device = fresh.upload(x)
    for limit in (fresh.runtime.max_binding, 1024, 2048):
        fresh.runtime.max_binding = limit
        for _ in range(2):
            got = fresh.download(fresh.elementwise("mul", (device, 3.0)))
            np.testing.assert_array_equal(got, 3 * x)


def test_sentinels_see_calls_that_have_a_plan(runtime, backend):
    x = backend.upload(values(50))
    for _ in range(2):
        backend.elementwise("relu", (x,))
    with Sentinels(runtime) as sentinels:
        y = backend.elementwise("relu", (x,))
        assert sentinels.watched == [y] and sentinels.unwritten(y) == 0


def test_plans_leave_with_their_device_and_their_tables(fresh):
    x = fresh.upload(values(1, 1, 6, 6))
    from rsconv.backends.windows import pool_window

    windows = (pool_window(6, 2, 2, 0, 1, False),) * 2
    for _ in range(2):
        fresh.max_pool(x, windows, False)
    assert len(fresh.runtime.plans) == 1
    fresh.runtime.empty_cache()
    assert len(fresh.runtime.plans) == 0
    old = fresh.runtime
    fresh.use(devices.start(old.adapter))
    old.close(GpuError("the device was reset"))
    assert len(fresh.runtime.plans) == 0
    with pytest.raises(GpuError, match="the device was reset"):
        fresh.max_pool(x, windows, False)
    again = fresh.upload(values(1, 1, 6, 6))
    for _ in range(2):
        y, _ = fresh.max_pool(again, windows, False)
        np.testing.assert_array_equal(
            fresh.download(y), values(1, 1, 6, 6).reshape(1, 1, 3, 2, 3, 2).max((3, 5))
        )


def test_an_array_of_a_device_that_was_reset_meets_no_plan(fresh):
    lost = fresh.upload(values(5))
    old = fresh.runtime
    fresh.use(devices.start(old.adapter))
    old.close(GpuError("the device was reset"))
    mine = fresh.upload(values(5))
    for _ in range(2):
        fresh.elementwise("add", (mine, mine))
    for operands in ((mine, lost), (lost, mine)):
        with pytest.raises(GpuError):
            fresh.download(fresh.elementwise("add", operands))


def test_plans_are_bounded(fresh, monkeypatch):
    monkeypatch.setattr(calls, "_MOST_PLANS", 3)
    for size in range(1, 8):
        x = values(size)
        for _ in range(2):
            np.testing.assert_array_equal(fresh.download(fresh.elementwise("neg", (fresh.upload(x),))), -x)
        assert len(fresh.runtime.plans) <= 3


def test_a_profiler_sees_the_operators_of_calls_that_have_a_plan(runtime):
    x = on(values(1, 2, 6, 6))
    for _ in range(2):
        F.relu(F.max_pool2d(x, 2))
    made = len(runtime.plans)
    with rsconv.profiler("gpu", print=False) as profile:
        F.relu(F.max_pool2d(x, 2))
        F.relu(F.max_pool2d(x, 3))
    assert profile.operators["max_pool"][0] == profile.operators["elementwise relu"][0] == 2
    F.relu(F.max_pool2d(x, 3))
    # And what was called within gets its plan afterwards.
    assert len(runtime.plans) > made


def test_threads_call_by_plan_side_by_side(runtime):
    failures = []

    def work(seed):
        for step in range(20):
            x = values(3, 40 + step % 3, seed=seed)
            got = F.softmax(on(x) * 2, 1).numpy()
            e = np.exp(2 * x - (2 * x).max(1, keepdims=True))
            if not np.allclose(got, e / e.sum(1, keepdims=True), rtol=1e-4):
                failures.append((seed, step))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_wgpu_py_may_hide_what_is_beneath_it(fresh, monkeypatch):
    monkeypatch.setattr(native, "_native", lambda compute_pass: None)
    x = values(1000)
    for _ in range(3):
        got = fresh.download(fresh.elementwise("mul", (fresh.upload(x), 2.0)))
        np.testing.assert_array_equal(got, 2 * x)


def test_few_views_of_a_weight_stay_packed():
    owner = nn.Parameter(rsconv.tensor(values(40, 1, 1, 1)))
    for first in range(30):
        F.conv2d(values(1, 1, 4, 4), owner[first : first + 2].detach())
    assert 1 <= len(owner._storage._packed) <= 8


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
def test_empty_allocates_on_the_device(runtime, dtype):
    before = runtime.stats()["bytes_uploaded"]
    x = rsconv.empty(3, 4, dtype=dtype, device="gpu")
    assert x.shape == (3, 4) and x.dtype == dtype and x.device == "gpu"
    assert runtime.stats()["bytes_uploaded"] == before
    with pytest.raises(rsconv.errors.DtypeError, match="float64 is not supported"):
        rsconv.empty(2, dtype="float64", device="gpu")
