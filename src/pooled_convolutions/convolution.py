"""A convolution, the max-pooling and the ReLU behind it as one operation, in kernels compiled for this processor.

The kernels compute the gradients of weights and biases (gradients.cpp) and, where images have few channels and want no
gradient, as a network's first, everything (convolution.cpp); the rest is PyTorch's. They need AVX-512. The numbers are
PyTorch's within rounding; in bfloat16, gradients of weights and biases are not rounded to it.
"""

import ctypes
from functools import cache, lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from pooled_convolutions.build import library, run
from pooled_convolutions.max_pool import NAMES, CompiledMaxPool2d, Window, geometry_of, pair, pool, unpool

HALF = torch.bfloat16
# A line of what a window sees must fit half a register of 16: window + kernel - 1 pixels.
KERNEL_WIDTHS = {(2, 2): (3, 5, 7), (3, 3): (3, 5)}
MOST_STRIDE = 4
OUTPUTS = 32  # computed together
# What the kernels are faster at than PyTorch: gradients whose sums fit the second cache of a core, and up to so many
# channels the whole of the convolution.
MOST_WEIGHTS = 2**18
FEW_CHANNELS = 4

Pair = tuple[int, int]
Shape = tuple[int, ...]


class CompiledConv2d(nn.Conv2d):
    """`nn.Conv2d`, and with a pooling (`pool`) the kernels."""

    channels_last: bool = False  # whether the network is: a convolution of grey images cannot tell from its own weights

    @staticmethod
    def takes(convolution: nn.Conv2d) -> bool:
        """Whether the kernels do what this layer does, and are the faster ones on a processor that they know."""
        steps = (convolution.stride, convolution.dilation, convolution.groups, convolution.padding_mode)
        weight, bias = convolution.weight, convolution.bias
        return (
            steps == ((1, 1), (1, 1), 1, "zeros")
            and not isinstance(convolution.padding, str)
            and min(convolution.padding) >= 0
            and len(weight) % OUTPUTS == 0
            and weight.numel() <= MOST_WEIGHTS
            and weight.shape == (convolution.out_channels, convolution.in_channels, *convolution.kernel_size)
            and (weight.is_contiguous() or weight.is_contiguous(memory_format=torch.channels_last))
            and (bias is None or (bias.is_contiguous() and bias.dtype is torch.float32))
            and weight.dtype is torch.float32
            and weight.device.type == "cpu"
            and "forward" not in vars(convolution)
        )

    def pools(self, images: Tensor) -> bool:
        """Whether these images may go through `pool`."""
        learns = self.weight.requires_grad and (self.bias is None or self.bias.requires_grad)
        return (
            (learns or not torch.is_grad_enabled())
            and images.device.type == "cpu"
            and self.takes(self)
            and lacks(self.dtype_for(images)) is None
            and images.dim() == 4
            and images.size(1) == self.in_channels
            and min(output_size(tuple(images.shape), tuple(self.weight.shape), self.padding)) > 1
            and (self.channels_last or in_channels_last_only(images))
        )

    def pool(self, images: Tensor, pooling: CompiledMaxPool2d, *, relu: bool) -> Tensor:
        """[batch, channels, height, width] to the pooled output, with the ReLU of it if wanted."""
        dtype, window = self.dtype_for(images), pooling.window(relu=relu)
        if images.requires_grad:
            images = images.to(dtype)
        output: Tensor = PooledConvolution.apply(images, self.weight, self.bias, self.padding, window, dtype)
        return output

    def dtype_for(self, images: Tensor) -> torch.dtype | None:
        """What PyTorch would compute the convolution of these images in; None for images in other types."""
        half = torch.is_autocast_enabled("cpu")
        if images.dtype is torch.float32 or (half and images.dtype is HALF):
            return torch.get_autocast_dtype("cpu") if half else torch.float32
        return None


def in_channels_last_only(tensor: Tensor) -> bool:
    """Whether this is the memory layout, and not the ordinary one too (as where there is one channel)."""
    return tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous()


def fits(convolution: nn.Conv2d, pooling: CompiledMaxPool2d) -> bool:
    """Whether the kernels have room for what a window of the pooling sees of the images."""
    widths = KERNEL_WIDTHS.get(pair(pooling.kernel_size), ())
    return (
        CompiledMaxPool2d.takes(pooling)
        and convolution.kernel_size[1] in widths
        and max(pair(pooling.stride)) <= MOST_STRIDE
    )


@cache
def lacks(dtype: torch.dtype | None) -> str | None:
    """Why there are no kernels for a type on this processor; None where there are.

    Raises:
        Unavailable: they cannot be compiled.
    """
    if dtype not in NAMES:
        return "they are computed in another type than float32 and bfloat16"
    said = library()[f"lacks_{NAMES[dtype]}"]
    said.restype = ctypes.c_char_p
    reason: bytes | None = said()
    return None if reason is None else reason.decode()


class PooledConvolution(torch.autograd.Function):
    """Images [batch, channels, height, width] to the pooled output in a type, channels_last.

    Images are of this type, or, if they want no gradient, in float32. Weights and biases are in float32, as are their
    gradients.
    """

    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        padding: Pair,
        window: Window,
        dtype: torch.dtype,
    ) -> Tensor:
        ctx.plan, ctx.padding, ctx.window = plan_of(images, weight, padding, window), padding, window
        ctx.biased = bias is not None
        cast = None
        if convolves(images, window):
            output = torch.empty(ctx.plan.pooled, dtype=dtype, memory_format=torch.channels_last, device="cpu")
            taken = torch.empty(output.numel(), dtype=torch.uint8, device="cpu")
            run(f"convolve_pool_{NAMES[dtype]}", ctx.plan.geometry, images, weight, bias, output, taken)
        else:
            cast = weight.to(dtype)
            convolved = torch.conv2d(images.to(dtype), cast, None if bias is None else bias.to(dtype), padding=padding)
            output, taken = pool(convolved.contiguous(memory_format=torch.channels_last), window)
        ctx.save_for_backward(images, taken, cast)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None, None, None, None]:
        images, taken, cast = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        weight, geometry, of_images = ctx.plan.weight, ctx.plan.geometry, None
        of_weight = torch.empty_strided(*weight, dtype=torch.float32, device="cpu")
        of_bias = torch.empty(geometry.outputs, dtype=torch.float32, device="cpu") if ctx.biased else None
        parts = torch.empty(geometry.slots * (of_weight.numel() + geometry.outputs), dtype=torch.float32, device="cpu")
        run(f"gradients_{NAMES[gradient.dtype]}", geometry, images, gradient, taken, of_weight, of_bias, parts)
        if ctx.needs_input_grad[0]:
            whole = unpool(gradient, taken, ctx.plan.convolved, ctx.window)
            of_images = torch.ops.aten.convolution_backward(
                whole, images, cast, None, [1, 1], list(ctx.padding), [1, 1], False, [0, 0], 1, [True, False, False]
            )[0]
        return of_images, of_weight, of_bias, None, None, None


def convolves(images: Tensor, window: Window) -> bool:
    """Whether the kernels convolve and pool at once, and faster."""
    size, stride, padding, ceil_mode, _ = window
    halves = size == stride == (2, 2) and padding == (0, 0) and not ceil_mode
    return halves and images.size(1) <= FEW_CHANNELS and not images.requires_grad


class Geometry(ctypes.Structure):
    """What the kernels must know of a convolution and its pooling: `Geometry` in convolution.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("images", "channels", "height", "width", "float32")),
        ("image_strides", ctypes.c_int64 * 4),
        *((name, ctypes.c_int64) for name in ("outputs", "kernel_height", "kernel_width")),
        ("weight_strides", ctypes.c_int64 * 4),
        *((name, ctypes.c_int64) for name in ("pad_height", "pad_width", "window", "stride_height", "stride_width")),
        *((name, ctypes.c_int64) for name in ("pool_pad_height", "pool_pad_width", "relu", "high", "wide", "slots")),
    )


class Plan(NamedTuple):
    """Shapes of a convolution's output before and behind the pooling, shape and strides of its weights."""

    convolved: Shape
    pooled: Shape
    weight: tuple[Shape, Shape]
    geometry: Geometry


def plan_of(images: Tensor, weight: Tensor, padding: Pair, window: Window) -> Plan:
    layouts = (tuple(images.shape), images.stride(), tuple(weight.shape), weight.stride())
    return remembered_plan(*layouts, images.dtype is torch.float32, padding, window, torch.get_num_threads())


@lru_cache(maxsize=256)
def remembered_plan(
    images: Shape,
    image_strides: Shape,
    weight: Shape,
    weight_strides: Shape,
    float32: bool,
    padding: Pair,
    window: Window,
    threads: int,
) -> Plan:
    four = ctypes.c_int64 * 4
    outputs, _, *kernel = weight
    convolved = (images[0], outputs, *output_size(images, weight, padding))
    pooled = tuple(geometry_of(convolved, window)[0])
    size, stride, pool_padding, _, relu = window
    slots = max(1, min(threads, images[0]))
    numbers = (*padding, size[0], *stride, *pool_padding, relu, *pooled[2:], slots)
    geometry = Geometry(*images, float32, four(*image_strides), outputs, *kernel, four(*weight_strides), *numbers)
    return Plan(convolved, pooled, (weight, weight_strides), geometry)


def output_size(images: Shape, weight: Shape, padding: Any) -> Pair:
    """Height and width of a convolution's output, before it is pooled."""
    height, width = (images[i] + 2 * padding[i - 2] - weight[i] + 1 for i in (2, 3))
    return height, width
