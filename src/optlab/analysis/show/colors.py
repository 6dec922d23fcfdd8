"""One colour and marker per optimizer, the same in every figure of a report, and readable by the colour-blind.

The first seven are Okabe and Ito's ("Color Universal Design", 2008) for the optimizers that are compared most; the
rest extend them with Paul Tol's muted scheme, with shades that show on white and on near-black. Names that are not
known here are given the colours that are left, in order. Schedules of one optimizer share its colour and differ in
dash, so that no figure depends on colour alone.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

OPTIMIZERS = {
    "sgd": "#0072B2",
    "momentum": "#E69F00",
    "adam": "#D55E00",
    "rmsprop": "#009E73",
    "adamw": "#CC79A7",
    "nesterov": "#56B4E9",
    "muon": "#8B7CF6",
    "adagrad": "#999933",
    "nadam": "#B5446E",
    "radam": "#AA66CC",
    "adamax": "#C9B04C",
    "adadelta": "#44AA99",
    "asgd": "#6C8EBF",
    "lbfgs": "#888888",
    "rprop": "#A0785A",
}
OTHERS = ("#CC6677", "#7FA650", "#5F9EA0", "#B07AA1", "#C08552", "#7A8B99", "#D4778E", "#6B9080")

GREY = "#8c94a0"  # of no optimizer

SCHEDULES = ("constant", "cosine", "step", "linear", "exponential", "onecycle", "multistep", "plateau")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")  # Plotly's names
MARKERS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "hexagon")


@dataclass(frozen=True)
class Palette:
    """The colours (`#RRGGBB`) and markers (Plotly's names) of the optimizers that a report shows."""

    colors: Mapping[str, str]
    markers: Mapping[str, str]

    @classmethod
    def of(cls, optimizers: Iterable[str]) -> Self:
        """The palette of some optimizers, the same in whatever order they are named.

        Known ones keep their colour in every report; the others get those that are left, by name. No two share a
        colour before there are more of them than colours.
        """
        names = sorted(set(optimizers), key=lambda name: (known(name), name))
        taken = [OPTIMIZERS[name.lower()] for name in names if name.lower() in OPTIMIZERS]
        free = [shade for shade in (*OTHERS, *OPTIMIZERS.values()) if shade not in taken] or list(OTHERS)
        strangers = [name for name in names if name.lower() not in OPTIMIZERS]
        colors = {name: OPTIMIZERS[name.lower()] for name in names if name.lower() in OPTIMIZERS}
        colors |= {name: free[place % len(free)] for place, name in enumerate(strangers)}
        return cls(colors, {name: MARKERS[place % len(MARKERS)] for place, name in enumerate(names)})

    def color(self, optimizer: str) -> str:
        """The colour of an optimizer; of one that the report does not show, its own or grey."""
        return self.colors.get(optimizer) or OPTIMIZERS.get(optimizer.lower(), GREY)

    def marker(self, optimizer: str) -> str:
        """The marker of an optimizer."""
        return self.markers.get(optimizer, MARKERS[0])


def known(name: str) -> int:
    """The place of an optimizer among the known ones; after them for any other."""
    return list(OPTIMIZERS).index(name.lower()) if name.lower() in OPTIMIZERS else len(OPTIMIZERS)


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
