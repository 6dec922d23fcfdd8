"""A network and a data set of one's own: change what they do, and keep what they are called with."""

import math

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset


class Net(nn.Module):
    """One hidden layer. The data give `input_shape` and `outputs`; `width` stands in conf/model/mine.yaml."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int, width: int = 64) -> None:
        super().__init__()
        features = math.prod(input_shape)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(features, width), nn.ReLU(), nn.Linear(width, outputs))

    def forward(self, inputs: Tensor) -> Tensor:  # [batch, *input_shape] -> [batch, outputs]
        scores: Tensor = self.layers(inputs)
        return scores


class Rings(Dataset[tuple[Tensor, int]]):
    """Points in the plane on three noisy rings; the class of a point is its ring. `train=False` is the test part."""

    classes = ("inner", "middle", "outer")

    def __init__(self, train: bool = True, samples: int = 600, noise: float = 0.25) -> None:
        generator = torch.Generator().manual_seed(0 if train else 1)
        self.rings = torch.randint(3, (samples,), generator=generator)
        radius = self.rings + 1 + noise * torch.randn(samples, generator=generator)
        angle = 2 * torch.pi * torch.rand(samples, generator=generator)
        self.points = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)

    def __len__(self) -> int:
        return len(self.rings)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.points[index], int(self.rings[index])
