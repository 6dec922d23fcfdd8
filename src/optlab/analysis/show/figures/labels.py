"""Words that stand at lines and at a panel's edges in pictures; figures' own script does the same on the page."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import isotonic_regression

from optlab.analysis.judge.statistics import FloatArray
from optlab.analysis.show.colors import GREY
from optlab.analysis.show.figures.description import Band, Line, Mark, Points, on
from optlab.analysis.show.figures.names import brief
from optlab.rules.words import plural

LONGEST = 20  # letters of a name


End = tuple[float, str, str]  # where the name of a line stands, the name and its colour


def ends(marks: Sequence[Mark], axis: str) -> list[tuple[float, Line]]:
    """The lines that have their name at their end, and the y of their last point on an x axis."""
    found = []
    for mark in marks:
        if isinstance(mark, Line) and mark.end and len(y := heights(mark, axis)):
            found.append((float(y[-1]), mark))
    return found


def leaving(marks: Sequence[Mark], axis: str, view: tuple[float, float]) -> tuple[str, str]:
    """What leaves a view below and above, by its farthest value: `▼ sgd down to 9.8, 2 others`; "" for nothing."""
    low, high = view
    reached: dict[str, tuple[float, float]] = {}
    for mark in marks:
        y = heights(mark, axis)
        if mark.of and len(y):
            least, most = reached.get(mark.of[0], (np.inf, -np.inf))
            reached[mark.of[0]] = min(least, float(y.min())), max(most, float(y.max()))
    below = sorted((least, name) for name, (least, _) in reached.items() if least < low)
    above = sorted(((most, name) for name, (_, most) in reached.items() if most > high), reverse=True)
    return said(below, "▼", "down"), said(above, "▲", "up")


def said(gone: Sequence[tuple[float, str]], arrow: str, way: str) -> str:
    if not gone:
        return ""
    value, name = gone[0]
    others = f", {plural(len(gone) - 1, 'other')}" if len(gone) > 1 else ""
    return f"{arrow} {brief(name, LONGEST)} {way} to {value:.4g}{others}"


def heights(mark: Mark, axis: str) -> FloatArray:
    """The finite y of a line, of points or of a band on an x axis; empty where it has no place there."""
    if not isinstance(mark, Line | Points | Band) or on(mark.x, axis) is None:
        return np.empty(0)
    y = np.concatenate([mark.low, mark.high]) if isinstance(mark, Band) else on(mark.y, axis)
    return np.empty(0) if y is None else y[np.isfinite(y)]


def spread(wanted: Sequence[float], gap: float, height: float) -> list[float]:
    """Places at least `gap` apart, as near to those wanted as can be (least squares), within the height if they fit."""
    if not len(wanted):
        return []
    order = np.argsort(wanted, kind="stable")
    steps = gap * np.arange(len(wanted))
    level = isotonic_regression(np.asarray(wanted)[order] - steps).x
    found = np.empty(len(wanted))
    found[order] = np.clip(level, 0.0, max(0.0, height - steps[-1])) + steps
    return [float(place) for place in found]


def in_rows(names: Sequence[End], gap: float, height: float) -> list[End]:
    """Names at the places that they want or near, lowest first; what has no row is counted in the middle."""
    found = sorted(names, key=lambda name: name[0])
    room = int(height / gap)
    if len(found) > room + 1:
        under = room // 2
        gone = found[under : under + len(found) - room]
        found[under : under + len(gone)] = [(gone[len(gone) // 2][0], f"… {len(gone)} more", GREY)]
    places = spread([place for place, _, _ in found], gap, height)
    return [(place, text, color) for place, (_, text, color) in zip(places, found, strict=True)]


def darker(shade: str) -> str:
    """A colour for words, which need more contrast than lines."""
    return "#" + "".join(f"{round(0.7 * int(shade[i : i + 2], 16)):02x}" for i in (1, 3, 5))
