"""Max-pooling with the ReLU behind it as one operation, in kernels compiled for this processor (max_pool.cpp).

The numbers are those of `nn.MaxPool2d` and `nn.ReLU`, bit for bit, forward and backward.
"""

import ctypes
import sys
from functools import cache, lru_cache
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import max_pool2d

from optlab.kernels.build import library

KERNELS = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
MOST_PIXELS = 255  # of a window: a byte says which was taken, or that none was

Pair = tuple[int, int]
Window = tuple[Pair, Pair, Pair, bool, bool]  # size, stride, padding, ceil_mode, ReLU behind it


def compile_pooling(network: nn.Module) -> int:
    """Let the max-poolings of a network, and each ReLU that follows one in a Sequential, run in the kernels.

    Parameters, their names and the results stay as they are. Returns how many poolings were found; 0 where there is
    none or the system is not Linux.

    Raises:
        UserError: the kernels cannot be compiled.
    """
    if sys.platform != "linux":
        return 0
    found = 0
    for parent in list(network.modules()):
        in_sequence = type(parent).forward is nn.Sequential.forward
        names = list(parent._modules)  # not named_children(), which shows a layer that is used twice once
        for name, next_name in zip_longest(names, names[1:]):
            pooling = parent._modules[name]
            if type(pooling) is not nn.MaxPool2d or not CompiledMaxPool2d.takes(pooling):
                continue
            relu = in_sequence and next_name is not None and type(parent._modules[next_name]) is nn.ReLU
            parent._modules[name] = CompiledMaxPool2d(pooling, relu=relu)
            if relu and next_name is not None:
                parent._modules[next_name] = nn.Identity()
            found += 1
    if found:
        library()
    return found


class CompiledMaxPool2d(nn.MaxPool2d):
    """`nn.MaxPool2d` and, with `relu`, the ReLU behind it."""

    def __init__(self, like: nn.MaxPool2d, *, relu: bool) -> None:
        super().__init__(like.kernel_size, like.stride, like.padding, ceil_mode=like.ceil_mode)
        self.relu = relu
        self.window: Window = (pair(like.kernel_size), pair(like.stride), pair(like.padding), like.ceil_mode, relu)

    @staticmethod
    def takes(pooling: nn.MaxPool2d) -> bool:
        """Whether the kernels do what this layer does."""
        height, width = pair(pooling.kernel_size)
        return pair(pooling.dilation) == (1, 1) and not pooling.return_indices and height * width <= MOST_PIXELS

    def forward(self, images: Tensor) -> Tensor:
        if images.device.type == "cpu" and images.dtype in KERNELS and images.dim() == 4:
            output: Tensor = MaxPool.apply(images, self.window)
            return output
        output = super().forward(images)
        return output.relu() if self.relu else output


class MaxPool(torch.autograd.Function):
    """[batch, channels, height, width] in float32 or bfloat16 to the pooled images, in channels_last."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, window: Window) -> Tensor:
        shape, geometry = geometry_of(tuple(images.shape), window)
        images = images.contiguous(memory_format=torch.channels_last)
        output = torch.empty(shape, dtype=images.dtype, memory_format=torch.channels_last)
        taken = torch.empty(output.numel(), dtype=torch.uint8)
        kernel("forward", images.dtype)(images.data_ptr(), output.data_ptr(), taken.data_ptr(), geometry)
        ctx.shape, ctx.taken, ctx.geometry = images.shape, taken, geometry
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        result = torch.empty(ctx.shape, dtype=gradient.dtype, memory_format=torch.channels_last)
        kernel("backward", gradient.dtype)(gradient.data_ptr(), ctx.taken.data_ptr(), result.data_ptr(), ctx.geometry)
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


def pair(value: int | tuple[int, ...]) -> Pair:
    """Height and width of what `nn.MaxPool2d` takes as one number or two."""
    height, width = (value, value) if isinstance(value, int) else value
    return height, width
