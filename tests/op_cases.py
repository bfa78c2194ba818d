"""The one list of operator calls that every device runs, beside the convolutions of `cases.py`.

A case (see `op_case`) names a public function, its arrays, its other arguments, and an oracle in float64.
"""

import functools
import math

import composed_cases
import composition_cases
import numpy as np
import op_oracles as o
import placed_cases
import window_oracles as w
from op_case import ALL_FLOATS, FLOATS, WHOLE, Array, Case, one


def _activations():
    arguments = {
        "leaky_relu": ({}, {"negative_slope": 0.2}),
        "elu": ({}, {"alpha": 0.7}),
        "celu": ({}, {"alpha": 1.7}),
        "gelu": ({}, {"approximate": "tanh"}),
        "hardtanh": ({}, {"min_val": -0.25, "max_val": 2.25}),
        "softplus": ({}, {"beta": 2.0, "threshold": 3.25}),
        "hardshrink": ({}, {"lambd": 0.75}),
        "softshrink": ({}, {"lambd": 1.0}),
        "threshold": ({"threshold": 0.0, "value": -2.0},),
    }
    for name, oracle in o.ACTIVATIONS.items():
        for args in arguments.get(name, ({},)):
            yield one(name, (3, 5, 7), oracle, "away", args=args, dtypes=ALL_FLOATS)
        if name != "threshold":
            yield one(name, (2, 3, 4, 5), oracle, "away", "last")
    for name in ("relu", "relu6"):
        yield one(name, (4, 5), o.ACTIVATIONS[name], args={}, dtypes=WHOLE, gradient=False)
    for shape, channels in (((3, 4), 4), ((2, 4, 3, 5), 4), ((2, 3, 6), 1), ((7,), 1)):
        arrays = {"input": Array(shape, "away"), "weight": Array((channels,))}
        yield Case("prelu", arrays, o.prelu, dtypes=ALL_FLOATS)
    for dim in (0, 1, -1):
        yield one("glu", (4, 6, 2), o.glu, args={"dim": dim}, dtypes=ALL_FLOATS)
        for name in ("softmax", "log_softmax", "softmin"):
            yield one(name, (3, 6, 5), getattr(o, name), args={"dim": dim}, dtypes=ALL_FLOATS, terms=16)
    yield one("softmax", (2, 5, 3, 4), o.softmax, layout="last", args={"dim": 1}, terms=16)
    yield one("log_softmax", (70, 130), o.log_softmax, args={"dim": 1}, terms=64)


def _elementwise():
    positive = ("sqrt", "rsqrt", "log", "log1p", "reciprocal")
    for name, function in o.UNARY.items():
        kind = "positive" if name in positive else "away"
        oracle = functools.partial(lambda input, f: f(input), f=function)
        yield one(name, (3, 5, 7), oracle, kind, dtypes=ALL_FLOATS)
        yield one(name, (2, 3, 4, 5), oracle, kind, "strided")
        yield one(name, (), oracle, kind)
    for name in ("neg", "abs", "sign", "square", "floor", "round"):
        yield one(name, (4, 5), lambda input, f=o.UNARY[name]: f(input), dtypes=WHOLE, gradient=False)
    for name, function in o.BINARY.items():
        whole = WHOLE if name not in ("div", "pow") else ()
        for shapes in (
            ((3, 4), (3, 4)),
            ((2, 3, 4), (4,)),
            ((2, 1, 4), (3, 1)),
            ((), (2, 3)),
            ((0, 3), (3,)),
        ):
            yield binary(name, function, shapes, FLOATS)
        yield binary(name, function, ((2, 3, 4, 5), (3, 1, 1)), ALL_FLOATS, ("last", "C"))
        yield binary(name, function, ((4, 6), (4, 6)), FLOATS, ("reversed", "F"))
        if whole:
            yield binary(name, function, ((3, 4), (4,)), whole)
    for name, function in o.COMPARISONS.items():
        arrays = {"input": Array((3, 4), "whole"), "other": Array((4,), "whole")}
        oracle = functools.partial(lambda input, other, f: f(input, other), f=function)
        yield Case(name, arrays, oracle, dtypes=(*FLOATS, *WHOLE), gradient=False)
    for name, function in (("isnan", np.isnan), ("isinf", np.isinf), ("isfinite", np.isfinite)):
        yield one(name, (3, 4), lambda input, f=function: f(input), gradient=False)
    yield one("logical_not", (3, 4), lambda input: input == 0, gradient=False)
    for condition, a, b in (((3, 4), (3, 4), (3, 4)), ((3, 1), (4,), ()), ((2, 3, 4), (1, 4), (3, 1))):
        arrays = {"condition": Array(condition, "bool"), "input": Array(a), "other": Array(b)}
        yield Case("where", arrays, lambda condition, input, other: np.where(condition, input, other))
    for args in ({"min": -0.75}, {"max": 0.75}, {"min": -0.75, "max": 1.25}):
        low, high = args.get("min", -np.inf), args.get("max", np.inf)
        oracle = functools.partial(
            lambda input, low, high, **_: np.clip(input, low, high), low=low, high=high
        )
        yield one("clamp", (3, 5, 4), oracle, "away", args=args, dtypes=ALL_FLOATS)
    bounds = {"input": Array((3, 4), "away"), "min": Array((4,), "away"), "max": Array((3, 1), "away")}
    yield Case("clamp", bounds, lambda input, min, max: np.minimum(np.maximum(input, min), max))
    for exponent in (2, 3, 0.5, -1, 0):
        oracle = lambda input, exponent: input**exponent  # noqa: E731
        yield one("pow", (3, 4), oracle, "positive", args={"exponent": exponent})
    for args in ({"alpha": 2}, {"alpha": -0.5}):
        arrays = {"input": Array((3, 4)), "other": Array((4,))}
        yield Case("add", arrays, lambda input, other, alpha: input + alpha * other, args)
        yield Case("sub", arrays, lambda input, other, alpha: input - alpha * other, args)
    for mode, rounded in (("floor", np.floor), ("trunc", np.trunc)):
        arrays = {"input": Array((4, 5), "whole"), "other": Array((5,), "whole")}
        oracle = functools.partial(lambda input, other, rounding_mode, f: f(input / other), f=rounded)
        yield Case("div", arrays, oracle, {"rounding_mode": mode}, (*FLOATS, *WHOLE), gradient=False)
    yield one(
        "round",
        (3, 4),
        lambda input, decimals: np.round(input, decimals),
        args={"decimals": 1},
        gradient=False,
    )


def binary(name, function, shapes, dtypes, layouts=("C", "C")):
    second = "exponent" if name == "pow" else "other"
    kind = "positive" if name == "pow" else "away"
    # Quotients of whole multiples would stand on the steps of these functions.
    arrays = {
        "input": Array(shapes[0], kind, layouts[0]),
        second: Array(
            shapes[1], "positive" if name in ("div", "remainder", "floor_divide") else kind, layouts[1]
        ),
    }
    oracle = functools.partial(lambda f, **values: f(*values.values()), function)
    smooth = name not in ("floor_divide",)
    return Case(name, arrays, oracle, dtypes=dtypes, gradient=smooth and dtypes != WHOLE)


def _reductions():
    functions = {"sum": np.sum, "mean": np.mean, "prod": np.prod, "amax": np.max, "amin": np.min}
    for name, function in functions.items():
        for dim in (None, 0, 1, -1, (0, 2), (1, 2)):
            for keepdim in (False, True):
                oracle = functools.partial(
                    lambda input, dim, keepdim, f: f(input, axis=dim, keepdims=keepdim), f=function
                )
                args = {"dim": dim, "keepdim": keepdim}
                yield one(name, (4, 3, 5), oracle, args=args, terms=60, linear=name in ("sum", "mean"))
        oracle = functools.partial(lambda input, dim, f: f(input, axis=dim), f=function)
        layouts = ("last", "strided", "reversed")
        for layout in layouts:
            yield one(
                name, (2, 6, 4, 3), oracle, layout=layout, args={"dim": (2, 3)}, dtypes=ALL_FLOATS, terms=12
            )
        yield one(
            name, (2, 3000), oracle, "positive" if name != "prod" else "unit", args={"dim": 1}, terms=300
        )
        if name != "mean":
            yield one(name, (3, 4), oracle, args={"dim": 0}, dtypes=WHOLE, gradient=False)
    for name, function in (("var", np.var), ("std", np.std)):
        for args in ({}, {"dim": 1}, {"dim": (0, 2), "correction": 0}, {"dim": -1, "keepdim": True}):
            oracle = functools.partial(
                lambda input, f, dim=None, correction=1, keepdim=False: f(
                    input, axis=dim, ddof=correction, keepdims=keepdim
                ),
                f=function,
            )
            yield one(name, (4, 3, 5), oracle, args=args, terms=60)
    for name, function in (("argmax", np.argmax), ("argmin", np.argmin)):
        for dim in (None, 0, 1, -1):
            oracle = functools.partial(lambda input, dim, f: f(input, axis=dim), f=function)
            yield one(name, (4, 3, 5), oracle, args={"dim": dim}, dtypes=(*FLOATS, "int32"), gradient=False)
    for name, function in (("any", np.any), ("all", np.all)):
        for dim in (None, 1):
            oracle = functools.partial(lambda input, dim, f: f(input, axis=dim), f=function)
            arrays = {"input": Array((3, 4), "bool")}
            yield Case(name, arrays, oracle, {"dim": dim}, ("float32",), gradient=False)
    for name, function, place in (("max", np.max, np.argmax), ("min", np.min, np.argmin)):
        oracle = functools.partial(
            lambda input, dim, f, at: (f(input, axis=dim), at(input, axis=dim)), f=function, at=place
        )
        yield one(name, (4, 3, 5), oracle, args={"dim": 1})


def _layout():
    def cat(tensors, dim=0):
        return np.concatenate(tensors, dim)

    def stack(tensors, dim=0):
        return np.stack(tensors, dim)

    parts = {"a": Array((2, 3, 4)), "b": Array((2, 1, 4), layout="F"), "c": Array((2, 5, 4))}
    yield Case("cat", parts, cat, {"dim": 1}, (*ALL_FLOATS, *WHOLE), listed=True)
    yield Case("cat", parts, cat, {"dim": -2}, listed=True)
    same = {"a": Array((2, 3)), "b": Array((2, 3), layout="reversed")}
    for dim in (0, 1, -1):
        yield Case("stack", same, stack, {"dim": dim}, listed=True)
    yield from _parts()
    for dims in (0, (0, 2), -1):
        yield one(
            "flip", (2, 3, 4), lambda input, dims: np.flip(input, dims), args={"dims": dims}, linear=True
        )
    for shape, factor in (((2, 8, 3, 4), 2), ((9, 2, 2), 3), ((2, 4, 1, 1), 2), ((1, 3, 2, 2), 1)):
        yield one(
            "pixel_shuffle",
            shape,
            o.pixel_shuffle,
            args={"upscale_factor": factor},
            linear=True,
            dtypes=ALL_FLOATS,
        )
    for shape, factor in (((2, 2, 6, 4), 2), ((1, 6, 3), 3)):
        yield one("pixel_unshuffle", shape, o.pixel_unshuffle, args={"downscale_factor": factor}, linear=True)
    for shape, groups in (((2, 6, 3, 4), 3), ((1, 8, 5), 2), ((1, 4, 2), 1)):
        yield one("channel_shuffle", shape, o.channel_shuffle, args={"groups": groups}, linear=True)
    for dim, shape in ((0, (2, 3, 4)), (1, (3, 6, 4)), (2, (2, 2, 5))):
        index = Array(shape, f"index {(3, 4, 5)[dim]}")
        yield Case("gather", {"input": Array((3, 4, 5)), "index": index}, o.gather, {"dim": dim}, linear=True)
        yield Case(
            "index_select",
            {"input": Array((3, 4, 5), layout="F"), "index": Array((6,), f"index {(3, 4, 5)[dim]}")},
            lambda input, index, dim: np.take(input, index, dim),
            {"dim": dim},
            ALL_FLOATS,
            linear=True,
        )
        arrays = {"input": Array((3, 4, 5)), "index": index, "src": Array((3, 6, 5))}
        yield Case("scatter_add", arrays, o.scatter_add, {"dim": dim})


def _parts():
    """The whole of each result, and in a view of no simple strides."""
    three, how = Array((2, 7, 3), layout="strided"), {"dtypes": (*ALL_FLOATS, "int32"), "linear": True}
    for sizes, cuts in ((3, (3, 6)), ((2, 0, 5), (2, 2))):
        args = {"split_size_or_sections": sizes, "dim": 1}
        oracle = functools.partial(lambda tensor, cuts, **_: tuple(np.split(tensor, cuts, 1)), cuts=cuts)
        yield Case("split", {"tensor": three}, oracle, args, **how)
    oracle = functools.partial(lambda input, cuts, **_: tuple(np.split(input, cuts, 1)), cuts=(2, 4, 6))
    yield Case("chunk", {"input": three}, oracle, {"chunks": 4, "dim": -2}, **how)
    args = {"dim": 1, "start": -5, "length": 4}
    yield Case("narrow", {"input": three}, lambda input, **_: input[:, 2:6], args, **how)
    yield Case(
        "unbind", {"input": three}, lambda input, dim: tuple(np.moveaxis(input, dim, 0)), {"dim": 2}, **how
    )


def _padding():
    for shape, pads in (
        ((3, 7), (2, 1)),
        ((2, 5, 6), (1, 2, 3, 0)),
        ((2, 3, 4, 5), (1, 1, 2, 2)),
        ((2, 6, 5), (-1, 2)),
    ):
        for mode in ("constant", "reflect", "replicate", "circular"):
            args = {"pad": pads, "mode": mode}
            yield one("pad", shape, w.pad, args=args, dtypes=(*ALL_FLOATS, "int32"), gradient=False)
            yield one("pad", shape, w.pad, layout="strided", args=args, linear=True)
        yield one("pad", shape, w.pad, args={"pad": pads, "value": 1.5})
    yield one(
        "pad", (2, 3, 4, 5, 6), w.pad, "normal", "last", args={"pad": (1, 0, 0, 2, 1, 1), "mode": "replicate"}
    )
    for kernel, size in (((3,), (9,)), ((2, 3), (6, 7)), ((2, 2, 3), (4, 5, 6))):
        for extra in ({}, {"stride": 2, "padding": 1}, {"dilation": 2, "padding": 2}):
            args = {"kernel_size": kernel, **extra}
            yield one("unfold", (2, 3, *size), w.unfold, args=args, linear=True, dtypes=ALL_FLOATS)
            blocks = w.unfold(np.zeros((1, 1, *size)), **args).shape[-1]
            shape, args = (2, 3 * math.prod(kernel), blocks), {"output_size": size, **args}
            yield one("fold", shape, w.fold, args=args, linear=True, dtypes=ALL_FLOATS)


def _convolutions():
    """A few of each: `cases.py` has the long list for the CPU."""
    for rank, size in ((1, (11,)), (2, (8, 7)), (3, (4, 6, 5))):
        arrays = {"input": Array((2, 4, *size)), "weight": Array((6, 2, *(3,) * rank)), "bias": Array((6,))}
        for extra in ({"stride": 2, "padding": 1}, {"dilation": 2, "padding": 2}):
            args = {"groups": 2, **extra}
            yield Case(f"conv{rank}d", arrays, w.conv, args, ALL_FLOATS, terms=64)
        arrays = {"input": Array((2, 3, *size), layout="last"), "weight": Array((4, 3, *(3,) * rank))}
        for mode in ("reflect", "replicate", "circular"):
            args = {"padding": 1, "padding_mode": mode}
            yield Case(f"conv{rank}d", arrays, w.conv, args, terms=128)
        arrays = {"input": Array((2, 4, *size)), "weight": Array((4, 1, *(3,) * rank)), "bias": Array((4,))}
        yield Case(f"conv{rank}d", arrays, w.conv, {"groups": 4, "padding": 1}, ALL_FLOATS, terms=32)
    arrays = {"input": Array((7, 2, 4)), "weight": Array((3, 4, 5)), "bias": Array((5,))}
    yield Case("conv_tbc", arrays, w.conv_tbc, {"pad": 1}, ALL_FLOATS, terms=32)


def _pooling():
    settings = (
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
        {"kernel_size": 2, "stride": 3, "ceil_mode": True},
        {"kernel_size": 4, "stride": 1, "padding": 2},
        {"kernel_size": 1, "stride": 2},
    )
    for rank, size in ((1, (13,)), (2, (9, 8)), (3, (5, 6, 7))):
        for lead in ((2, 3), (4,)):
            for args in settings if lead == (2, 3) else settings[:3]:
                shape = (*lead, *size)
                yield one(f"max_pool{rank}d", shape, w.max_pool(rank), args=args)
                yield one(f"avg_pool{rank}d", shape, w.avg_pool(rank), args=args, linear=True)
                whole = {"dtypes": (*WHOLE, "uint8") if lead == (2, 3) else ("int32",), "gradient": False}
                yield one(f"avg_pool{rank}d", shape, w.whole_avg_pool(rank), args=args, **whole)
                excluded = {**args, "count_include_pad": False}
                yield one(f"avg_pool{rank}d", shape, w.whole_avg_pool(rank), args=excluded, **whole)
                yield one(f"avg_pool{rank}d", shape, w.avg_pool(rank), args=excluded, linear=True)
        shape = (2, 3, *size)
        for args in (
            {"kernel_size": 3, "dilation": 2, "padding": 1},
            {"kernel_size": 2, "dilation": 3, "stride": 1},
        ):
            yield one(f"max_pool{rank}d", shape, w.max_pool(rank), args=args)
        args = {"kernel_size": 3, "stride": 2, "padding": 1, "return_indices": True}
        yield one(f"max_pool{rank}d", shape, w.max_pool(rank), args=args, dtypes=ALL_FLOATS)
        yield one(f"max_pool{rank}d", shape, w.max_pool(rank), args=args, dtypes=("int32",), gradient=False)
        yield one(f"max_pool{rank}d", shape, w.max_pool(rank), layout="last", args=args)
        yield one(
            f"avg_pool{rank}d", shape, w.avg_pool(rank), layout="last", args={"kernel_size": 3}, linear=True
        )
        if rank > 1:
            args = {"kernel_size": 3, "stride": 2, "padding": 1, "divisor_override": 5}
            yield one(f"avg_pool{rank}d", shape, w.avg_pool(rank), args=args, linear=True, dtypes=ALL_FLOATS)
            yield one(
                f"avg_pool{rank}d", shape, w.whole_avg_pool(rank), args=args, dtypes=WHOLE, gradient=False
            )
        for outputs in (1, 3, 5):
            for kind in ("avg", "max"):
                oracle, args = w.adaptive(rank, kind), {"output_size": outputs}
                yield one(
                    f"adaptive_{kind}_pool{rank}d", shape, oracle, args=args, linear=kind == "avg", terms=32
                )
        args = {"output_size": 4, "return_indices": True}
        yield one(f"adaptive_max_pool{rank}d", shape[1:], w.adaptive(rank, "max"), args=args)
    args = {"kernel_size": (3, 2), "stride": (1, 2), "padding": (1, 0)}
    yield one("max_pool2d", (2, 3, 6, 7), w.max_pool(2), args=args)
    yield one("avg_pool2d", (2, 3, 6, 7), w.avg_pool(2), args=args, linear=True)
    for kind in ("avg", "max"):
        args = {"output_size": (None, 3)}
        yield one(
            f"adaptive_{kind}_pool2d", (2, 3, 6, 7), w.adaptive(2, kind), args=args, linear=kind == "avg"
        )
    yield one("max_pool2d", (0, 3, 6, 7), w.max_pool(2), args={"kernel_size": 2})


def _interpolation():
    modes = {
        1: ("nearest", "nearest-exact", "linear", "area"),
        2: ("nearest", "nearest-exact", "bilinear", "bicubic", "area"),
        3: ("nearest", "nearest-exact", "trilinear"),
    }
    for rank, size in ((1, (7,)), (2, (5, 6)), (3, (3, 4, 5))):
        resized = {1: (11, 4), 2: ((8, 13), (3, 4)), 3: ((5, 7, 6), (2, 3, 3))}[rank]
        for mode in modes[rank]:
            corners = ({}, {"align_corners": True}) if mode.endswith(("linear", "cubic")) else ({},)
            for extra in corners:
                for target in (*({"size": s} for s in resized), {"scale_factor": 2}, {"scale_factor": 1.7}):
                    args = {**target, "mode": mode, **extra}
                    yield one("interpolate", (2, 3, *size), o.interpolate, args=args, linear=True, terms=32)
        mode = modes[rank][2]
        args = {"scale_factor": 2, "mode": mode}
        yield one(
            "interpolate", (2, 3, *size), o.interpolate, layout="last", args=args, dtypes=ALL_FLOATS, terms=32
        )


def _normalization():
    for shape in ((4, 3), (3, 4, 5), (2, 3, 4, 5), (2, 4, 2, 3, 2)):
        channels = (shape[1],)
        parameters = {"weight": Array(channels), "bias": Array(channels)}
        running = {"running_mean": Array(channels), "running_var": Array(channels, "positive")}
        none = {"running_mean": None, "running_var": None}
        x = {"input": Array(shape)}
        kinds = ALL_FLOATS if shape == (2, 3, 4, 5) else FLOATS
        yield Case("batch_norm", {**x, **running, **parameters}, o.batch_norm, {}, kinds)
        yield Case("batch_norm", {**x, **running}, o.batch_norm, {"eps": 0.1})
        yield Case(
            "batch_norm", {**x, **parameters}, o.batch_norm, {**none, "training": True}, kinds, terms=128
        )
        yield Case("batch_norm", x, o.batch_norm, {**none, "training": True, "eps": 0.01}, terms=128)
        if len(shape) > 2:
            yield Case("instance_norm", {**x, **parameters}, o.instance_norm, {}, kinds, terms=128)
            yield Case("instance_norm", x, o.instance_norm, terms=128)
    last = {"input": Array((2, 4, 5, 3), layout="last")}
    yield Case(
        "batch_norm",
        last,
        o.batch_norm,
        {"running_mean": None, "running_var": None, "training": True},
        terms=128,
    )
    for shape, groups in (
        ((3, 6), 2),
        ((2, 6, 5), 3),
        ((2, 4, 3, 5), 4),
        ((2, 4, 3, 5), 1),
        ((1, 6, 2, 3, 2), 2),
    ):
        channels = (shape[1],)
        arrays = {"input": Array(shape), "weight": Array(channels), "bias": Array(channels)}
        yield Case("group_norm", arrays, o.group_norm, {"num_groups": groups}, ALL_FLOATS, terms=128)
        yield Case("group_norm", {"input": Array(shape)}, o.group_norm, {"num_groups": groups}, terms=128)
    for shape, count in (((3, 7), 1), ((2, 3, 4), 2), ((4, 5, 6), 1)):
        sizes = shape[-count:]
        arrays = {"input": Array(shape), "weight": Array(sizes), "bias": Array(sizes)}
        yield Case("layer_norm", arrays, o.layer_norm, {"normalized_shape": sizes}, ALL_FLOATS, terms=128)
        yield Case(
            "layer_norm", {"input": Array(shape)}, o.layer_norm, {"normalized_shape": sizes}, terms=128
        )


def _matrices():
    for lead in ((), (3,), (2, 3)):
        arrays = {"input": Array((*lead, 5)), "weight": Array((4, 5))}
        yield Case("linear", arrays, o.linear, dtypes=ALL_FLOATS, terms=20)
        yield Case("linear", {**arrays, "bias": Array((4,))}, o.linear, terms=20)
    yield Case(
        "linear", {"input": Array((4, 70)), "weight": Array((33, 70), layout="F")}, o.linear, terms=128
    )
    shapes = (
        *(((3, 4), (4, 5)), ((4,), (4, 5)), ((3, 4), (4,)), ((4,), (4,)), ((2, 3, 4), (2, 4, 5))),
        *(
            ((2, 3, 4), (4, 5)),
            ((3, 4), (2, 4, 5)),
            ((2, 1, 3, 4), (3, 4, 2)),
            ((2, 3, 4), (4,)),
            ((4,), (2, 4, 3)),
        ),
    )
    for a, b in shapes:
        arrays = {"input": Array(a), "other": Array(b)}
        yield Case(
            "matmul", arrays, lambda input, other: np.matmul(input, other), dtypes=ALL_FLOATS, terms=20
        )
    arrays = {"input": Array((17, 33), layout="F"), "other": Array((33, 19), layout="reversed")}
    yield Case("matmul", arrays, lambda input, other: np.matmul(input, other), terms=64)
    arrays = {"input": Array((3, 2, 4)), "mat2": Array((3, 4, 5))}
    yield Case("bmm", arrays, lambda input, mat2: np.matmul(input, mat2), terms=20)


def _losses():
    for shape in ((4, 5), (2, 5, 3), (2, 5, 2, 3), (5,)):
        rest = (*shape[:1], *shape[2:]) if len(shape) > 1 else ()
        x = {"input": Array(shape), "target": Array(rest, "index 5")}
        for name in ("cross_entropy", "nll_loss"):
            oracle = getattr(o, name)
            for reduction in ("mean", "sum", "none"):
                yield Case(name, x, oracle, {"reduction": reduction}, terms=64)
            weighted = {**x, "weight": Array((5,), "positive")}
            yield Case(name, weighted, oracle, {"ignore_index": 2}, terms=64, fixed=("weight",))
        # The only target is counted.
        args = {"label_smoothing": 0.2, "ignore_index": 1 if rest else -1}
        yield Case("cross_entropy", weighted, o.cross_entropy, args, terms=64, fixed=("weight",))
        if len(shape) > 1:
            soft = {"input": Array(shape), "target": Array(shape, "rows"), "weight": Array((5,), "positive")}
            for reduction in ("mean", "sum", "none"):
                args = {"reduction": reduction, "label_smoothing": 0.1}
                yield Case("cross_entropy", soft, o.cross_entropy, args, terms=64, fixed=("weight",))
    pair = {"input": Array((3, 4), "away"), "target": Array((3, 4), "away")}
    for reduction in ("mean", "sum", "none"):
        args = {"reduction": reduction}
        for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"):
            yield Case(name, pair, getattr(o, name), args, ALL_FLOATS, terms=32)
        yield Case("smooth_l1_loss", pair, o.smooth_l1_loss, {**args, "beta": 0.3}, terms=32)
        yield Case("huber_loss", pair, o.huber_loss, {**args, "delta": 0.3}, terms=32)
        unit = {"input": Array((3, 4), "unit"), "target": Array((3, 4), "unit")}
        yield Case("binary_cross_entropy", unit, o.binary_cross_entropy, args, terms=64)
        weighted = {**pair, "target": Array((3, 4), "unit"), "weight": Array((4,), "positive")}
        name = "binary_cross_entropy_with_logits"
        yield Case(name, weighted, getattr(o, name), args, terms=64)
        yield Case(
            name, {**weighted, "pos_weight": Array((4,), "positive")}, getattr(o, name), args, terms=64
        )
    for reduction in ("batchmean", "sum", "none"):
        chances = {"input": Array((3, 4)), "target": Array((3, 4), "rows")}
        yield Case("kl_div", chances, o.kl_div, {"reduction": reduction}, terms=64)
    yield Case("kl_div", pair, o.kl_div, {"log_target": True}, terms=64)


# What gives views, also of host arrays in any byte order.
VIEWS = ("broadcast_to", "chunk", "narrow", "split", "unbind")

CASES = [
    *_activations(),
    *_elementwise(),
    *_reductions(),
    *_layout(),
    *_padding(),
    *_convolutions(),
    *_pooling(),
    *_interpolation(),
    *_normalization(),
    *_matrices(),
    *_losses(),
    *composition_cases.CASES,
    *composed_cases.cases(),
    *placed_cases.cases(),
]
