"""Words and lines that several figures share."""

from collections.abc import Sequence
from dataclasses import replace

from optlab.analysis.judge.contest import Contender
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.qualify import some
from optlab.analysis.judge.target import AXIS_LABELS
from optlab.analysis.judge.verdict import Verdict
from optlab.analysis.show.colors import Palette, dash
from optlab.analysis.show.figures.description import Axis, Line, Places
from optlab.rules.messages import phrase

MARKERS = 8  # along a line: enough to know it by, few enough to see the line

TIME = {
    axis: Axis(label=label, whole=axis == "epoch", thousands=axis == "sample", from_zero=True)
    for axis, label in AXIS_LABELS.items()
}
MEASURED = TIME | {"epoch": replace(TIME["epoch"], from_zero=False)}  # the first measurement is that of epoch 1


def line_of(
    palette: Palette,
    contender: Contender,
    x: Places,
    y: Places,
    *,
    label: str = "",
    points: bool = False,
    named: bool = False,
    hover: Sequence[str] = (),
) -> Line:
    """A line in the contender's colour and its schedule's dash, with the optimizer's marker.

    Args:
        points: every point has the marker, and not just a few.
        named: the contender's name stands at its end.
    """
    return Line(
        of=[contender.name],
        x=x,
        y=y,
        color=palette.color(contender.optimizer),
        label=label or contender.name,
        dash=dash(contender.schedule),
        marker=palette.marker(contender.optimizer),
        markers=0 if points else MARKERS,
        end=contender.name if named else "",
        hover=hover,
    )


def about_seconds(verdict: Verdict) -> list[str]:
    """What to say beside an axis of seconds where they do not compare; the gravest.

    That runs trained side by side, as they do by default, is said once, among the warnings.
    """
    slowed = [s.name for s in verdict.standings if s.step_time is not None and s.step_time.disturbed]
    if slowed:
        return [phrase("seconds_slowed", names=some(slowed))]
    unlike = any(said.kind == "seconds_unlike" for said in verdict.warnings)
    return [phrase("seconds_unlike_here")] if unlike else []


def said(metric: Metric, value: float) -> str:
    """A value in the unit shown, always with the same number of digits: `93.10 %`, `0.05000`."""
    return f"{value:.2f} %" if metric.is_share else f"{value:#.4g}".rstrip(".")


def unit(metric: Metric) -> str:
    """What stands after a number of the metric."""
    return " %" if metric.is_share else ""
