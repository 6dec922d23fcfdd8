"""Figures of what came out: curves, finals, differences, time to target, generalisation, and over several settings."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from optlab.analysis.judge.contest import Contender, Contest
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.target import AXES, AXIS_LABELS
from optlab.analysis.judge.verdict import Standing, Verdict
from optlab.analysis.read.published import Band as PublishedBand
from optlab.analysis.read.published import Published
from optlab.analysis.show.colors import GREY, color, dash, marker
from optlab.analysis.show.figures import series
from optlab.analysis.show.figures.description import (
    Axis,
    Band,
    Figure,
    Interval,
    Line,
    Mark,
    Panel,
    Places,
    Points,
)
from optlab.rules.messages import language

MOST_PAIRS = 30  # of a figure; above, only those with the leader
BESIDE = 0.22  # between what stands at one name
SYMBOLS = {"train": "triangle-up", "val": "circle", "test": "square"}
TIME = {
    axis: Axis(label=label, whole=axis == "epoch", thousands=axis == "sample", from_zero=True)
    for axis, label in AXIS_LABELS.items()
}


def line_of(
    contender: Contender, x: Places, y: Places, *, label: str = "", points: bool = False, hover: Sequence[str] = ()
) -> Line:
    """A line in the contender's colour and its schedule's dash; with its points in the schedule's marker."""
    return Line(
        of=[contender.name],
        x=x,
        y=y,
        color=color(contender.optimizer),
        label=label or contender.name,
        dash=dash(contender.schedule),
        marker=marker(contender.schedule) if points else "",
        hover=hover,
    )


def unit(metric: Metric) -> str:
    """What stands after a number of the metric."""
    return " %" if metric.is_share else ""


def learning_curves(contest: Contest, verdict: Verdict, published: Published | None) -> Figure | None:
    """Median and quartiles over seeds by epoch, sample and second; pictures have the judged kind of metric alone."""
    found = series.curves(contest)
    if not found:
        return None
    label = "" if published is None else published.label
    bands = {name: series.bands(contest, found, name, published) for name in found}
    panels = {}
    for name, curves in found.items():
        metric = Metric(name)
        marks = [mark for band in bands[name] for mark in published_marks(band, metric, label)]
        marks += [mark for curve in curves for mark in curve_marks(contest.contender(curve.contender), curve, metric)]
        view = series.window(curves, bands[name])
        reach = None if view is None else (view[0] * metric.scale, view[1] * metric.scale)
        y = Axis(label=metric.axis, range=reach)
        panels[name] = Panel(y, marks, in_pictures=name.endswith(contest.selection.kind))
    note = "Median over seeds; the band holds the middle half of them. A diverged seed counts at chance level."
    if any(bands.values()):
        note += f" Hatched: published test curves ({label}), mean ± sd, by epoch."
    return Figure(
        id="curves",
        file="learning_curves",
        title="Learning curves",
        note=note,
        x=TIME,
        panels=panels,
        wide=True,
    )


def curve_marks(contender: Contender, curve: series.Curve, metric: Metric) -> list[Mark]:
    """The median with its quartiles behind it."""
    low, median, high = (values * metric.scale for values in (curve.q1, curve.median, curve.q3))
    hover = [f"{m:.4g}{unit(metric)} ({a:.4g}–{b:.4g})" for a, m, b in zip(low, median, high, strict=True)]
    points = len(median) <= series.FEW_POINTS
    return [
        Band(of=[contender.name], x=curve.axes, low=low, high=high, color=color(contender.optimizer)),
        line_of(contender, curve.axes, median, points=points, hover=hover),
    ]


def published_marks(band: PublishedBand, metric: Metric, label: str) -> list[Mark]:
    """A published curve: mean ± sd, hatched. It knows epochs alone, so it is drawn on no other axis."""
    shade, x = color(band.optimizer), {"epoch": band.epochs}
    mean, sd = band.mean * metric.scale, band.sd * metric.scale
    return [
        Band(of=[band.optimizer], x=x, low=mean - sd, high=mean + sd, color=shade, hatched=True),
        Line(
            of=[band.optimizer],
            x=x,
            y=mean,
            color=shade,
            opacity=0.7,
            width=0.9,
            label=f"{band.optimizer}, {label}",
            hover=[f"{value:.4g}{unit(metric)}" for value in mean],
        ),
    ]


def final_per_seed(contest: Contest, verdict: Verdict, published: Published | None) -> Figure | None:
    """The final metric of each seed, one seed's runs joined by a line; mean and 95 % interval beside."""
    metric, shown = contest.metric, [s for s in verdict.standings if s.final.n]
    if not shown:
        return None
    values = [
        {seed: value * metric.scale for seed, value in contest.contender(s.name).values(metric).items()} for s in shown
    ]
    marks: list[Mark] = []
    for seed in sorted({seed for v in values for seed in v}):
        x = [i for i, v in enumerate(values) if seed in v]
        marks.append(Line(x=x, y=[values[i][seed] for i in x], color=GREY, opacity=0.6, width=0.8))
    for place, (s, v) in enumerate(zip(shown, values, strict=True)):
        marks += final_marks(s, place, v, metric)
    note = "Each point is one seed, thin lines join one seed's runs; the bar is the mean"
    return Figure(
        id="finals",
        file="final_per_seed",
        title="Final value of every seed",
        note=note + (" with its 95 % interval." if any(s.interval for s in shown) else "."),
        x={"contender": Axis(names=[s.name for s in shown])},
        panels={metric.name: Panel(Axis(label=metric.axis), marks)},
    )


def final_marks(s: Standing, place: int, values: Mapping[int, float], metric: Metric) -> list[Mark]:
    """One contender's seeds, and beside them their mean with its interval; `values` are by seed, in the unit shown."""
    mean = (s.final.mean or 0.0) * metric.scale
    low, high = (end * metric.scale for end in s.interval) if s.interval else (mean, mean)
    return [
        Points(
            of=[s.name],
            x=[place] * len(values),
            y=list(values.values()),
            color=color(s.optimizer),
            opacity=0.75,
            label=s.name,
            marker=marker(s.schedule),
            hover=[f"seed {seed}: {value:.4g}{unit(metric)}" for seed, value in values.items()],
        ),
        Interval(
            of=[s.name],
            x=place + BESIDE,
            y=mean,
            low=low,
            high=high,
            along="y",
            marker="dash",
            color=color(s.optimizer),
            label=s.name,
            hover=f"mean {mean:.4g}{unit(metric)}, 95 % interval {metric.interval(s.interval)}",
        ),
    ]


def differences(contest: Contest, verdict: Verdict, published: Published | None) -> Figure | None:
    """Every pair: the difference and its 95 % interval; full where they differ, open where they may not."""
    metric, pairs = contest.metric, verdict.leading_comparisons(MOST_PAIRS)[::-1]  # the first stands on top
    if not pairs:
        return None
    marks = []
    ends = [0.0]
    for row, pair in enumerate(pairs):
        interval = pair.interval or (pair.difference, pair.difference)
        low, high = (end * metric.scale for end in interval)
        ends += [low, high]
        told = "differ" if pair.differ else "cannot be told apart"
        marks.append(
            Interval(
                of=[pair.better, pair.worse],
                x=pair.difference * metric.scale,
                y=row,
                low=low,
                high=high,
                along="x",
                marker="full" if pair.differ else "open",
                color=color(contest.contender(pair.better).optimizer),
                label=f"{pair.better} − {pair.worse}",
                hover=f"{metric.gap(pair.difference)} {metric.interval(pair.interval)}<br>"
                f"p {pair.t_p_holm:.3g}: {told}, n = {pair.n}",
            )
        )
    margin = 0.06 * (max(ends) - min(ends)) or 1.0
    note = "Mean difference with its 95 % interval. Full: the two differ (Holm's correction over all pairs); open: not."
    if len(pairs) < len(verdict.comparisons):
        note += " Only pairs with the leader; the table has all."
    label = f"difference in {metric.label} ({'points' if metric.is_share else 'lower'})"
    return Figure(
        id="differences",
        file="differences",
        title="Differences",
        note=note,
        key="full: they differ after Holm's correction; open: not",
        x={"difference": Axis(label=label, range=(min(ends) - margin, max(ends) + margin), zero_line=True)},
        panels={metric.name: Panel(Axis(names=[f"{pair.better} − {pair.worse}" for pair in pairs]), marks)},
    )


def time_to_target(contest: Contest, verdict: Verdict, published: Published | None) -> Figure | None:
    """The share of seeds that have reached the target, by Kaplan and Meier."""
    reached = [s for s in verdict.standings if s.target]
    if verdict.target is None or not any(s.target["epoch"].hits for s in reached):
        return None
    ends = {axis: 1.04 * max(float(s.target[axis].times[-1]) for s in reached if s.target[axis].hits) for axis in AXES}
    marks = []
    for s in reached:
        steps = {axis: series.target_steps(s.target[axis].times, s.target[axis].share, ends[axis]) for axis in AXES}
        marks.append(
            Line(
                of=[s.name],
                x={axis: x for axis, (x, _) in steps.items()},
                y={axis: y for axis, (_, y) in steps.items()},
                color=color(s.optimizer),
                label=f"{s.name} ({s.target['epoch'].hits} of {s.target['epoch'].runs})",
                dash=dash(s.schedule),
                steps="after",
                hover=[f"{y:.0f} %" for y in steps["epoch"][1]],
            )
        )
    aim = f"{verdict.selection.text(verdict.target)} {verdict.selection.label}"
    return Figure(
        id="target",
        file="time_to_target",
        title="Time to target",
        note=f"Share of seeds that have reached {aim} (Kaplan-Meier). A seed that never does keeps its line below "
        "100 %.",
        key=f"target: {aim}",
        x=TIME,
        panels={verdict.selection.name: Panel(Axis(label="seeds at the target (%)", range=(-3, 103)), marks)},
    )


def generalisation_gap(contest: Contest, verdict: Verdict, published: Published | None) -> Figure | None:
    """The final metric on training, validation and test, side by side."""
    metric = contest.selection
    found = {c.name: series.parts(c, metric) for c in contest.contenders}
    shown = {name: parts for name, parts in found.items() if len(parts) > 1}
    if not shown:
        return None
    marks = [
        mark
        for place, (name, measured) in enumerate(shown.items())
        for mark in gap_marks(contest.contender(name), place, measured, metric)
    ]
    present = [part for part in SYMBOLS if any(part in measured for measured in shown.values())]
    label = f"final {metric.label.partition(' ')[2]}{' (%)' if metric.is_share else ''}"
    return Figure(
        id="gap",
        file="generalisation_gap",
        title="Generalisation",
        note="Mean final value on training (triangle), validation (circle) and test (square), each seed as a dot; "
        "diverged seeds left out.",
        x={"contender": Axis(names=list(shown))},
        panels={metric.name: Panel(Axis(label=label), marks)},
        symbols={language.PARTS[part]: SYMBOLS[part] for part in present},
    )


def gap_marks(
    contender: Contender, place: int, measured: Mapping[str, Sequence[tuple[int, float]]], metric: Metric
) -> list[Mark]:
    """One contender's means, joined, over its seeds; `measured` holds seeds and values by part."""
    of, shade = [contender.name], color(contender.optimizer)
    x = {part: place + BESIDE * (i - 1) for i, part in enumerate(language.PARTS) if part in measured}
    means = {part: float(np.mean([value for _, value in measured[part]])) * metric.scale for part in x}
    seeds, centres = [], []
    for part, mean in means.items():
        values = [(seed, value * metric.scale) for seed, value in measured[part]]
        seeds.append(
            Points(
                of=of,
                x=[x[part]] * len(values),
                y=[value for _, value in values],
                color=shade,
                opacity=0.35,
                size=3,
                label=contender.name,
                hover=[f"{language.PARTS[part]}, seed {seed}: {value:.4g}{unit(metric)}" for seed, value in values],
            )
        )
        centres.append(
            Points(
                of=of,
                x=[x[part]],
                y=[mean],
                color=shade,
                size=7,
                label=contender.name,
                marker=SYMBOLS[part],
                hover=[f"{language.PARTS[part]} {mean:.4g}{unit(metric)}"],
            )
        )
    line = Line(
        of=of, x=list(x.values()), y=list(means.values()), color=shade, width=1.2, dash=dash(contender.schedule)
    )
    return [*seeds, line, *centres]


def performance_profile(contests: Sequence[Contest]) -> Figure | None:
    """The share of runs over all settings that score at least tau; None unless contenders are in every setting."""
    found = series.profiles(contests) if len(contests) > 1 else {}
    if not found:
        return None
    marks = []
    for name, scores in found.items():
        contender = next(c for x in contests for c in x.contenders if c.name == name)
        x, y = series.profile_steps(scores)
        hover = [f"{share:.0f} % score at least {score:.3f}" for score, share in zip(x, y, strict=True)]
        marks.append(replace(line_of(contender, x, y, hover=hover), steps="before"))
    return Figure(
        id="profile",
        file="performance_profile",
        title="Performance profile",
        note="Over all settings: the higher a line, the more often that contender is near the best "
        "(Agarwal et al. 2021).",
        x={"score": Axis(label="score τ (0: chance, 1: best run of the setting)", range=(0, 1.01))},
        panels={"score": Panel(Axis(label="runs that score at least τ (%)", range=(0, 103)), marks)},
    )
