"""Write docs/operators.md: what every operator takes on each device, found out by calling it.

    python benches/operator_table.py            # needs a GPU, be it in software, for the GPU's column
    python benches/operator_table.py --check    # exit code 1 if the file says something else

Every operator of the tests' case list is called with every dtype. Without a GPU its column stays as it is.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import rsconv
from rsconv import functional, functions
from rsconv.autograd import grad
from rsconv.errors import DeviceError, DtypeError

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from op_case import Array, Case  # noqa: E402
from op_cases import CASES  # noqa: E402

PAGE = ROOT / "docs" / "operators.md"
DTYPES = {
    "f16": "float16",
    "f32": "float32",
    "f64": "float64",
    "c64": "complex64",
    "c128": "complex128",
    "i8": "int8",
    "i16": "int16",
    "i32": "int32",
    "i64": "int64",
    "u8": "uint8",
    "u16": "uint16",
    "u32": "uint32",
    "u64": "uint64",
    "bool": "bool",
}
GPU_DTYPES = ("f16", "f32", "i32", "bool")
GROUPS = {
    "floats": ("f16", "f32", "f64"),
    "complex": ("c64", "c128"),
    "integers": ("i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"),
}
TITLES = {
    "conv": "Convolutions",
    "fold": "Windows to columns and back",
    "pad": "Padding",
    "pooling": "Pooling",
    "lp_pooling": "Pooling by norms",
    "unpooling": "The inverse of max pooling",
    "normalization": "Normalization",
    "response_norm": "Normalization by squares alone",
    "attention": "Attention",
    "linear": "Products of matrices",
    "interpolation": "Resizing",
    "shuffle": "Shuffles",
    "activation": "Activation functions",
    "dropout": "Dropout",
    "alpha_dropout": "Other chance",
    "losses": "Losses",
    "elementwise": "Elementwise functions",
    "reductions": "Reductions",
    "joining": "Joining and splitting",
    "indexing": "Indexing",
    "scattering": "Writing to places",
    "grids": "Sampling at positions",
    "masking": "Masks",
    "repeating": "Repetition",
    "ordering": "Order",
    "compositions": "Made of others",
    "embedding": "Look-up",
}

# Of a Tensor of shape (3, 4), whose methods they are.
SHAPING = {
    "expand": lambda x: x.expand(2, 3, 4),
    "expand_as": lambda x: x.expand_as(x),
    "flatten": lambda x: x.flatten(),
    "movedim": lambda x: x.movedim(0, 1),
    "permute": lambda x: x.permute(1, 0),
    "ravel": lambda x: x.ravel(),
    "reshape": lambda x: x.t().reshape(2, 6),
    "select": lambda x: x.select(0, 1),
    "squeeze": lambda x: x[None].squeeze(0),
    "t": lambda x: x.t(),
    "transpose": lambda x: x.transpose(0, 1),
    "unflatten": lambda x: x.unflatten(1, (2, 2)),
    "unsqueeze": lambda x: x.unsqueeze(0),
    "view": lambda x: x.view(4, 3),
    "view_as": lambda x: x.view_as(x),
    "x[1:, 2]": lambda x: x[1:, 2],
    "x[mask]": lambda x: x[np.eye(3, 4) > 0],
    "x[whole numbers]": lambda x: x[[0, 2, 0]],
}


def cases():
    """One call of every operator: the first of the case list, and what that list leaves to other tests."""
    found = {}
    for case in CASES:
        found.setdefault(case.op, case)
    for rank in (1, 2, 3):
        size, kernel = (6,) * rank, (3,) * rank
        arrays = {"input": Array((2, 4, *size)), "weight": Array((6, 4, *kernel))}
        found[f"conv{rank}d"] = Case(f"conv{rank}d", arrays, None)
        arrays = {"input": Array((2, 4, *size)), "weight": Array((4, 6, *kernel))}
        found[f"conv_transpose{rank}d"] = Case(f"conv_transpose{rank}d", arrays, None)
    arrays = {"input": Array((6, 2, 4)), "weight": Array((3, 4, 5)), "bias": Array((5,))}
    found["conv_tbc"] = Case("conv_tbc", arrays, None)
    x = {"input": Array((2, 3, 6, 6))}
    found["pad"] = Case("pad", x, None, {"pad": (1, 2)})
    found["unfold"] = Case("unfold", x, None, {"kernel_size": 3})
    found["fold"] = Case(
        "fold", {"input": Array((2, 27, 16))}, None, {"output_size": (6, 6), "kernel_size": 3}
    )
    for name in ("dropout", "dropout1d", "dropout2d", "dropout3d"):
        rank = int(name[-2]) if name != "dropout" else 2
        found[name] = Case(name, {"input": Array((2, 3, *(4,) * rank))}, None)
    for name in ("alpha_dropout", "feature_alpha_dropout", "rrelu"):
        found[name] = Case(name, {"input": Array((2, 3, 4))}, None, {"training": True})
    whole = {"input": Array((3, 4), "whole")}
    found["bitwise_not"] = Case("bitwise_not", whole, None, gradient=False)
    pair = {**whole, "other": Array((3, 4), "whole")}
    for name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
        found[name] = Case(name, pair, None, gradient=False)
    parts = {
        "narrow": {"dim": 1, "start": 1, "length": 2},
        "split": {"split_size_or_sections": 2},
        "chunk": {"chunks": 2},
        "unbind": {},
    }
    for name, args in parts.items():
        x = {"tensor" if name == "split" else "input": Array((3, 4))}
        found[name] = Case(name, x, None, args, gradient=False)
    whole = {"input": Array((3, 4), "whole")}
    for name, args in {"sort": {}, "argsort": {}, "topk": {"k": 2}}.items():
        found[name] = Case(name, whole, None, args, gradient=name != "argsort")
    found["mm"] = Case("mm", {"input": Array((3, 4)), "mat2": Array((4, 5))}, None)
    return found


def function_of(op):
    return getattr(functional, op, None) or getattr(functions, op)


def takes(case, dtype, device):
    """Whether a call with arrays of a dtype gives a result."""
    arrays = case.make(dtype)
    try:
        with rsconv.device(device):
            case.call(function_of(case.op), arrays)
    except (DeviceError, DtypeError, ZeroDivisionError):
        return False
    return True


def differentiable(case):
    if not case.gradient or not takes(case, "float32", "cpu"):
        return False
    tensors = {name: rsconv.from_numpy(array) for name, array in case.make("float32").items()}
    first = tensors[next(name for name, array in case.arrays.items() if array.smooth)].requires_grad_()
    result = case.call(function_of(case.op), tensors)
    result = result[0] if isinstance(result, tuple) else result
    return result.requires_grad and bool(grad(result, first, rsconv.rand(result.shape))[0].any())


def shapes(call, dtype, device):
    """Whether a function of `SHAPING` gives a result of a dtype."""
    try:
        call(rsconv.tensor(np.ones((3, 4), dtype), device=device))
    except (DeviceError, DtypeError):
        return False
    return True


def shown(names):
    """Dtypes, whole groups by their name."""
    text = []
    rest = list(names)
    for group, members in GROUPS.items():
        if all(member in rest for member in members):
            text.append(group)
            rest = [name for name in rest if name not in members]
    return ", ".join([*text, *rest]) or "-"


def column_before():
    """The GPU's column as the file has it."""
    rows = [line.split("|") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    return {row[1].strip(" `"): row[3].strip() for row in rows}


def has_gpu():
    """Whether there is a GPU, be it in software, that has every dtype a GPU can have."""
    os.environ.setdefault("RSCONV_ALLOW_SOFTWARE_GPU", "1")
    try:
        with rsconv.device("gpu"):
            rsconv.ones(1, dtype="float16")
    except (DeviceError, DtypeError):
        return False
    return True


def page():
    found, gpu = cases(), has_gpu()
    before = {} if gpu else column_before()
    families = {family: [] for family in TITLES}
    for op, case in found.items():
        cpu = [short for short, dtype in DTYPES.items() if takes(case, dtype, "cpu")]
        on_gpu = (
            shown([s for s in GPU_DTYPES if takes(case, DTYPES[s], "gpu")]) if gpu else before.get(op, "?")
        )
        gradient = "yes" if differentiable(case) else "-"
        families[function_of(op).__module__.split(".")[-1]].append((op, shown(cpu), on_gpu, gradient))
    shaping = []
    for name, call in SHAPING.items():
        cpu = shown([short for short, dtype in DTYPES.items() if shapes(call, dtype, "cpu")])
        on_gpu = (
            shown([s for s in GPU_DTYPES if shapes(call, DTYPES[s], "gpu")]) if gpu else before.get(name, "?")
        )
        gradient = call(rsconv.ones(3, 4).requires_grad_()).requires_grad
        shaping.append((name, cpu, on_gpu, "yes" if gradient else "-"))
    lines = [
        "# Operators",
        "",
        "What every function takes on each device: written by `benches/operator_table.py`, which calls",
        "each with every dtype. *floats* are f16, f32 and f64, *complex* c64 and c128, *integers* i8 to i64",
        "and u8 to u64; a GPU has f16 where it can (`shader-f16`), f32, i32 and bool. Functions of",
        "`rsconv.functional` and of `rsconv` itself, and at the end what Tensors have as methods.",
    ]
    sections = [(TITLES[family], rows) for family, rows in families.items()]
    for title, rows in [*sections, ("Shapes and views", shaping)]:
        lines += ["", f"## {title}", "", "| function | CPU | GPU | gradient |", "|---|---|---|---|"]
        lines += [f"| `{op}` | {cpu} | {on_gpu} | {gradient} |" for op, cpu, on_gpu, gradient in sorted(rows)]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    check = parser.parse_args().check
    with np.errstate(all="ignore"):
        text = page()
    if check:
        if text != PAGE.read_text():
            sys.exit(f"{PAGE.name} is stale: run python benches/operator_table.py")
    else:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
