"""Datasets: what has a length and gives a sample for each index."""

import math
import operator
from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from .. import random
from ..errors import ArgumentError, ShapeError
from ..tensor import Tensor

__all__ = ["Dataset", "Sized", "Subset", "TensorDataset", "random_split"]

Sample = TypeVar("Sample", covariant=True)


class Sized(Protocol):
    """What a loader takes as a dataset."""

    def __len__(self) -> int:
        """The number of samples."""

    def __getitem__(self, index: Any, /) -> Any:
        """A sample."""


class Dataset(Generic[Sample]):
    """The base of datasets: a class of its own has `__getitem__(index)` and `__len__()`.

    What is random in it should draw from `rsconv.random.generator()`: a DataLoader seeds that anew for each
    batch, so that runs of one seed agree whatever the number of workers.
    """

    def __getitem__(self, index: Any) -> Sample:
        """The sample of an index from 0 to `len(self) - 1`."""
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__()")

    def __len__(self) -> int:
        """The number of samples."""
        raise NotImplementedError(f"{type(self).__name__} has no __len__()")


class TensorDataset(Dataset[tuple[Any, ...]]):
    """Samples that are slices of Tensors or arrays along their first dimension."""

    def __init__(self, *tensors: Any) -> None:
        """Raises ShapeError unless all have the same number of samples, TypeError for other things."""
        if not tensors:
            raise ArgumentError("TensorDataset needs at least one Tensor")
        for i, tensor in enumerate(tensors):
            if not isinstance(tensor, (Tensor, np.ndarray)):
                raise TypeError(
                    f"tensors[{i}] must be a Tensor or an array, but is a {type(tensor).__name__}"
                )
        if any(not tensor.shape or tensor.shape[0] != tensors[0].shape[0] for tensor in tensors):
            shapes = ", ".join(str(tensor.shape) for tensor in tensors)
            raise ShapeError(f"tensors must have the same first size, but their shapes are {shapes}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        """The slices of an index; of several, if it is a list or array of them."""
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        """The number of samples."""
        return int(self.tensors[0].shape[0])


class Subset(Dataset[Any]):
    """The samples of a dataset that have the indices given, in their order."""

    def __init__(self, dataset: Sized, indices: Sequence[int]) -> None:
        """Indices are not copied."""
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index: Any) -> Any:
        """The sample of an index into `indices`."""
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        """The number of indices."""
        return len(self.indices)


def random_split(dataset: Sized, lengths: Sequence[float], generator: Any = None) -> list[Subset]:
    """Cut a dataset at random into subsets that do not overlap.

    Args:
        dataset: what has a length.
        lengths: of the subsets, whose sum is that of the dataset; or fractions, whose sum is 1: what remains
            after rounding down goes to the first ones, one sample each.
        generator: a `numpy.random.Generator`, or a seed; without it, that of `rsconv.manual_seed`.

    Raises:
        ArgumentError: lengths that do not add up, or are negative.

    Source: torch.utils.data.random_split.
    """
    total = len(dataset)
    if any(not value >= 0 for value in lengths):
        raise ArgumentError(f"lengths must not be negative, but got lengths={list(lengths)}")
    counts: list[int]
    if math.isclose(sum(lengths), 1) and any(not _is_whole(value) for value in lengths):
        counts = [math.floor(total * share) for share in lengths]
        for i in range(total - sum(counts)):
            counts[i % len(counts)] += 1
    else:
        if not all(map(_is_whole, lengths)) or sum(lengths) != total:
            raise ArgumentError(
                f"lengths must add up to the {total} samples of the dataset, or to 1, but got "
                f"lengths={list(lengths)}"
            )
        counts = [operator.index(value) for value in lengths]  # type: ignore[arg-type]
    order = random_order(total, generator)
    starts = np.cumsum([0, *counts])
    return [Subset(dataset, order[start:][:n]) for start, n in zip(starts, counts, strict=False)]


def _is_whole(value: Any) -> bool:
    return hasattr(value, "__index__")


def random_order(count: int, generator: Any = None) -> list[int]:
    """The numbers below `count` in random order, by a generator, a seed, or rsconv's own generator."""
    order: list[int] = numbers_from(generator).permutation(count).tolist()
    return order


def numbers_from(generator: Any) -> np.random.Generator:
    """A generator of NumPy: that given, one of a seed given, or rsconv's own.

    Raises TypeError for anything else.
    """
    if generator is None:
        return random.generator()
    if isinstance(generator, np.random.Generator):
        return generator
    if hasattr(generator, "__index__"):
        return np.random.default_rng(operator.index(generator))
    raise TypeError(
        f"generator must be a numpy.random.Generator or a seed, but got {type(generator).__name__}"
    )
