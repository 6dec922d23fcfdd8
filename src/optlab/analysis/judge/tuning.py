"""What tuning found and cost: sensitivity to the learning rate, the plateau, the gain, the budget."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from optlab.analysis.judge.contest import Configuration, Contender
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.statistics import FloatArray
from optlab.analysis.read.runs import Run

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


@dataclass(frozen=True)
class Range:
    """What a hyperparameter ranged over; values nearer than `near` (a share of the range) to an edge are on it."""

    low: float
    high: float
    scale: str
    near: float

    def place(self, value: float) -> float:
        """Where a value stands in the range, from 0 to 1 on the range's own scale."""
        low, high = self.low, self.high
        if self.scale == "one_minus_log":
            value, low, high = 1 - value, 1 - low, 1 - high
        if self.scale in ("log", "one_minus_log") and min(value, low, high) > 0:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return (value - low) / (high - low)


def on_the_edge(contender: Contender, arm: Mapping[str, Any] = MappingProxyType({})) -> list[str]:
    """In words, each searched hyperparameter whose chosen value lies on the edge of what was tried.

    Args:
        arm: the contender's part of a study's protocol.yaml and study.json. What study.json calls an edge is one;
            before it says so, its rule holds: the lowest or highest value tried, or within half a grid step of it on
            the range's own scale. Without a study, the lowest or highest of the learning rates, and of any other
            number with three values or more.
    """
    chosen = contender.chosen
    if chosen is None:
        return []
    tried = [c for c in contender.tried if any(run.is_over for run in c.runs)]
    if arm.get("winner") is not None and isinstance(arm.get("edges"), Mapping):
        sides = dict(arm["edges"])
    else:
        sides = {
            name: side for name, near in searched(tried, arm).items() if (side := _side(tried, chosen, name, near))
        }
    return [_edge_in_words(tried, chosen, name, side) for name, side in sides.items()]


def searched(tried: Sequence[Configuration], arm: Mapping[str, Any]) -> dict[str, Range]:
    """The hyperparameters that were searched, each with its range: that of the plan, or of what was tried."""
    space, trials = arm.get("space"), arm.get("trials")
    if isinstance(space, Mapping) and isinstance(trials, int):
        ranges = {name: r for name, r in space.items() if isinstance(r, Mapping) and {"low", "high"} <= r.keys()}
        near = 0.5 / max(trials - 1, 1) - 1e-9
        return {
            name: Range(float(r["low"]), float(r["high"]), str(r.get("scale", "log")), near)
            for name, r in ranges.items()
        }
    varied = dict.fromkeys(name for c in tried for name in c.varied)
    names = [
        "lr",
        *(part for name in varied for part in ([name[:-1] + n for n in "12"] if name.endswith("betas") else [name])),
    ]
    values = {name: {v for c in tried if (v := _value(c, name)) is not None} for name in names}
    enough = {name: v for name, v in values.items() if len(v) >= (2 if name == "lr" else 3)}
    return {name: Range(min(v), max(v), "uniform", 0.0) for name, v in enough.items()}


def _side(tried: Sequence[Configuration], chosen: Configuration, name: str, of: Range) -> str | None:
    """ "low" or "high" where the chosen value lies on that edge of those tried."""
    value = _value(chosen, name)
    places = [of.place(v) for c in tried if (v := _value(c, name)) is not None]
    if value is None or min(places) == max(places):
        return None
    if of.place(value) - min(places) <= of.near:
        return "low"
    return "high" if max(places) - of.place(value) <= of.near else None


def _edge_in_words(tried: Sequence[Configuration], chosen: Configuration, name: str, side: str) -> str:
    """`lr 0.1 is the largest of 7 tried`."""
    values = sorted({v for c in tried if (v := _value(c, name)) is not None})
    value, end = _value(chosen, name), values[0 if side == "low" else -1]
    most = "smallest" if side == "low" else "largest"
    where = f"the {most} of {len(values)} tried" if value == end else f"next to the {most} tried, {end:g}"
    return f"{name} {value:g} is {where}"


def _value(configuration: Configuration, name: str) -> float | None:
    """The value of a hyperparameter; beta1 and beta2 stand for the parts of betas."""
    optimizer = configuration.runs[0].record.config["optimizer"]
    part = re.fullmatch(r"(\w*?)beta([1-3])", name)
    betas = optimizer.get(f"{part[1]}betas") if part and name not in optimizer else None
    value = betas[int(part[2]) - 1] if part and isinstance(betas, list) else optimizer.get(name)
    return float(value) if isinstance(value, (int, float)) else None
