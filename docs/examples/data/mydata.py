"""Two data sets: one that is read into memory, one that draws its samples anew and is streamed."""

import torch
from torch import Tensor
from torch.utils.data import Dataset


class Rings(Dataset[tuple[Tensor, int]]):
    """Points in the plane, by the ring that they lie in; `train` says which part, as in torchvision."""

    classes = ("inner", "outer")

    def __init__(self, train: bool = True, points: int = 400) -> None:
        generator = torch.Generator().manual_seed(0 if train else 1)
        self.angles = torch.rand(points, generator=generator) * 6.283

    def __len__(self) -> int:
        return len(self.angles)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        label = index % 2
        radius = 1.0 + label
        angle = self.angles[index]
        return radius * torch.stack([angle.cos(), angle.sin()]), label


class NoisyRings(Rings):
    """As `Rings`, moved a little each time that a point is read."""

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        point, label = super().__getitem__(index)
        return point + 0.1 * torch.randn(2), label
