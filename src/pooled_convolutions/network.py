"""Which layers of a network take the kernels, and which of them are joined."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor, nn

from pooled_convolutions.adapter import listened_to, turn_into
from pooled_convolutions.build import library
from pooled_convolutions.convolution import CompiledConv2d, fits, in_channels_last_only, lacks
from pooled_convolutions.errors import Unavailable
from pooled_convolutions.max_pool import CompiledMaxPool2d


@dataclass(frozen=True)
class Report:
    """What became of a network: how many layers of each kind run in the kernels, and why others do not."""

    layers: Mapping[str, int] = field(default_factory=dict)
    reason: str | None = None

    def __str__(self) -> str:
        """One line for a log."""
        if not self.layers:
            return f"not used: {self.reason}"
        taken = " and ".join(f"{number} x {kind}" for kind, number in self.layers.items())
        rest = f"; {self.reason}" if self.reason else ""
        return f"{taken}, with the ReLU behind a pooling, by kernels made for this processor{rest}"


def accelerate(network: nn.Module, dtype: torch.dtype | None = torch.float32) -> Report:
    """Let layers of a network run in the kernels, in place, where these are the faster ones.

    They are max-poolings, and convolutions that a Sequential calls before one. The pooling does the ReLU behind it as
    well, and the convolution both. Layers stay the objects that they are, of a class that computes the same, and names
    of weights stay.

    Args:
        network: on the CPU; in channels_last or the kernels have little to do.
        dtype: what its convolutions are computed in; None if neither float32 nor, by autocast, bfloat16.

    Returns:
        How many layers of each kind were taken. Where the kernels cannot be had (no Linux, no compiler, no place to
        keep them ...) the network stays as it is, and the report says why: nothing is raised.
    """
    if sys.platform != "linux":
        return Report(reason=f"the kernels are for Linux, and this is {sys.platform}")
    poolings = [layer for layer in network.modules() if type(layer) is nn.MaxPool2d and CompiledMaxPool2d.takes(layer)]
    if not poolings:
        return Report(reason="the network has no max-pooling that the kernels know")
    try:
        library()
    except Unavailable as error:
        return Report(reason=str(error))
    for pooling in poolings:
        turn_into(pooling, CompiledMaxPool2d)
    layers, reason = {"max-pooling": len(poolings)}, None
    if convolutions := joinable(network):
        if missing := lacks(dtype):
            reason = f"convolutions stay PyTorch's: {missing}"
        else:
            layers["convolution"] = len(convolutions)
            channels_last = any(in_channels_last_only(weight) for weight in network.parameters())
            for convolution in convolutions:
                turn_into(convolution, CompiledConv2d).channels_last = channels_last
    for sequence in sequences(network):
        if any(joins(*two) or pools(*two) for two in pairwise(sequence)):
            turn_into(sequence, JoiningSequential)
    return Report(layers, reason)


def sequences(network: nn.Module) -> list[nn.Sequential]:
    return [layer for layer in network.modules() if type(layer) is nn.Sequential]


def joinable(network: nn.Module) -> set[nn.Conv2d]:
    """The convolutions that the kernels can take together with the compiled pooling behind them."""
    return {
        first
        for sequence in sequences(network)
        for first, second in pairwise(sequence)
        if type(first) is nn.Conv2d
        and type(second) is CompiledMaxPool2d
        and CompiledConv2d.takes(first)
        and fits(first, second)
    }


class JoiningSequential(nn.Sequential):
    """`nn.Sequential` that lets a compiled layer do the next ones as well. Each layer alone stays itself."""

    def forward(self, input: Tensor) -> Tensor:
        layers = list(self)
        done = 0
        while done < len(layers):
            input, more = run_next(layers[done : done + 3], input)
            done += more
        return input


def run_next(layers: Sequence[nn.Module], images: Tensor) -> tuple[Tensor, int]:
    """What the next layers, at most three, make of the images, and how many they were."""
    first, (second, third) = layers[0], (*layers[1:], None, None)[:2]
    if isinstance(first, CompiledConv2d) and isinstance(second, CompiledMaxPool2d):
        if pools(first, second) and first.pools(images):
            relu = joins(second, third)
            return first.pool(images, second, relu=relu), 3 if relu else 2
    elif isinstance(first, CompiledMaxPool2d) and joins(first, second):
        return first.pool(images, relu=True), 2
    output: Tensor = first(images)
    return output, 1


def joins(pooling: nn.Module, relu: nn.Module | None) -> bool:
    """Whether the two can be one: a compiled pooling and a ReLU, and nobody listens between them."""
    if type(pooling) is not CompiledMaxPool2d or type(relu) is not nn.ReLU:
        return False
    return not (listened_to(pooling) or listened_to(relu))


def pools(convolution: nn.Module, pooling: nn.Module | None) -> bool:
    """Whether the two can be one: a compiled convolution and a compiled pooling, and nobody listens between them."""
    return (
        type(convolution) is CompiledConv2d
        and type(pooling) is CompiledMaxPool2d
        and fits(convolution, pooling)
        and not (listened_to(convolution) or listened_to(pooling))
    )
