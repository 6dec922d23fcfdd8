"""What is kept of the paths: plain dataclasses, which surfaces.json, the pictures and the page are made of."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from optlab.config.schema import Optimizer as Settings
from optlab.record import finite
from optlab.teaching.surfaces import search
from optlab.teaching.surfaces.functions import Pair, Surface
from optlab.teaching.surfaces.walk import Path, walk

SCHEMA = 1


@dataclass(frozen=True)
class Way:
    """An optimizer's path over a surface, at the learning rate that was searched or typed.

    Args:
        optimizer: the option's name; `class_` and `arguments` are what it stands for.
        edge: whether the best lr stands at an end of the search; `trials` is empty where the lr was typed.
    """

    optimizer: str
    class_: str
    arguments: Mapping[str, Any]
    surface: Surface
    lr: float
    edge: bool
    trials: tuple[search.Trial, ...]
    path: Path

    @property
    def diverged(self) -> int | None:
        """The step behind which the path counts as diverged."""
        return self.path.diverged

    @property
    def above(self) -> float:
        """f behind the last step, above its minimum."""
        return self.path.f[-1] - self.surface.lowest

    @property
    def distance(self) -> float:
        """From the last point to the nearest minimum."""
        return self.surface.to_minimum(self.path.x[-1], self.path.y[-1])


@dataclass(frozen=True)
class Walked:
    """A surface and the paths over it."""

    surface: Surface
    start: Pair
    ways: tuple[Way, ...]


def walked(
    surface: Surface, optimizers: Sequence[Settings], steps: int, lr: float | None = None, start: Pair | None = None
) -> Walked:
    """Let each optimizer walk over a surface.

    Args:
        lr: of all; searched for each, the same way, where it is None.
        start: that of the surface where it is None.
    """
    begin = surface.start if start is None else start
    ways = []
    for settings in optimizers:
        if lr is None:
            found = search.tuned(surface, lambda rate, each=settings: walk(surface, each, rate, steps, begin))  # type: ignore[misc]
            rate, path, trials, edge = found.lr, found.path, found.trials, found.edge
        else:
            rate, path, trials, edge = lr, walk(surface, settings, lr, steps, begin), (), False
        arguments = {key: value for key, value in settings.arguments.items() if key != "lr"}
        ways.append(Way(settings.name, settings.target, arguments, surface, rate, edge, trials, path))
    return Walked(surface, begin, tuple(ways))


def as_dict(found: Sequence[Walked], steps: int, command: str) -> dict[str, Any]:
    """All of it as surfaces.json has it: numbers as they were computed, null for what is not finite."""
    return {
        "schema": SCHEMA,
        "command": command,
        "steps": steps,
        "search": {"rule": search.RULE, "lr": list(search.COARSE), "trials": search.TRIALS},
        "surfaces": [_surface(each) for each in found],
    }


def as_json(found: Sequence[Walked], steps: int, command: str) -> str:
    return json.dumps(finite(as_dict(found, steps, command)), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _surface(found: Walked) -> dict[str, Any]:
    surface = found.surface
    return {
        "name": surface.name,
        "formula": surface.formula,
        "minima": [list(each) for each in surface.minima],
        "lowest": surface.lowest,
        "start": list(found.start),
        "paths": [_way(way) for way in found.ways],
    }


def _way(way: Way) -> dict[str, Any]:
    path = way.path
    return {
        "optimizer": way.optimizer,
        "class": way.class_,
        "arguments": dict(way.arguments),
        "lr": way.lr,
        "lr_on_edge": way.edge,
        "trials": [asdict(trial) for trial in way.trials],
        "diverged": path.diverged,
        "evaluations": path.evaluations,
        "above": way.above,
        "distance": way.distance,
        "x": list(path.x),
        "y": list(path.y),
        "f": list(path.f),
    }
