"""What stands beside the run: other optimizers at the same batch, and the program with a line changed."""

from collections.abc import Mapping
from typing import Any

from optlab.analysis.show.colors import Palette

Plain = Mapping[str, Any]
Listing = list[tuple[str, str]]  # lines of code, each with how it is marked: "", `del` or `ins`

LOOP = "for input, target in batches:"
LOSS = "    loss = loss_fn(model(input), target)"
ZERO_GRAD = "    optimizer.zero_grad()"
BACKWARD = "    loss.backward()"
STEP = "    optimizer.step()"
CORRECT = (LOOP, LOSS, ZERO_GRAD, BACKWARD, STEP)
OTHERS: dict[str, Listing] = {
    "no_zero_grad": [(LOOP, ""), (LOSS, ""), (ZERO_GRAD, "del"), (BACKWARD, ""), (STEP, "")],
    "no_step": [(LOOP, ""), (LOSS, ""), (ZERO_GRAD, ""), (BACKWARD, ""), (STEP, "del")],
    "two_backwards": [
        *((line, "") for line in (LOOP, LOSS, ZERO_GRAD)),
        ("    loss.backward(retain_graph=True)", "ins"),
        (BACKWARD, ""),
        (STEP, ""),
    ],
    "accumulate": [
        (LOOP, ""),
        (ZERO_GRAD, ""),
        ("    for x, y, share in parts(input, target):", "ins"),
        ("        loss = loss_fn(model(x), y) * share", "ins"),
        ("        loss.backward()", "ins"),
        (STEP, ""),
    ],
}


def listing(demo: str, side: str) -> Listing:
    """The loop as it should be (`correct`), or as the demo changes it (`other`)."""
    return OTHERS[demo] if side == "other" else [(line, "") for line in CORRECT]


def entered(compare: Plain | None, at: int) -> list[dict[str, Any]]:
    """The rows of one step, one for each optimizer, with its name and colour."""
    if compare is None:
        return []
    rows = compare["optimizers"]
    palette = Palette.of(str(row["name"]).partition(":")[0] for row in rows)
    return [
        row["steps"][at] | {"name": row["name"], "color": palette.color(row["name"].partition(":")[0])} for row in rows
    ]


def indent(line: str) -> str:
    """The spaces that a line begins with, which are no part of what is struck out."""
    return line[: len(line) - len(line.lstrip())]
