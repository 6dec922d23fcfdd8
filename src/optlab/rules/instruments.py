"""What is measured of a training step: the names of the quantities, and `instruments.csv`, which a run keeps them in.

The file is in long form, a line for each layer of each measured step, and one for all layers together:
`epoch,step,layer,` and a column a quantity. A cell is empty where a quantity was not or cannot be measured, or is not
finite. `g` is the gradient of the step's loss before any clipping, `w` the weights before the step, `dw` what the step
changed them by; norms are Euclidean, over the weights of the layer that are trained.
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from optlab.errors import UserError
from optlab.record import finite

INSTRUMENTS_FILE = "instruments.csv"
ALL = "all"  # the layer that stands for all of them together
LOGGED = "instruments/"  # what trackers call a value begins so
PLACE = ("epoch", "step", "layer")


@dataclass(frozen=True)
class Quantity:
    """One column.

    Attributes:
        title: what an axis or the head of a table says.
        formula: how it is computed, of `g`, `w` and `dw`.
        unit: of the value, "" for a pure number.
        scale: the axis that its values want.
        layers: whether each layer has one; else it is of all layers alone.
    """

    name: str
    title: str
    formula: str
    unit: str = ""
    scale: Literal["log", "linear"] = "log"
    layers: bool = True


QUANTITIES = (
    Quantity("gradient_norm", "gradient norm", "|g|"),
    Quantity("weight_norm", "weight norm", "|w|"),
    Quantity("update_norm", "update norm", "|dw|"),
    Quantity("update_ratio", "update-to-weight ratio", "|dw| / |w|"),
    Quantity("cosine", "cosine of update and negative gradient", "-g·dw / (|g| |dw|)", scale="linear"),
    Quantity("distance", "distance from the initial weights", "|w + dw - w_0|"),
    Quantity("effective_lr", "effective learning rate", "|dw| / |g|"),
    Quantity("scale_free_lr", "effective learning rate of scale-invariant weights", "|dw| / (|g| |w|²)"),
    Quantity("snr", "gradient signal-to-noise", "|G|² / (tr S / B)"),
    Quantity("noise_scale", "gradient noise scale", "tr S / |G|²", unit="samples"),
    Quantity("clipped", "share of clipped steps", "clipped steps / steps", scale="linear", layers=False),
    Quantity("loss", "loss of the batch before the step", "L(w)", layers=False),
    Quantity("predicted_change", "loss change, predicted to first order", "g·dw", scale="linear"),
    Quantity("loss_change", "loss change of the same batch", "L(w + dw) - L(w)", scale="linear", layers=False),
    Quantity("dead_units", "share of dead units", "units without gradient / units", scale="linear"),
)
BY_NAME = {quantity.name: quantity for quantity in QUANTITIES}
COLUMNS = (*PLACE, *BY_NAME)


@dataclass(frozen=True)
class Row:
    """What was measured of one layer, or of all, at one step.

    Attributes:
        epoch: counted from 1; several steps of an epoch may have been measured, the run's first step among them.
        step: the number of the step, counted from 1 over the run.
        layer: the name of the layer in the network, or `ALL`.
        values: by the quantity's name; None where there is no finite value.
    """

    epoch: int
    step: int
    layer: str
    values: Mapping[str, float | None]

    def __getitem__(self, quantity: str) -> float | None:
        """The value of a quantity; None where the file has none, as one of another version may."""
        return self.values.get(quantity)


def read(path: Path) -> list[Row]:
    """The rows of an `instruments.csv`, or of the one in a run folder; none where there is no such file.

    A last line that is still being written, or was cut, is left out.

    Raises:
        UserError: the file is damaged.
    """
    path = path / INSTRUMENTS_FILE if path.is_dir() else path
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from error
    try:
        return parse(text)
    except ValueError as error:
        raise UserError(f"{path}: damaged, {error}") from error


def parse(text: str) -> list[Row]:
    """The rows of the file's text; raises ValueError for one that does not fit its header."""
    lines = text[: text.rfind("\n") + 1].splitlines(keepends=True)
    if not lines:
        return []
    header, *rows = csv.reader(lines)
    if tuple(header[: len(PLACE)]) != PLACE:
        raise ValueError(f"its columns do not begin with {','.join(PLACE)}")
    return [parse_row(header, cells) for cells in rows]


def parse_row(header: Sequence[str], cells: Sequence[str]) -> Row:
    if len(cells) != len(header):
        raise ValueError(f"a row does not fit its header ({','.join(cells):.60})")
    epoch, step, layer, *values = cells
    numbers = [float(value) if value else None for value in values]
    known = [None if number is None or not math.isfinite(number) else number for number in numbers]
    return Row(int(epoch), int(step), layer, dict(zip(header[len(PLACE) :], known, strict=True)))


def text_of(rows: Iterable[Row], *, header: bool = True) -> str:
    """The rows as they stand in the file."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    if header:
        writer.writerow(COLUMNS)
    for row in rows:
        values = (finite(row[name]) for name in BY_NAME)
        writer.writerow(
            [row.epoch, row.step, row.layer, *("" if value is None else f"{value:.9g}" for value in values)]
        )
    return buffer.getvalue()


def layers_of(rows: Iterable[Row]) -> list[str]:
    """The names of the layers, in the network's order; `ALL` is not among them."""
    return [layer for layer in dict.fromkeys(row.layer for row in rows) if layer != ALL]


def of_layer(rows: Iterable[Row], layer: str = ALL) -> list[Row]:
    """What was measured of one layer, step by step."""
    return [row for row in rows if row.layer == layer]


def by_epoch(rows: Iterable[Row], layer: str = ALL) -> dict[int, Row]:
    """The last measurement of a layer in each epoch, which is near the epoch's end where `every` is not set."""
    return {row.epoch: row for row in of_layer(rows, layer)}


def logged_name(quantity: str, layer: str = ALL) -> str:
    """What trackers call a value: `instruments/update_ratio/all`."""
    return f"{LOGGED}{quantity}/{layer}"
