"""Small data of every task that a linear model learns from, and parts of a user's own."""

from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from optlab.data.arrays import Arrays, DataInfo, Source
from optlab.rules.tasks import IGNORED, TaskName

FEATURES = 4


def numbers(n: int, seed: int) -> Tensor:
    return torch.randn(n, FEATURES, generator=torch.Generator().manual_seed(seed))


def source(task: TaskName, outputs: int, classes: tuple[str, ...], targets: Any, *, shape: tuple[int, ...]) -> Source:
    info = DataInfo(f"made_{task}", task, shape, classes, outputs, None, None)
    parts = [numbers(n, seed) for n, seed in ((160, 0), (64, 1))]
    train, test = (Arrays(inputs.reshape(-1, *shape), targets(inputs)) for inputs in parts)
    return Source(info, train, test)


def binary() -> Source:
    """Whether the first feature is above 0.4: about a third of the samples."""
    return source("binary", 1, ("small", "large"), lambda x: (x[:, :1] > 0.4).float(), shape=(FEATURES,))


def multilabel() -> Source:
    """Which of the first three features are above a bound of their own."""
    bounds = torch.tensor([0.0, 0.5, 1.0])
    return source("multilabel", 3, ("a", "b", "c"), lambda x: (x[:, :3] > bounds).float(), shape=(FEATURES,))


def regression() -> Source:
    """Two numbers, of different sizes."""

    def targets(x: Tensor) -> Tensor:
        return torch.stack([2 * x[:, 0] - x[:, 1], 0.1 * x[:, 2]], dim=1)

    return source("regression", 2, (), targets, shape=(FEATURES,))


def dense() -> Source:
    """Whether each of four numbers is above 0; a twentieth of the positions does not count."""

    def targets(x: Tensor) -> Tensor:
        return torch.where(x.abs() < 0.06, IGNORED, (x > 0).long())

    return source("dense", 2, ("below", "above"), targets, shape=(1, FEATURES))


class EachPosition(nn.Module):
    """A logit a class for each position: [n, 1, positions] to [n, classes, positions]."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.layer = nn.Conv1d(1, outputs, kernel_size=1)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.layer(inputs)
        return outputs


def away(output: Tensor, target: Tensor, weight: Tensor, power: float = 2.0) -> Tensor:
    """A loss of a user's own, with a tensor among its arguments."""
    return ((output - target).abs() ** power * weight).mean()


def each_sample(output: Tensor, target: Tensor) -> Tensor:
    """No loss: it is not one number."""
    return (output - target).square()


class Undecided(Metric):
    """A metric that does not say which way it is better."""

    def __init__(self) -> None:
        super().__init__()
        self.n: Tensor
        self.add_state("n", torch.tensor(0.0), dist_reduce_fx="sum")

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        self.n += len(targets)

    def compute(self) -> Tensor:
        return self.n
