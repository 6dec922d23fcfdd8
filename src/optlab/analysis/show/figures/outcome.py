"""Figures of what came out: finals, differences, generalisation, and over several settings."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from optlab.analysis.judge.compare import Comparison
from optlab.analysis.judge.contest import Contender
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.verdict import Standing
from optlab.analysis.show.colors import GREY, Palette, dash
from optlab.analysis.show.figures import series
from optlab.analysis.show.figures.description import (
    Axis,
    Figure,
    Interval,
    Line,
    Mark,
    Panel,
    Points,
)
from optlab.analysis.show.figures.marks import line_of, said
from optlab.analysis.show.figures.subject import Subject
from optlab.rules.messages import language
from optlab.rules.words import enumerated

MOST_PAIRS = 15  # of a figure; above, only those with the leader, of those that are shown
BESIDE = 0.22  # between what stands at one name
SYMBOLS = {"train": "triangle-up", "val": "circle", "test": "square"}


def final_per_seed(subject: Subject) -> Figure | None:
    """The final metric of each seed, one seed's runs joined by a line; mean and 95 % interval beside."""
    contest, verdict, palette = subject.contest, subject.verdict, subject.palette
    metric, shown = contest.metric, [s for s in verdict.standings if s.final.n]
    if not shown:
        return None
    values = [
        {seed: value * metric.scale for seed, value in contest.contender(s.name).values(metric).items()} for s in shown
    ]
    marks: list[Mark] = []
    for seed in sorted({seed for v in values for seed in v}):
        x = [i for i, v in enumerate(values) if seed in v]
        if len(x) > 1:
            marks.append(Line(x=x, y=[values[i][seed] for i in x], color=GREY, opacity=0.6, width=0.8))
    for place, (s, v) in enumerate(zip(shown, values, strict=True)):
        marks += final_marks(palette, s, place, v, metric)
    several = any(len(v) > 1 for v in values)
    note = "Each point is one seed" if several else "One seed each"
    if any(isinstance(mark, Line) for mark in marks):
        note += ", thin lines join one seed's runs"
    if several:
        note += "; the bar is the mean" + (" with its 95 % interval" if any(s.interval for s in shown) else "")
    return Figure(
        id="finals",
        file="final_per_seed",
        title="Final value of every seed",
        note=note + ".",
        x={"contender": Axis(names=[s.name for s in shown])},
        panels={metric.name: Panel(Axis(label=metric.axis), marks)},
    )


def final_marks(palette: Palette, s: Standing, place: int, values: Mapping[int, float], metric: Metric) -> list[Mark]:
    """One contender's seeds, and beside them their mean with its interval; `values` are by seed, in the unit shown."""
    seeds = Points(
        of=[s.name],
        x=[place] * len(values),
        y=list(values.values()),
        color=palette.color(s.optimizer),
        label=s.name,
        marker=palette.marker(s.optimizer),
        hover=[f"seed {seed}: {said(metric, value)}" for seed, value in values.items()],
    )
    if s.final.mean is None or len(values) < 2:
        return [seeds]  # the mean of one is that one
    mean = s.final.mean * metric.scale
    low, high = (end * metric.scale for end in s.interval) if s.interval else (mean, mean)
    interval = f", 95 % interval {metric.interval(s.interval)}" if s.interval else ""
    bar = Interval(
        of=[s.name],
        x=place + BESIDE,
        y=mean,
        low=low,
        high=high,
        along="y",
        marker="dash",
        color=palette.color(s.optimizer),
        label=s.name,
        hover=f"mean {said(metric, mean)}{interval}",
    )
    return [seeds, bar]


def differences(subject: Subject) -> Figure | None:
    """Every pair: the difference and its 95 % interval; full where they differ, open where they may not."""
    contest, verdict, palette = subject.contest, subject.verdict, subject.palette
    metric, pairs = contest.metric, verdict.comparisons[::-1]  # the first stands on top
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
                color=palette.color(contest.contender(pair.better).optimizer),
                label=f"{pair.better} − {pair.worse}",
                hover=f"{metric.gap(pair.difference)}{interval_of(metric, pair)}\n"
                f"p {pair.t_p_holm:.3g}: {told}, n = {pair.n}",
            )
        )
    margin = 0.06 * (max(ends) - min(ends)) or 1.0
    note = "Mean difference with its 95 % interval. " if any(pair.interval for pair in pairs) else "Mean difference. "
    note += "Full: the two differ (Holm's correction over all pairs); open: not."
    if len(pairs) > MOST_PAIRS:
        note += f" Of {len(pairs)} pairs those with the best one shown; the table has all."
    unit = "points" if metric.is_share else "higher" if metric.higher_is_better else "lower"
    label = f"difference in {metric.label} ({unit})"
    names = [f"{pair.better} − {pair.worse}" for pair in pairs]
    order = [s.name for s in verdict.standings]
    return Figure(
        id="differences",
        file="differences",
        title="Differences",
        note=note,
        key="full: they differ after Holm's correction; open: not",
        x={"difference": Axis(label=label, range=(min(ends) - margin, max(ends) + margin), zero_line=True)},
        panels={metric.name: Panel(Axis(names=names), marks, most=MOST_PAIRS, order=order)},
    )


def interval_of(metric: Metric, pair: Comparison) -> str:
    return f" {metric.interval(pair.interval)}" if pair.interval else ""


def generalisation_gap(subject: Subject) -> Figure | None:
    """The final metric on training, validation and test, side by side."""
    contest, palette = subject.contest, subject.palette
    metric = contest.selection
    found = {c.name: series.parts(c, metric) for c in contest.contenders}
    shown = {name: parts for name, parts in found.items() if len(parts) > 1}
    if not shown:
        return None
    marks = [
        mark
        for place, (name, measured) in enumerate(shown.items())
        for mark in gap_marks(palette, contest.contender(name), place, measured, metric)
    ]
    present = [part for part in SYMBOLS if any(part in measured for measured in shown.values())]
    several = any(len(values) > 1 for measured in shown.values() for values in measured.values())
    shapes = [f"{language.PARTS[part]} ({SYMBOLS[part].partition('-')[0]})" for part in present]
    label = f"final {metric.label.partition(' ')[2]}{' (%)' if metric.is_share else ''}"
    return Figure(
        id="gap",
        file="generalisation_gap",
        title="Generalisation",
        note=f"{'Mean final' if several else 'Final'} value on {enumerated(shapes)}"
        f"{', each seed as a dot' if several else ''}; diverged seeds left out.",
        x={"contender": Axis(names=list(shown))},
        panels={metric.name: Panel(Axis(label=label), marks)},
        symbols={language.PARTS[part]: SYMBOLS[part] for part in present},
    )


def gap_marks(
    palette: Palette,
    contender: Contender,
    place: int,
    measured: Mapping[str, Sequence[tuple[int, float]]],
    metric: Metric,
) -> list[Mark]:
    """One contender's means, joined, over its seeds; `measured` holds seeds and values by part."""
    of, shade = [contender.name], palette.color(contender.optimizer)
    x = {part: place + BESIDE * (i - 1) for i, part in enumerate(language.PARTS) if part in measured}
    means = {part: float(np.mean([value for _, value in measured[part]])) * metric.scale for part in x}
    seeds, centres = [], []
    for part, mean in means.items():
        values = [(seed, value * metric.scale) for seed, value in measured[part]]
        if len(values) > 1:
            seeds.append(
                Points(
                    of=of,
                    x=[x[part]] * len(values),
                    y=[value for _, value in values],
                    color=shade,
                    size=3,
                    label=contender.name,
                    hover=[f"{language.PARTS[part]}, seed {seed}: {said(metric, value)}" for seed, value in values],
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
                hover=[f"{language.PARTS[part]} {said(metric, mean)}"],
            )
        )
    line = Line(
        of=of, x=list(x.values()), y=list(means.values()), color=shade, width=1.2, dash=dash(contender.schedule)
    )
    return [*seeds, line, *centres]


def performance_profile(subjects: Sequence[Subject]) -> Figure | None:
    """The share of runs over all settings that score at least tau; None unless contenders are in every setting."""
    contests = [subject.contest for subject in subjects]
    found = series.profiles(contests) if len(contests) > 1 else {}
    if not found:
        return None
    marks = []
    for name, scores in found.items():
        contender = next(c for x in contests for c in x.contenders if c.name == name)
        x, y = series.profile_steps(scores)
        hover = [f"{share:.0f} % score at least {score:.3f}" for score, share in zip(x, y, strict=True)]
        marks.append(replace(line_of(subjects[0].palette, contender, x, y, named=True, hover=hover), steps="before"))
    return Figure(
        id="profile",
        file="performance_profile",
        title="Performance profile",
        note="Over all settings: the higher a line, the more often that contender is near the best "
        "(Agarwal et al. 2021).",
        x={"score": Axis(label="score τ (0: chance, 1: best run of the setting)", range=(0, 1.01))},
        panels={"score": Panel(Axis(label="runs that score at least τ (%)", range=(0, 103)), marks)},
    )
