"""One optimizer's way over one surface: two weights in float64, with the full gradient at each step."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from optlab import optimizers
from optlab.adapters.torch import seeded
from optlab.config.schema import Optimizer as Settings
from optlab.create import create
from optlab.errors import UserError
from optlab.teaching.surfaces.functions import Pair, Surface


@dataclass(frozen=True)
class Path:
    """Where an optimizer went.

    Args:
        x, y, f: of the start and behind each step, up to the first point that counts as diverged.
        evaluations: how often f and its gradient were computed; some optimizers do so several times a step.
        diverged: the step behind which the path counted as diverged; None where it did not.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    f: tuple[float, ...]
    evaluations: int
    diverged: int | None


class Point(nn.Module):
    """The two weights, as the network that an optimizer's settings are applied to."""

    def __init__(self, start: Pair) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.tensor(start, dtype=torch.float64))  # [2]


def check(settings: Settings) -> None:
    """Raise UserError, in one line, for an optimizer that cannot walk over a surface."""
    optimizers.check(settings)
    point = Point((1.0, 1.0))
    point.position.grad = torch.ones_like(point.position)
    optimizer = f"{settings.name}: {settings.target.rpartition('.')[2]}"
    try:
        optimizer_of(point, settings).step(lambda: point.position.detach().sum())
    except Exception as error:  # whatever a foreign class raises
        why = f"has no path over a surface, which is two weights and no matrix; it says: {error}"
        raise UserError(f"{optimizer} {why}; leave it out") from error
    if point.position.tolist() == [1.0, 1.0]:
        raise UserError(f"{optimizer} has no path over a surface: it takes no steps of its own; leave it out")


def optimizer_of(point: Point, settings: Settings) -> Any:  # an Optimizer; torch types closures as giving floats
    """The optimizer of the two weights, with the groups and arguments that a run gives it on a network."""
    groups = optimizers.parameter_groups(point, settings)
    optimizer = create({"_target_": settings.target, **settings.arguments}, groups)
    optimizers.call_closure(optimizer, settings)
    return optimizer


def walk(surface: Surface, settings: Settings, lr: float, steps: int, start: Pair) -> Path:
    """The path of an optimizer: `steps` steps from `start` at this learning rate, constant."""
    point = Point(start)
    weights, optimizer = point.position, optimizer_of(point, settings.with_(lr=lr))
    evaluations = 0

    def closure() -> Tensor:
        nonlocal evaluations
        evaluations += 1
        x, y = weights.detach().numpy()
        weights.grad = torch.tensor(surface.gradient(x, y), dtype=weights.dtype)
        return torch.tensor(surface.value(x, y), dtype=weights.dtype)

    places = [start]
    diverged = None
    with seeded(0), np.errstate(all="ignore"):  # seeded for those that draw; a line search may look anywhere
        for step in range(1, steps + 1):
            optimizer.step(closure)
            x, y = weights.tolist()
            places.append((x, y))
            if not inside(surface, x, y):
                diverged = step
                break
    x_values, y_values = np.array(places).T
    with np.errstate(all="ignore"):
        heights = surface.heights(x_values, y_values)
    return Path(tuple(x_values.tolist()), tuple(y_values.tolist()), tuple(heights.tolist()), evaluations, diverged)


def inside(surface: Surface, x: float, y: float) -> bool:
    """Whether a point is a finite one and near enough to the picture not to count as diverged."""
    middle = surface.middle
    return abs(x - middle[0]) <= surface.far and abs(y - middle[1]) <= surface.far  # false for NaN, too
