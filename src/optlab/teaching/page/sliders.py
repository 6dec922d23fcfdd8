"""What the page's script needs to compute a step again, and which hyperparameters have a slider."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from optlab.teaching.formulas import SYMBOLS

Plain = Mapping[str, Any]

TENSORS = ("gradient", "weight", "state")  # kinds of symbols that are a tensor's element, in the tensor's precision
ONE_NUMBER = ("step", "mu_product")  # entries of the state that are one number for the parameter


@dataclass(frozen=True)
class Knob:
    """A slider: the name of a symbol and its number in the run."""

    name: str
    value: float


def recomputable(step: Plain) -> dict[str, Any] | None:
    """What the script computes a step from; None where no formula is on file.

    `given` are the numbers of the symbols that are not computed, `tensors` those of them that have the precision of the
    weights, `lines` the name, the tree and the run's value of each line, `knobs` what may be changed.
    """
    formula = step["weight"]["formula"]
    if formula is None:
        return None
    lines = formula["lines"]
    computed = {line["key"] for line in lines}
    given = {name: value for name, value in formula["values"].items() if name not in computed}
    return {
        "given": given,
        "tensors": [name for name in given if SYMBOLS[name].kind in TENSORS and SYMBOLS[name].torch not in ONE_NUMBER],
        "precision": formula["precision"],
        "lines": [
            {key: line[key] for key in ("key", "tree", "value")} | {"scalar": line["torch_state"] in ONE_NUMBER}
            for line in lines
        ],
        "before": step["weight"]["before"],
        "knobs": [] if None in formula["values"].values() else adjustable(lines),  # null: not finite
    }


def adjustable(lines: list[Plain]) -> list[str]:
    """The hyperparameters that the lines use, without those that a line needs that only the whole parameter gives.

    Such a line has no tree (Muon's orthogonal matrix): what it is made of stands in the lines before it.
    """
    whole = [index for index, line in enumerate(lines) if line["tree"] is None]
    first = whole[-1] + 1 if whole else 0
    fixed = {name for line in lines[:first] for name in names_in(line["tree"])}
    used = dict.fromkeys(name for line in lines[first:] for name in names_in(line["tree"]))
    return [name for name in used if SYMBOLS[name].kind == "hyperparameter" and name not in fixed]


def names_in(tree: Any) -> Iterator[str]:
    """The names in a tree as JSON holds it: `["+", "m", 1.0]`."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, list):
        for part in tree[1:]:
            yield from names_in(part)


def knobs(formula: Plain | None) -> list[Knob]:
    """The sliders of a formula, those first that are tried first: lr, then what the formula names."""
    names = [] if formula is None else sorted(formula["knobs"], key=lambda name: name != "lr")
    return [Knob(name, formula["given"][name]) for name in names] if formula else []
