"""The graph engine on a CPU: what a GPU captures is called instead, over the same buffers."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from optlab import optimizers
from optlab.config.schema import Optimizer
from optlab.engine import choice, graph
from optlab.engine.buffers import BufferedStep


class Called:
    """A capture that calls the step where a GPU would replay it."""

    made: "list[Called]"

    def __init__(self, device: torch.device) -> None:
        self.replays = 0
        self.step: Any = None
        self.made.append(self)

    def warm_up(self, step: Callable[[], None]) -> None:
        for _ in range(graph.WARM_UPS):
            step()

    def capture(self, step: BufferedStep) -> None:
        self.step = step

    def replay(self) -> None:
        self.replays += 1
        samples = self.step.sums.samples
        self.step()
        self.step.sums.samples = samples  # a replay runs no Python, so it does not count in it

    def abandon(self) -> None:
        pass


def flags_of_signature(settings: Optimizer, device: torch.device) -> dict[str, bool]:
    return {key: True for key in optimizers.accepted(settings.target) if key in optimizers.ACCELERATED}


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> list[Called]:
    """Let runs on the CPU choose the graph engine, and see what they captured."""
    Called.made = []
    monkeypatch.setattr(graph, "new_capture", Called)
    monkeypatch.setattr(choice, "DEVICES", ("cpu",))
    monkeypatch.setattr(choice, "device_flags", flags_of_signature)
    return Called.made
