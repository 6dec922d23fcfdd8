"""What tuning found and cost: sensitivity to the learning rate, the plateau, the gain, the budget."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optlab.analysis.contest import Configuration, Contender
from optlab.analysis.metric import Metric
from optlab.analysis.runs import Run
from optlab.analysis.statistics import FloatArray

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

    Means are joined by straight lines over log lr, all else as in the chosen configuration; None below two of them.
    """
    points = [(c.lr, metric.sign * mean) for c in contender.lr_only if (mean := tuning_mean(c, metric)) is not None]
    if len(points) < 2 or points[0][0] <= 0:
        return None
    x, y = np.log10([lr for lr, _ in points]), np.array([value for _, value in points])
    best = int(np.argmax(y))
    bar = y[best] - metric.tolerance * (1.0 if metric.is_share else abs(y[best]))
    low, open_below = _crossing(x[: best + 1][::-1], y[: best + 1][::-1], bar)
    high, open_above = _crossing(x[best:], y[best:], bar)
    return Plateau(10**low, 10**high, open_below, open_above)


def _crossing(x: FloatArray, y: FloatArray, bar: float) -> tuple[float, bool]:
    """Where y, walked from the best on, falls under the bar; and whether it never does."""
    for i in range(1, len(x)):
        if y[i] < bar:
            share = (y[i - 1] - bar) / (y[i - 1] - y[i])
            return float(x[i - 1] + share * (x[i] - x[i - 1])), False
    return float(x[-1]), True


def default_lr(contender: Contender, defaults: Mapping[str, Any] | None) -> float | None:
    """The optimizer's default learning rate: that of a run that did not set it, or what a study's protocol says."""
    for run in contender.runs:
        if not any(word.lstrip("+").startswith("optimizer.lr=") for word in run.record.overrides):
            return run.record.lr
    value = (defaults or {}).get(contender.optimizer)
    return float(value) if isinstance(value, (int, float)) else None


def gain(contender: Contender, metric: Metric, defaults: Mapping[str, Any] | None = None) -> Gain | None:
    """The gain of tuning: the chosen configuration against the tried learning rate nearest to the default.

    None where the default is not known, or nothing within a quarter of a decade of it was tried.
    """
    default = default_lr(contender, defaults)
    if default is None or default <= 0 or contender.chosen is None:
        return None
    near = [c for c in contender.lr_only if c.lr > 0 and abs(math.log10(c.lr / default)) <= NEAR]
    near.sort(key=lambda c: abs(math.log10(c.lr / default)))
    best = tuning_mean(contender.chosen, metric)
    at_default = next((mean for c in near if (mean := tuning_mean(c, metric)) is not None), None)
    if best is None or at_default is None:
        return None
    return Gain(default, near[0].lr, metric.sign * (best - at_default))


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


def on_the_edge(contender: Contender) -> list[str]:
    """In words, each hyperparameter whose chosen value stands at the end of what was searched."""
    chosen = contender.chosen
    if chosen is None:
        return []
    lrs = sorted({c.lr for c in contender.tried})
    found = []
    if len(lrs) > 1 and chosen.lr in (lrs[0], lrs[-1]):
        found.append(f"lr {chosen.lr:g} is the {'smallest' if chosen.lr == lrs[0] else 'largest'} of {len(lrs)} tried")
    for name in chosen.varied:
        key = "beta1" if name == "betas" else name
        space = _space(chosen.runs[0], key)
        value = _value(chosen.runs[0], key)
        if space is None or value is None:
            continue
        low, high = float(space["low"]), float(space["high"])
        place = _place(value, low, high, str(space.get("scale", "uniform")))
        if place <= 0.02 or place >= 0.98:
            found.append(f"{key} {value:g} is at the {'lower' if place < 0.5 else 'upper'} end of {low:g} to {high:g}")
    return found


def _space(run: Run, key: str) -> Mapping[str, Any] | None:
    family = (run.record.config["optimizer"].get("search") or {}).get("family") or {}
    space = family.get(key)
    return space if isinstance(space, Mapping) and {"low", "high"} <= space.keys() else None


def _value(run: Run, key: str) -> float | None:
    optimizer = run.record.config["optimizer"]
    value = optimizer["betas"][0] if key == "beta1" and "betas" in optimizer else optimizer.get(key)
    return float(value) if isinstance(value, (int, float)) else None


def _place(value: float, low: float, high: float, scale: str) -> float:
    """Where a value stands in its range, from 0 to 1 on the range's own scale."""
    if scale == "one_minus_log":
        value, low, high = 1 - value, 1 - low, 1 - high
    if scale in ("log", "one_minus_log") and min(value, low, high) > 0:
        value, low, high = math.log(value), math.log(low), math.log(high)
    return (value - low) / (high - low)
