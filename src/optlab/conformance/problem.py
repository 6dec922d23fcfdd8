"""The problem that optimizers are checked on."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Problem:
    """A small classification problem with a convolution, a norm and two linear layers, on fixed data."""

    def __init__(self, memory_format: torch.memory_format = torch.contiguous_format) -> None:
        generator = torch.Generator().manual_seed(0)
        self.targets = torch.arange(24) % 3
        self.images = torch.randn(24, 2, 4, 4, generator=generator) + self.targets.view(-1, 1, 1, 1) * 0.5
        self.images = self.images.contiguous(memory_format=memory_format)
        self.model = nn.Sequential(
            *(
                nn.Conv2d(2, 4, 3, padding=1, bias=False),
                nn.BatchNorm2d(4),
                nn.ReLU(),
                nn.Conv2d(4, 4, 3, padding=1),
            ),
            *(nn.ReLU(), nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 3)),
        )
        for p in self.model.parameters():
            fan_in = math.prod(p.shape[1:])
            p.data = torch.randn(p.shape, generator=generator) / fan_in**0.5 if p.ndim > 1 else p.data.fill_(0.5)
        self.model.to(memory_format=memory_format)

    def closure(self, optimizer: torch.optim.Optimizer) -> Callable[[], Tensor]:
        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.model(self.images), self.targets)
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        return closure

    def train(self, optimizer: Any, steps: int) -> list[float]:
        """As Lightning does: the closure goes into the step."""
        return [optimizer.step(self.closure(optimizer)).item() for _ in range(steps)]

    def weights(self) -> list[Tensor]:
        return [p.detach().clone() for p in self.model.parameters()]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
