"""Figures as PNG, SVG and PDF by Matplotlib, for papers and slides."""

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import EngFormatter, MaxNLocator, NullFormatter, StrMethodFormatter

from optlab.analysis.show.colors import BAND
from optlab.analysis.show.figures import Described, labels, named
from optlab.analysis.show.figures.description import (
    Axis,
    Band,
    Figure,
    Interval,
    Line,
    Mark,
    Panel,
    Points,
    Span,
    Text,
    on,
)
from optlab.analysis.show.figures.fonts import in_fonts_that_have_it
from optlab.analysis.show.figures.names import IN_LEGEND, brief, in_lines
from optlab.record import cannot_write
from optlab.rules.messages import phrase

log = logging.getLogger(__name__)

STYLE: Any = {  # typed as a mapping from a closed set of names in Matplotlib's stubs
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a8f98",
    "axes.labelcolor": "#2b2f36",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e6ea",
    "grid.linewidth": 0.8,
    "xtick.color": "#5b616b",
    "ytick.color": "#5b616b",
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 160,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # letters as a font that editors and archives take, not as drawings
    "svg.hashsalt": "optlab",
    "text.parse_math": False,  # a name may hold a $
}
LINES = {
    "solid": "-",
    "dash": "--",
    "dot": ":",
    "dashdot": "-.",
    "longdash": (0, (8, 3)),
    "longdashdot": (0, (8, 3, 2, 3)),
}
POINTS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "cross": "P",
    "x": "X",
    "star": "*",
    "hexagon": "h",
}
ANCHORS: dict[str, dict[str, Any]] = {
    "left": {"ha": "left", "va": "center"},
    "right": {"ha": "right", "va": "center"},
    "top": {"ha": "center", "va": "top"},
    "bottom": {"ha": "center", "va": "bottom"},
    "middle": {"ha": "center", "va": "center"},
}
STEPS = {"after": "steps-post", "before": "steps-pre"}
GREY, ALARM = "#5b616b", "#c0392b"
MOST_COLUMNS = 4  # of panels beside each other
ROW_HEIGHT = 3.1  # inches, of panels beside each other
ROOM = 0.87  # of it that a panel has, about
ROW = 10.5  # points, of a name at a line's end


FORMATS: dict[str, dict[str, Any]] = {  # and what each would say that is not the same tomorrow
    ".png": {"Software": "optlab"},
    ".svg": {"Date": None, "Creator": "optlab"},
    ".pdf": {"CreationDate": None, "Creator": "optlab", "Producer": None},
}


class Drawn(Picture):
    """A picture that is saved as it was drawn, whatever the style of the program that saves it."""

    def savefig(self, *args: Any, **kwargs: Any) -> None:
        """Matplotlib's; a PDF has its fonts in it."""
        with mpl.rc_context(STYLE):
            super().savefig(*args, **kwargs)

    def _repr_png_(self) -> bytes:
        """How a notebook shows it."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=96)
        return buffer.getvalue()


def picture_of(figure: Figure) -> Picture:
    """One figure, drawn."""
    with mpl.rc_context(STYLE):
        picture = draw(figure)
        in_fonts_that_have_it(picture)
    return picture


def draw_all(figures: Described, labels: Sequence[str], folder: Path, *, pdf: bool = False) -> list[Path]:
    """Write every figure as PNG and SVG, and as PDF where wanted, those of a contest under its label where there are
    several.

    Raises:
        UserError: the folder cannot be written.
    """
    drawn = [(name, figure) for _, _, name, figure in named(figures, labels) if grid(figure)]
    missing = ""
    paths = []
    with mpl.rc_context(STYLE):
        for name, figure in drawn:
            picture = draw(figure)
            missing += in_fonts_that_have_it(picture)
            paths += save(picture, folder / name, list(FORMATS) if pdf else [".png", ".svg"])
    if missing:
        log.warning(phrase("no_glyphs", characters=" ".join(sorted(set(missing)))))
    return paths


def save(picture: Picture, stem: Path, suffixes: Sequence[str] = (".png", ".svg")) -> list[Path]:
    """Write a picture whole in each format; the same numbers give the same bytes.

    It is laid out once for all formats, which takes as long as drawing it.
    """
    with mpl.rc_context(STYLE):
        picture.draw_without_rendering()
    picture.set_layout_engine("none")
    paths = []
    for suffix in suffixes:
        buffer = io.BytesIO()
        picture.savefig(buffer, format=suffix[1:], metadata=FORMATS[suffix])
        path = stem.with_name(stem.name + suffix)
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(buffer.getvalue())
            temporary.replace(path)
        except OSError as error:
            raise cannot_write(path, error) from error
        paths.append(path)
    return paths


def in_legend(label: str) -> str | None:
    """A label as Matplotlib shows it: one that begins with an underscore is left out."""
    short = brief(label, IN_LEGEND)
    return (f" {short}" if label.startswith("_") else short) or None


# -- panels


@dataclass(frozen=True)
class Cell:
    """One panel of a picture: what is drawn, over which x axis."""

    panel: Panel
    axis: str
    marks: Sequence[Mark]
    title: str = ""
    alone: bool = False  # of one contender
    height: float = ROOM * ROW_HEIGHT * 72  # in points, about


def grid(figure: Figure) -> list[list[Cell]]:
    """The panels in rows: a row a metric and a column an x axis, or a panel a contender; none for the page alone."""
    if figure.facets:
        panel, axis = next(iter(figure.panels.values())), next(iter(figure.x))
        found = [
            Cell(panel, axis, [mark for mark in panel.in_short().marks if name in mark.of], name, alone=True)
            for name in figure.facets
        ]
        return [found[start : start + MOST_COLUMNS] for start in range(0, len(found), MOST_COLUMNS)]
    shown = [panel.in_short() for panel in figure.panels.values() if panel.in_pictures]
    return [[Cell(panel, axis, panel.marks) for axis in figure.x] for panel in shown]


def size(figure: Figure, rows: int, columns: int) -> tuple[float, float]:
    """Width and height in inches."""
    names = max(len(axis.names) for axis in figure.x.values())
    beside = max(len(panel.in_short().y.names) for panel in figure.panels.values())
    if figure.facets:
        return 2.9 * columns + 0.6, 2.7 * rows + 0.3
    width = 1.8 + 1.2 * names if names else 11.0 if columns > 1 else 6.2
    return width, 0.9 + 0.36 * beside if beside else ROW_HEIGHT * rows + 0.5


def draw(figure: Figure) -> Picture:
    """A figure with its panels side by side."""
    cells = grid(figure)
    rows, columns = len(cells), len(cells[0])
    picture = Drawn(figsize=size(figure, rows, columns))
    panels = picture.subplots(rows, columns, squeeze=False, sharey="row", sharex="none" if figure.facets else "col")
    for row, of_row in enumerate(cells):
        for column, cell in enumerate(of_row):
            below = row + 1 < rows and column < len(cells[row + 1])
            last = column + 1 == len(of_row)
            draw_cell(panels[row][column], cell, figure.x[cell.axis], lowest=not below, first=column == 0, last=last)
        for panel in panels[row][len(of_row) :]:
            panel.set_visible(False)
    if figure.key:
        picture.supxlabel(figure.key, fontsize=9, color=GREY)
    legend(picture, figure, list(panels[:, 0]))
    return picture


def draw_cell(panel: Axes, cell: Cell, x: Axis, *, lowest: bool, first: bool, last: bool) -> None:
    """One panel; the axes are labelled at its first column and in its last row, lines at its last column."""
    for order, mark in enumerate(cell.marks):
        draw_mark(panel, mark, cell, zorder=2 + order / 1000)
    y = cell.panel.y
    scale(panel, "x", x)
    scale(panel, "y", y)
    if cell.title:
        panel.set_title(brief(cell.title))
    if lowest and x.label:
        panel.set_xlabel(x.label)
    if first and y.label:
        panel.set_ylabel(y.label)
    if first:
        announce(panel, cell)
    if last and not cell.alone:
        name_ends(panel, cell)


def scale(panel: Axes, which: Literal["x", "y"], axis: Axis) -> None:
    """The range and the ticks of an axis."""
    ticks = getattr(panel, f"{which}axis")
    if axis.log:
        panel.set(**{f"{which}scale": "log"})
        ticks.set_minor_formatter(NullFormatter())
        if axis.ticks is not None:
            ticks.set_ticks(list(axis.ticks), list(axis.ticks.values()))
        else:
            ticks.set_major_formatter(StrMethodFormatter("{x:g}"))
    elif axis.names:
        names = [in_lines(name).replace(" · ", "\n") if which == "x" else brief(name) for name in axis.names]
        ticks.set_ticks(range(len(names)), names)
        panel.grid(axis=which, visible=False)
    elif axis.ticks is not None:
        ticks.set_ticks(list(axis.ticks), list(axis.ticks.values()))
        panel.grid(axis=which, visible=bool(axis.ticks))
        panel.spines["left" if which == "y" else "bottom"].set_visible(bool(axis.ticks))
    elif which == "x":
        ticks.set_major_locator(MaxNLocator(6, integer=axis.whole, steps=[1, 2, 5, 10]))
        panel.margins(x=0.02)
    if axis.thousands:
        ticks.set_major_formatter(EngFormatter(sep=""))
    if axis.zero_line:
        (panel.axvline if which == "x" else panel.axhline)(0, color=GREY, linewidth=1)
    if axis.range is not None:
        panel.set(**{f"{which}lim": axis.range})
    elif axis.names:
        panel.set(**{f"{which}lim": (-0.5, len(axis.names) - 0.5)})
    elif axis.from_zero:
        panel.set(**{f"{which}lim": (0, None)})


# -- marks


def draw_mark(panel: Axes, mark: Mark, cell: Cell, zorder: float) -> None:
    """A mark, on the x axis of its panel; nothing where it has no place there."""
    match mark:
        case Line() | Points():
            x, y = on(mark.x, cell.axis), on(mark.y, cell.axis)
            if x is not None and y is not None:
                panel.plot(x, y, label=in_legend(mark.label), zorder=zorder, **style(mark))
        case Interval():
            draw_interval(panel, mark, zorder)
        case Band():
            if (x := on(mark.x, cell.axis)) is not None:
                hatched = {"alpha": 0.12, "hatch": "////"} if mark.hatched else {"alpha": BAND}
                panel.fill_between(x, mark.low, mark.high, color=mark.color, linewidth=0, zorder=zorder, **hatched)
        case Span():
            shade = ALARM if cell.alone else mark.color  # where colours need not tell contenders apart
            panel.axvspan(mark.low, mark.high, color=shade, alpha=0.09, linewidth=0, zorder=0)
        case Text():
            for x, y, word in zip(np.asarray(mark.x), np.asarray(mark.y), mark.words, strict=True):
                how = ANCHORS[mark.anchor] | {"fontsize": mark.size, "color": mark.color or GREY}
                panel.text(float(x), float(y), brief(word), zorder=zorder, **how)
        case _:
            raise TypeError(f"{type(mark).__name__} is no mark that a picture can draw")


def style(mark: Line | Points) -> dict[str, Any]:
    """Colour, line and marker as arguments of `plot`."""
    common = {"color": mark.color, "alpha": mark.opacity, "marker": POINTS.get(mark.marker)}
    if isinstance(mark, Line):
        if mark.markers:
            common["markevery"] = mark.spacing
        steps = {"drawstyle": STEPS[mark.steps]} if mark.steps else {}
        return common | steps | {"linestyle": LINES[mark.dash], "linewidth": mark.width}
    edge = {"markeredgecolor": "white"} if mark.opacity == 1 else {}  # on top of others
    return common | edge | {"linestyle": "none", "markersize": mark.size}


def draw_interval(panel: Axes, mark: Interval, zorder: float) -> None:
    """A bar from end to end, and the value on it."""
    ends = [mark.low, mark.high]
    x, y = (ends, [mark.y] * 2) if mark.along == "x" else ([mark.x] * 2, ends)
    panel.plot(x, y, color=mark.color, linewidth=2.1, zorder=zorder)
    if mark.marker == "dash":
        across = "_" if mark.along == "y" else "|"
        panel.plot([mark.x], [mark.y], across, color=mark.color, markersize=14, markeredgewidth=2.4, zorder=zorder)
    else:
        fill = mark.color if mark.marker == "full" else "white"
        panel.plot([mark.x], [mark.y], "o", color=mark.color, markerfacecolor=fill, markersize=7, zorder=zorder)


# -- words


def name_ends(panel: Axes, cell: Cell) -> None:
    """The names of lines beside the panel, as near to where they end as they fit below each other."""
    ends = labels.ends(cell.marks, cell.axis)
    height = cell.height
    scaled = np.log10 if panel.get_yscale() == "log" else np.asarray
    bottom, top = scaled(panel.get_ylim())
    share = [(min(max(scaled(y), bottom), top) - bottom) / (top - bottom) for y, _ in ends]
    wanted = [(height * at, mark.end, mark.color) for at, (_, mark) in zip(share, ends, strict=True)]
    for place, name, shade in labels.in_rows(wanted, ROW, height):
        panel.annotate(
            brief(name, labels.LONGEST).replace("$", r"\$"),
            (1, place / height),
            (5, 0),
            "axes fraction",
            "offset points",
            va="center",
            ha="left",
            fontsize=8,
            color=labels.darker(shade),
        )


def announce(panel: Axes, cell: Cell) -> None:
    """What leaves the panel below or above, by its farthest value: nothing does so in silence."""
    if cell.panel.y.range is None or cell.panel.y.names:
        return
    below, above = labels.leaving(cell.marks, cell.axis, cell.panel.y.range)
    how: dict[str, Any] = {"ha": "right", "fontsize": 7, "color": GREY, "transform": panel.transAxes}
    for words, y, va in ((below, 0.02, "bottom"), (above, 0.98, "top")):
        if words:
            panel.text(0.99, y, words.replace("$", r"\$"), va=va, **how)


def legend(picture: Picture, figure: Figure, panels: Sequence[Axes]) -> None:
    """One legend for all panels, above them: of colours where no axis or title names them, and of symbols."""
    named: dict[str, Any] = {}
    if figure.needs_legend and not figure.facets:
        pairs = [zip(*panel.get_legend_handles_labels(), strict=True) for panel in panels]
        named = {label: handle for pair in pairs for handle, label in pair}
    for meaning, marker in figure.symbols.items():
        (named[meaning],) = panels[0].plot([], [], POINTS[marker], color=GREY, markersize=7)  # of no optimizer's colour
    if named:
        columns = min(6, len(named)) if max(map(len, named)) < 20 else 3
        picture.legend(named.values(), named, loc="outside upper left", ncols=columns, handlelength=1.8)
