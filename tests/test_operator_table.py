"""The table of operators says what the operators do, and has all of them."""

import importlib.util
from pathlib import Path

from rsconv import functional, functions, shaping
from rsconv._functional.gradients import RULES

ROOT = Path(__file__).parent.parent
# Names beside others of the same function, or pairs of them.
ALIASES = {
    *("absolute", "negative", "clip", "subtract", "multiply", "divide", "true_divide"),
    *("concat", "concatenate", "upsample", "std_mean", "var_mean"),
    *("celu_", "elu_", "hardtanh_", "leaky_relu_", "relu_", "rrelu_", "selu_", "threshold_"),
}
# Those that take no fixed arrays, or give no array.
OTHERS = {"allclose", "broadcast_tensors", "einsum", "equal", "meshgrid"}


def script():
    spec = importlib.util.spec_from_file_location("operator_table", ROOT / "benches" / "operator_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_fresh():
    """Without a GPU, its column is taken from the file."""
    assert script().page() == (ROOT / "docs" / "operators.md").read_text()


def test_every_public_function_is_in_the_table():
    assert set(script().cases()) == {*functional.__all__, *functions.__all__} - ALIASES - OTHERS
    assert {*shaping.__all__} <= {*script().SHAPING}


def test_every_operator_that_says_what_it_computed_has_a_rule():
    """Names told as literals; elementwise functions tell those of the expressions."""
    told = set()
    for path in (ROOT / "python" / "rsconv" / "_functional").rglob("*.py"):
        for line in path.read_text().split('node(call, "')[1:]:
            told.add(line.split('"')[0])
    assert len(told) > 25
    assert told <= set(RULES)
