"""When a winner lies on the edge of what was searched, in any number of dimensions."""

from collections.abc import Mapping, Sequence
from typing import Literal

from optlab.rules.space import Range

Edge = Literal["low", "high"]

# Part of every plan and of its hash: not a word of it changes. `grid_step` says how long a step is.
EDGE_RULE = (
    "a winner with the lowest or highest value tried of a searched hyperparameter, or within half a grid step of it, "
    "lies on an edge: two more trials beyond each, up to `extensions` times; still on an edge then: not tuned"
)
POINTS_OF_AN_EXTENSION = 2  # trials beyond each edge on which a winner lies
LEAST_POINTS = 7  # of the grid that several dimensions are measured by


def grid_step(trials: int, dimensions: int) -> float:
    """The distance of `trials` points that are evenly spread over a range; at most a sixth of one among several.

    Few trials in several dimensions are far apart, and a step of that length would carry eps from 1e-3 to 30.
    """
    points = trials if dimensions == 1 else max(trials, LEAST_POINTS)
    return 1 / max(points - 1, 1)


def half_a_step(trials: int, dimensions: int) -> float:
    """How near to an edge still lies on it: a sampler that looks at results (TPE) crowds at one it would cross."""
    return grid_step(trials, dimensions) / 2 - 1e-9


def edges(
    ranges: Mapping[str, Range],
    tried: Sequence[Mapping[str, float]],
    winner: Mapping[str, float],
    near: float = 0.0,
) -> dict[str, Edge]:
    """The hyperparameters whose winning value is the lowest or highest tried, or no further than `near` from it.

    Args:
        ranges: those that were searched, as planned: their scales are what distances are measured on.
        tried: the values of every configuration without a failed run; one that failed says nothing about what lies
            beyond the winner. A name that a configuration lacks is no number there, such as a limit that is null.
        winner: its values, by the same names; what it has no number for lies on no edge.
        near: a share of a range, as from `half_a_step`.
    """
    found: dict[str, Edge] = {}
    for name, each in ranges.items():
        places = [each.position(values[name]) for values in tried if name in values]
        if name not in winner or not places or min(places) == max(places):
            continue
        place = each.position(winner[name])
        if place - min(places) <= near:
            found[name] = "low"
        elif max(places) - place <= near:
            found[name] = "high"
    return found
