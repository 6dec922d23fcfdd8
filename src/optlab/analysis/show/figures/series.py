"""The numbers behind every figure, computed once for the pictures (Matplotlib) and the report (Plotly)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optlab.analysis.judge import tuning
from optlab.analysis.judge.contest import Contender, Contest
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.statistics import FloatArray
from optlab.analysis.judge.target import AXES
from optlab.analysis.read.published import Band, Published
from optlab.analysis.read.runs import Run

BoolArray = npt.NDArray[np.bool_]

MOST_POINTS = 200  # of a curve; more than a screen shows makes a report slow
SEED_POINTS = 3000  # of all single seeds of a panel together
LEAST_POINTS = 12  # of a single seed
CURVE_PARTS, CURVE_KINDS = ("val", "test", "train"), ("acc", "loss")


@dataclass(frozen=True)
class Curve:
    """A metric over training: median and quartiles over seeds at each epoch, and where the epochs stand; [points].

    `seeds` is the number of seeds that a point is over: fewer where runs are still going on or broke off.
    """

    contender: str
    metric: str
    axes: Mapping[str, FloatArray]
    median: FloatArray
    q1: FloatArray
    q3: FloatArray
    seeds: FloatArray

    @property
    def whole(self) -> BoolArray:
        """Where a point is over as many seeds as any; [points]."""
        return np.asarray(self.seeds == self.seeds.max(), dtype=np.bool_)


@dataclass(frozen=True)
class Search:
    """Expected best value after k trials, and what k trials cost on average; [trials]."""

    contender: str
    trials: FloatArray
    epochs: FloatArray
    seconds: FloatArray
    best: FloatArray


# -- learning curves


def curves(contest: Contest) -> dict[str, list[Curve]]:
    """For each metric that the runs have by epoch, one curve a contender; the judged kind first."""
    kinds = sorted(
        dict.fromkeys([*CURVE_KINDS, contest.selection.kind]), key=lambda kind: kind != contest.selection.kind
    )
    names = [f"{part}/{kind}" for kind in kinds for part in CURVE_PARTS]
    found = {name: [c for x in contest.contenders if (c := curve(x, name)) is not None] for name in names}
    return {name: all_curves for name, all_curves in found.items() if all_curves}


def curve(contender: Contender, metric: str) -> Curve | None:
    """The curve over the entered runs. A diverged seed stays in it at chance level, where accuracy has one."""
    runs = measured(contender, metric)
    if not runs:
        return None
    longest = max(len(run.axes["epoch"]) for run in runs)
    values = stacked(runs, metric, longest)
    keep = thinned(np.any(np.isfinite(values), axis=0), MOST_POINTS)
    q1, median, q3 = np.nanquantile(values[:, keep], (0.25, 0.5, 0.75), axis=0)
    axes = {name: _median(_stack([run.axes[name] for run in runs], longest)[:, keep]) for name in AXES}
    return Curve(contender.name, metric, axes, median, q1, q3, np.isfinite(values[:, keep]).sum(axis=0).astype(float))


def each_seed(contender: Contender, metric: str, most: int) -> tuple[dict[str, FloatArray], FloatArray, int]:
    """Every entered run by itself: where its points stand on each axis, its values, and the number of runs.

    The runs follow each other with NaN between them; of each no more than `most` points.
    """
    runs = measured(contender, metric)
    x: dict[str, list[FloatArray]] = {name: [] for name in AXES}
    y: list[FloatArray] = []
    gap = np.array([np.nan])
    for run in runs:
        [values] = stacked([run], metric, len(run.axes["epoch"]))
        keep = thinned(np.isfinite(values), most)
        y += [values[keep], gap]
        for name in AXES:
            x[name] += [np.asarray(run.axes[name], dtype=float)[keep], gap]
    return {name: np.concatenate(parts) for name, parts in x.items()}, np.concatenate(y), len(runs)


def measured(contender: Contender, metric: str) -> list[Run]:
    """The entered runs that have a metric by epoch."""
    return [run for run in contender.entered if np.isfinite(run.history.get(metric, np.empty(0))).any()]


def stacked(runs: Sequence[Run], metric: str, length: int) -> FloatArray:
    """A metric of some runs as [runs, length], NaN where there is none; a diverged run at chance level to the end."""
    values = _stack([run.history[metric] for run in runs], length)
    of = Metric(metric)
    for row, run in zip(values, runs, strict=True):
        if run.record.status == "diverged" and of.kind == "acc" and of.has_chance_level(run.record):
            row[np.isnan(row)] = of.floor(run.record)
    return values


def thinned(known: BoolArray, most: int) -> BoolArray:
    """Of the places that are known, at most so many, evenly, with both ends; [places]."""
    if known.sum() <= most:
        return known
    chosen = np.unique(np.linspace(0, known.sum() - 1, most).astype(int))
    return np.isin(np.arange(len(known)), np.flatnonzero(known)[chosen])


def bands(
    contest: Contest, found: Mapping[str, Sequence[Curve]], name: str, published: Published | None
) -> Sequence[Band]:
    """The published bands behind the curves of a metric; `found` holds all curves of the contest by metric."""
    if published is None:
        return []
    last = max(float(c.axes["epoch"][-1]) for c in found[name])
    return published.behind(name, found, {c.optimizer for c in contest.contenders}, last)


def _stack(columns: Sequence[FloatArray], length: int) -> FloatArray:
    """Columns of different lengths as [runs, length], NaN beyond each end."""
    stacked = np.full((len(columns), length), np.nan)
    for row, column in zip(stacked, columns, strict=True):
        row[: len(column)] = column
    return stacked


def _median(values: FloatArray) -> FloatArray:
    known = np.isfinite(values).any(axis=0)
    result = np.full(values.shape[1], np.nan)
    result[known] = np.nanmedian(values[:, known], axis=0)
    return result


def window(found: Sequence[Curve], bands: Sequence[Band] = ()) -> tuple[float, float] | None:
    """The range of values worth looking at: what the medians do after the first tenth of training, and a margin.

    With published bands behind them, also what those do in that time.
    """
    late = [c.median[len(c.median) // 10 :] for c in found]
    for band in bands:
        later = band.epochs > band.epochs[-1] / 10 if len(band.epochs) else slice(None)
        late += [(band.mean + side * band.sd)[later] for side in (-1, 1)]
    values = np.concatenate([v[np.isfinite(v)] for v in late]) if late else np.empty(0)
    if not len(values):
        return None
    low, high = float(values.min()), float(values.max())
    margin = 0.06 * (high - low) or 0.01 * abs(high) or 0.01
    return max(low - margin, min(low, 0.0)), high + margin  # nothing below 0 is shown of what never is


# -- tuning


def search(contender: Contender, metric: Metric) -> Search | None:
    """The expected best of k of the configurations tried, and their mean cost; None below two."""
    scores = [m for c in contender.tried if (m := tuning.tuning_mean(c, metric)) is not None]
    if len(scores) < 2:
        return None
    cost = tuning.spent(contender)[0]
    k = np.arange(1, len(scores) + 1, dtype=float)
    best = metric.sign * tuning.expected_best([metric.sign * score for score in scores])
    return Search(contender.name, k, k * cost.epochs / cost.trials, k * cost.seconds / cost.trials, best)


# -- over seeds and settings


def parts(contender: Contender, selection: Metric) -> dict[str, list[tuple[int, float]]]:
    """The final value on train, val and test of each entered run that finished, with its seed."""
    found: dict[str, list[tuple[int, float]]] = {}
    for part in ("train", "val", "test"):
        metric = selection.of_part(part)
        for run in contender.entered:
            value = metric.final(run.record) if run.record.status == "finished" else None
            if value is not None:
                found.setdefault(part, []).append((run.record.seed, value))
    return found


def profiles(contests: Sequence[Contest]) -> dict[str, FloatArray]:
    """Performance profile: for each contender, its scores over all settings and seeds, sorted; larger is better.

    A score is 0 at chance level (the worst run, where chance is not defined) and 1 at the best run of its setting
    (Agarwal et al. 2021, "Deep RL at the Edge of the Statistical Precipice", figure 4). Only contenders that are in
    every setting are profiled; none where there is but one of them, or where settings are judged by different kinds
    of metric, whose scores mean different things.
    """
    if len({contest.metric.kind for contest in contests}) > 1:
        return {}
    everywhere = set.intersection(*({c.name for c in x.contenders if c.values(x.metric)} for x in contests))
    scores: dict[str, list[float]] = {name: [] for name in sorted(everywhere)}
    for contest in contests:
        sign = contest.metric.sign
        finals = {c.name: list(c.values(contest.metric).values()) for c in contest.contenders}
        every = [sign * value for values in finals.values() for value in values]
        if not every:
            continue
        floor = sign * contest.metric.floor(_any_run(contest).record) if contest.metric.is_share else min(every)
        reach = max(every) - floor
        for name in scores:
            scores[name] += [(sign * value - floor) / reach if reach else 1.0 for value in finals[name]]
    return {name: np.sort(values) for name, values in scores.items()} if len(scores) > 1 else {}


def _any_run(contest: Contest) -> Run:
    return contest.runs[0]


# -- steps


def profile_steps(scores: FloatArray) -> tuple[list[float], list[float]]:
    """The points of a performance profile: percent of scores >= tau at each score, from 100 down to 0."""
    n = len(scores)
    return [0.0, *map(float, scores), 1.0], [100.0, *(100.0 * (n - i) / n for i in range(n)), 0.0]


def target_steps(times: FloatArray, share: FloatArray, end: float) -> tuple[list[float], list[float]]:
    """The points of a time-to-target curve in percent, from nothing at 0 to the end of what was seen."""
    return [0.0, *map(float, times), end], [
        0.0,
        *map(float, 100 * share),
        100.0 * float(share[-1] if len(share) else 0),
    ]
