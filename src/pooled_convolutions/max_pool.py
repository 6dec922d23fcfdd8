"""Max-pooling and the ReLU behind it as one operation, in kernels compiled for this processor (max_pool.cpp).

The numbers are those of `nn.MaxPool2d` and `nn.ReLU`, bit for bit, forward and backward.
"""

import ctypes
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import max_pool2d

from pooled_convolutions.build import run

NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16"}  # of the types that there are kernels for
# What the kernels are faster at than PyTorch: these windows, in steps of at least half their size, and many channels.
WINDOWS = ((2, 2), (3, 3))
LEAST_CHANNELS = 32

Window = tuple[tuple[int, int], tuple[int, int], tuple[int, int], bool, bool]  # size, stride, padding, ceil_mode, ReLU


class CompiledMaxPool2d(nn.MaxPool2d):
    """`nn.MaxPool2d` in the kernels, where they know images and window and are the faster ones."""

    @staticmethod
    def takes(pooling: nn.MaxPool2d) -> bool:
        """Whether the kernels do what this layer does."""
        size, stride = pair(pooling.kernel_size), pair(pooling.stride)
        plain = pair(pooling.dilation) == (1, 1) and not pooling.return_indices and "forward" not in vars(pooling)
        return plain and size in WINDOWS and all(2 * step >= side for side, step in zip(size, stride, strict=True))

    def forward(self, input: Tensor) -> Tensor:
        return self.pool(input, relu=False)

    def pool(self, images: Tensor, *, relu: bool) -> Tensor:
        """[batch, channels, height, width] to the pooled images, with the ReLU of them if wanted."""
        if (
            self.takes(self)
            and images.dim() == 4
            and images.dtype in NAMES
            and images.size(1) >= LEAST_CHANNELS
            and images.device.type == "cpu"
            and images.is_contiguous(memory_format=torch.channels_last)
        ):
            output: Tensor = MaxPool.apply(images, self.window(relu=relu))
            return output
        output = super().forward(images)
        return output.relu() if relu else output

    def window(self, *, relu: bool) -> Window:
        return pair(self.kernel_size), pair(self.stride), pair(self.padding), self.ceil_mode, relu


class MaxPool(torch.autograd.Function):
    """[batch, channels, height, width] in float32 or bfloat16 and channels_last to the pooled images."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, window: Window) -> Tensor:
        output, taken = pool(images, window)
        ctx.save_for_backward(taken)
        ctx.shape, ctx.window = images.shape, window
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (taken,) = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        return unpool(gradient, taken, tuple(ctx.shape), ctx.window), None


def pool(images: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """The pooled images, and for each of their elements which pixel of the window it is: 255 where the ReLU is 0."""
    shape, geometry = geometry_of(tuple(images.shape), window)
    output = torch.empty(shape, dtype=images.dtype, memory_format=torch.channels_last, device="cpu")
    taken = torch.empty(output.numel(), dtype=torch.uint8, device="cpu")
    run(f"forward_{NAMES[images.dtype]}", geometry, images, output, taken)
    return output, taken


def unpool(gradient: Tensor, taken: Tensor, shape: tuple[int, ...], window: Window) -> Tensor:
    """The gradient of images of a shape, from that of the pooled ones in channels_last."""
    _, geometry = geometry_of(shape, window)
    result = torch.empty(shape, dtype=gradient.dtype, memory_format=torch.channels_last, device="cpu")
    run(f"backward_{NAMES[gradient.dtype]}", geometry, gradient, taken, result)
    return result


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
