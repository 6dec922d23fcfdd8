"""What runs are judged by, as numbers to average, to test and to write. Choosing has its own rule: `optlab.rules`."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from optlab.record import RunRecord
from optlab.rules.messages import language, phrase
from optlab.rules.metrics import (
    Direction,
    chance_level,
    directions_of,
    final_value,
    higher_is_better,
    kind_of,
    part_of,
)

SHARES = ("acc", "top5", "f1", "ece", "auroc", "ap", "iou")  # between 0 and 1, written in percent

NEVER_NEGATIVE = ("cross_entropy", "bce", "mse", "l1", "huber")  # losses
LARGE, SMALL = 1e6, 1e-4  # numbers beyond are written with powers of ten
NOISE = 1e-9  # of the last decimal: less than this is a rounding error, and 0

Interval = tuple[float, float]


@dataclass(frozen=True)
class Metric:
    """A metric by name, like `val/acc`.

    `worst` is what a diverged run counts as where there is no chance level: see `stand_in`.
    `resolution` is the step between two values it can take: 1 / samples for an accuracy, 0 where it is continuous.
    `nonnegative` says that no value of it is below 0, as of every loss here; `decimals` are those that all its numbers
    are written with, None for four digits each. `task` is that of the runs, and `own` are the directions of metrics of
    the user's own that they record.
    """

    name: str
    worst: float = math.inf
    resolution: float = 0.0
    nonnegative: bool = False
    decimals: int | None = None
    task: str | None = None
    own: tuple[tuple[str, Direction], ...] = ()

    @property
    def part(self) -> str:
        return part_of(self.name)

    @property
    def kind(self) -> str:
        return kind_of(self.name)

    @property
    def higher_is_better(self) -> bool:
        return higher_is_better(self.name, dict(self.own))

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
        return language.metric(self.name, self.task)

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
        return Metric(f"{part}/{self.kind}", self.worst, task=self.task, own=self.own)

    def named(self, name: str) -> "Metric":
        """Another metric of the same runs."""
        return Metric(name, task=self.task, own=self.own)

    def final(self, record: RunRecord) -> float | None:
        """The final value of a run that is over, always finite (see `floor`); None for any other."""
        return self.floor(record) if record.status == "diverged" else final_value(record, self.name)

    def floor(self, record: RunRecord) -> float:
        """What a diverged run counts as in means, tests and figures: chance level, or else the stand-in for it."""
        level = self._chance_level(record)
        return self.worst if level is None else level

    def has_chance_level(self, record: RunRecord) -> bool:
        return self._chance_level(record) is not None

    def _chance_level(self, record: RunRecord) -> float | None:
        return chance_level(self.name, record.data.get("outputs"), record.data.get("task"))

    def seeing(self, records: Iterable[RunRecord]) -> "Metric":
        """This metric with all that is taken from runs: `worst`, `resolution`, `nonnegative` and `decimals`."""
        records = list(records)
        samples = [r.data[self.part] for r in records if self.kind in ("acc", "top5") and r.data.get(self.part)]
        values = [value for r in records if (value := final_value(r, self.name)) is not None and math.isfinite(value)]
        tasks = {r.data["task"] for r in records if r.data.get("task")}
        own = {kind: way for r in records for kind, way in directions_of(r.data).items()}
        return Metric(
            self.name,
            stand_in(self.name, records),
            1 / max(samples) if samples else 0.0,
            nonnegative=self.kind == "loss" and all(_loss_of(r) in NEVER_NEGATIVE for r in records),
            decimals=decimals_of(values),
            task=str(tasks.pop()) if len(tasks) == 1 else None,
            own=tuple(sorted(own.items())),
        )

    def clip(self, interval: Interval | None, least: float = 0.0) -> Interval | None:
        """An interval kept to the values that the metric can take: `least` to 1 for shares, from 0 on for losses.

        With `least` below 0 it is one of a difference, which may be negative of a loss. What is cut off no mean could
        be, so the coverage stays.
        """
        if interval is None or not (self.is_share or (self.nonnegative and least == 0.0)):
            return interval
        low = max(least, interval[0])
        return low, min(1.0, interval[1]) if self.is_share else max(low, interval[1])

    # -- in words

    def text(self, value: float | None) -> str:
        """`97.31 %` (no line breaks within) or `0.0823`; a dash for None."""
        if value is None:
            return "–"
        return f"{100 * value:.2f}\u00a0%" if self.is_share else self._even(value)

    def number(self, value: float | None) -> str:
        """As `text`, without the unit: for tables whose heading names it."""
        return "–" if value is None else f"{100 * value:.2f}" if self.is_share else self._even(value)

    def gap(self, value: float | None) -> str:
        """A difference: `0.42 points` or `0.0113`."""
        if value is None:
            return "–"
        return phrase("points", value=100 * value) if self.is_share else self._even(value)

    def _even(self, value: float) -> str:
        """With the decimals of all its numbers; one that is far too large or too small for them with its own digits."""
        if self.decimals is None:
            return f"{value:.4g}"
        if abs(value) >= LARGE:
            return f"{value:.3e}"
        rounded = round(value, self.decimals)
        if rounded == 0 and abs(value) > NOISE * 10.0**-self.decimals:
            return f"{value:.2g}"  # the best of all losses is not 0
        return f"{rounded + 0.0:.{self.decimals}f}"

    def interval(self, interval: tuple[float, float] | None) -> str:
        """`[0.12, 0.71]` in the unit shown."""
        if interval is None:
            return "–"
        return "[" + ", ".join(self.number(end).replace("-", "−") for end in interval) + "]"


def decimals_of(values: Sequence[float]) -> int | None:
    """The decimals that give the middle one of these values four digits; None where it wants a power of ten."""
    sizes = sorted(abs(value) for value in values if value)
    middle = sizes[len(sizes) // 2] if sizes else 0.0
    return 3 - math.floor(math.log10(middle)) if SMALL <= middle < 1e4 else 0 if 1e4 <= middle < LARGE else None


def stand_in(metric: str, records: Iterable[RunRecord]) -> float:
    """The number that stands for a diverged run where its metric has no chance level: the worst value of a run here.

    To choose by, such a run is infinitely bad, but a mean, a t-test and an axis are nothing with infinity in them. It
    depends on which runs are compared, so nothing is chosen by it. The worst cross-entropy is at least that of
    guessing, ln(classes), and ln(2) where the answer is yes or no; the best of R² is 0, that of the mean. An accuracy
    has no chance level where the number of classes is not known.
    """
    records = list(records)
    values = [value for record in records if (value := final_value(record, metric)) is not None]
    guess: list[float | None] = [0.0] if kind_of(metric) == "r2" else []
    guess += [_guessed_loss(r) for r in records] if kind_of(metric) == "loss" else []
    seen = [value for value in (*values, *guess) if value is not None and math.isfinite(value)]
    own = {kind: way for record in records for kind, way in directions_of(record.data).items()}
    up = higher_is_better(metric, own)
    return min(seen, default=0.0) if up else max(seen, default=1.0)


def _guessed_loss(record: RunRecord) -> float | None:
    """The cross-entropy of who gives each answer the same probability; None for any other loss."""
    answers = {"cross_entropy": record.data.get("outputs") or 0, "bce": 2}.get(_loss_of(record) or "", 0)
    return math.log(answers) if answers > 1 else None


def _loss_of(record: RunRecord) -> str | None:
    loss = record.config.get("loss")
    return loss.get("name") if isinstance(loss, dict) else None
