"""surfaces.html: one file that needs no network, with a surface at a time, a slider over the steps, and the search."""

from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import contourpy
import numpy as np

from optlab.analysis.show.colors import Palette
from optlab.analysis.show.report import part as of_reports
from optlab.analysis.show.report import plotly_bundle, script_json
from optlab.analysis.show.templates import templates
from optlab.record import finite
from optlab.teaching.surfaces import search
from optlab.teaching.surfaces.functions import contour_heights
from optlab.teaching.surfaces.record import Walked, Way

DIGITS = 6  # of the numbers on the page; surfaces.json has all


def render(found: Sequence[Walked], steps: int, command: str) -> str:
    """The page."""
    palette = Palette.of(way.optimizer for each in found for way in each.ways)
    environment = templates("optlab.teaching.surfaces", "files")
    return environment.get_template("surfaces.html.j2").render(
        version=version("optlab"),
        found=found,
        steps=steps,
        palette=palette,
        optimizers=list(dict.fromkeys(way.optimizer for each in found for way in each.ways)),
        searched=any(way.trials for each in found for way in each.ways),
        rule=search.RULE,
        command=command,
        content=script_json(
            finite({"steps": steps, "surfaces": {each.surface.name: spec(each, palette) for each in found}})
        ),
        bundle=plotly_bundle(),
        style=of_reports("base.css") + _part("surfaces.css"),
        script=_part("surfaces.js"),
    )


def spec(found: Walked, palette: Palette) -> dict[str, Any]:
    """What the page's script draws of a surface."""
    surface = found.surface
    x, y, heights = surface.grid()
    lines = contourpy.contour_generator(x, y, heights)
    return {
        "title": surface.title,
        "formula": surface.formula,
        "teaches": surface.teaches,
        "across": surface.across,
        "along": surface.along,
        "lowest": surface.lowest,
        "minima": surface.minima,
        "start": found.start,
        "contours": [contour(lines.lines(height), height) for height in contour_heights(surface, heights)],
        "paths": [_path(way, palette) for way in found.ways],
    }


def contour(pieces: Sequence[Any], height: float) -> dict[str, Any]:
    """The pieces of a contour line, one behind the other, with a gap (null) between them."""
    x: list[float | None] = []
    y: list[float | None] = []
    for piece in pieces:
        points = np.round(np.asarray(piece), 3)
        x += [*points[:, 0].tolist(), None]
        y += [*points[:, 1].tolist(), None]
    return {"f": float(f"{height:.3g}"), "x": x, "y": y}


def _path(way: Way, palette: Palette) -> dict[str, Any]:
    short = {name: [float(f"{value:.{DIGITS}g}") for value in getattr(way.path, name)] for name in ("x", "y", "f")}
    return {
        **short,
        "optimizer": way.optimizer,
        "color": palette.color(way.optimizer),
        "marker": palette.marker(way.optimizer),
        "lr": way.lr,
        "diverged": way.diverged,
        "trials": [{"lr": each.lr, "mean": each.mean, "diverged": each.diverged} for each in way.trials],
    }


def _part(name: str) -> str:
    return (files("optlab.teaching.surfaces") / "files" / name).read_text(encoding="utf-8")
