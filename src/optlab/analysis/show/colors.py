"""One colour per optimizer, the same in every figure, report and sweep, and readable by the colour-blind.

The first seven are Okabe and Ito's ("Color Universal Design", 2008) for the optimizers that are compared most; the
rest extend them with Paul Tol's muted scheme, with shades that show on white and on near-black. Schedules of one
optimizer share its colour and differ in dash and marker, so that no figure depends on colour alone.
"""

import hashlib

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


def color(optimizer: str) -> str:
    """The colour of an optimizer as `#RRGGBB`; an unknown name always gets the same one of eight more."""
    return OPTIMIZERS.get(optimizer.lower()) or OTHERS[_digest(optimizer) % len(OTHERS)]


def dash(schedule: str) -> str:
    """The line of a schedule: constant is solid."""
    return DASHES[_place(schedule) % len(DASHES)]


def marker(schedule: str) -> str:
    """The marker of a schedule: constant is a circle."""
    return MARKERS[_place(schedule) % len(MARKERS)]


def faint(hex_color: str, alpha: float) -> str:
    """`rgba(...)` of a colour, for bands."""
    red, green, blue = (int(hex_color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"


def _place(schedule: str) -> int:
    return SCHEDULES.index(schedule) if schedule in SCHEDULES else 1 + _digest(schedule)


def _digest(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
