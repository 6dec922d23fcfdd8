"""Commands that repeat a run or a sweep: all of it once more, and what is missing of it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from optlab.rules.commands import going_on, once_more, run_command
from tests.commandline import ROOT


@pytest.mark.parametrize("place", ["", " sweep=first", " hydra.sweep.dir=/tmp/x"])
def test_once_more_goes_to_a_new_folder(place: str) -> None:
    assert (
        once_more(f"python train.py -m{place} 'optimizer=a b' seed=0,1")
        == "python train.py -m 'optimizer=a b' seed=0,1"
    )


def test_going_on_names_the_folder() -> None:
    assert going_on("python train.py -m seed=0,1", "2026-11-21_10-00-00").endswith(
        " seed=0,1 sweep=2026-11-21_10-00-00"
    )
    assert going_on("python train.py -m seed=0", "a b").endswith(" 'sweep=a b'")
    for placed in ("python train.py -m sweep=first seed=0", "python train.py -m hydra.sweep.dir=x seed=0"):
        assert going_on(placed, "copy") == placed


def test_repeating_a_run_leaves_out_what_was_about_its_sweep() -> None:
    typed = ["optimizer=adam", "report.live=True", "retry=true", "seed=1"]
    assert run_command(typed) == "python train.py optimizer=adam seed=1"


def test_no_message_elsewhere_knows_how_it_was_typed() -> None:
    """`python train.py` and `pip install -e` are right in a checkout alone: `program`, `tool` and `install` know."""
    sources = [path for path in (ROOT / "src").rglob("*.py") if path != ROOT / "src/optlab/rules/commands.py"]
    assert [
        f"{path.relative_to(ROOT)}: {text}"
        for path in sources
        for text in texts(path)
        if any(word in text for word in ("python train.py", "python scripts/", "pip install -e", "pip install 'optlab"))
    ] == []


def texts(path: Path) -> Iterator[str]:
    """Every string in a file that is no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value
