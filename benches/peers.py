"""What the benchmark times: each class makes a function of a case, and its result is the output."""

import importlib.util
import math

import numpy as np


class Peer:
    """One way to convolve, in a process of its own, whose environment limits the threads of its BLAS."""

    packages: tuple[str, ...] = ()

    @classmethod
    def installed(cls):
        return all(importlib.util.find_spec(package) for package in cls.packages)

    def __init__(self, threads):
        self.threads = threads

    def prepare(self, case):
        raise NotImplementedError


class Rsconv(Peer):
    """The plain call: it packs the weight every time."""

    def prepare(self, case):
        import rsconv.functional as F

        x, w, b = case.arrays()
        keywords = {name: getattr(case, name) for name in ("stride", "padding", "dilation", "groups")}
        convolve = getattr(F, f"conv{'_transpose' if case.transposed else ''}{case.rank}d")
        return lambda: convolve(x, w, b, **keywords)


class RsconvPrepared(Peer):
    """The weight packed beforehand, as a layer in use has it."""

    def prepare(self, case):
        import rsconv

        x, w, b = case.arrays()
        keywords = {
            name: getattr(case, name) for name in ("transposed", "stride", "padding", "dilation", "groups")
        }
        prepared = rsconv.prepare(w, b, input_shape=x.shape, **keywords)
        return lambda: prepared(x)


class Numpy(Peer):
    """`sliding_window_view` and `matmul`: the convolution that one writes by hand."""

    def prepare(self, case):
        x, w, b = case.arrays()
        work = _numpy_transposed if case.transposed else _numpy_forward
        return lambda: work(case, x, w) + b.reshape(-1, *(1,) * case.rank)


def _numpy_forward(case, x, w):
    spatial = tuple(range(2, 2 + case.rank))
    padded = np.pad(x, ((0, 0), (0, 0), *((case.padding, case.padding),) * case.rank))
    extent = tuple(case.dilation * (k - 1) + 1 for k in case.kernel)
    windows = np.lib.stride_tricks.sliding_window_view(padded, extent, spatial)
    steps = (slice(None, None, case.stride),) * case.rank + (slice(None, None, case.dilation),) * case.rank
    windows = windows[(slice(None), slice(None), *steps)]
    # (n, groups, channels and taps, outputs)
    columns = np.moveaxis(windows, spatial, range(-case.rank, 0))
    columns = columns.reshape(case.n, case.groups, -1, math.prod(case.output_size))
    y = w.reshape(case.groups, case.c_out // case.groups, -1) @ columns
    return y.reshape(case.n, case.c_out, *case.output_size)


def _numpy_transposed(case, x, w):
    taps = math.prod(case.kernel)
    images = x.reshape(case.n, case.groups, -1, math.prod(case.size))
    kernels = w.reshape(case.groups, case.c_in // case.groups, -1)
    # Every input pixel's patch of the output, (n, channels, taps, inputs); patches overlap and add up.
    patches = (kernels.transpose(0, 2, 1) @ images).reshape(case.n, case.c_out, taps, *case.size)
    full = tuple(
        (i - 1) * case.stride + case.dilation * (k - 1) + 1
        for i, k in zip(case.size, case.kernel, strict=True)
    )
    y = np.zeros((case.n, case.c_out, *full), np.float32)
    for tap, at in enumerate(np.ndindex(case.kernel)):
        starts = [case.dilation * a for a in at]
        where = (
            slice(s, s + case.stride * (i - 1) + 1, case.stride)
            for s, i in zip(starts, case.size, strict=True)
        )
        y[(slice(None), slice(None), *where)] += patches[:, :, tap]
    inner = slice(case.padding, -case.padding or None)
    return y[(slice(None), slice(None), *(inner,) * case.rank)]


class OnnxRuntime(Peer):
    """ONNX Runtime on its CPU provider; the weight is a constant of the model, so it is packed beforehand."""

    packages = ("onnxruntime", "onnx")

    def prepare(self, case):
        import onnxruntime
        from onnx import TensorProto, helper, numpy_helper

        x, w, b = case.arrays()
        node = helper.make_node(
            "ConvTranspose" if case.transposed else "Conv",
            ["x", "w", "b"],
            ["y"],
            kernel_shape=case.kernel,
            strides=[case.stride] * case.rank,
            pads=[case.padding] * case.rank * 2,
            dilations=[case.dilation] * case.rank,
            group=case.groups,
        )
        graph = helper.make_graph(
            [node],
            "case",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(w, "w"), numpy_helper.from_array(b, "b")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return lambda: session.run(["y"], {"x": x})[0]


class Torch(Peer):
    """PyTorch on the CPU, from and to NumPy without a copy."""

    packages = ("torch",)

    def prepare(self, case):
        import torch

        torch.set_num_threads(self.threads)
        torch.set_grad_enabled(False)
        x, w, b = map(torch.from_numpy, case.arrays())
        convolve = getattr(torch.nn.functional, f"conv{'_transpose' if case.transposed else ''}{case.rank}d")
        keywords = {name: getattr(case, name) for name in ("stride", "padding", "dilation", "groups")}
        return lambda: convolve(x, w, b, **keywords).numpy()


PEERS = {
    "rsconv": Rsconv,
    "prepared": RsconvPrepared,
    "NumPy": Numpy,
    "ONNX Runtime": OnnxRuntime,
    "PyTorch": Torch,
}
