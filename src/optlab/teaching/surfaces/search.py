"""The learning rate of a path: the same small search for every optimizer on every surface.

13 learning rates from 1e-5 to 10, half a decade apart, then two a quarter of a decade to either side of the best: 15
trials. The best is the one with the lowest mean of f over its steps, so that it has to get down soon and stay there: at
the last step alone, an optimizer that leapt about would win by a lucky landing. A path that diverged counts as worst.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optlab.teaching.surfaces.functions import Surface
from optlab.teaching.surfaces.walk import Path

COARSE = tuple(float(f"{10 ** (half / 2):.3g}") for half in range(-10, 3))  # 1e-5, 3.16e-5, ... 10
BESIDE = 10**0.25
TRIALS = len(COARSE) + 2
RULE = (
    f"{TRIALS} learning rates for each optimizer: {len(COARSE)} from {COARSE[0]:g} to {COARSE[-1]:g}, half a decade "
    "apart, then two a quarter of a decade beside the best; the best has the lowest mean of f over its steps, and "
    "one that diverged counts as worst"
)


@dataclass(frozen=True)
class Trial:
    """A learning rate that was tried: the mean of f above its minimum over all steps, infinite where it diverged."""

    lr: float
    mean: float
    diverged: int | None


@dataclass(frozen=True)
class Tuned:
    """The path at the best learning rate, and all that were tried, by lr.

    Args:
        edge: whether the best stands at an end of what is tried, so that a better one may lie beyond.
    """

    lr: float
    path: Path
    trials: tuple[Trial, ...]
    edge: bool


def tuned(surface: Surface, walk: Callable[[float], Path]) -> Tuned:
    """Search the learning rate of `walk`, which gives the path at one. Of equal ones the smallest is taken."""
    paths = {lr: walk(lr) for lr in COARSE}
    middle = best(surface, paths).lr
    for lr in (middle / BESIDE, middle * BESIDE):
        rounded = float(f"{lr:.3g}")
        paths[rounded] = walk(rounded)
    found = best(surface, paths)
    trials = tuple(trial(surface, lr, paths[lr]) for lr in sorted(paths))
    return Tuned(found.lr, paths[found.lr], trials, edge=not COARSE[0] < found.lr < COARSE[-1])


def best(surface: Surface, paths: dict[float, Path]) -> Trial:
    """The trial that the rule chooses."""
    return min((trial(surface, lr, path) for lr, path in paths.items()), key=lambda each: (each.mean, each.lr))


def trial(surface: Surface, lr: float, path: Path) -> Trial:
    """What a path says of its learning rate."""
    if path.diverged is not None:
        return Trial(lr, math.inf, path.diverged)
    return Trial(lr, float(np.mean(path.f)) - surface.lowest, None)
