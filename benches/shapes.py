"""The benchmark's cases, as data: layers that networks have, and what they are known for."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Case:
    """One convolution in float32. `stride`, `padding` and `dilation` hold for every spatial dimension."""

    name: str
    n: int
    c_in: int
    c_out: int
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    transposed: bool = False

    @property
    def rank(self):
        return len(self.size)

    @property
    def input_shape(self):
        return (self.n, self.c_in, *self.size)

    @property
    def weight_shape(self):
        ends = (self.c_in, self.c_out) if self.transposed else (self.c_out, self.c_in)
        return (ends[0], ends[1] // self.groups, *self.kernel)

    @property
    def output_size(self):
        pairs = zip(self.size, self.kernel, strict=True)
        if self.transposed:
            return tuple(
                (i - 1) * self.stride - 2 * self.padding + self.dilation * (k - 1) + 1 for i, k in pairs
            )
        return tuple(
            (i + 2 * self.padding - self.dilation * (k - 1) - 1) // self.stride + 1 for i, k in pairs
        )

    @property
    def flops(self):
        """Two for each multiplication of the direct method, padding included, whatever is really done."""
        sites = math.prod(self.size if self.transposed else self.output_size)
        return 2 * self.n * sites * self.c_in * self.c_out // self.groups * math.prod(self.kernel)

    def arrays(self):
        """Input, weight and bias, the same in every process."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal(self.input_shape, dtype=np.float32)
        w = rng.standard_normal(self.weight_shape, dtype=np.float32)
        b = rng.standard_normal(self.c_out, dtype=np.float32)
        return x, w / np.float32(math.sqrt(math.prod(self.weight_shape[1:]))), b


def conv1d(name, c_in, c_out, length, kernel, **rest):
    return Case(name, 1, c_in, c_out, (length,), (kernel,), **rest)


def conv2d(name, c_in, c_out, side, kernel, *, n=1, **rest):
    rest.setdefault("padding", kernel // 2 * rest.get("dilation", 1))
    return Case(name, n, c_in, c_out, (side, side), (kernel, kernel), **rest)


CASES = [
    conv2d("3x3 64@56", 64, 64, 56, 3),
    conv2d("3x3 128@28", 128, 128, 28, 3),
    conv2d("3x3 256@14", 256, 256, 14, 3),
    conv2d("3x3 512@7", 512, 512, 7, 3),
    conv2d("3x3 64@224", 64, 64, 224, 3),
    conv2d("3x3 64@32 batch 32", 64, 64, 32, 3, n=32),
    conv2d("1x1 64->256@56", 64, 256, 56, 1),
    conv2d("1x1 256->64@56", 256, 64, 56, 1),
    conv2d("1x1 512->2048@7", 512, 2048, 7, 1),
    conv2d("1x1/s2 256->512@56", 256, 512, 56, 1, stride=2),
    conv2d("7x7/s2 stem 3->64@224", 3, 64, 224, 7, stride=2),
    conv2d("dilated 3x3 256@28", 256, 256, 28, 3, dilation=2),
    conv2d("grouped 3x3 g32 128@56", 128, 128, 56, 3, groups=32),
    conv2d("depthwise 3x3 32@112", 32, 32, 112, 3, groups=32),
    conv2d("depthwise 3x3/s2 96@112", 96, 96, 112, 3, stride=2, groups=96),
    conv2d("depthwise 5x5 240@14", 240, 240, 14, 5, groups=240),
    conv2d("transposed 2x2/s2 128->64@128", 128, 64, 128, 2, stride=2, padding=0, transposed=True),
    conv2d("transposed 4x4/s2 128->64@32", 128, 64, 32, 4, stride=2, padding=1, transposed=True),
    conv2d("filter 15x15@1024", 1, 1, 1024, 15),
    conv1d("conv1d k10/s5 1->512@16000", 1, 512, 16000, 10, stride=5),
    conv1d("conv1d k3/s2 512@3200", 512, 512, 3200, 3, stride=2),
    conv1d("conv1d k3 dilated 64@4096", 64, 64, 4096, 3, padding=8, dilation=8),
    Case("conv3d 3x3x3 32@16x56x56", 1, 32, 32, (16, 56, 56), (3, 3, 3), padding=1),
    conv2d("tiny 3x3 3->8@16", 3, 8, 16, 3),
]
