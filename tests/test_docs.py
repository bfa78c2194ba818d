"""The documentation holds: its code runs, public names are documented, links lead somewhere."""

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest
import rsconv

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
MODULES = sorted(
    name
    for _, name, _ in pkgutil.walk_packages(rsconv.__path__, "rsconv.")
    if not name.endswith(("__main__", "._core"))
)


@pytest.mark.parametrize("name", ["rsconv", *MODULES])
def test_docstring_examples_run(name):
    module = importlib.import_module(name)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, _ = doctest.testmod(module, optionflags=flags, raise_on_error=False)
    assert not failed


def python_blocks():
    return re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def test_readme_examples_run(tmp_path, monkeypatch):
    """In one namespace, one after the other; `# -> text` after an expression says its value."""
    monkeypatch.chdir(tmp_path)
    threads = rsconv.get_num_threads()
    namespace = {}
    checked = 0
    assert len(python_blocks()) >= 4
    for block in python_blocks():
        exec(compile(block, "README.md", "exec"), namespace)
        for expression, expected in re.findall(r"^(\S.*?)\s+# -> (.*)$", block, re.MULTILINE):
            target, _, value = expression.rpartition(" = ")
            assert str(eval(target or value, namespace)) == expected, expression
            checked += 1
    rsconv.set_num_threads(threads)
    assert checked >= 8


def test_readme_links_and_pictures_exist():
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert "docs/demo.png" in targets
    for target in targets:
        assert (ROOT / target).exists(), target
    assert (ROOT / "docs/demo.png").stat().st_size < 600_000


def test_readme_supported_table_names_what_exists():
    """Every `nn.`, `F.` and `rsconv.` name in the table of what is supported exists."""
    table = README.partition("## What is supported")[2].partition("\n## ")[0]
    names = re.findall(r"`((?:nn\.|F\.|rsconv\.)[\w.]+)`", table)
    assert len(names) > 30
    for name in names:
        target = rsconv
        for part in name.replace("F.", "functional.").removeprefix("rsconv.").split("."):
            target = getattr(target, part)


def public_objects():
    """Functions and classes that a module defines under a public name, and the methods of the classes."""
    for module_name in ["rsconv", *MODULES]:
        module = importlib.import_module(module_name)
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", None) != module_name:
                continue
            if inspect.isfunction(value) or inspect.isclass(value):
                yield f"{module_name}.{name}", value
            if inspect.isclass(value):
                for method, function in vars(value).items():
                    if inspect.isfunction(function) and not method.startswith("_"):
                        yield f"{module_name}.{name}.{method}", function


def test_public_names_are_documented():
    documented = dict(public_objects())
    assert len(documented) > 100
    missing = [name for name, value in documented.items() if not inspect.getdoc(value)]
    assert not missing


def test_versions_agree():
    cargo = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    assert cargo is not None
    assert rsconv.__version__ == cargo[1]
    assert f"## [{cargo[1]}]" in (ROOT / "CHANGELOG.md").read_text()
