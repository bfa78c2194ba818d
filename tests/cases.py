"""The one list of convolutions that every backend and instruction set runs, and the one tolerance.

`python tests/cases.py [REFERENCES.npz]` runs the list in a process of its own, so that RSCONV_ISA can choose
the
kernels: it prints the instruction set, then each failure, and exits with their number (at most 100).
"""

import sys
import zlib
from dataclasses import dataclass

import numpy as np
import oracle

FLOATS = ("float16", "float32", "float64", "complex64", "complex128")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


@dataclass(frozen=True)
class Case:
    """One convolution; a single number holds for every dimension, `pads` may be `(low, high)` pairs."""

    size: tuple
    kernel: tuple
    inputs: int = 3
    outputs: int = 4
    batch: int | None = 2
    stride: tuple | int = 1
    pads: tuple | int = 0
    dilation: tuple | int = 1
    groups: int = 1
    output_padding: tuple | int = 0
    transposed: bool = False
    bias: bool = True
    dtype: str = "float32"

    def __str__(self):
        defaults = Case((), ())
        shown = [
            f"{k}={v}" for k, v in vars(self).items() if v != getattr(defaults, k) or k in ("size", "kernel")
        ]
        return " ".join(shown).replace(", ", ",")

    @property
    def rank(self):
        return len(self.size)

    def each(self, value):
        return (value,) * self.rank if isinstance(value, int) else value

    @property
    def pairs(self):
        return tuple((p, p) if isinstance(p, int) else p for p in self.each(self.pads))

    @property
    def lead(self):
        return () if self.batch is None else (self.batch,)

    @property
    def weight_shape(self):
        short, long = (self.inputs, self.outputs) if self.transposed else (self.outputs, self.inputs)
        return (short, long // self.groups, *self.kernel)

    @property
    def output_size(self):
        return oracle.output_size(
            self.size,
            self.kernel,
            self.each(self.stride),
            self.pairs,
            self.each(self.dilation),
            self.each(self.output_padding),
            self.transposed,
        )

    def arrays(self):
        """Input, weight, bias (or None) and output gradient."""
        rng = np.random.default_rng(zlib.crc32(str(self).encode()))
        shapes = [(*self.lead, self.inputs, *self.size), self.weight_shape, (self.outputs,)]
        shapes.append((*self.lead, self.outputs, *self.output_size))
        x, w, b, g = (random_array(rng, shape, self.dtype) for shape in shapes)
        return x, w, b if self.bias else None, g

    def settings(self):
        """Keyword arguments of the oracle's passes."""
        return {
            "stride": self.each(self.stride),
            "pads": self.pairs,
            "dilation": self.each(self.dilation),
            "groups": self.groups,
        }


def random_array(rng, shape, dtype):
    """Values in [-1, 1), or all values of an integer type, so that sums wrap around."""
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    values = rng.uniform(-1, 1, (*shape, 2))
    return (values[..., 0] + (1j * values[..., 1] if dtype.kind == "c" else 0)).astype(dtype)


def problem(what, got, reference, terms):
    """None if `got` is right, else a sentence. Integers must agree modulo their size.

    A sum of `terms` products of values in [-1, 1) walks about a third of sqrt(terms) away from zero, so that
    the rounding of its accumulation (in float32 for float16) stays within terms epsilons, whatever the order.
    """
    dtype = got.dtype
    if got.shape != reference.shape:
        return f"{what}: shape {got.shape}, expected {reference.shape}"
    if dtype.kind in "iu":
        wrong = got != reference.astype(dtype)
    else:
        working = np.finfo(np.float32 if dtype == np.float16 else dtype).eps
        allowed = working * (8 + terms) * (2 if dtype.kind == "c" else 1)
        if dtype == np.float16:
            allowed = allowed + np.finfo(np.float16).eps * 0.51 * np.abs(reference)
        wrong = ~(np.abs(got.astype(reference.dtype) - reference) <= allowed)
    if not wrong.any():
        return None
    at = tuple(int(i[0]) for i in np.nonzero(wrong))
    values = f"{got[at]!r}, expected {reference[at]!r}"
    return f"{what}: {int(wrong.sum())} of {got.size} wrong, first at {at}: {values}"


def references(case):
    """The oracle's forward, input gradient and weight gradient.

    Gradients of complex convolutions are the adjoint maps, hence the conjugates.
    """
    x, w, b, g = case.arrays()
    if case.batch is None:
        x, g = x[None], g[None]
    settings, out, size = case.settings(), case.output_size, case.size
    if case.transposed:
        y = oracle.scatter(x, w, out, **settings)
        gx = oracle.gather(g, np.conj(w), size, **settings)
        gw = oracle.correlate(g, np.conj(x), case.kernel, **settings)
    else:
        y = oracle.gather(x, w, out, **settings)
        gx = oracle.scatter(g, np.conj(w), size, **settings)
        gw = oracle.correlate(np.conj(x), g, case.kernel, **settings)
    if b is not None:
        y = y + oracle.widen(b).reshape(-1, *(1,) * case.rank)
    return (y[0], gx[0], gw) if case.batch is None else (y, gx, gw)


def problems(case, expected=None):
    """What rsconv gets wrong about a case: the plain and the prepared call, and both gradients."""
    import rsconv
    from rsconv.backends import Geometry, cpu

    x, w, b, g = case.arrays()
    keywords = {
        "stride": case.stride,
        "padding": case.pairs,
        "output_padding": case.output_padding,
        "groups": case.groups,
        "dilation": case.dilation,
        "transposed": case.transposed,
    }
    geometry = Geometry(case.rank, x.shape, w.shape, None if b is None else b.shape, **keywords)
    y, gx, gw = references(case) if expected is None else expected
    taps = int(np.prod(case.kernel))
    pixels = max(case.batch or 1, 1) * int(np.prod(case.size if case.transposed else case.output_size))
    forward = case.inputs // case.groups * taps + 1
    found = [
        problem("forward", cpu.conv(geometry, x, w, b), y, forward),
        problem("prepared", rsconv.prepare(w, b, input_shape=x.shape, **keywords)(x), y, forward),
        problem(
            "input gradient", cpu.conv_input_grad(geometry, w, g), gx, case.outputs // case.groups * taps
        ),
        problem("weight gradient", cpu.conv_weight_grad(geometry, x, g), gw, pixels),
    ]
    return [text for text in found if text]


def _sizes(rank, last):
    """Small sizes of a rank, the innermost one given."""
    return (*(3, 4)[: rank - 1], last)


def _tails():
    """Every innermost size and channel count around the lengths of vectors and tiles."""
    for width in range(1, 51):
        rank = 1 + width % 3
        yield Case(_sizes(rank, width), (1,) * (rank - 1) + (3,), pads=(0,) * (rank - 1) + (1,))
        yield Case((2, width), (2, 3), 5, 6, pads=1, batch=1, stride=(1, 2), transposed=width % 2 == 0)
    for channels in range(1, 41):
        yield Case((4, 5), (3, 3), channels, 41 - channels, pads=1, batch=1)
        yield Case((9,), (1,), 41 - channels, channels, transposed=channels % 2 == 0)
    for channels in (17, 31):
        yield Case((3, 4, 7), (2, 3, 3), channels, channels, pads=1)
        yield Case((6, 7), (2, 2), channels, channels, stride=2, transposed=True)


def _settings():
    """Strides, dilations, pads and kernels, alone and together, for each rank and direction."""
    for rank in (1, 2, 3):
        size = {1: (23,), 2: (9, 11), 3: (5, 6, 7)}[rank]
        for transposed in (False, True):
            for kernel in (1, 2, 3, 4):
                for stride in (1, 2, 3):
                    pads = kernel // 2
                    case = {"stride": stride, "pads": pads, "transposed": transposed}
                    yield Case(size, (kernel,) * rank, **case)
                    extra = stride - 1 if transposed else 0
                    yield Case(
                        size, (kernel,) * rank, 4, 6, groups=2, dilation=2, output_padding=extra, **case
                    )
            yield Case(size, (3,) * rank, dilation=3, pads=4, transposed=transposed, batch=None, bias=False)
            yield Case(size, (2,) * rank, stride=4, transposed=transposed, batch=0)
            yield Case(size, (3,) * rank, pads=((0, 3),) * rank, stride=2, transposed=transposed)
            yield Case(size, (3,) * rank, pads=((4, 1),) * rank, transposed=transposed)
            yield (
                Case(size, (3,) * rank, 0, 4)
                if not transposed
                else Case(size, (3,) * rank, 4, 1, transposed=True)
            )
            yield Case(size, (3,) * rank, 2, 3, batch=1, pads=6, stride=3, transposed=transposed)
    yield Case((6, 9), (5, 3), stride=(2, 1), pads=((2, 0), (0, 1)), dilation=(1, 2))
    yield Case((6, 9), (5, 3), stride=(2, 3), pads=((2, 1), (0, 1)), output_padding=(1, 2), transposed=True)
    yield Case((4, 5, 6), (1, 2, 3), stride=(3, 2, 1), pads=(0, 1, 2), dilation=(1, 2, 3))
    yield Case(
        (4, 5, 6), (3, 1, 2), stride=(1, 2, 3), pads=(2, 0, 1), output_padding=(0, 1, 2), transposed=True
    )
    yield Case((1, 1), (5, 5), pads=2)
    yield Case((2,), (7,), pads=3, stride=2)
    yield Case((40,), (25,), 1, 1, pads=12)
    yield Case((19, 21), (11, 11), 2, 3, pads=5, stride=4)


def _groups():
    """Depthwise, with multipliers, and few channels to a group."""
    for groups, inputs, outputs in (
        (5, 5, 5),
        (4, 4, 12),
        (17, 17, 17),
        (32, 32, 32),
        (6, 6, 18),
        (33, 33, 66),
    ):
        for stride in (1, 2):
            yield Case((10, 13), (3, 3), inputs, outputs, groups=groups, stride=stride, pads=1)
        yield Case((31,), (5,), inputs, outputs, groups=groups, pads=((4, 0),), dilation=2)
        yield Case((4, 5, 6), (3, 3, 3), inputs, outputs, groups=groups, pads=1, batch=1)
        yield Case((7, 6), (4, 4), outputs, inputs, groups=groups, stride=2, pads=1, transposed=True)
    for groups, each_in, each_out in ((8, 4, 4), (3, 2, 5), (2, 8, 16), (4, 16, 8), (2, 17, 31), (16, 1, 3)):
        yield Case((8, 9), (3, 3), groups * each_in, groups * each_out, groups=groups, pads=1)
        yield Case((12,), (3,), groups * each_in, groups * each_out, groups=groups, stride=2, transposed=True)


def _large():
    """More than one tile and panel in every direction; the layers that networks are made of."""
    yield Case((11, 15), (3, 3), 64, 64, batch=1, pads=1)
    yield Case((14, 14), (1, 1), 256, 72, batch=1)
    yield Case((5, 5), (3, 3), 512, 40, batch=1, pads=1)
    yield Case((37, 35), (7, 7), 3, 64, batch=1, stride=2, pads=3)
    # Small maps, whose weight gradients sum several samples at once: the last of them are fewer.
    yield Case((2, 2), (3, 3), 256, 24, batch=130, pads=1)
    yield Case((5, 4), (3, 3), 5, 40, batch=30, pads=1)
    yield Case((4, 4), (3, 3), 96, 48, batch=5, pads=1, groups=3)
    yield Case((6, 10, 10), (3, 3, 3), 32, 32, batch=1, pads=1)
    yield Case((200,), (3,), 96, 80, stride=2, pads=1, batch=1)
    yield Case((12, 12), (2, 2), 64, 32, batch=1, stride=2, transposed=True)
    yield Case((12, 12), (3, 3), 64, 64, batch=1, dilation=4, pads=4)
    yield Case((12, 12), (3, 3), 96, 96, batch=2, pads=1, groups=3)
    yield Case((9, 9), (3, 3), 130, 70, batch=3, stride=2, pads=1, output_padding=1, transposed=True)
    yield Case((70, 66), (3, 3), 3, 8, batch=2, pads=1)


def _dtypes():
    """Every dtype, each with all that changes a kernel's body."""
    for dtype in (*FLOATS, *INTEGERS):
        if dtype != "float32":
            yield Case((7, 19), (3, 3), 5, 17, pads=1, dtype=dtype)
            yield Case(
                (33,), (4,), 6, 9, groups=3, stride=2, pads=((1, 2),), dilation=2, dtype=dtype, batch=None
            )
            yield Case((3, 4, 9), (2, 3, 1), 4, 4, groups=4, pads=1, dtype=dtype)
            yield Case((6, 5), (3, 3), 7, 8, stride=2, pads=1, output_padding=1, transposed=True, dtype=dtype)
            yield Case((21,), (1,), 18, 33, dtype=dtype, bias=False)
            yield Case((3, 3), (3, 3), 0, 2, dtype=dtype)
    for dtype in ("float16", "float64"):
        yield Case((11, 14), (3, 3), 48, 40, batch=1, pads=1, dtype=dtype)
        for width in (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33):
            yield Case((2, width), (1, 3), 3, width, pads=1, dtype=dtype)


CASES = [*_tails(), *_settings(), *_groups(), *_large(), *_dtypes()]


def main(path=None):
    from rsconv import _core

    stored = np.load(path) if path else None
    print(f"isa={_core.info()['isa']}")
    failures = []
    for i, case in enumerate(CASES):
        expected = [stored[f"{i}/{part}"] for part in range(3)] if stored else None
        try:
            found = problems(case, expected)
        except Exception as error:
            found = [repr(error)]
        failures += [f"{case}: {text}" for text in found]
    print(*failures, sep="\n")
    return min(len(failures), 100)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
