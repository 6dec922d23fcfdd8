"""Words and lines that several figures share."""

from collections.abc import Sequence

from optlab.analysis.judge.contest import Contender
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.target import AXIS_LABELS
from optlab.analysis.show.colors import Palette, dash
from optlab.analysis.show.figures.description import Axis, Line, Places

TIME = {
    axis: Axis(label=label, whole=axis == "epoch", thousands=axis == "sample", from_zero=True)
    for axis, label in AXIS_LABELS.items()
}


def line_of(
    palette: Palette,
    contender: Contender,
    x: Places,
    y: Places,
    *,
    label: str = "",
    points: bool = False,
    hover: Sequence[str] = (),
) -> Line:
    """A line in the contender's colour and its schedule's dash; with its points in the optimizer's marker."""
    return Line(
        of=[contender.name],
        x=x,
        y=y,
        color=palette.color(contender.optimizer),
        label=label or contender.name,
        dash=dash(contender.schedule),
        marker=palette.marker(contender.optimizer) if points else "",
        hover=hover,
    )


def unit(metric: Metric) -> str:
    """What stands after a number of the metric."""
    return " %" if metric.is_share else ""
