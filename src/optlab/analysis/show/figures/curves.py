"""Figures over the time of training: learning curves, and the time to target."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from optlab.analysis.judge.contest import Contender, Contest
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.statistics import FloatArray
from optlab.analysis.judge.target import AXES
from optlab.analysis.read.published import Band as PublishedBand
from optlab.analysis.show.colors import Palette, dash
from optlab.analysis.show.figures import series
from optlab.analysis.show.figures.description import Axis, Band, Figure, Line, Log, Mark, Panel
from optlab.analysis.show.figures.marks import MARKERS, MEASURED, TIME, about_seconds, line_of, said
from optlab.analysis.show.figures.subject import Subject
from optlab.rules.words import enumerated, plural

FEW_SEEDS = 5  # of each contender: up to here a picture shows every seed
FEW_LINES = 20  # and no more than so many lines
LONG = 6  # epochs, of which the last third is worth a look


def learning_curves(subject: Subject) -> Figure | None:
    """Median and quartiles over seeds by epoch, sample and second; pictures have the judged kind of metric alone."""
    contest = subject.contest
    found = series.curves(contest)
    if not found:
        return None
    bands = {name: series.bands(contest, found, name, subject.published) for name in found}
    every = [curve for curves in found.values() for curve in curves]
    return Figure(
        id="curves",
        file="learning_curves",
        title="Learning curves",
        note=" ".join(words_of(contest, every, [band for those in bands.values() for band in those], subject)),
        x=MEASURED,
        panels={
            name: panel(subject, subject.contest.selection.named(name), curves, bands[name])
            for name, curves in found.items()
        },
        wide=True,
        late=max(float(curve.axes["epoch"][-1]) for curve in every) >= LONG,
    )


def words_of(
    contest: Contest, curves: Sequence[series.Curve], bands: Sequence[PublishedBand], subject: Subject
) -> list[str]:
    """What the curves are, as far as it is to be seen in them."""
    several = any(curve.seeds.max() > 1 for curve in curves)
    said = ["Median over seeds; the band holds the middle half of them." if several else "One seed each."]
    if any(not curve.whole.all() for curve in curves):
        said.append("Thin and pale where fewer seeds have come so far than the most: the number stands at each point.")
    if any(run.record.status == "diverged" for contender in contest.contenders for run in contender.entered):
        said.append("A diverged seed counts at chance level.")
    if bands and subject.published is not None:
        names = enumerated(dict.fromkeys(Metric(band.metric).label for band in bands))
        said.append(f"Hatched: published {names} ({subject.published.label}), mean ± sd, by epoch.")
    return [*said, *about_seconds(subject.verdict)]


def panel(subject: Subject, metric: Metric, curves: Sequence[series.Curve], bands: Sequence[PublishedBand]) -> Panel:
    """The curves of one metric over what was published of it."""
    contest, palette = subject.contest, subject.palette
    label = "" if subject.published is None else subject.published.label
    view = series.window(curves, bands)
    reach = None if view is None else (view[0] * metric.scale, view[1] * metric.scale)
    of = {curve.contender: contest.contender(curve.contender) for curve in curves}
    marks = [mark for band in bands for mark in published_marks(palette, band, label)]
    marks += seed_marks(palette, list(of.values()), metric)
    marks += [mark for curve in curves for mark in curve_marks(palette, of[curve.contender], curve, metric)]
    medians = np.concatenate([curve.median for curve in curves]) * metric.scale
    log = None
    if metric.kind == "acc" and (medians < 100).any():
        log = Log(metric.axis.replace("accuracy", "error"), of=100.0)
    elif metric.kind == "loss" and (medians > 0).all():
        log = Log(metric.axis)
    y = Axis(label=metric.axis, range=reach)
    return Panel(y, marks, in_pictures=metric.name.endswith(contest.selection.kind), log=log)


def seed_marks(palette: Palette, contenders: Sequence[Contender], metric: Metric) -> list[Mark]:
    """A thin line for each seed; a picture has them where they are few."""
    runs = {contender.name: len(series.measured(contender, metric.name)) for contender in contenders}
    lines = sum(runs.values())
    few = max(runs.values()) <= FEW_SEEDS and lines <= FEW_LINES
    most = max(series.LEAST_POINTS, min(series.MOST_POINTS, series.SEED_POINTS // lines))
    marks: list[Mark] = []
    for contender in contenders:
        if runs[contender.name] < 2:
            continue  # its curve is its only seed
        x, y, _ = series.each_seed(contender, metric.name, most)
        shade, style = palette.color(contender.optimizer), dash(contender.schedule)
        marks.append(
            Line(
                of=[contender.name],
                x=x,
                y=y * metric.scale,
                color=shade,
                dash=style,
                opacity=0.6,
                width=0.6,
                switch="seeds",
                in_pictures=few,
            )
        )
    return marks


def curve_marks(palette: Palette, contender: Contender, curve: series.Curve, metric: Metric) -> list[Mark]:
    """The median with its quartiles behind it; thin where it is over fewer seeds than elsewhere."""
    low, median, high = (values * metric.scale for values in (curve.q1, curve.median, curve.q3))
    hover = [
        f"{said(metric, m)}"
        + (f" ({said(metric, a).removesuffix(' %')}–{said(metric, b).removesuffix(' %')})" if n > 1 else "")
        + f", {plural(int(n), 'seed')}"
        for a, m, b, n in zip(low, median, high, curve.seeds, strict=True)
    ]
    marks: list[Mark] = []
    if curve.seeds.max() > 1:
        kept = curve.seeds > 1
        x = {name: places[kept] for name, places in curve.axes.items()}
        shade = palette.color(contender.optimizer)
        marks.append(Band(of=[contender.name], x=x, low=low[kept], high=high[kept], color=shade))
    whole = curve.whole
    if not whole.all():
        inner = whole & np.append(whole[1:], True) & np.append(True, whole[:-1])  # of the thin parts the ends join on
        y = np.where(inner, np.nan, median)
        thin = line_of(palette, contender, curve.axes, y, named=not whole[-1], hover=hover)
        marks.append(replace(thin, width=0.8, opacity=0.6, label=""))
    y = np.where(whole, median, np.nan)
    return [*marks, line_of(palette, contender, curve.axes, y, named=bool(whole[-1]), hover=hover)]


def published_marks(palette: Palette, band: PublishedBand, label: str) -> list[Mark]:
    """A published curve: mean ± sd, hatched. It knows epochs alone, so it is drawn on no other axis."""
    metric = Metric(band.metric)
    shade, x = palette.color(band.optimizer), {"epoch": band.epochs}
    low, high = (end * metric.scale for end in possible(metric, band.mean - band.sd, band.mean + band.sd, band.mean))
    mean = band.mean * metric.scale
    return [
        Band(of=[band.optimizer], x=x, low=low, high=high, color=shade, hatched=True),
        Line(
            of=[band.optimizer],
            x=x,
            y=mean,
            color=shade,
            opacity=0.7,
            width=0.9,
            label=f"{band.optimizer}, {label}",
            hover=[f"{said(metric, value)} {metric.label}" for value in mean],
        ),
    ]


def possible(metric: Metric, low: FloatArray, high: FloatArray, mean: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A band without what its metric cannot be: below 0, where no mean is, or above 1 for a share."""
    if metric.is_share or (not metric.higher_is_better and (mean >= 0).all()):
        low = np.maximum(low, 0.0)
    return low, np.minimum(high, 1.0) if metric.is_share else high


def time_to_target(subject: Subject) -> Figure | None:
    """The share of seeds that have reached the target, by Kaplan and Meier."""
    verdict, palette = subject.verdict, subject.palette
    reached = [s for s in verdict.standings if s.target]
    if verdict.target is None or not any(s.target["epoch"].hits for s in reached):
        return None
    runs = [run for s in reached for run in subject.contest.contender(s.name).entered if len(run.axes["epoch"])]
    ends = {axis: max(float(run.axes[axis][-1]) for run in runs) for axis in AXES}
    marks = []
    for s in reached:
        steps = {axis: series.target_steps(s.target[axis].times, s.target[axis].share, ends[axis]) for axis in AXES}
        marks.append(
            Line(
                of=[s.name],
                x={axis: x for axis, (x, _) in steps.items()},
                y={axis: y for axis, (_, y) in steps.items()},
                color=palette.color(s.optimizer),
                marker=palette.marker(s.optimizer),
                markers=MARKERS,
                end=s.name,
                label=f"{s.name} ({s.target['epoch'].hits} of {s.target['epoch'].runs})",
                dash=dash(s.schedule),
                steps="after",
                hover=[f"{y:.0f} %" for y in steps["epoch"][1]],
            )
        )
    aim = f"{verdict.selection.text(verdict.target)} {verdict.selection.label}"
    note = f"Share of seeds that have reached {aim} (Kaplan-Meier). A seed that never does keeps its line below 100 %."
    return Figure(
        id="target",
        file="time_to_target",
        title="Time to target",
        note=" ".join([note, *about_seconds(verdict)]),
        key=f"target: {aim}",
        x=TIME,
        panels={verdict.selection.name: Panel(Axis(label="seeds at the target (%)", range=(-3, 103)), marks)},
    )
