"""The surfaces: functions of two weights (x, y) with known minima, their gradients, and where a picture looks."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from optlab.errors import UserError

Pair = tuple[float, float]


@dataclass(frozen=True)
class Surface:
    """A function of two weights.

    Args:
        value: f of x and y, numbers, arrays or tensors of one shape.
        gradient: (∂f/∂x, ∂f/∂y) of numbers, worked out by hand; the tests hold it to autograd's.
        minima: where f is lowest, every such point within the picture.
        lowest: f there.
        start: where a path begins unless another point is typed.
        across, along: what a picture shows of x and of y.
        levels: the heights of the contour lines, as parts of the way up (0 to 1) on a scale of logarithms.
        teaches: what it is known for, in one sentence.
    """

    name: str
    title: str
    formula: str
    value: Callable[[Any, Any], Any]
    gradient: Callable[[float, float], Pair]
    minima: tuple[Pair, ...]
    lowest: float
    start: Pair
    across: Pair
    along: Pair
    levels: tuple[float, ...]
    teaches: str

    @property
    def far(self) -> float:
        """How far from the middle of the picture a path counts as diverged: ten times its longer side."""
        return 10 * max(self.across[1] - self.across[0], self.along[1] - self.along[0])

    @property
    def middle(self) -> Pair:
        return (self.across[0] + self.across[1]) / 2, (self.along[0] + self.along[1]) / 2

    def heights(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """f at each of the points, in float64."""
        return np.asarray(self.value(x, y))

    def grid(self, points: int = 201) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x [points], y [points] and f [y, x] of the picture."""
        x, y = np.linspace(*self.across, points), np.linspace(*self.along, points)
        return x, y, self.heights(*np.meshgrid(x, y))

    def to_minimum(self, x: float, y: float) -> float:
        """The distance of a point to the nearest minimum."""
        return min(math.hypot(x - a, y - b) for a, b in self.minima)


def cos(angle: Any) -> Any:
    """The cosine of a number, an array, or a tensor, which has its own so that autograd sees it."""
    return angle.cos() if hasattr(angle, "cos") else np.cos(angle)


def _rosenbrock(x: Any, y: Any) -> Any:
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def _rosenbrock_gradient(x: float, y: float) -> Pair:
    return -2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)


def _rastrigin(x: Any, y: Any) -> Any:
    turn = 2 * math.pi
    return 20 + x**2 - 10 * cos(turn * x) + y**2 - 10 * cos(turn * y)


def _rastrigin_gradient(x: float, y: float) -> Pair:
    turn = 2 * math.pi
    return 2 * x + 10 * turn * math.sin(turn * x), 2 * y + 10 * turn * math.sin(turn * y)


def _beale(x: Any, y: Any) -> Any:
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def _beale_gradient(x: float, y: float) -> Pair:
    first, second, third = 1.5 - x + x * y, 2.25 - x + x * y**2, 2.625 - x + x * y**3
    by_x = 2 * first * (y - 1) + 2 * second * (y**2 - 1) + 2 * third * (y**3 - 1)
    return by_x, 2 * first * x + 4 * second * x * y + 6 * third * x * y**2


def _ravine(x: Any, y: Any) -> Any:
    return (x**2 + 100 * y**2) / 2


def _saddle(x: Any, y: Any) -> Any:
    return 5 * x**2 - y**2 / 2 + y**4 / 4


# Rosenbrock 1960, start as published; Rastrigin 1974, of two weights; Beale 1958.
SURFACES = {
    surface.name: surface
    for surface in (
        Surface(
            "rosenbrock",
            "Rosenbrock",
            "(1 − x)² + 100·(y − x²)²",
            _rosenbrock,
            _rosenbrock_gradient,
            minima=((1.0, 1.0),),
            lowest=0.0,
            start=(-1.2, 1.0),
            across=(-1.8, 1.8),
            along=(-0.8, 2.2),
            levels=(0.2, 0.34, 0.46, 0.56, 0.66, 0.75, 0.84, 0.92),
            teaches="A curved valley: its walls are found in a few steps, its floor hardly falls.",
        ),
        Surface(
            "rastrigin",
            "Rastrigin",
            "20 + x² − 10·cos 2πx + y² − 10·cos 2πy",
            _rastrigin,
            _rastrigin_gradient,
            minima=((0.0, 0.0),),
            lowest=0.0,
            start=(-2.3, 2.7),
            across=(-3.4, 3.4),
            along=(-3.4, 3.4),
            levels=(0.55, 0.7, 0.8, 0.88, 0.94),
            teaches="A minimum about every whole number: whoever walks down finds the nearest, not the lowest.",
        ),
        Surface(
            "beale",
            "Beale",
            "(1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)²",
            _beale,
            _beale_gradient,
            minima=((3.0, 0.5),),
            lowest=0.0,
            start=(1.0, 1.5),
            across=(-0.5, 4.5),
            along=(-1.9, 2.0),
            levels=(0.14, 0.24, 0.33, 0.42, 0.5, 0.58, 0.68, 0.8, 0.9),
            teaches="Steep at the rim and flat in the middle: one lr is too large there and too small here.",
        ),
        Surface(
            "ravine",
            "Ravine",
            "½·(x² + 100·y²)",
            _ravine,
            lambda x, y: (x, 100 * y),
            minima=((0.0, 0.0),),
            lowest=0.0,
            start=(-9.0, 1.0),
            across=(-10.0, 4.0),
            along=(-2.2, 2.2),
            levels=(0.3, 0.45, 0.57, 0.67, 0.76, 0.84, 0.92),
            teaches="100 times as steep across as along: SGD's lr must stay below 2/100, so along it SGD creeps.",
        ),
        Surface(
            "saddle",
            "Saddle",
            "5·x² − ½·y² + ¼·y⁴",
            _saddle,
            lambda x, y: (10 * x, -y + y**3),
            minima=((0.0, 1.0), (0.0, -1.0)),
            lowest=-0.25,
            start=(-1.0, 0.001),
            across=(-1.3, 1.3),
            along=(-1.35, 1.6),
            levels=(0.3, 0.45, 0.55, 0.63, 0.7, 0.74, 0.8, 0.87, 0.94),
            teaches="At (0, 0) the gradient is 0 and no minimum: the way down begins with next to no slope.",
        ),
    )
}


def named(name: str) -> Surface:
    """The surface of a name.

    Raises:
        UserError: there is none.
    """
    if name not in SURFACES:
        raise UserError(f"--surface {name}: there is no such surface; known: {', '.join(SURFACES)}")
    return SURFACES[name]


def contour_heights(surface: Surface, heights: np.ndarray) -> list[float]:
    """The heights of the contour lines: `levels` of the way from the lowest to the highest point of the picture.

    The way is measured in log(1 + 1000 · (f − lowest) / range), so that the floor has lines too.
    """
    top = float(heights.max()) - surface.lowest
    return [surface.lowest + top * math.expm1(part * math.log1p(1000)) / 1000 for part in surface.levels]
