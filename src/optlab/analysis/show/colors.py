"""One colour and marker per optimizer, the same in every figure of a report, and readable by the colour-blind.

The colours were searched for: each has a contrast of 3:1 with white and with the page's near-black, over its own band
too (WCAG 2.2, 1.4.11), and so that the two that are most alike are as far apart as could be had, for dichromats as
well, the optimizers that are compared most farthest. What colour alone cannot tell apart among many, the marker does.
Names that are not known here are given the colours that are left, the least alike first. Schedules of one optimizer
share its colour and marker and differ in dash.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from optlab.analysis.show.vision import difference

OPTIMIZERS = {
    "sgd": "#0072B2",
    "momentum": "#CB7500",
    "adam": "#CC2A1C",
    "rmsprop": "#007D46",
    "adamw": "#D26596",
    "nesterov": "#2D96B0",
    "muon": "#9179E8",
    "adagrad": "#7F9252",
    "nadam": "#CF55D3",
    "radam": "#1D7AFF",
    "adamax": "#8E5C95",
    "adadelta": "#6A54E9",
    "asgd": "#099A78",
    "lbfgs": "#6B7268",
    "rprop": "#CB278A",
}
OTHERS = ("#A37E6E", "#A47DA8", "#9456CC", "#BC4A66", "#70711A", "#B233B3", "#F4447F", "#9F5D47")

GREY = "#8c94a0"  # of no optimizer

SCHEDULES = ("constant", "cosine", "step", "linear", "exponential", "onecycle", "multistep", "plateau")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")  # Plotly's names
MARKERS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "hexagon")  # Plotly's names
GLYPHS = dict(zip(MARKERS, "●■◆▲✚✖★⬢", strict=True))  # in a terminal
BAND = 0.12  # how much of its colour a band has; more, and lines over it would lose contrast


@dataclass(frozen=True)
class Palette:
    """The colours (`#RRGGBB`) and markers (Plotly's names) of the optimizers that a report shows."""

    colors: Mapping[str, str]
    markers: Mapping[str, str]

    @classmethod
    def of(cls, optimizers: Iterable[str]) -> Self:
        """The palette of some optimizers, the same in whatever order they are named.

        Known ones keep their colour in every report; the others get those that are left, by name. No two share a
        colour before there are more of them than colours, and none a marker before there are more than markers; those
        that do are as far apart in colour as can be.
        """
        names = sorted(set(optimizers), key=lambda name: (known(name), name))
        colors: dict[str, str] = {}
        markers: dict[str, str] = {}
        for name in names:
            own = OPTIMIZERS.get(name.lower())
            taken = list(colors.values())
            colors[name] = own if own is not None and own not in taken else least_alike(taken)
        for name, shade in colors.items():
            alike = {m: [colors[other] for other, its in markers.items() if its == m] for m in MARKERS}
            own_first = (MARKERS[known(name) % len(MARKERS)], *MARKERS)  # the same in each report, where it is free
            markers[name] = max(own_first, key=lambda marker: apart(shade, alike[marker]))
        return cls(colors, markers)

    def color(self, optimizer: str) -> str:
        """The colour of an optimizer; of one that the report does not show, its own or grey."""
        return self.colors.get(optimizer) or OPTIMIZERS.get(optimizer.lower(), GREY)

    def marker(self, optimizer: str) -> str:
        """The marker of an optimizer."""
        return self.markers.get(optimizer, MARKERS[0])

    def glyph(self, optimizer: str) -> str:
        """The marker of an optimizer as a character."""
        return GLYPHS[self.marker(optimizer)]


def known(name: str) -> int:
    """The place of an optimizer among the known ones; after them for any other."""
    return list(OPTIMIZERS).index(name.lower()) if name.lower() in OPTIMIZERS else len(OPTIMIZERS)


def least_alike(taken: Sequence[str]) -> str:
    """The free colour that is farthest from all taken: of no known optimizer, as long as there are such."""
    free = [shade for shade in OTHERS if shade not in taken] or [s for s in OPTIMIZERS.values() if s not in taken]
    if not free:  # every colour is taken as often as another, or once less
        every = [*OTHERS, *OPTIMIZERS.values()]
        free = [shade for shade in every if taken.count(shade) == min(map(taken.count, every))]
    return max(free, key=lambda shade: apart(shade, taken))


def apart(shade: str, others: Iterable[str]) -> float:
    """How far a colour is from the nearest of others."""
    return min((difference(shade, other) for other in others), default=float("inf"))


def dash(schedule: str) -> str:
    """The line of a schedule: constant is solid."""
    return DASHES[_place(schedule) % len(DASHES)]


def faint(hex_color: str, alpha: float) -> str:
    """`rgba(...)` of a colour, for bands."""
    red, green, blue = (int(hex_color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"


def _place(schedule: str) -> int:
    return SCHEDULES.index(schedule) if schedule in SCHEDULES else 1 + _digest(schedule)


def _digest(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
