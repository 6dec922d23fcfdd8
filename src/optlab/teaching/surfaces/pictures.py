"""PNG: a surface with its paths, and beside it how f falls."""

from pathlib import Path as File

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from optlab.analysis.show.colors import Palette
from optlab.analysis.show.figures.to_matplotlib import POINTS, STYLE, Drawn
from optlab.teaching.surfaces.functions import Surface, contour_heights
from optlab.teaching.surfaces.record import Walked, Way

GROUND = LinearSegmentedColormap.from_list("ground", ["#bdd0e2", "#e9f0f6", "#ffffff"])  # low to high
CONTOUR, INK = "#a9b8c6", "#2b3036"
FLOOR = 1e-12  # below it, heights above the minimum are drawn as if they were there
EDGE = "edge of the search"


def write(found: Walked, file: File) -> None:
    """Draw a surface's paths, and f above its minimum against the step."""
    with mpl.rc_context(STYLE):
        picture = Drawn(figsize=(11, 5))
        map_, falling = picture.subplots(1, 2, width_ratios=[1.25, 1])
        palette = Palette.of(way.optimizer for way in found.ways)
        ground(map_, found)
        for way in found.ways:
            path(map_, way, palette)
            fall(falling, way, found.surface, palette)
        map_.set_title(f"{found.surface.title}: {found.surface.formula}")
        falling.set(yscale="log", xlabel="step", title="f above its minimum")
        falling.yaxis.set_major_locator(LogLocator(numticks=8))
        falling.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        bottom, top = falling.get_ylim()
        falling.yaxis.set_minor_formatter(NullFormatter() if top > 20 * bottom else lambda value, _: f"{value:g}")
        handles, names = legend(found, palette)
        picture.legend(handles, names, loc="outside lower center", ncols=min(len(names), 3))
        picture.savefig(file, metadata={"Software": "optlab"})


def ground(axes: Axes, found: Walked) -> None:
    """The surface from above: contour lines, its minima and the start."""
    surface = found.surface
    x, y, heights = surface.grid()
    shade = np.log1p(1000 * np.clip(heights - surface.lowest, 0, None) / (heights.max() - surface.lowest))
    axes.contourf(x, y, shade, levels=24, cmap=GROUND)
    axes.contour(
        x, y, heights, levels=contour_heights(surface, heights), colors=CONTOUR, linewidths=0.8, linestyles="solid"
    )
    for a, b in surface.minima:
        axes.plot(a, b, "*", color=INK, markersize=13, markeredgecolor="white", zorder=4)
    axes.plot(*found.start, "o", color="white", markeredgecolor=INK, markeredgewidth=1.6, markersize=8, zorder=6)
    axes.grid(visible=False)
    axes.set(xlim=surface.across, ylim=surface.along, xlabel="x", ylabel="y")


def path(axes: Axes, way: Way, palette: Palette) -> None:
    """A line through every step, a dot at each of the first ones, and the optimizer's marker at the end."""
    color = palette.color(way.optimizer)
    x, y = way.path.x, way.path.y
    axes.plot(x, y, color="white", linewidth=3.2, alpha=0.7, zorder=3)
    axes.plot(x, y, color=color, linewidth=1.7, marker=".", markersize=4, zorder=4)
    if way.diverged is None:
        marker = POINTS[palette.marker(way.optimizer)]
        axes.plot(x[-1], y[-1], marker, color=color, markeredgecolor="white", markersize=9, zorder=7)


def fall(axes: Axes, way: Way, surface: Surface, palette: Palette) -> None:
    """f above its minimum, a step a point; a cross where the path counts as diverged."""
    color = palette.color(way.optimizer)
    above = np.clip(np.nan_to_num(np.array(way.path.f) - surface.lowest, posinf=np.nan), FLOOR, None)
    axes.plot(above, color=color)
    if way.diverged is not None:
        last = int(np.flatnonzero(np.isfinite(above))[-1])
        axes.plot(last, above[last], "X", color=color, markeredgecolor="white", markersize=11, zorder=5)


def legend(found: Walked, palette: Palette) -> tuple[list[Line2D], list[str]]:
    """A line an optimizer: its lr, and how it ended."""
    handles, names = [], []
    for way in found.ways:
        color = palette.color(way.optimizer)
        marker = POINTS[palette.marker(way.optimizer)]
        handles.append(Line2D([], [], color=color, marker=marker, markersize=8, markeredgecolor="white"))
        names.append(f"{way.optimizer}, {described(way)}")
    return handles, names


def described(way: Way) -> str:
    """`lr 0.1, ends at 2.3e-05` above the minimum, or where it diverged; and whether the search ended there."""
    edge = f" ({EDGE})" if way.edge else ""
    end = f"diverged at step {way.diverged}" if way.diverged is not None else f"ends at {way.above:.2g}"
    return f"lr {way.lr:g}{edge}, {end}"
