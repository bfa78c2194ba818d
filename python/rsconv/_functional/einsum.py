"""Products of arrays by the letters of their axes."""

from typing import Any

from ..errors import ArgumentError, ShapeError
from ..shaping import permute, reshape
from .arrays import ArrayLike, Result, described
from .linear import matmul
from .reductions import sum as sum_over

__all__ = ["einsum"]


def einsum(equation: str, *operands: Any) -> Result:
    """The products of elements whose axes have the same letters, added up over letters that the result lacks.

    `equation` is such as 'bij,bjk->bik'; without '->' the result has the letters that occur once, in the
    alphabet's order; '...' are the leading axes that all share, in full. Pairs are multiplied from left to
    right, as products of matrices. Behaviour of PyTorch's einsum, without diagonals.

    >>> einsum("ij,jk->ik", [[1.0, 2.0]], [[3.0], [4.0]])
    array([[11.]])

    Raises ArgumentError for an equation that does not say that, ShapeError for sizes that differ.
    """
    given = operands[0] if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else operands
    shapes = [x.shape for x in described(**{f"operands[{i}]": x for i, x in enumerate(given)})[1]]
    terms, result = _letters(equation, shapes)
    sizes: dict[str, int] = {}
    for i, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        for letter, size in zip(term, shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                raise ShapeError(
                    f"einsum({equation!r}) has sizes {sizes[letter]} and {size} for {letter!r}, the latter "
                    f"in operand number {i} of size {list(shape)}"
                )
    x, letters = given[0], terms[0]
    for i in range(1, len(given)):
        later = {*result, *"".join(terms[i + 1 :])}
        x, letters = _pair(x, letters, given[i], terms[i], later, sizes)
    x, letters = _without(x, letters, {*result})
    return permute(x, [letters.index(letter) for letter in result])


def _letters(equation: str, shapes: list[tuple[int, ...]]) -> tuple[list[str], str]:
    """A letter for every axis of every operand, and of the result; '...' become digits."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms, leading = left.split(","), 0
    if len(terms) != len(shapes):
        raise ArgumentError(f"einsum({equation!r}) names {len(terms)} operands, but got {len(shapes)}")
    for i, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        named = term.replace("...", "", 1)
        if not all(letter.isalpha() for letter in named) or len(set(named)) != len(named):
            raise ArgumentError(
                f"einsum takes terms of letters that differ, but got {term!r} in {equation!r}"
            )
        extra = len(shape) - len(named)
        if extra < 0 or (extra and named == term):
            raise ArgumentError(
                f"einsum({equation!r}) names {len(named)} axes of operand number {i} of size {list(shape)}"
            )
        leading = max(leading, extra)
        terms[i] = term.replace("...", _DIGITS[:extra])
    if leading > len(_DIGITS):
        raise ArgumentError(f"einsum takes at most {len(_DIGITS)} axes for '...', but got {leading}")
    joined = "".join(terms)
    digits = _DIGITS[:leading]
    if arrow:
        result = right.replace("...", digits, 1)
    else:
        result = digits + "".join(sorted(c for c in {*joined} if joined.count(c) == 1 and c.isalpha()))
    if len({*result}) != len(result) or not {*result} <= {*joined}:
        raise ArgumentError(f"einsum({equation!r}) wants axes {right!r}, which the operands do not have so")
    return terms, result


_DIGITS = "0123456789"


def _without(x: ArrayLike, letters: str, kept: set[str]) -> tuple[Result, str]:
    """`x` added up over the axes whose letters nobody asks for."""
    gone = [axis for axis, letter in enumerate(letters) if letter not in kept]
    if not gone:
        return x, letters
    return sum_over(x, gone), "".join(letter for letter in letters if letter in kept)


def _pair(
    a: ArrayLike, of_a: str, b: ArrayLike, of_b: str, later: set[str], sizes: dict[str, int]
) -> tuple[Result, str]:
    """The product of two, as a batch of products of matrices, and the letters of its axes."""
    a, of_a = _without(a, of_a, later | {*of_b})
    b, of_b = _without(b, of_b, later | {*of_a})
    both = [letter for letter in of_a if letter in of_b]
    batch = "".join(letter for letter in both if letter in later)
    inner = "".join(letter for letter in both if letter not in later)
    rows = "".join(letter for letter in of_a if letter not in of_b)
    columns = "".join(letter for letter in of_b if letter not in of_a)

    def laid(x: ArrayLike, letters: str, *groups: str) -> Result:
        x = permute(x, [letters.index(letter) for group in groups for letter in group])
        return reshape(x, [_size(group, sizes) for group in groups])

    product = matmul(laid(a, of_a, batch, rows, inner), laid(b, of_b, batch, inner, columns))
    letters = batch + rows + columns
    return reshape(product, [sizes[letter] for letter in letters]), letters


def _size(group: str, sizes: dict[str, int]) -> int:
    total = 1
    for letter in group:
        total *= sizes[letter]
    return total
