"""Datasets and the loader: every batch the same, whatever the number of workers."""

import collections
import sys
import threading
import time
import types

import numpy as np
import pytest
import rsconv
from rsconv import Tensor, tensor
from rsconv.data import DataLoader, Dataset, Subset, TensorDataset, default_collate, random_split
from rsconv.errors import ArgumentError, DtypeError, ShapeError

X = np.arange(40, dtype=np.float32).reshape(10, 4)
LABELS = np.arange(10)


class Squares(Dataset):
    """Slow at the beginning, so that workers finish in another order."""

    def __len__(self):
        return 13

    def __getitem__(self, index):
        time.sleep(0.002 if index < 4 else 0)
        return np.float32(index) ** 2, index


class Noise(Dataset):
    def __len__(self):
        return 12

    def __getitem__(self, index):
        time.sleep(0.001 * (index % 3))
        return rsconv.randn(2) + rsconv.random.generator().normal()


def epoch(loader):
    return [
        [part.tolist() for part in batch] if isinstance(batch, list) else batch.tolist() for batch in loader
    ]


def test_arrays_become_tensors():
    loader = DataLoader((X, LABELS), batch_size=4)
    batches = list(loader)
    assert len(loader) == len(batches) == 3
    assert all(type(part) is Tensor for batch in batches for part in batch)
    np.testing.assert_array_equal(np.concatenate([np.asarray(x) for x, _ in batches]), X)
    assert [labels.tolist() for _, labels in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert batches[0][0].dtype == np.float32 and batches[0][1].dtype == np.int64
    # What a batch holds is its own.
    batches[0][0].zero_()
    assert X[0, 1] == 1
    (only,) = DataLoader(X, batch_size=10)
    np.testing.assert_array_equal(only.numpy(), X)
    (only,) = DataLoader(tensor(X), batch_size=10, drop_last=True)
    np.testing.assert_array_equal(only.numpy(), X)


@pytest.mark.parametrize("dataset", [TensorDataset(tensor(X), tensor(LABELS)), TensorDataset(X, LABELS)])
@pytest.mark.parametrize("workers", [0, 2])
def test_selections_are_what_samples_make(dataset, workers):
    options = {"batch_size": 3, "shuffle": True, "generator": 5, "num_workers": workers}
    plain = epoch(DataLoader(dataset, **options))
    one_by_one = epoch(DataLoader(dataset, collate_fn=default_collate, **options))
    assert plain == one_by_one
    assert sorted(label for _, labels in plain for label in labels) == list(range(10))


def test_last_batches():
    assert [len(batch) for batch in DataLoader(X, batch_size=4)] == [4, 4, 2]
    loader = DataLoader(X, batch_size=4, drop_last=True)
    assert len(loader) == 2 and [len(batch) for batch in loader] == [4, 4]
    assert len(DataLoader(X, batch_size=11, drop_last=True)) == 0
    assert list(DataLoader(X[:0], batch_size=3)) == []


@pytest.mark.parametrize("dataset", [Squares(), Noise(), X])
def test_seeded_runs_agree_whatever_the_workers(dataset):
    def run(workers, seed=3, ahead=None):
        rsconv.manual_seed(seed)
        loader = DataLoader(dataset, batch_size=2, shuffle=True, num_workers=workers, prefetch_factor=ahead)
        return [epoch(loader), epoch(loader), rsconv.rand(2).tolist()]

    alone = run(0)
    assert alone[0] != alone[1]
    for workers, ahead in [(1, 1), (3, None), (4, 5)]:
        assert run(workers, ahead=ahead) == alone
    assert run(0, seed=4) != alone


def test_a_generator_of_the_loaders_own():
    def run(generator):
        return epoch(DataLoader(X, batch_size=5, shuffle=True, generator=generator))

    assert run(1) == run(np.random.default_rng(1)) != run(2)
    before = rsconv.random.generator().bit_generator.state
    run(1)
    assert rsconv.random.generator().bit_generator.state == before


def test_samplers():
    loader = DataLoader(LABELS, batch_size=2, sampler=[3, 1, 4])
    assert len(loader) == 2 and epoch(loader) == [[3, 1], [4]]
    loader = DataLoader(LABELS, sampler=(i for i in (7, 8)))
    with pytest.raises(TypeError):
        len(loader)
    assert epoch(loader) == [[7], [8]]
    loader = DataLoader(LABELS, batch_sampler=[[1, 2, 3], (9,)])
    assert len(loader) == 2 and epoch(loader) == [[1, 2, 3], [9]]


def test_samples_without_batches():
    samples = list(DataLoader(Squares(), batch_size=None))
    assert len(samples) == 13 and isinstance(samples[2], tuple)
    assert samples[2][0].item() == 4 and samples[2][1] == 2
    assert len(DataLoader(X, batch_size=None)) == 10
    np.testing.assert_array_equal(next(iter(DataLoader(X, batch_size=None))).numpy(), X[0])


def test_batches_go_to_a_device(device):
    for x, labels in DataLoader((X, LABELS), batch_size=4, device=device, num_workers=1):
        assert x.device == labels.device == device
        assert labels.dtype == (np.int32 if device == "gpu" else np.int64)
    Point = collections.namedtuple("Point", "x y")
    dataset = [{"p": Point(X[i], i), "name": str(i)} for i in range(2)]
    (batch,) = DataLoader(dataset, batch_size=2, device=device)
    assert batch["p"].x.device == device and batch["p"].y.tolist() == [0, 1]
    assert batch["name"] == ["0", "1"]
    if device == "gpu":
        with pytest.raises(DtypeError, match="int64 is not supported on the GPU"):
            list(DataLoader(LABELS + (1 << 40), device=device))


# Workers.


@pytest.mark.parametrize("workers", [0, 3])
def test_errors_of_samples_name_them(workers):
    class Broken(Squares):
        def __getitem__(self, index):
            if index == 5:
                raise KeyError("no such file")
            return super().__getitem__(index)

    found = []
    with pytest.raises(KeyError, match="no such file") as caught:
        for _, indices in DataLoader(Broken(), batch_size=2, num_workers=workers):
            found += indices.tolist()
    assert found == [0, 1, 2, 3]
    assert caught.value.__notes__ == ["while Broken[5] was loaded"]


def test_errors_of_batches_name_the_samples():
    ragged = [np.zeros(2), np.zeros(2), np.zeros(3)]
    with pytest.raises(ShapeError, match=r"sample 0 has shape \(2,\) and sample 1 \(3,\)") as caught:
        list(DataLoader(ragged, sampler=[1, 2], batch_size=2))
    assert caught.value.__notes__ == ["while a batch was made of the samples [1, 2]"]
    with pytest.raises(IndexError) as caught:
        list(DataLoader(X, sampler=[1, 99], batch_size=2))
    assert caught.value.__notes__ == ["while a batch was made of the samples [1, 99]"]


def test_workers_end_with_the_loop():
    before = threading.active_count()
    started = []
    for _ in DataLoader(Squares(), num_workers=3, worker_init_fn=started.append):
        assert threading.active_count() > before
        break
    assert threading.active_count() == before
    assert started == list(range(len(started))) and started


def test_batches_are_loaded_ahead():
    loaded = []

    class Noted(Squares):
        def __getitem__(self, index):
            loaded.append(index)
            return super().__getitem__(index)

    batches = iter(DataLoader(Noted(), num_workers=2, prefetch_factor=3))
    next(batches)
    batches.close()
    assert 1 < len(loaded) <= 6


# Progress.


def test_progress_by_a_function():
    seen = []

    def bar(batches, total):
        seen.append(total)
        for batch in batches:
            seen.append(len(batch))
            yield batch

    loader = DataLoader(X, batch_size=4, progress=bar)
    assert [len(batch) for batch in loader] == [4, 4, 2]
    assert seen == [3, 4, 4, 2]


def test_progress_by_tqdm(monkeypatch):
    calls = []

    def tqdm(batches, total):
        calls.append(total)
        return batches

    auto = types.ModuleType("tqdm.auto")
    auto.tqdm = tqdm
    monkeypatch.setitem(sys.modules, "tqdm", types.ModuleType("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", auto)
    assert len(list(DataLoader(X, batch_size=5, progress=True))) == 2
    assert calls == [2]
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match=r"progress=True needs tqdm: pip install tqdm"):
        DataLoader(X, progress=True)


# Datasets and splits.


def test_tensor_datasets():
    dataset = TensorDataset(tensor(X), LABELS)
    assert len(dataset) == 10
    x, label = dataset[3]
    assert x.tolist() == X[3].tolist() and label == 3
    subset = Subset(dataset, [4, 2])
    assert len(subset) == 2 and subset[1][1] == 2


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([7, 3], [7, 3]),
        ([0.8, 0.2], [8, 2]),
        ([0.35, 0.35, 0.3], [4, 3, 3]),
        ([1.0], [10]),
        ([10, 0], [10, 0]),
    ],
)
def test_random_split(lengths, expected):
    parts = random_split(LABELS, lengths, 7)
    assert [len(part) for part in parts] == expected
    assert sorted(int(part[i]) for part in parts for i in range(len(part))) == list(range(10))
    again = random_split(LABELS, lengths, np.random.default_rng(7))
    assert [part.indices for part in again] == [part.indices for part in parts]


def test_random_split_by_the_seed():
    def run(seed):
        rsconv.manual_seed(seed)
        return [part.indices for part in random_split(range(50), [25, 25])]

    assert run(1) == run(1) != run(2)


def test_collate():
    Point = collections.namedtuple("Point", "x y")
    assert default_collate([1, 2]).dtype == np.int64
    assert default_collate([1.0, 2.0]).dtype == np.float64
    assert default_collate([True, False]).dtype == np.bool_
    assert default_collate([np.float32(1), np.float32(2)]).dtype == np.float32
    assert default_collate([tensor([1.0]), tensor([2.0])]).tolist() == [[1], [2]]
    assert default_collate(["a", "b"]) == ["a", "b"]
    point = default_collate([Point(1, 2), Point(3, 4)])
    assert isinstance(point, Point) and point.y.tolist() == [2, 4]
    assert default_collate([{"a": 1}, {"a": 2}])["a"].tolist() == [1, 2]
    nested = default_collate([(1, [2, 3]), (4, [5, 6])])
    assert nested[1][0].tolist() == [2, 5]
    with pytest.raises(ShapeError, match=r"must have equally many parts, but they have \[1, 2\]"):
        default_collate([(1,), (1, 2)])
    with pytest.raises(TypeError, match="but got object; give the loader a collate_fn"):
        default_collate([object()])
    with pytest.raises(DtypeError, match="arrays of object are no Tensors"):
        default_collate([np.array([None])])


def test_the_name_that_pytorch_has():
    from rsconv.utils.data import DataLoader as Other
    from rsconv.utils.data import random_split as other

    assert Other is DataLoader is rsconv.utils.data.DataLoader is rsconv.data.DataLoader
    assert other is random_split


REFUSED = [
    (lambda: DataLoader(X, 0), "batch_size must be at least 1, but got batch_size=0"),
    (lambda: DataLoader(X, num_workers=-1), "num_workers=-1"),
    (lambda: DataLoader(X, prefetch_factor=0), "prefetch_factor=0"),
    (lambda: DataLoader(X, shuffle=True, sampler=[1]), "sampler excludes shuffle"),
    (lambda: DataLoader(X, 2, batch_sampler=[[1]]), "batch_sampler excludes .* got batch_size=2"),
    (lambda: DataLoader(X, None, drop_last=True), "batch_size=None makes no batches"),
    (lambda: TensorDataset(), "needs at least one Tensor"),
    (lambda: TensorDataset(X, LABELS[:3]), r"their shapes are \(10, 4\), \(3,\)"),
    (lambda: TensorDataset(np.ones(())), r"their shapes are \(\)"),
    (lambda: random_split(X, [3, 4]), r"add up to the 10 samples .* got lengths=\[3, 4\]"),
    (lambda: random_split(X, [0.5, 0.6]), r"got lengths=\[0.5, 0.6\]"),
    (lambda: random_split(X, [11, -1]), r"must not be negative, but got lengths=\[11, -1\]"),
]


@pytest.mark.parametrize(("build", "message"), REFUSED)
def test_refused(build, message):
    with pytest.raises((ArgumentError, ShapeError), match=message):
        build()


def test_wrong_types():
    with pytest.raises(TypeError, match=r"must have __len__ and __getitem__, .* got generator"):
        DataLoader(x for x in X)
    with pytest.raises(TypeError, match=r"tensors\[0\] must be a Tensor or an array, but is a list"):
        TensorDataset([1, 2])
    with pytest.raises(TypeError, match=r"generator must be a numpy.random.Generator or a seed, but got str"):
        DataLoader(X, generator="seed")
    for method, args in (("__len__", ()), ("__getitem__", (0,))):
        with pytest.raises(NotImplementedError, match=f"Dataset has no {method}"):
            getattr(Dataset(), method)(*args)
