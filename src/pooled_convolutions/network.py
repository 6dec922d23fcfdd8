"""Which layers of a network take the kernels, and which of them are joined."""

import sys
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from pooled_convolutions.build import library
from pooled_convolutions.convolution import CompiledConv2d, fits, in_channels_last_only
from pooled_convolutions.max_pool import CompiledMaxPool2d


def compile_layers(network: nn.Module, dtype: torch.dtype | None) -> dict[str, int]:
    """Let layers of a network run in the kernels, where these are the faster ones.

    `dtype` is what its convolutions are computed in; None if neither float32 nor, by autocast, bfloat16.

    They are max-poolings, and convolutions that a Sequential calls before one. The pooling does the ReLU behind it as
    well, and the convolution both. Layers stay the objects that they are, of a class that computes the same.

    Returns how many layers of each kind were found; nothing where there is none or the system is not Linux.

    Raises:
        UserError: the kernels cannot be compiled.
    """
    if sys.platform != "linux":
        return {}
    layers = list(network.modules())
    sequences = [layer for layer in layers if type(layer) is nn.Sequential]
    poolings = [layer for layer in layers if type(layer) is nn.MaxPool2d and CompiledMaxPool2d.takes(layer)]
    if poolings:
        library()
    for pooling in poolings:
        pooling.__class__ = CompiledMaxPool2d
    convolutions = {
        first
        for sequence in sequences
        for first, second in pairwise(sequence)
        if type(first) is nn.Conv2d
        and type(second) is CompiledMaxPool2d
        and CompiledConv2d.takes(first, dtype)
        and fits(first, second)
    }
    channels_last = any(in_channels_last_only(weight) for weight in network.parameters())
    for convolution in convolutions:
        convolution.__class__ = CompiledConv2d
        vars(convolution)["channels_last"] = channels_last
    for sequence in sequences:
        if any(joins(*two) or pools(*two) for two in pairwise(sequence)):
            sequence.__class__ = JoiningSequential
    found = {"max-pooling": len(poolings), "convolution": len(convolutions)}
    return {kind: number for kind, number in found.items() if number}


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
    return type(pooling) is CompiledMaxPool2d and type(relu) is nn.ReLU and not (hooked(pooling) or hooked(relu))


def pools(convolution: nn.Module, pooling: nn.Module | None) -> bool:
    """Whether the two can be one: a compiled convolution and a compiled pooling, and nobody listens between them."""
    return (
        type(convolution) is CompiledConv2d
        and type(pooling) is CompiledMaxPool2d
        and fits(convolution, pooling)
        and not (hooked(convolution) or hooked(pooling))
    )


def hooked(layer: nn.Module) -> bool:
    kinds = (layer._forward_hooks, layer._forward_pre_hooks, layer._backward_hooks, layer._backward_pre_hooks)
    return any(kinds) or "forward" in vars(layer) or bool(_has_any_global_hook())  # type: ignore[no-untyped-call]
