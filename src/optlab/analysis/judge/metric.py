"""What runs are judged by: which way is better, how it is written, and what a diverged run scores."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from optlab.record import RunRecord

PARTS = {"train": "training", "val": "validation", "test": "test"}
KINDS = {
    "acc": "accuracy",
    "loss": "loss",
    "top5": "top-5 accuracy",
    "f1": "macro F1",
    "ece": "calibration error",
}
SHARES = ("acc", "top5", "f1", "ece")  # between 0 and 1, written in percent


@dataclass(frozen=True)
class Metric:
    """A metric by name, like `val/acc`.

    `worst` is what a diverged run scores where chance level is not defined: the worst value that a run had.
    `resolution` is the step between two values it can take: 1 / samples for an accuracy, 0 where it is continuous.
    """

    name: str
    worst: float = math.inf
    resolution: float = 0.0

    @property
    def part(self) -> str:
        return self.name.partition("/")[0]

    @property
    def kind(self) -> str:
        return self.name.partition("/")[2]

    @property
    def higher_is_better(self) -> bool:
        return self.kind in ("acc", "top5", "f1")

    @property
    def sign(self) -> int:
        """+1 where higher is better, else -1: `sign * value` is always better when larger."""
        return 1 if self.higher_is_better else -1

    @property
    def is_share(self) -> bool:
        return self.kind in SHARES

    @property
    def tolerance(self) -> float:
        """What counts as "as good as the best" on the lr plateau: a point of accuracy; for losses it is relative."""
        return 0.01 if self.is_share else 0.05

    @property
    def label(self) -> str:
        """For axes and headings: `validation accuracy`."""
        return f"{PARTS.get(self.part, self.part)} {KINDS.get(self.kind, self.kind)}"

    @property
    def axis(self) -> str:
        """The label of an axis in the unit shown: `validation accuracy (%)`."""
        return f"{self.label} (%)" if self.is_share else self.label

    @property
    def scale(self) -> float:
        """Factor from the recorded value to the one shown."""
        return 100.0 if self.is_share else 1.0

    def of_part(self, part: str) -> "Metric":
        """The same kind of number on another part: `val/acc` to `test/acc`."""
        return Metric(f"{part}/{self.kind}", self.worst)

    def final(self, record: RunRecord) -> float | None:
        """The final value of a run that is over; chance level for a diverged one; None for any other."""
        if record.status == "diverged":
            return self.floor(record)
        return _number(record.metrics.get(self.name)) if record.status == "finished" else None

    def floor(self, record: RunRecord) -> float:
        """Chance level: 1 / classes for accuracy; for the rest the worst value seen among the runs compared."""
        outputs = record.data.get("outputs")
        if outputs and self.kind in ("acc", "top5"):
            return min(5.0, outputs) / float(outputs) if self.kind == "top5" else 1.0 / float(outputs)
        return 0.0 if self.kind == "f1" else self.worst

    def seeing(self, records: Iterable[RunRecord]) -> "Metric":
        """This metric with `worst` and `resolution` taken from runs.

        The worst cross-entropy is at least that of guessing, ln(classes).
        """
        records = list(records)
        values = [v for r in records if (v := _number(r.metrics.get(self.name))) is not None and r.status == "finished"]
        guess = [
            math.log(r.data["outputs"])
            for r in records
            if self.kind == "loss" and _loss_of(r) == "cross_entropy" and (r.data.get("outputs") or 0) > 1
        ]
        samples = [r.data[self.part] for r in records if self.kind in ("acc", "top5") and r.data.get(self.part)]
        return Metric(self.name, max([*values, *guess], default=1.0), 1 / max(samples) if samples else 0.0)

    def clip(self, interval: tuple[float, float] | None, least: float = 0.0) -> tuple[float, float] | None:
        """An interval kept to the values that the metric can take: `least` to 1 for shares."""
        if interval is None or not self.is_share:
            return interval
        return max(least, interval[0]), min(1.0, interval[1])

    # -- in words

    def text(self, value: float | None) -> str:
        """`97.31 %` (no line breaks within) or `0.0823`; a dash for None."""
        if value is None:
            return "–"
        return f"{100 * value:.2f}\u00a0%" if self.is_share else f"{value:.4g}"

    def number(self, value: float | None) -> str:
        """As `text`, without the unit: for tables whose heading names it."""
        return "–" if value is None else f"{100 * value:.2f}" if self.is_share else f"{value:.4g}"

    def gap(self, value: float | None) -> str:
        """A difference: `0.42 points` or `0.0113`."""
        if value is None:
            return "–"
        return f"{100 * value:.2f} points" if self.is_share else f"{value:.4g}"

    def interval(self, interval: tuple[float, float] | None) -> str:
        """`[0.12, 0.71]` in the unit shown."""
        if interval is None:
            return "–"
        return "[" + ", ".join(self.number(end).replace("-", "−") for end in interval) + "]"


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def _loss_of(record: RunRecord) -> str | None:
    loss = record.config.get("loss")
    return loss.get("name") if isinstance(loss, dict) else None
