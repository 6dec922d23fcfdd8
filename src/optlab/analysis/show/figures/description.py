"""What a figure is: panels with axes and marks on them, in numbers, colours and words.

A figure is described once and drawn twice: on the page by plotly.js (`to_plotly`), where a reader switches between its
panels and x axes, and as PNG and SVG by Matplotlib (`to_matplotlib`), where they stand side by side. Everything is in
the unit shown. Sizes and widths are in points; dashes and markers have Plotly's names (see `colors`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from optlab.analysis.judge.statistics import FloatArray
from optlab.rules.words import short_slug

Numbers = Sequence[float] | FloatArray
Places = Numbers | Mapping[str, Numbers]  # the same on every x axis of the figure, or by its name


SWITCHES = {"seeds": "every seed", "late": "last third", "log": "log axis"}


def on(places: Places, axis: str) -> FloatArray | None:
    """The numbers on one x axis; None where there are none, and the mark is not drawn."""
    numbers = places.get(axis) if isinstance(places, Mapping) else places
    return None if numbers is None else np.asarray(numbers, dtype=float)


# -- marks, in the order in which they are drawn


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Something drawn; `of` names the contenders that it belongs to, and with which the page switches it off.

    Attributes:
        switch: on the page it is shown while the switch of this name is on, and always where it has none.
        in_pictures: whether pictures show it.
    """

    of: Sequence[str] = ()
    color: str
    opacity: float = 1.0
    switch: str = ""
    in_pictures: bool = True


@dataclass(frozen=True, kw_only=True)
class Line(Mark):
    """Points joined by a line.

    Attributes:
        label: in the legend and beside what is said of a point.
        steps: whether y is kept until the next x ("after"), or reached at once and kept until this x ("before").
        marker: of every point, or of about `markers` of them; "" for none.
        end: stands beside the last point, in the line's colour.
        hover: what is said of each point, or of all alike; nothing where it is empty.
    """

    x: Places
    y: Places
    label: str = ""
    end: str = ""
    markers: int = 0
    dash: str = "solid"
    width: float = 1.8
    steps: Literal["", "after", "before"] = ""
    marker: str = ""
    hover: Sequence[str] | str = ()

    @property
    def spacing(self) -> int:
        """How many points there are to a marker."""
        y = next(iter(self.y.values())) if isinstance(self.y, Mapping) else self.y
        return max(1, -(-len(y) // self.markers)) if self.markers else 1


@dataclass(frozen=True, kw_only=True)
class Points(Mark):
    """Points by themselves."""

    x: Places
    y: Places
    label: str = ""
    marker: str = "circle"
    size: float = 5.0
    hover: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Interval(Mark):
    """A value and the interval that it lies in, as a bar along one axis.

    Attributes:
        low, high: the ends; the value itself where there is no interval.
        along: the axis that the interval lies along.
        marker: of the value: a dash across the bar, a full circle or an open one.
    """

    x: float
    y: float
    low: float
    high: float
    along: Literal["x", "y"]
    marker: Literal["dash", "full", "open"]
    label: str = ""
    hover: str = ""


@dataclass(frozen=True, kw_only=True)
class Band(Mark):
    """The area between two lines; hatched for what somebody else measured."""

    x: Places
    low: Numbers
    high: Numbers
    hatched: bool = False


@dataclass(frozen=True, kw_only=True)
class Span(Mark):
    """A range of x, shaded over the whole height of a panel whose y axis has a range: runs diverged there.

    A picture with a panel for each contender shades it red, the page in the contender's colour.
    """

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Text(Mark):
    """Words in a panel, one at each point; without a colour in that of the axes' own words.

    Attributes:
        anchor: the side of the words that stands at the point.
    """

    x: Numbers
    y: Numbers
    words: Sequence[str]
    color: str = ""
    anchor: Literal["left", "right", "top", "bottom", "middle"] = "middle"
    size: float = 8.0


# -- where they are drawn


@dataclass(frozen=True, kw_only=True)
class Axis:
    """An axis.

    Attributes:
        whole: there is nothing between whole numbers.
        thousands: large numbers, written as 20k or 5M.
        names: what stands at 0, 1, 2 and so on, in place of numbers.
        ticks: what stands at which places, in place of ticks that suit the range; {}: nothing, and no grid.
        range: from where to where, in place of what the marks need.
        from_zero: begins at 0.
        zero_line: a line marks 0.
    """

    label: str = ""
    log: bool = False
    whole: bool = False
    thousands: bool = False
    names: Sequence[str] = ()
    ticks: Mapping[float, str] | None = None
    range: tuple[float, float] | None = None
    from_zero: bool = False
    zero_line: bool = False


@dataclass(frozen=True)
class Log:
    """A logarithmic y axis that the page offers in place of a panel's own; it shows `of` minus y where it has that."""

    label: str
    of: float | None = None


@dataclass(frozen=True)
class Panel:
    """Marks over a y axis. Those of a figure that are not `in_pictures` are on the page alone.

    Attributes:
        x: its own x axis, where the panels of a figure have not one in common; then each is a picture by itself.
        facets: as the figure's, of this panel alone.
        log: another y axis.
        most: names on the y axis; where there are more, only the rows of the first of `order` that is shown are drawn.
    """

    y: Axis
    marks: Sequence[Mark]
    in_pictures: bool = True
    x: Axis | None = None
    facets: Sequence[str] = ()
    log: Log | None = None
    most: int = 0
    order: Sequence[str] = ()

    def in_short(self) -> "Panel":
        """The panel as a picture shows it: without what is for the page alone, and with no more rows than `most`."""
        marks = [mark for mark in self.marks if mark.in_pictures]
        if not self.most or len(self.y.names) <= self.most:
            return replace(self, marks=marks)
        kept = [mark for mark in marks if isinstance(mark, Interval) and self.order[0] in mark.of]
        rows = sorted({int(mark.y) for mark in kept})
        names = [self.y.names[row] for row in rows]
        return replace(
            self, y=replace(self.y, names=names), marks=[replace(mark, y=rows.index(int(mark.y))) for mark in kept]
        )


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure.

    Attributes:
        id: its name on the page.
        file: its name as a picture, without the suffix.
        title, note: above and below it on the page.
        key: what a picture must say of its marks, as the note is not beside it.
        x: the x axes by name; the page switches between them, a picture has a column for each.
        panels: by what they show, as a metric's name; the page switches between them, a picture has a row for each.
        choose: what the names of the panels are.
        facets: the contenders that have a panel each in a picture, where lines in one would hide each other.
        symbols: markers with the same meaning in every colour, for a legend: meaning to marker.
        wide: takes the whole width of the page.
        late: the page offers the last third of the x axis alone.
    """

    id: str
    file: str
    title: str
    note: str
    x: Mapping[str, Axis]
    panels: Mapping[str, Panel]
    key: str = ""
    choose: str = "metric"
    facets: Sequence[str] = ()
    symbols: Mapping[str, str] = field(default_factory=dict)
    wide: bool = False
    late: bool = False

    @property
    def switches(self) -> dict[str, str]:
        """What the page lets a reader switch on and off: name to words."""
        panels = self.panels.values()
        seeds = any(mark.switch == "seeds" for panel in panels for mark in panel.marks)
        log = any(panel.log for panel in panels)
        offered = {"seeds": seeds, "late": self.late, "log": log}
        return {name: SWITCHES[name] for name, is_offered in offered.items() if is_offered}

    @property
    def needs_legend(self) -> bool:
        """Whether colours have to be explained: an axis with names does it otherwise."""
        axes = [axis for panel in self.panels.values() for axis in (panel.x, panel.y) if axis is not None]
        return not any(axis.names for axis in (*self.x.values(), *axes))

    def pictures(self) -> "list[Figure]":
        """The figure as it is drawn outside the page: itself, or one for each panel with an x axis of its own."""
        if not any(panel.x for panel in self.panels.values()):
            return [self]
        several = len(self.panels) > 1
        return [
            replace(
                self,
                file=f"{self.file}-{short_slug(name)}" if several else self.file,
                title=f"{self.title}: {name}" if several else self.title,
                x=self.x if panel.x is None else dict.fromkeys(self.x, panel.x),
                panels={name: replace(panel, x=None, facets=())},
                facets=panel.facets or self.facets,
            )
            for name, panel in self.panels.items()
        ]
