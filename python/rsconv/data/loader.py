"""`DataLoader`: batches in order, loaded ahead by threads."""

import contextvars
import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from .. import random
from ..device import device as Device
from ..errors import ArgumentError
from ..tensor import Tensor
from .collate import default_collate, default_convert, on_device, selected
from .dataset import Sized, TensorDataset, numbers_from

__all__ = ["DataLoader"]

# Indices of a batch, or one index if there are no batches.
_Indices = Any


class DataLoader:
    """Batches of a dataset, as Tensors.

    Each `iter()` is an epoch, with an order of its own if samples are shuffled. The order and what samples
    draw from `rsconv.random.generator()` depend on the seed alone, not on the number of workers.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[Sequence[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], object] | None = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        device: Any = None,
        progress: Any = False,
    ) -> None:
        """Load `dataset`.

        Args:
            dataset: what has `__len__` and `__getitem__`; a Tensor or array of samples, or a tuple of them.
            batch_size: samples of a batch; None yields sample after sample.
            shuffle: whether each epoch has a random order.
            sampler: the indices of an epoch, in place of `shuffle`.
            batch_sampler: the lists of indices of an epoch's batches, in place of all of these.
            num_workers: threads that load batches ahead; 0 loads when a batch is asked for.
            collate_fn: makes a batch of a list of samples; `default_collate` by default.
            drop_last: leave out a last batch that is smaller than the others.
            worker_init_fn: called with a worker's number in its thread before it loads.
            generator: a `numpy.random.Generator`, or a seed that every epoch goes on from; without it, the
                generator of `rsconv.manual_seed`.
            prefetch_factor: batches that are loaded ahead for each worker, 2 by default.
            device: where batches go. int64 becomes int32 on a GPU, which has no other indices.
            progress: True shows a bar (tqdm must be installed); a function is called as tqdm is, with the
                batches and `total=`, and gives what is iterated over.
            pin_memory: accepted without effect, as `timeout` and `persistent_workers`: workers are threads.

        Raises:
            ArgumentError: options that exclude each other, or numbers out of range.
            TypeError: a dataset without length or indices.
        """
        if isinstance(dataset, (Tensor, np.ndarray)):
            self._whole, self._lone = TensorDataset(dataset), True
        elif isinstance(dataset, tuple) and all(isinstance(x, (Tensor, np.ndarray)) for x in dataset):
            self._whole, self._lone = TensorDataset(*dataset), False
        elif hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"):
            self._whole, self._lone = dataset, False
        else:
            raise TypeError(
                f"dataset must have __len__ and __getitem__, or be an array or a tuple of arrays, but got "
                f"{type(dataset).__name__}"
            )
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ArgumentError(
                "batch_sampler excludes batch_size, shuffle, sampler and drop_last, but got "
                f"batch_size={batch_size}, shuffle={shuffle}, drop_last={drop_last}"
            )
        if sampler is not None and shuffle:
            raise ArgumentError("sampler excludes shuffle, but got shuffle=True")
        if batch_size is None and drop_last:
            raise ArgumentError("batch_size=None makes no batches, so that drop_last=True has no meaning")
        ahead = 2 if prefetch_factor is None else prefetch_factor
        for name, value, least in (
            ("batch_size", 1 if batch_size is None else batch_size, 1),
            ("num_workers", num_workers, 0),
            ("prefetch_factor", ahead, 1),
        ):
            if not hasattr(value, "__index__") or value < least:
                raise ArgumentError(f"{name} must be at least {least}, but got {name}={value}")
        self.dataset = dataset
        self.batch_size, self.drop_last = batch_size, drop_last
        self.sampler, self.batch_sampler, self.shuffle = sampler, batch_sampler, bool(shuffle)
        self.num_workers, self.prefetch_factor = num_workers, ahead
        self.collate_fn, self.worker_init_fn = collate_fn, worker_init_fn
        self.generator = None if generator is None else numbers_from(generator)
        self.device = None if device is None else Device(device)
        self.progress = progress
        if progress is True:
            _bar()

    def __len__(self) -> int:
        """The number of batches. Raises TypeError if a sampler has no length."""
        if self.batch_sampler is not None:
            return len(self.batch_sampler)  # type: ignore[arg-type]
        count = len(self._whole) if self.sampler is None else len(self.sampler)  # type: ignore[arg-type]
        if self.batch_size is None:
            return count
        return count // self.batch_size if self.drop_last else math.ceil(count / self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        """The batches of an epoch."""
        numbers = numbers_from(self.generator)
        # Drawn in any case, so that the numbers that follow do not depend on what is loaded how.
        seed = int(numbers.integers(1 << 62))
        order = numbers.permutation(len(self._whole)).tolist() if self.shuffle else None
        batches = self._load_all(self._indices(order), seed)
        if not self.progress:
            return batches
        show = _bar() if self.progress is True else self.progress
        known = (self.batch_sampler, self.sampler)
        total = len(self) if all(x is None or hasattr(x, "__len__") for x in known) else None
        return iter(show(batches, total=total))

    def _indices(self, order: list[int] | None) -> Iterator[_Indices]:
        if self.batch_sampler is not None:
            yield from map(list, self.batch_sampler)
            return
        count = len(self._whole)
        each = iter(self.sampler if self.sampler is not None else range(count) if order is None else order)
        if self.batch_size is None:
            yield from each
            return
        while batch := list(itertools.islice(each, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def _load_all(self, indices: Iterator[_Indices], seed: int) -> Iterator[Any]:
        if self.num_workers == 0:
            for number, batch in enumerate(indices):
                yield self._load(batch, seed, number)
            return
        workers = itertools.count()
        start = self.worker_init_fn
        pool = ThreadPoolExecutor(
            self.num_workers, "rsconv-data", None if start is None else lambda: start(next(workers))
        )
        waiting: deque[Future[Any]] = deque()
        try:
            for number, batch in enumerate(indices):
                # What `with` blocks set here holds there, too.
                context = contextvars.copy_context()
                waiting.append(pool.submit(context.run, self._load, batch, seed, number))
                if len(waiting) >= self.num_workers * self.prefetch_factor:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _load(self, indices: _Indices, seed: int, number: int) -> Any:
        with random.scope(np.random.default_rng([seed, number])):
            batch = self._batch(indices)
        return batch if self.device is None else on_device(batch, self.device)

    def _batch(self, indices: _Indices) -> Any:
        if self.batch_size is None and self.batch_sampler is None:
            return (self.collate_fn or default_convert)(_sample(self._whole, indices, self._lone))
        if type(self._whole) is TensorDataset and self.collate_fn is None:
            # One selection, in place of one for each sample.
            try:
                parts = [selected(part, indices) for part in self._whole.tensors]
            except IndexError as error:
                error.add_note(f"while a batch was made of the samples {indices}")
                raise
            return parts[0] if self._lone else parts
        samples = [_sample(self._whole, index, self._lone) for index in indices]
        try:
            return (self.collate_fn or default_collate)(samples)
        except Exception as error:
            error.add_note(f"while a batch was made of the samples {indices}")
            raise


def _sample(dataset: Sized, index: _Indices, lone: bool) -> Any:
    try:
        sample = dataset[index]
    except Exception as error:
        error.add_note(f"while {type(dataset).__name__}[{index}] was loaded")
        raise
    return sample[0] if lone else sample


def _bar() -> Callable[..., Iterable[Any]]:
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError(
            "progress=True needs tqdm: pip install tqdm, or give a function such as progress=my_bar"
        ) from error
    bar: Callable[..., Iterable[Any]] = tqdm
    return bar
