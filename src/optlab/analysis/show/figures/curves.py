"""Figures over the time of training: learning curves, and the time to target."""

from optlab.analysis.judge.contest import Contender
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.target import AXES
from optlab.analysis.read.published import Band as PublishedBand
from optlab.analysis.show.colors import Palette, dash
from optlab.analysis.show.figures import series
from optlab.analysis.show.figures.description import Axis, Band, Figure, Line, Mark, Panel
from optlab.analysis.show.figures.marks import TIME, line_of, unit
from optlab.analysis.show.figures.subject import Subject


def learning_curves(subject: Subject) -> Figure | None:
    """Median and quartiles over seeds by epoch, sample and second; pictures have the judged kind of metric alone."""
    contest, published, palette = subject.contest, subject.published, subject.palette
    found = series.curves(contest)
    if not found:
        return None
    label = "" if published is None else published.label
    bands = {name: series.bands(contest, found, name, published) for name in found}
    panels = {}
    for name, curves in found.items():
        metric = Metric(name)
        marks = [mark for band in bands[name] for mark in published_marks(palette, band, metric, label)]
        marks += [
            mark for curve in curves for mark in curve_marks(palette, contest.contender(curve.contender), curve, metric)
        ]
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


def curve_marks(palette: Palette, contender: Contender, curve: series.Curve, metric: Metric) -> list[Mark]:
    """The median with its quartiles behind it."""
    low, median, high = (values * metric.scale for values in (curve.q1, curve.median, curve.q3))
    hover = [f"{m:.4g}{unit(metric)} ({a:.4g}–{b:.4g})" for a, m, b in zip(low, median, high, strict=True)]
    points = len(median) <= series.FEW_POINTS
    return [
        Band(of=[contender.name], x=curve.axes, low=low, high=high, color=palette.color(contender.optimizer)),
        line_of(palette, contender, curve.axes, median, points=points, hover=hover),
    ]


def published_marks(palette: Palette, band: PublishedBand, metric: Metric, label: str) -> list[Mark]:
    """A published curve: mean ± sd, hatched. It knows epochs alone, so it is drawn on no other axis."""
    shade, x = palette.color(band.optimizer), {"epoch": band.epochs}
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


def time_to_target(subject: Subject) -> Figure | None:
    """The share of seeds that have reached the target, by Kaplan and Meier."""
    verdict, palette = subject.verdict, subject.palette
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
                color=palette.color(s.optimizer),
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
