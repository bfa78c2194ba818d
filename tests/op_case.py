"""What a case of an operator is: its arrays, its call, its oracle, and how near a result must come."""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

FLOATS = ("float32", "float64")
ALL_FLOATS = ("float16", *FLOATS)
WHOLE = ("int32", "int64")


@dataclass(frozen=True)
class Array:
    """An array argument: its shape, what its values are like, and how it lies in memory.

    Kinds: 'normal', 'positive' (0.5 to 2), 'unit' (0.05 to 0.95), 'away' (normal, but not near whole numbers
    and halves, where functions have kinks), 'whole' (-4 to 4 without 0), 'index N' (0 to N - 1), 'bool',
    'rows' (positive, sums of 1 along axis 1). All but 'index' and 'bool' have the case's dtype.
    """

    shape: tuple
    kind: str = "normal"
    layout: str = "C"

    def make(self, rng, dtype):
        return laid_out(self.values(rng, np.dtype(dtype)), self.layout)

    def values(self, rng, dtype):
        kind, _, limit = self.kind.partition(" ")
        if kind == "index":
            return rng.integers(0, int(limit), self.shape)
        if kind == "bool":
            return rng.random(self.shape) < 0.5
        if kind == "whole" or dtype.kind in "iu":
            negative = dtype.kind != "u" and kind not in ("positive", "unit")
            signs = rng.choice([-1, 1], self.shape) if negative else 1
            return np.asarray(signs * rng.integers(1, 5, self.shape)).astype(dtype)
        if dtype.kind == "b":
            return rng.random(self.shape) < 0.5
        values = rng.normal(0, 1.5, self.shape)
        if kind == "positive":
            values = rng.uniform(0.5, 2, self.shape)
        elif kind == "unit":
            values = rng.uniform(0.05, 0.95, self.shape)
        elif kind == "away":
            values = np.floor(2 * values) / 2 + rng.uniform(0.1, 0.4, self.shape)
        elif kind == "rows":
            values = rng.uniform(0.1, 1, self.shape)
            values /= values.sum(1, keepdims=True)
        return np.asarray(values).astype(dtype)

    @property
    def smooth(self):
        return not self.kind.startswith(("index", "bool"))


def laid_out(x, layout):
    """The same values in another memory order."""
    if layout == "F":
        return np.asfortranarray(x)
    if layout == "last":
        return (
            np.ascontiguousarray(np.moveaxis(x, 1, -1)).swapaxes(0, 0).transpose(0, -1, *range(1, x.ndim - 1))
        )
    if layout == "reversed":
        return np.ascontiguousarray(x[..., ::-1])[..., ::-1]
    if layout == "strided":
        wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1] + 1), x.dtype)
        wide[..., 1::2] = x
        return wide[..., 1::2]
    assert layout == "C"
    return np.ascontiguousarray(x) if x.ndim else x


@dataclass(frozen=True)
class Case:
    """One call. `gradient` says whether it has one; `linear` that it is linear in its first array.

    `terms` is about how many rounded numbers make one of the result.
    """

    op: str
    arrays: dict
    oracle: Callable[..., Any]
    args: dict = field(default_factory=dict)
    dtypes: tuple = FLOATS
    gradient: bool = True
    linear: bool = False
    terms: int = 8
    # Arrays that have no gradient.
    fixed: tuple = ()
    # Arrays that are one argument, a list (of `cat`).
    listed: bool = False

    def __str__(self):
        shown = [
            f"{name}={list(a.shape)}{'' if a.layout == 'C' else a.layout}" for name, a in self.arrays.items()
        ]
        shown += [f"{name}={value}" for name, value in self.args.items()]
        return f"{self.op} {' '.join(shown)}".replace(", ", ",")

    def make(self, dtype):
        rng = np.random.default_rng(zlib.crc32(str(self).encode()))
        return {name: array.make(rng, dtype) for name, array in self.arrays.items()}

    def call(self, function, arrays):
        if self.listed:
            return function(list(arrays.values()), **self.args)
        return function(**arrays, **self.args)

    def expected(self, arrays):
        """The oracle's results, a tuple, in its own dtypes."""
        wide = {n: a.astype(np.float64) if a.dtype.kind == "f" else a for n, a in arrays.items()}
        result = (
            self.oracle(list(wide.values()), **self.args) if self.listed else self.oracle(**wide, **self.args)
        )
        return result if isinstance(result, tuple) else (result,)


def one(op, shape, oracle, kind="normal", layout="C", **settings):
    return Case(op, {"input": Array(shape, kind, layout)}, oracle, **settings)


def tolerance(case, dtype, scale):
    """How far a result of about `scale` may be from the oracle's: `terms` roundings, one more if stored "
    "narrow."""
    working = np.finfo(np.float32 if dtype == np.float16 else dtype).eps
    narrow = np.finfo(np.float16).eps if dtype == np.float16 else 0.0
    return (working * (4 + 2 * case.terms) + narrow * (2 + math.sqrt(case.terms) / 4)) * max(scale, 1.0)
