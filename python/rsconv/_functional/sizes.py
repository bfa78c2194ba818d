"""Arguments that hold one integer, or one for each spatial dimension."""

import operator
from typing import Any

from ..errors import ArgumentError, ShapeError

__all__ = ["check_rank", "each", "integer"]

_AT_LEAST = {0: "integers that are not negative", 1: "positive integers"}


def each(name: str, value: Any, rank: int, least: int | None = 1) -> tuple[int, ...]:
    """`value` as one integer for each of `rank` dimensions; a single one, also in a sequence, is for all.

    Raises ArgumentError, naming the argument and its value, for another number of them, for what is no
    integer, and for one that is less than `least`.
    """
    try:
        sizes = (operator.index(value),) * rank
    except TypeError:
        try:
            sizes = tuple(operator.index(size) for size in value)
        except TypeError:
            raise ArgumentError(
                f"{name} must be an integer or {rank} of them, but got {name}={value!r}"
            ) from None
        if len(sizes) == 1:
            sizes *= rank
    if len(sizes) != rank or (least is not None and min(sizes, default=least) < least):
        kind = "integers" if least is None else _AT_LEAST[least]
        raise ArgumentError(f"{name} must be {rank} {kind} or one for all, but got {name}={value}")
    return sizes


def integer(name: str, value: Any) -> int:
    """`value` as an int. Raises ArgumentError for what is none."""
    try:
        return operator.index(value)
    except TypeError:
        raise ArgumentError(f"{name} must be an integer, but got {name}={value!r}") from None


def check_rank(function: str, rank: int, shape: tuple[int, ...]) -> None:
    """Raise ShapeError unless `shape` is (N, C, *S) or (C, *S) with `rank` sizes in S."""
    if len(shape) not in (rank + 1, rank + 2):
        raise ShapeError(
            f"Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to {function}, but got input "
            "of "
            f"size: {list(shape)}"
        )
