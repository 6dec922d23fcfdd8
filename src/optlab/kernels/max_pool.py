"""Max-pooling and the ReLU behind it as one operation, in kernels compiled for this processor (max_pool.cpp).

The numbers are those of `nn.MaxPool2d` and `nn.ReLU`, bit for bit, forward and backward.
"""

import ctypes
import sys
from collections.abc import Iterable
from functools import cache, lru_cache
from itertools import pairwise, zip_longest
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import max_pool2d

from optlab.kernels.build import library

KERNELS = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
# What the kernels are faster at than PyTorch: these windows, in steps of at least half their size, and many channels.
WINDOWS = ((2, 2), (3, 3))
LEAST_CHANNELS = 32

Window = tuple[tuple[int, int], tuple[int, int], tuple[int, int], bool, bool]  # size, stride, padding, ceil_mode, ReLU


def compile_pooling(network: nn.Module) -> int:
    """Let the max-poolings of a network, and the ReLU where a Sequential calls it next, run in the kernels.

    Layers stay the objects that they are, of a class that computes the same. Returns how many poolings were found; 0
    where there is none or the system is not Linux.

    Raises:
        UserError: the kernels cannot be compiled.
    """
    if sys.platform != "linux":
        return 0
    poolings = [layer for layer in network.modules() if type(layer) is nn.MaxPool2d and CompiledMaxPool2d.takes(layer)]
    if poolings:
        library()
    for pooling in poolings:
        pooling.__class__ = CompiledMaxPool2d
    for layers in network.modules():
        if type(layers) is nn.Sequential and any(joins(*two) for two in pairwise(layers)):
            layers.__class__ = JoiningSequential
    return len(poolings)


class CompiledMaxPool2d(nn.MaxPool2d):
    """`nn.MaxPool2d` in the kernels, where they know images and window and are the faster ones."""

    @staticmethod
    def takes(pooling: nn.MaxPool2d) -> bool:
        """Whether the kernels do what this layer does."""
        size, stride = pair(pooling.kernel_size), pair(pooling.stride)
        plain = pair(pooling.dilation) == (1, 1) and not pooling.return_indices and "forward" not in vars(pooling)
        return plain and size in WINDOWS and all(2 * step >= side for side, step in zip(size, stride, strict=True))

    def forward(self, images: Tensor) -> Tensor:
        return self.pool(images, relu=False)

    def pool(self, images: Tensor, *, relu: bool) -> Tensor:
        """[batch, channels, height, width] to the pooled images, with the ReLU of them if wanted."""
        if (
            images.dim() == 4
            and images.dtype in KERNELS
            and images.size(1) >= LEAST_CHANNELS
            and images.device.type == "cpu"
            and images.is_contiguous(memory_format=torch.channels_last)
        ):
            window = (pair(self.kernel_size), pair(self.stride), pair(self.padding), self.ceil_mode, relu)
            output: Tensor = MaxPool.apply(images, window)
            return output
        output = super().forward(images)
        return output.relu() if relu else output


class JoiningSequential(nn.Sequential):
    """`nn.Sequential` that lets a compiled pooling do the ReLU behind it as well. Each layer alone stays itself."""

    def forward(self, images: Tensor) -> Tensor:
        layers, done = list(self), False
        for layer, following in zip_longest(layers, layers[1:]):
            if done:  # by the pooling before
                done = False
                continue
            if done := isinstance(layer, CompiledMaxPool2d) and joins(layer, following):
                images = layer.pool(images, relu=True)
            else:
                images = layer(images)
        return images


def joins(layer: nn.Module, following: nn.Module | None) -> bool:
    """Whether the two can be one: a compiled pooling and a ReLU, and nobody listens between them."""
    return type(layer) is CompiledMaxPool2d and type(following) is nn.ReLU and not (hooked(layer) or hooked(following))


def hooked(layer: nn.Module) -> bool:
    kinds = (layer._forward_hooks, layer._forward_pre_hooks, layer._backward_hooks, layer._backward_pre_hooks)
    return any(kinds) or "forward" in vars(layer)


class MaxPool(torch.autograd.Function):
    """[batch, channels, height, width] in float32 or bfloat16 and channels_last to the pooled images."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, window: Window) -> Tensor:
        shape, geometry = geometry_of(tuple(images.shape), window)
        output = torch.empty(shape, dtype=images.dtype, memory_format=torch.channels_last)
        taken = torch.empty(output.numel(), dtype=torch.uint8)
        kernel("forward", images.dtype)(images.data_ptr(), output.data_ptr(), taken.data_ptr(), geometry)
        ctx.save_for_backward(taken)
        ctx.shape, ctx.geometry = images.shape, geometry
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (taken,) = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        result = torch.empty(ctx.shape, dtype=gradient.dtype, memory_format=torch.channels_last)
        kernel("backward", gradient.dtype)(gradient.data_ptr(), taken.data_ptr(), result.data_ptr(), ctx.geometry)
        return result, None


@cache
def kernel(direction: str, dtype: torch.dtype) -> Any:
    """The compiled function, which takes four addresses: two arrays to read, one to write, the geometry."""
    function = library()[f"{direction}_{KERNELS[dtype]}"]
    function.argtypes, function.restype = [ctypes.c_void_p] * 4, None
    return function


@lru_cache(maxsize=256)
def geometry_of(shape: tuple[int, ...], window: Window) -> tuple[torch.Size, "ctypes.Array[ctypes.c_int64]"]:
    """The output's shape, and the kernels' `Geometry`."""
    batch, channels, height, width = shape
    size, stride, padding, ceil_mode, relu = window
    output = max_pool2d(torch.empty(shape, device="meta"), size, stride, padding, 1, ceil_mode).shape
    numbers = (batch, height, width, channels, *output[2:], *size, *stride, *padding, relu)
    return output, (ctypes.c_int64 * len(numbers))(*numbers)


def pair(value: int | Iterable[int]) -> tuple[int, int]:
    """Height and width of what `nn.MaxPool2d` takes as one number or two."""
    numbers = [int(number) for number in value] if isinstance(value, Iterable) else [int(value)]
    return numbers[0], numbers[-1]
