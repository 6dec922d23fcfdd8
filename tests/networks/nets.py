"""Networks as users write them, each with other ideas of what a network is called with."""

from typing import Any

import torch
from torch import Tensor, nn


class Net(nn.Module):
    """A convolution, a norm, a linear layer; calls its sizes by usual names."""

    def __init__(self, in_channels: int = 3, num_classes: int = 1000, width: int = 4) -> None:
        super().__init__()
        layers = [nn.Conv2d(in_channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.features(images).mean((2, 3)))
        return outputs


class Wide(Net):
    """Passes on what it does not know."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(width=8, **kwargs)


class Fixed(nn.Module):
    """For the digits alone: it takes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    def forward(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.layers(images)
        return outputs


class Hidden(nn.Module):
    """Its `num_features` is a width within, and has a default."""

    def __init__(self, num_features: int = 7, img_size: int = 32, n_classes: int = 2) -> None:
        super().__init__()
        self.sizes = (num_features, img_size, n_classes)


class Pair(Fixed):
    def forward(self, images: Tensor) -> Any:
        return super().forward(images), images


class Raises(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        raise ValueError("too small")


def of_vectors(in_features: int, out_features: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(in_features, out_features))


def lazy(num_classes: int) -> nn.Module:
    return nn.Sequential(nn.LazyConv2d(3, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(num_classes))


def needs_features(input_size: int, output_size: int) -> nn.Module:
    return of_vectors(input_size, output_size)


def of_two_images() -> nn.Module:
    return nn.Sequential(nn.Flatten(0), nn.Linear(128, 10))


def no_network() -> dict[str, int]:
    return {}


made = nn.Linear(1, 1)


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
