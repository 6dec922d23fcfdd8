"""What the templates ask of a trace: which cells a sample has, how long a bar is, what a line of code changed."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from markupsafe import Markup

from optlab.teaching.formulas import SYMBOLS
from optlab.teaching.page.numbers import short, whole

Plain = Mapping[str, Any]

PARENTHESIS = re.compile(r"<mo>([()])</mo>")
MOST_CELLS = 12  # outputs of a sample that are shown
CODE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("forward", ("output = model(input)", "loss = loss_fn(output, target)")),
    ("zero_grad", ("optimizer.zero_grad()",)),
    ("backward", ("loss.backward()",)),
    ("step", ("optimizer.step()",)),
    ("after", ()),  # these two are headed by a comment, which has two languages
    ("next", ()),
)


@dataclass(frozen=True)
class Cell:
    """One output of a sample: its number, and how far it is from 0, as a share of the farthest."""

    name: str
    value: float | None
    share: float
    target: bool
    most: bool


def cells(sample: Plain, task: str) -> list[Cell]:
    """The outputs of a sample; of a class the target's cell is marked, and the largest."""
    values = numbers(sample["output"])
    shown = values[:MOST_CELLS]
    most = max((abs(v) for v in values if v is not None), default=0.0)
    best = max((v for v in values if v is not None), default=None)
    classes = task == "classification" and len(values) > 1
    return [
        Cell(
            name=str(index),
            value=value,
            share=abs(value) / most if value is not None and most else 0.0,
            target=classes and index == sample["target"],
            most=classes and value is not None and value == best,
        )
        for index, value in enumerate(shown)
    ]


def left_out(sample: Plain) -> int:
    """How many outputs are not shown."""
    return max(0, len(numbers(sample["output"])) - MOST_CELLS)


def numbers(value: Any) -> list[float | None]:
    """All numbers of nested lists, in order."""
    if isinstance(value, list):
        return [number for each in value for number in numbers(each)]
    return [] if value is None else [value]


def target(sample: Plain) -> str:
    """`7`, `3 (cat)`, `0.5, 1.2`."""
    values = [short(value) for value in numbers(sample["target"])[:MOST_CELLS]]
    text = ", ".join(values) + (" …" if len(numbers(sample["target"])) > MOST_CELLS else "")
    label = sample.get("label")
    return f"{text} ({label})" if label not in (None, "", text) else text


def largest(rows: Iterable[Plain], key: str) -> float:
    """The largest absolute number of a column; 0 where there is none."""
    return max((abs(row[key]) for row in rows if row[key] is not None and isfinite(row[key])), default=0.0)


def share(value: float | None, most: float) -> str:
    """How long a bar is, of 0 to 1."""
    return f"{abs(value) / most:.3f}" if value is not None and most and isfinite(value) else "0"


def fall(value: float | None, most: float) -> Markup:
    """A bar to the right for what fell and to the left for what rose, with its number."""
    side = "up" if value is not None and value < 0 else "down"
    return Markup('<i class="fall {}" style="--share:{}"></i><span class="n" title="{}">{}</span>').format(
        side, share(value, most), whole(value), short(value)
    )


def joined(values: Sequence[float | None]) -> str:
    return ", ".join(short(value) for value in values)


def both(before: Plain, after: Plain) -> list[str]:
    """The keys of two states, in the order in which they come."""
    return list({**before, **after})


def followed(weight: Plain) -> str:
    """`layers.0.weight[3, 0, 2, 2]`."""
    index = ", ".join(map(str, weight["index"]))
    return f"{weight['parameter']}[{index}]" if index else str(weight["parameter"])


def glyph(name: str) -> Markup:
    """A symbol alone, as MathML."""
    return Markup("<math>{}</math>").format(Markup(SYMBOLS[name].mathml(name)))  # ours, not a user's text


def math(text: str) -> Markup:
    """MathML of a formula, with parentheses of the height of a letter: around fractions alone they have to grow."""
    return Markup(text if "(<mfrac" in text else PARENTHESIS.sub(r'<mo stretchy="false">\1</mo>', text))


def outcome(step: Plain, line: str) -> str:
    """In a few signs, what a line of code has come to."""
    if line == "forward":
        return f"loss {short(step['forward']['loss'])}"
    if line == "zero_grad":
        before, after = (norm if norm is None else short(norm) for norm in step["zero_grad"].values())
        return f"grad {before}" if before == after else f"‖g‖ {before} → {after}"
    if line == "backward":
        return f"‖g‖ {short(step['backward']['norm'])}"
    if line == "step":
        return f"‖Δw‖ {short(step['update']['norm'])}"
    return f"loss {short(step[line]['loss'])}"
