"""What the page's script needs to compute a step again, and which hyperparameters have a slider."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optlab.teaching.formulas import SYMBOLS

Plain = Mapping[str, Any]

TENSORS = ("gradient", "weight", "state")  # kinds of symbols that are a tensor's element, in the tensor's precision


@dataclass(frozen=True)
class Knob:
    """A slider: the name of a symbol and its number in the run."""

    name: str
    value: float


def recomputable(step: Plain) -> dict[str, Any] | None:
    """What the script computes a step from; None where no formula is on file.

    `given` are the numbers of the symbols that are not computed, `tensors` those of them that have the precision of the
    weights, `lines` the name, the tree and the run's value of each line.
    """
    formula = step["weight"]["formula"]
    if formula is None:
        return None
    computed = {line["key"] for line in formula["lines"]}
    given = {name: value for name, value in formula["values"].items() if name not in computed}
    return {
        "given": given,
        "tensors": [name for name in given if SYMBOLS[name].kind in TENSORS],
        "precision": formula["precision"],
        "lines": [
            {key: line[key] for key in ("key", "tree", "value")} | {"scalar": SYMBOLS[line["key"]].kind == "count"}
            for line in formula["lines"]
        ],
        "before": step["weight"]["before"],
        "knobs": [name for name in given if SYMBOLS[name].kind == "hyperparameter"],
    }


def knobs(formula: Plain | None) -> list[Knob]:
    """The hyperparameters of a formula, unless nothing of the weight could be computed again."""
    if formula is None or any(line["tree"] is None for line in formula["lines"]):
        return []
    return [Knob(name, formula["given"][name]) for name in formula["knobs"]]
