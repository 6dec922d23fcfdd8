"""Time to target: how long until a run first reaches a value, with runs that never do counted honestly."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from optlab.analysis.judge.contest import Contest
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.statistics import FloatArray
from optlab.analysis.read.runs import Run

AXIS_LABELS = {"epoch": "epoch", "sample": "training samples seen", "second": "seconds of training"}
AXES = tuple(AXIS_LABELS)


@dataclass(frozen=True)
class Arrival:
    """When one run reached the target on an axis, or until when it was seen without."""

    time: float
    reached: bool


@dataclass(frozen=True)
class TimeToTarget:
    """Kaplan-Meier over the runs of one contender on one axis.

    `times` and `share` are the steps of the share that has reached the target; `median` is infinite where fewer than
    half ever do. `hits` of `runs` reached it.
    """

    times: FloatArray
    share: FloatArray
    median: float
    hits: int
    runs: int


def arrival(run: Run, metric: Metric, target: float, axis: str) -> Arrival | None:
    """The first row of the history that reaches the target; None for a run that has no history of the metric.

    A run that is over without having reached it never will, and stays among those at risk for ever; so does a diverged
    one, whatever it reached before. One that is still running or was interrupted is censored where it stands. One that
    failed is left out (None), as everywhere: its end says something of the machine and nothing of the optimizer.
    """
    column = run.history.get(metric.name)
    times = run.axes[axis]
    if column is None or not len(column) or run.record.status == "failed":
        return Arrival(math.inf, False) if run.record.status == "diverged" else None
    hit = np.flatnonzero(metric.sign * column >= metric.sign * target)  # NaN reaches nothing
    if len(hit) and run.record.status != "diverged":
        return Arrival(float(times[hit[0]]), True)
    return Arrival(math.inf if run.is_over else float(times[-1]), False)


def time_to_target(arrivals: Sequence[Arrival]) -> TimeToTarget | None:
    """The Kaplan-Meier estimate of the share that has reached the target; None without runs."""
    if not arrivals:
        return None
    hits = [a.time for a in arrivals if a.reached]
    if not hits:
        return TimeToTarget(np.empty(0), np.empty(0), math.inf, 0, len(arrivals))
    never = 2 * max([*hits, *(a.time for a in arrivals if math.isfinite(a.time))]) + 1  # SciPy wants finite times
    censored = [min(a.time, never) for a in arrivals if not a.reached]
    waiting = stats.ecdf(stats.CensoredData(uncensored=hits, right=censored)).sf
    times, share = waiting.quantiles, 1 - waiting.probabilities
    inside = np.isin(times, hits)  # a censoring time is no step
    times, share = np.asarray(times[inside], dtype=float), np.asarray(share[inside], dtype=float)
    half = times[share >= 0.5 - 1e-12]
    return TimeToTarget(times, share, float(half[0]) if len(half) else math.inf, len(hits), len(arrivals))


def times_to_target(contest: Contest, metric: Metric, target: float) -> Mapping[str, dict[str, TimeToTarget]]:
    """For each contender with a history of the metric, its time to target on each axis."""
    found: dict[str, dict[str, TimeToTarget]] = {}
    for contender in contest.contenders:
        for axis in AXES:
            arrivals = [a for run in contender.entered if (a := arrival(run, metric, target, axis)) is not None]
            if (result := time_to_target(arrivals)) is not None:
                found.setdefault(contender.name, {})[axis] = result
    return found


def default_target(contest: Contest, metric: Metric) -> float | None:
    """A value that about half of the contenders get to: the median of their median finals, rounded to be easier.

    Accuracies go down to a whole point, losses up to two digits, as R² goes down. None where no run is over.
    """
    medians = [float(np.median(list(v.values()))) for c in contest.contenders if (v := c.values(metric))]
    if not medians:
        return None
    middle = float(np.median(medians))
    if metric.is_share:
        return math.floor(100 * middle) / 100
    step = 10.0 ** (math.floor(math.log10(abs(middle))) - 1) if middle else 1.0
    return (math.floor if metric.higher_is_better else math.ceil)(middle / step) * step
