"""What tuning found and cost: sensitivity to the learning rate, the plateau, the gain, the budget."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from optlab.analysis.judge.contest import Configuration, Contender
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.statistics import FloatArray
from optlab.analysis.read.plans import StudyArm
from optlab.analysis.read.runs import Run
from optlab.rules.edges import Edge, edges
from optlab.rules.messages import phrase
from optlab.rules.space import Range

NEAR = 0.25  # decades: a tried learning rate this near to the default stands for it


@dataclass(frozen=True)
class Budget:
    """What was spent: runs, epochs and seconds of training; `trials` counts configurations that were tuned on."""

    trials: int
    runs: int
    epochs: int
    seconds: float


@dataclass(frozen=True)
class Plateau:
    """How wide the range of good learning rates is, in decades; a side without a drop is open: "at least"."""

    low: float
    high: float
    open_below: bool
    open_above: bool

    @property
    def decades(self) -> float:
        return math.log10(self.high / self.low)

    @property
    def text(self) -> str:
        return f"{'≥ ' if self.open_below or self.open_above else ''}{self.decades:.1f}"


@dataclass(frozen=True)
class Gain:
    """What the chosen configuration scores above the default learning rate, on the runs it was chosen on."""

    default_lr: float
    tried_lr: float
    difference: float


def budget(runs: Sequence[Run], trials: int) -> Budget:
    seconds = sum(run.record.timing.get("fit_seconds") or 0.0 for run in runs)
    return Budget(trials, len(runs), sum(run.record.epochs for run in runs), seconds)


def spent(contender: Contender) -> tuple[Budget, Budget]:
    """The budget of tuning and that of everything."""
    tuning = contender.tuning
    trials = len({run.configuration for run in tuning})
    return budget(tuning, trials), budget(contender.runs, trials)


def tuning_mean(configuration: Configuration, metric: Metric) -> float | None:
    """The mean that a configuration is chosen by: over its tuning runs, or over all where it has none."""
    values = list(configuration.tuning_values(metric).values())
    return float(np.mean(values)) if values else None


def plateau(contender: Contender, metric: Metric) -> Plateau | None:
    """The range of learning rates around the best whose mean is within a point of accuracy (5 % of a loss) of it.

    Means are joined by straight lines over log lr, all else as in the chosen configuration. None below two of them, and
    where the range is narrower than the step of the grid, which says nothing of what lies between its points.
    """
    points = [(c.lr, metric.sign * mean) for c in contender.lr_only if (mean := tuning_mean(c, metric)) is not None]
    if len(points) < 2 or points[0][0] <= 0:
        return None
    x, y = np.log10([lr for lr, _ in points]), np.array([value for _, value in points])
    best = int(np.argmax(y))
    bar = y[best] - metric.tolerance * (1.0 if metric.is_share else abs(y[best]))
    low, open_below = _crossing(x[: best + 1][::-1], y[: best + 1][::-1], bar)
    high, open_above = _crossing(x[best:], y[best:], bar)
    if high - low < float(np.median(np.diff(x))) - 1e-9:
        return None
    return Plateau(10**low, 10**high, open_below, open_above)


def _crossing(x: FloatArray, y: FloatArray, bar: float) -> tuple[float, bool]:
    """Where y, walked from the best on, falls under the bar; and whether it never does."""
    for i in range(1, len(x)):
        if y[i] < bar:
            share = (y[i - 1] - bar) / (y[i - 1] - y[i])
            return float(x[i - 1] + share * (x[i] - x[i - 1])), False
    return float(x[-1]), True


def default_lr(contender: Contender, defaults: Mapping[str, float]) -> float | None:
    """The optimizer's default learning rate: that of a run that did not set it, or what a study's protocol says."""
    for run in contender.runs:
        if not any(word.lstrip("+").startswith("optimizer.lr=") for word in run.record.overrides):
            return run.record.lr
    return defaults.get(contender.optimizer)


def gain(contender: Contender, metric: Metric, defaults: Mapping[str, float] = MappingProxyType({})) -> Gain | None:
    """The gain of tuning: the chosen configuration against the tried learning rate nearest to the default.

    None where the default is not known, nothing within a quarter of a decade of it was tried, or what stands for the
    default was chosen itself: that gain is 0 by construction.
    """
    default = default_lr(contender, defaults)
    if default is None or default <= 0 or contender.chosen is None:
        return None
    near = [c for c in contender.lr_only if c.lr > 0 and abs(math.log10(c.lr / default)) <= NEAR]
    near.sort(key=lambda c: abs(math.log10(c.lr / default)))
    best = tuning_mean(contender.chosen, metric)
    tried = next(((c, mean) for c in near if (mean := tuning_mean(c, metric)) is not None), None)
    if best is None or tried is None or tried[0] is contender.chosen:
        return None
    return Gain(default, tried[0].lr, metric.sign * (best - tried[1]))


def expected_best(scores: Sequence[float]) -> FloatArray:
    """Expected best of k trials drawn without replacement, for k = 1 ... n; larger is better. [n]

    The best of k is the i-th smallest score with probability C(i - 1, k - 1) / C(n, k). (Dodge et al. 2019, "Show Your
    Work", section 3; theirs draws with replacement. It does not depend on the order in which trials happened to run.)
    """
    ordered = np.sort(np.asarray(scores, dtype=float))
    n = len(ordered)
    expected = [
        sum(math.comb(i, k - 1) * ordered[i] for i in range(k - 1, n)) / math.comb(n, k) for k in range(1, n + 1)
    ]
    return np.array(expected)


# -- the edges of a search space


def edges_of(contender: Contender, arm: StudyArm | None = None) -> Mapping[str, Edge]:
    """Each searched hyperparameter whose chosen value lies on an edge of what was tried.

    Args:
        arm: the contender's in a study. What study.json calls an edge is one; before it says so, the study's own rule
            holds on the ranges of its plan. Without a study, the lowest or highest of the learning rates, and of any
            other number with three values or more.
    """
    chosen = contender.chosen
    if chosen is None:
        return {}
    if arm is not None and arm.edges is not None:
        return {name: side for name, side in arm.edges.items() if name in chosen.hyperparameters}
    tried = [c.hyperparameters for c in compared(contender)]
    if arm is not None and arm.ranges is not None:
        return edges(arm.ranges, tried, chosen.hyperparameters, arm.near)
    return edges(ranges_of(tried), tried, chosen.hyperparameters)


def compared(contender: Contender) -> list[Configuration]:
    """The configurations that say what lies beyond the chosen one: those without a failed run, if it has none.

    Those that were stopped were worse, so they do.
    """
    if contender.chosen in contender.judged:
        judged = {c.id for c in contender.judged}
        return [c for c in contender.tried if c.id in judged or (c.count("stopped") and not c.count("failed"))]
    return [c for c in contender.tried if any(run.is_over for run in c.runs)]


def ranges_of(tried: Sequence[Mapping[str, float]]) -> dict[str, Range]:
    """What was searched where no plan says it: learning rates, and every other number with three values or more."""
    names = dict.fromkeys(["lr", *(name for values in tried for name in values)])
    values = {name: {each[name] for each in tried if name in each} for name in names}
    enough = {name: v for name, v in values.items() if len(v) >= (2 if name == "lr" else 3)}
    return {name: Range(min(v), max(v), "uniform", name=name) for name, v in enough.items()}


def on_the_edge(contender: Contender, arm: StudyArm | None = None) -> list[str]:
    """The same in words: `lr 0.1 is the largest of 7 tried`."""
    return [_in_words(contender, name, side) for name, side in edges_of(contender, arm).items()]


def _in_words(contender: Contender, name: str, side: Edge) -> str:
    assert contender.chosen is not None
    value = contender.chosen.hyperparameters[name]
    values = sorted({c.hyperparameters[name] for c in compared(contender) if name in c.hyperparameters})
    end, most = (values[0], "smallest") if side == "low" else (values[-1], "largest")
    if value == end:
        return phrase(most, name=name, value=value, tried=len(values))
    return phrase(f"near_{most}", name=name, value=value, end=end)
