"""The floor plan holds: nothing imports upward, and what reads or judges runs needs neither torch nor Hydra."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import optlab

ROOT = Path(optlab.__file__).parent
PURE = frozenset(sys.stdlib_module_names)

# A floor, and what it may import besides itself and the standard library.
FLOORS = {
    "rules": {"optlab.errors", "optlab.record"},
    "analysis/read": {"optlab.errors", "optlab.record", "optlab.rules", "numpy", "yaml"},
    "analysis/judge": {
        *("optlab.errors", "optlab.record", "optlab.rules", "optlab.analysis.read", "numpy", "scipy"),
    },
}


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, also within its functions; of `from a import b`, `a.b`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_stands_on_those_below_it_alone(floor: str) -> None:
    below = {f"optlab.{floor.replace('/', '.')}", *FLOORS[floor]}
    files = sorted((ROOT / floor).rglob("*.py"))
    assert files
    for path in files:
        for name in imports(path):
            parents = {".".join(name.split(".")[: n + 1]) for n in range(name.count(".") + 1)}
            allowed = name.partition(".")[0] in PURE or parents & below
            assert allowed, f"{path.relative_to(ROOT)} imports {name}, which is not below {floor}"


@pytest.mark.parametrize("room", ["module.py", "callbacks", "data", "models", "losses.py", "lr.py", "optimizers.py"])
def test_what_engines_stand_on_knows_nothing_of_them(room: str) -> None:
    files = [ROOT / room] if room.endswith(".py") else sorted((ROOT / room).rglob("*.py"))
    above = ("optlab.engine", "optlab.run", "optlab.sweep", "optlab.analysis")
    assert files
    assert not [(path, name) for path in files for name in imports(path) if name.startswith(above)]
