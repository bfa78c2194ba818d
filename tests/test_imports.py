"""Imports point down: the layers of the Python package, read from its source."""

import ast
from pathlib import Path

import pytest
import rsconv

ROOT = Path(rsconv.__file__).parent
# From the bottom up. A module may import from its own layer and those below, errors.py from nothing.
LAYERS = [
    {"errors"},
    {"_core", "logs"},
    {"ir"},
    {"backends"},
    {
        *("functional", "_functional", "functions", "prepare", "profiling"),
        *(
            "tensor",
            "parameter",
            "storage",
            "arithmetic",
            "operators",
            "shaping",
            "conversion",
            "printing",
            "creation",
            "methods",
            "queries",
            "size",
        ),
        *("dtypes", "device", "device_list", "gpu", "names", "random"),
        *("autograd", "_autograd", "differentiation"),
        # What PyTorch has beside its functions.
        *("cuda", "fx", "hub", "jit"),
    },
    {
        "nn",
        "optim",
        "data",
        "utils",
        "explain",
        "io",
        "_npz",
        "_safetensors",
        "_torch_file",
        "_weights_format",
        "_narrow_floats",
    },
    {"compile", "graph"},
    {"onnx"},
    {"cli", "demo", "doctor", "self_test", "__main__"},
]
LEVEL = {name: level for level, layer in enumerate(LAYERS) for name in layer}
SOURCES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def module_parts(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def imported(path, source=None):
    """`(line, parts)` of each module of the package that a file imports anywhere; `()` is the package."""
    package = module_parts(path) if path.name == "__init__.py" else module_parts(path)[:-1]
    for node in ast.walk(ast.parse(path.read_text() if source is None else source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top, *parts = alias.name.split(".")
                if top == "rsconv":
                    yield node.lineno, tuple(parts)
        elif isinstance(node, ast.ImportFrom):
            parts = tuple(node.module.split(".")) if node.module else ()
            if node.level:
                parts = (*package[: len(package) - node.level + 1], *parts)
            elif parts[0] != "rsconv":
                continue
            else:
                parts = parts[1:]
            for alias in node.names:
                yield node.lineno, parts or ((alias.name,) if alias.name in LEVEL else ())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: ".".join(module_parts(path)))
def test_imports_point_down(path):
    own = module_parts(path)[0]
    assert own in LEVEL, f"{own} has no layer: give it one in {__name__}"
    for line, parts in imported(path):
        # What the package itself re-exports comes from every layer.
        target = LEVEL[parts[0]] if parts else len(LAYERS) - 1
        assert target <= LEVEL[own], (
            f"{path.name}:{line} imports {'.'.join(('rsconv', *parts))}, which is above it"
        )


def test_only_the_cpu_backend_calls_the_core():
    importers = {
        ".".join(module_parts(path))
        for path in SOURCES
        for _, parts in imported(path)
        if parts[:1] == ("_core",)
    }
    # The others take the Geometry type, or print what `info` says.
    outside = {name for name in importers if not name.startswith("backends.")}
    assert outside <= {"backends", "cli"}


def test_errors_is_a_leaf():
    assert not list(imported(ROOT / "errors.py"))


def test_the_reader_of_imports_sees_all_forms():
    absolute = "import rsconv.io\nfrom rsconv import nn\nfrom rsconv.nn import grad\nimport numpy\n"
    nested = "def f():\n  import rsconv\n"
    relative = "from . import cpu\nfrom .. import _core\nfrom ..errors import ShapeError\n"
    found = [parts for _, parts in imported(ROOT / "backends" / "any.py", absolute + nested + relative)]
    expected = [("io",), ("nn",), ("nn",), (), ("backends",), ("_core",), ("errors",)]
    assert sorted(found) == sorted(expected)
