"""What the report's figures are made of: traces and layouts as Plotly's JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from optlab.analysis.judge.contest import Contender
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.statistics import FloatArray
from optlab.analysis.read.published import Band
from optlab.analysis.show.colors import color, dash, faint

Trace = dict[str, Any]
Figure = dict[str, Any]


def figure_of(
    name: str,
    title: str,
    note: str,
    choices: Mapping[str, Any],
    axes: Mapping[str, str] | None = None,
    *,
    wide: bool = False,
) -> Figure:
    legend = name in ("curves", "lr", "budget", "target", "profile")  # in print; elsewhere the axis names everyone
    return {
        "id": name,
        "title": title,
        "note": note,
        "axes": dict(axes or {}),
        "choices": dict(choices),
        "legend": legend,
        "wide": wide,
    }


def line(contender: Contender, x: list[float], y: FloatArray) -> Trace:
    return {
        "type": "scatter",
        "name": contender.name,
        "x": x,
        "y": numbers(y),
        "line": {"color": color(contender.optimizer), "dash": dash(contender.schedule), "width": 2.2},
        "meta": {"contenders": [contender.name]},
    }


def ticks(names: Sequence[str]) -> dict[str, Any]:
    return {"tickmode": "array", "tickvals": list(range(len(names))), "ticktext": list(names), "zeroline": False}


def numbers(values: FloatArray) -> list[float]:
    """Six digits are more than a screen shows; NaN becomes null, a gap."""
    return [float(f"{v:.6g}") if np.isfinite(v) else None for v in values.tolist()]  # type: ignore[misc]


def numbers_of_pairs(a: FloatArray, b: FloatArray) -> list[list[float]]:
    return [list(pair) for pair in zip(numbers(a), numbers(b), strict=True)]


def unit(metric: Metric) -> str:
    return " %" if metric.is_share else ""


def bands_of(bands: Sequence[Band], metric: Metric, label: str) -> list[Trace]:
    """Published curves; they know epochs alone, so they are hidden on the other axes."""
    data: list[Trace] = []
    for band in bands:
        shade, x = color(band.optimizer), numbers(band.epochs)
        meta = {"published": band.optimizer, "x": {"epoch": x}}
        edge = np.concatenate([band.mean + band.sd, (band.mean - band.sd)[::-1]]) * metric.scale
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": x + x[::-1],
                "y": numbers(edge),
                "fill": "toself",
                "fillcolor": faint(shade, 0.1),
                "fillpattern": {"shape": "/", "size": 5, "solidity": 0.2, "fgcolor": faint(shade, 0.5)},
                "line": {"width": 0},
                "hoverinfo": "skip",
                "meta": meta | {"x": {"epoch": x + x[::-1]}},
            }
        )
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": f"{band.optimizer}, {label}",
                "x": x,
                "y": numbers(band.mean * metric.scale),
                "line": {"width": 1, "color": faint(shade, 0.8)},
                "hovertemplate": f"%{{y:.4~g}}{unit(metric)}",
                "meta": meta,
            }
        )
    return data
