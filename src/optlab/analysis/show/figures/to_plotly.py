"""Figures as Plotly's JSON, drawn by plotly.js in the reader's browser.

Plain dicts (tests check them against Plotly's schema) so that a report needs no Plotly import. A trace's `meta` says
which contenders it belongs to, for the toggles, and where its points stand on each x axis, for the switch.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from optlab.analysis.judge.statistics import FloatArray
from optlab.analysis.show.colors import BAND, faint
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
    Span,
    Text,
    on,
)
from optlab.analysis.show.figures.names import IN_LEGEND, brief, for_plotly, in_lines

Trace = dict[str, Any]

MOST_NARROW = 6  # names on the x axis of a figure of half the width
MOST_ROWS = 8  # names on its y axis: with more it is taller than what stands beside it
LINE = 1.25  # pixels a point of a line's width
MARKER = 1.6  # pixels a point of a marker's size
WORDS = 1.35  # pixels a point of the size of words
STEPS = {"": "linear", "after": "hv", "before": "vh"}
ZERO_LINE = {"zeroline": True, "zerolinewidth": 1.5, "zerolinecolor": "rgb(140,148,160)"}
ANCHORS = {
    "left": "middle right",  # Plotly names where the words lie as seen from the point
    "right": "middle left",
    "top": "bottom center",
    "bottom": "top center",
    "middle": "middle center",
}
CENTRES = {
    "dash": {"symbol": "line-ew-open", "size": 14, "line": {"width": 3}},
    "full": {"symbol": "circle", "size": 13},
    "open": {"symbol": "circle-open", "size": 12, "line": {"width": 2}},
}


def spec(figure: Figure) -> dict[str, Any]:
    """A figure for figures.js: {id, title, note, axes, choices, choose, switches, legend, wide}.

    `choices` maps what may be chosen (`choose`: a metric) to {data, layout, names, log, most, order}; `axes` maps each
    x axis to {label, whole, zero}, and is {} where there is but one. `names` are the axes of names, which close up
    where contenders are hidden; `log`, `most` and `order` are those of the panel.
    """
    several = {
        key: {"label": for_plotly(axis.label), "whole": axis.whole, "zero": axis.from_zero}
        for key, axis in figure.x.items()
    }
    below = [*figure.x.values(), *(panel.x for panel in figure.panels.values() if panel.x is not None)]
    names = max(len(axis.names) for axis in below)
    rows = max(len(panel.y.names) for panel in figure.panels.values())
    return {
        "id": figure.id,
        "title": figure.title,
        "note": figure.note,
        "axes": several if len(figure.x) > 1 else {},
        "choices": {name: choice(figure, panel) for name, panel in figure.panels.items()},
        "choose": figure.choose,
        "switches": figure.switches,
        "legend": figure.needs_legend,  # in print; on the screen the buttons above are the legend
        "wide": figure.wide or names > MOST_NARROW or rows > MOST_ROWS,
    }


def choice(figure: Figure, panel: Panel) -> dict[str, Any]:
    """One panel: its traces, and the layout, which figures.js completes."""
    first = panel.x or next(iter(figure.x.values()))
    layout: dict[str, Any] = {"xaxis": axis_of(first, in_lines), "yaxis": axis_of(panel.y, brief)}
    if len(figure.x) > 1:
        layout["hovermode"] = "x unified"
    if panel.y.names:
        layout["height"] = 150 + 30 * len(panel.y.names)
    return {
        "data": [trace(mark, figure, panel) for mark in panel.marks],
        "layout": layout,
        "names": [which for which, axis in (("x", first), ("y", panel.y)) if axis.names],
        "log": None if panel.log is None else {"label": for_plotly(panel.log.label), "of": panel.log.of},
        "most": panel.most,
        "order": list(panel.order),
    }


def axis_of(axis: Axis, name: Callable[[str], str]) -> dict[str, Any]:
    """The layout of an axis; `name` makes a name fit beside it."""
    drawn: dict[str, Any] = {"title": {"text": for_plotly(axis.label)}} if axis.label else {}
    if axis.log:
        drawn |= {"type": "log", "dtick": 1, "tickformat": "~g"}
    if axis.names:
        n = len(axis.names)
        drawn |= {
            "tickmode": "array",
            "tickvals": list(range(n)),
            "ticktext": [for_plotly(name(each)) for each in axis.names],
        }
        drawn |= {"zeroline": False, "range": [-0.5, n - 0.5]}
    if axis.ticks is not None:
        drawn |= {
            "tickmode": "array",
            "tickvals": list(axis.ticks),
            "ticktext": [for_plotly(word) for word in axis.ticks.values()],
        }
        drawn |= {} if axis.ticks else {"showgrid": False, "zeroline": False, "showline": False}
    if axis.range is not None:
        drawn["range"] = numbers(np.asarray(axis.range, dtype=float))  # as the marks that reach to its ends
    if axis.from_zero:
        drawn["rangemode"] = "tozero"
    return drawn | (ZERO_LINE if axis.zero_line else {})


def trace(mark: Mark, figure: Figure, panel: Panel) -> Trace:
    """A mark as a trace that stands on the figure's first x axis."""
    x, y = places(mark, panel)
    first = next(iter(figure.x))
    meta: dict[str, Any] = {"contenders": list(mark.of)}
    if mark.switch:
        meta["switch"] = mark.switch
    if isinstance(mark, Line) and mark.end:
        meta["end"] = mark.end
    if len(figure.x) > 1:
        meta["x"] = {axis: numbers(there) for axis in figure.x if (there := on(x, axis)) is not None}
        if isinstance(y, Mapping):
            meta["y"] = {axis: numbers(there) for axis in figure.x if (there := on(y, axis)) is not None}
    begin = {"type": "scatter", "x": numbers(on(x, first)), "y": numbers(on(y, first)), "meta": meta}
    return begin | style(mark)


def places(mark: Mark, panel: Panel) -> tuple[Places, Places]:
    """Where the points of a trace stand; of an area, the way round it."""
    match mark:
        case Line() | Points() | Text():
            return mark.x, mark.y
        case Interval():
            return [mark.x], [mark.y]
        case Band():
            high, low = np.asarray(mark.high), np.asarray(mark.low)
            return there_and_back(mark.x), np.concatenate([high, low[::-1]])
        case Span():
            assert panel.y.range is not None, "a span reaches over the range of its panel's y axis"
            bottom, top = panel.y.range
            return [mark.low, mark.high, mark.high, mark.low], [bottom, bottom, top, top]
    raise TypeError(f"{type(mark).__name__} is no mark that the page can draw")


def there_and_back(x: Places) -> Places:
    if isinstance(x, Mapping):
        return {axis: np.concatenate([there, np.asarray(there)[::-1]]) for axis, there in x.items()}
    return np.concatenate([x, np.asarray(x)[::-1]])


def style(mark: Mark) -> Trace:
    """How a mark looks, and what is said of its points."""
    match mark:
        case Line():
            line = {"color": mark.color, "dash": mark.dash, "width": mark.width * LINE, "shape": STEPS[mark.steps]}
            drawn: Trace = {"mode": "lines", "line": line, "opacity": mark.opacity}
            if mark.marker:
                marker = {"symbol": mark.marker, "size": 5 * MARKER, "maxdisplayed": mark.markers}
                drawn |= {"mode": "lines+markers", "marker": marker}
            return drawn | said(mark.label, mark.hover)
        case Points():
            marker = {"symbol": mark.marker, "size": mark.size * MARKER, "color": mark.color, "opacity": mark.opacity}
            return {"mode": "markers", "marker": marker} | said(mark.label, mark.hover)
        case Interval():
            value = mark.x if mark.along == "x" else mark.y
            bar = {"type": "data", "symmetric": False, "color": mark.color, "thickness": 2.4, "width": 0}
            bar |= {"array": [round(mark.high - value, 6)], "arrayminus": [round(value - mark.low, 6)]}
            marker = {"color": mark.color} | CENTRES[mark.marker]
            drawn = {"mode": "markers", f"error_{mark.along}": bar, "marker": marker}
            return drawn | said(mark.label, [mark.hover] if mark.hover else [])
        case Band():
            drawn = area(mark.color, 0.1 if mark.hatched else BAND)
            if mark.hatched:
                shade = faint(mark.color, 0.5)
                drawn["fillpattern"] = {"shape": "/", "size": 5, "solidity": 0.2, "fgcolor": shade}
            return drawn
        case Span():
            return area(mark.color, 0.08)
        case Text():
            font = {"size": mark.size * WORDS} | ({"color": mark.color} if mark.color else {})
            said_here = {
                "text": [for_plotly(brief(word)) for word in mark.words],
                "textposition": ANCHORS[mark.anchor],
                "textfont": font,
            }
            return {"mode": "text", "cliponaxis": False, "hoverinfo": "skip"} | said_here
    raise TypeError(f"{type(mark).__name__} is no mark that the page can draw")


def area(color: str, alpha: float) -> Trace:
    line = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    return line | {"fill": "toself", "fillcolor": faint(color, alpha)}


def said(label: str, hover: Sequence[str] | str) -> Trace:
    """The name of a trace, and what is said of each of its points, or of all of them."""
    name = {"name": for_plotly(brief(label, IN_LEGEND))} if label else {}
    if not hover:
        return name | {"hoverinfo": "skip"}
    if isinstance(hover, str):
        return name | {"hovertext": for_plotly(hover), "hovertemplate": "%{hovertext}<extra></extra>"}
    return name | {"customdata": [for_plotly(words) for words in hover], "hovertemplate": "%{customdata}"}


def numbers(values: FloatArray | None) -> list[float | None]:
    """Six digits are more than a screen shows; NaN becomes null, a gap; none where the trace is not drawn."""
    if values is None:
        return []
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values.tolist()]
