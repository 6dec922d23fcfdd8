"""What advice is drawn from: a run's record, the columns of its metrics.csv, and those of its instruments.csv."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optlab.record import RunRecord
from optlab.rules import instruments
from optlab.rules.metrics import chance_level

FloatArray = NDArray[np.float64]
Columns = Mapping[str, FloatArray]

LATE = 3  # epochs, or measurements, that the end of a run is judged by: one alone may be chance


@dataclass(frozen=True)
class Evidence:
    """One run that is over.

    Attributes:
        record: its run.json.
        epochs: the columns of metrics.csv, each [epochs]; NaN where a cell is empty.
        measured: the rows of its instruments.csv.
    """

    record: RunRecord
    epochs: Columns
    measured: Sequence[instruments.Row] = ()

    @classmethod
    def of(
        cls,
        record: RunRecord,
        rows: Sequence[Mapping[str, float | int | None]],
        measured: Sequence[instruments.Row],
    ) -> "Evidence":
        """From the rows of a run's metrics.csv."""
        names = dict.fromkeys(name for row in rows for name in row)
        cells = {name: [row.get(name) for row in rows] for name in names}
        columns = {
            name: np.array([math.nan if c is None else c for c in column], float) for name, column in cells.items()
        }
        return cls(record, columns, measured)

    def epoch(self, row: int) -> int:
        """The number of the epoch in a row; -1 is the last."""
        return int(self.epochs["epoch"][row])

    def curve(self, name: str) -> FloatArray:
        """A column of metrics.csv [epochs], all of it finite; empty where it is missing or has a gap."""
        values = self.epochs.get(name, np.empty(0))
        return values if np.isfinite(values).all() else np.empty(0)

    def of_layer(self, quantity: str, layer: str = instruments.ALL) -> FloatArray:
        """What was measured of a layer, or of all together; [measurements], NaN where there is no finite value."""
        values = [row[quantity] for row in self.steps.get(layer, ())]
        return np.array([math.nan if value is None else value for value in values])

    def known(self, quantity: str, layer: str = instruments.ALL) -> FloatArray:
        """The same without the gaps."""
        values = self.of_layer(quantity, layer)
        return values[np.isfinite(values)]

    @cached_property
    def steps(self) -> dict[str, list[instruments.Row]]:
        """The measured steps by layer, `all` among them."""
        return {layer: instruments.of_layer(self.measured, layer) for layer in (*self.layers, instruments.ALL)}

    @cached_property
    def layers(self) -> list[str]:
        return instruments.layers_of(self.measured)

    @cached_property
    def start(self) -> float | None:
        """The loss of a network that knows nothing: chance where the task has one, else the first epoch's mean.

        Where that epoch made it worse, it is that of the run's first batch, before its first step.
        """
        chance = guessing_loss(self.record)
        loss = self.epochs.get("train/loss", np.empty(0))
        known = loss[np.isfinite(loss)]
        if chance is not None or not len(known):
            return chance
        first = [row["loss"] for row in self.steps[instruments.ALL] if row.step == 1]
        before = first[0] if first and first[0] is not None else math.inf
        return before if before < WORSE * known[0] else float(known[0])

    @property
    def diverged(self) -> bool:
        return self.record.status == "diverged"

    @property
    def learned(self) -> bool:
        """Whether the training loss ended clearly below that of a network that knows nothing."""
        loss = self.curve("train/loss")
        return bool(len(loss)) and self.start is not None and float(np.median(loss[-LATE:])) < LEARNED * self.start


WORSE = 0.5  # of the first epoch's loss: batches differ among themselves, and less than that
LEARNED = 0.95  # of the loss at the start: a run above it has not left where it began


def guessing_loss(record: RunRecord) -> float | None:
    """The cross-entropy of guessing among C classes, ln C; None for other losses and tasks."""
    level = chance_level("val/acc", record.data.get("outputs"), record.data.get("task"))
    name = record.config.get("loss", {}).get("name")
    return -math.log(level) if name == "cross_entropy" and level else None
