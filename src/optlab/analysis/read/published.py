"""Published curves, to be drawn as a band behind one's own."""

import csv
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from optlab.analysis.read.runs import FloatArray
from optlab.errors import UserError
from optlab.record import RunRecord
from optlab.rules.references import shipped

SETTING = ("dataset", "model")  # what the head of a file may say that its curves belong to


@dataclass(frozen=True)
class Band:
    """A published curve: mean and standard deviation by epoch; [epochs]."""

    optimizer: str
    metric: str
    epochs: FloatArray
    mean: FloatArray
    sd: FloatArray

    def until(self, epoch: float) -> "Band":
        """The part up to an epoch."""
        kept = self.epochs <= epoch
        return Band(self.optimizer, self.metric, self.epochs[kept], self.mean[kept], self.sd[kept])


@dataclass(frozen=True)
class Published:
    """The curves of a file: whose they are, in words for a legend, and the data set and model that they belong to."""

    label: str
    setting: Mapping[str, str]
    bands: Sequence[Band]

    def belongs_to(self, record: RunRecord) -> bool:
        """Whether a run is of the curves' data set and model; a file that names none belongs to all."""
        return all(getattr(record, key) == value for key, value in self.setting.items())

    def behind(self, metric: str, shown: Collection[str], optimizers: Collection[str], until: float) -> list[Band]:
        """The bands behind the curves of a metric, no longer than these.

        Published test curves stand behind validation where no test curve of ours is shown.

        Args:
            metric: of the panel.
            shown: the metrics of all panels.
            optimizers: those of the panel; others have no band.
            until: the last epoch of the panel.
        """
        test = metric.replace("val/", "test/")
        names = {metric} if test in shown else {metric, test}
        return [b.until(until) for b in self.bands if b.metric in names and b.optimizer in optimizers]


def read_published(path: Path | str) -> Published:
    """Published curves, by the name of shipped ones or a file.

    A CSV with `optimizer`, `epoch` and either `mean` and `sd` (of validation accuracy) or `<part>_<kind>_mean` and
    `_sd` columns. A mean without a spread is no band and is left out. Lines that begin with # are comments; of these,
    `# label: ...`, `# dataset: ...` and `# model: ...` say whose curves they are and where they belong.

    Raises:
        UserError: the file cannot be read or lacks the columns.
    """
    path = shipped().get(str(path), Path(path))
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"reference {path}: cannot be read; name a CSV file, or {', '.join(shipped())}") from error
    said = head(line for line in lines if line.startswith("#"))
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    names = list(rows[0]) if rows else []
    stems = {name[: -len("mean")]: metric_of(name) for name in names if re.fullmatch(r"mean|\w+_mean", name)}
    stems = {stem: metric for stem, metric in stems.items() if f"{stem}sd" in names}
    if not {"optimizer", "epoch"} <= set(names) or not stems:
        raise UserError(f"reference {path}: needs the columns optimizer, epoch, mean, sd; it has {', '.join(names)}")
    try:
        bands = [
            band(optimizer, metric, stem, [row for row in rows if row["optimizer"] == optimizer])
            for optimizer in dict.fromkeys(row["optimizer"] for row in rows)
            for stem, metric in stems.items()
        ]
    except ValueError as error:
        raise UserError(f"reference {path}: a cell is no number ({error})") from error
    setting = {key: said[key] for key in SETTING if key in said}
    return Published(said.get("label", path.stem), setting, [b for b in bands if b.sd.any()])


def head(comments: Iterable[str]) -> dict[str, str]:
    """The `# key: value` lines."""
    found = [re.fullmatch(r"#\s*(\w+):\s*(.+?)\s*", line) for line in comments]
    return {match[1]: match[2] for match in found if match}


def band(optimizer: str, metric: str, stem: str, rows: Sequence[Mapping[str, str]]) -> Band:
    """One curve; epochs without a mean or a spread are left out."""
    cells = [[float(row[name] or math.nan) for name in ("epoch", f"{stem}mean", f"{stem}sd")] for row in rows]
    points = np.array(cells)[np.isfinite(cells).all(axis=1)]
    return Band(optimizer, metric, points[:, 0], points[:, 1], points[:, 2])


def metric_of(column: str) -> str:
    part, _, kind = column.removesuffix("mean").strip("_").partition("_")
    return f"{part}/{kind}" if kind else "val/acc"
