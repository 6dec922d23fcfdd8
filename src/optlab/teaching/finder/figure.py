"""The figure of findings: the loss over the lr, a colour an optimizer, described once for pictures and the page."""

from collections.abc import Sequence

import numpy as np

from optlab.analysis.show.colors import Palette
from optlab.analysis.show.figures.description import Axis, Band, Figure, Interval, Line, Mark, Panel, Points
from optlab.teaching.finder.curve import Curve
from optlab.teaching.finder.finding import Finding

HEADROOM = 0.35  # of what the loss falls by, above the start: where it diverges is seen, and not how far
MOST_DOTTED = 3  # optimizers whose single losses are drawn too; of more they hide each other
NOTE = (
    "A range test: the lr rises geometrically from step to step. Line: the smoothed loss of the next batch; behind it "
    "the range over seeds, where there are several; points: the losses of steps, over several seeds their median. "
    "Bar: the suggested range, its full circle the suggested lr. Where a line leaves the panel, training has diverged."
)


def figure_of(findings: Sequence[Finding], title: str) -> Figure:
    """The figure of one setting; findings without a curve are left out."""
    palette = Palette.of(finding.name for finding in findings)
    drawn = [(finding, finding.curve) for finding in findings if finding.curve is not None]
    bottom, top = reach([curve for _, curve in drawn])
    marks: list[Mark] = []
    for finding, curve in drawn:
        marks += marks_of(finding, curve, palette, dotted=len(drawn) <= MOST_DOTTED, top=top)
    return Figure(
        id="find-lr",
        file="find_lr",
        title=title,
        note=NOTE,
        key="bar: the suggested range, circle: the suggested lr",
        x={"lr": Axis(label="learning rate", log=True)},
        panels={"loss": Panel(Axis(label="training loss", range=(bottom, top)), marks)},
        wide=True,
    )


def reach(curves: Sequence[Curve]) -> tuple[float, float]:
    """From below the lowest loss to somewhat above where training began."""
    lowest = min((float(min(curve.smooth.min(), curve.losses.min())) for curve in curves), default=0.0)
    start = max((curve.start for curve in curves), default=1.0)
    fall = max(start - lowest, 1e-3 * abs(start), 1e-9)
    return lowest - 0.1 * fall, start + HEADROOM * fall


def marks_of(finding: Finding, curve: Curve, palette: Palette, *, dotted: bool, top: float) -> list[Mark]:
    of, color = [finding.name], palette.color(finding.name)
    outside = np.flatnonzero(curve.smooth > top)
    last = int(outside[0]) + 1 if len(outside) else len(curve.smooth)  # the line leaves the panel once
    marks: list[Mark] = []
    if len(finding.tests) > 1:
        high = np.minimum(curve.high, top)
        marks.append(Band(of=of, color=color, x=curve.lrs, low=np.minimum(curve.low, top), high=high))
    if dotted:
        there = curve.losses <= top
        marks.append(Points(of=of, color=color, opacity=0.3, size=2.5, x=curve.lrs[there], y=curve.losses[there]))
    points = zip(curve.lrs[:last], curve.smooth[:last], strict=True)
    hover = [f"{finding.name}: lr {lr:.3g}, loss {loss:.4g}" for lr, loss in points]
    marks.append(
        Line(
            of=of,
            color=color,
            label=finding.name,
            x=curve.lrs[:last],
            y=np.minimum(curve.smooth[:last], top),
            hover=hover,
        )
    )
    if finding.lr is not None and finding.low is not None and finding.high is not None:
        at = float(np.interp(np.log10(finding.lr), np.log10(curve.lrs), curve.smooth))
        said = f"{finding.name}: lr {finding.lr:g}, from {finding.low:g} to {finding.high:g}"
        marks.append(
            Interval(
                of=of, color=color, x=finding.lr, y=at, low=finding.low, high=finding.high, along="x", marker="full",
                hover=said,
            )
        )  # fmt: skip
    return marks
