"""Data sets of torch's kind for the tests, as users write them."""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import torch
from lightning import LightningDataModule
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset

X = torch.randn(150, 6, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()
PIXELS = np.random.default_rng(0).integers(0, 256, (60, 8, 7, 3), dtype=np.uint8)


class Vectors(Dataset[Any]):
    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, i: int) -> Any:
        return X[i], Y[i]


class Pictures(Dataset[Any]):
    """Pictures as torchvision's data sets give them: PIL, with `targets` and `classes`."""

    classes = ("owl", "cat", "dog")

    def __init__(self) -> None:
        self.targets = [i % 3 for i in range(60)]

    def __len__(self) -> int:
        return 60

    def __getitem__(self, i: int) -> Any:
        return Image.fromarray(PIXELS[i]), self.targets[i]


class Noisy(Vectors):
    """Draws from all three default generators."""

    def __getitem__(self, i: int) -> Any:
        import random

        return X[i] + torch.randn(6) + np.random.normal() + random.gauss(), Y[i]


class TwoParts(Dataset[Any]):
    def __init__(self, train: bool) -> None:
        self.rows = range(100) if train else range(100, 150)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Any:
        return {"x": X[self.rows[i]].numpy(), "y": float(Y[self.rows[i]])}


class ThreeParts(TwoParts):
    def __init__(self, split: Literal["train", "val", "test"]) -> None:
        self.rows = {"train": range(80), "val": range(80, 100), "test": range(100, 150)}[split]


def pair() -> tuple[Dataset[Any], Dataset[Any]]:
    return TwoParts(True), TwoParts(False)


class Flow(IterableDataset[Any]):
    """Samples in an order of its own, shuffled from torch's default generator."""

    def __init__(self, split: str) -> None:
        self.n = 100 if split == "train" else 40

    def __iter__(self) -> Iterator[Any]:
        for i in torch.randperm(self.n):
            yield X[i], Y[i]


class SizedFlow(Flow):
    def __len__(self) -> int:
        return self.n


class Broken(Vectors):
    def __getitem__(self, i: int) -> Any:
        if i == 77:
            raise ValueError("no such\nphoto")
        return X[i], Y[i]


class Ragged(Vectors):
    def __getitem__(self, i: int) -> Any:
        return X[i, : 3 + i % 2], Y[i]


class Tokens(Vectors):
    """A class for each token."""

    def __getitem__(self, i: int) -> Any:
        tokens = torch.arange(i, i + 5) % 11
        return tokens, tokens % 4


def nothing() -> int:
    return 3


class Embedded(torch.nn.Module):
    """A network for tokens: [n, length] -> [n, outputs, length]."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Embedding(11, 8), torch.nn.Linear(8, outputs))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.layers(tokens).transpose(1, 2)
        return result


class Module(LightningDataModule):
    def setup(self, stage: str) -> None:
        self.parts = TwoParts(True), TwoParts(False)

    def train_dataloader(self) -> Any:
        return DataLoader(self.parts[0], batch_size=7)

    def test_dataloader(self) -> Any:
        return DataLoader(self.parts[1])


def named() -> dict[str, Dataset[Any]]:
    return {"train": TwoParts(True), "test": TwoParts(False)}
