"""The kernels of max-pooling beside PyTorch's operations, bit for bit."""

import itertools
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from pooled_convolutions import accelerate
from tests.pooled_convolutions.helpers import images, needs_kernels, same_bits


def both_ways(pooled: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """The pooled images and the gradient of their sum, weighed at random so that order shows."""
    weights = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(1)).to(pooled.dtype)
    (gradient,) = torch.autograd.grad(pooled, pixels, weights)
    return pooled.detach(), gradient


def compiled(pooling: nn.MaxPool2d, *, relu: bool) -> nn.Module:
    network = nn.Sequential(deepcopy(pooling), *([nn.ReLU()] if relu else []))
    assert accelerate(network, torch.float32).layers == {"max-pooling": 1}
    return network


def assert_same(pixels: Tensor, pooling: nn.MaxPool2d, *, relu: bool) -> None:
    """The kernels' numbers are PyTorch's, bit for bit."""
    expected = pooling(pixels).relu() if relu else pooling(pixels)
    found = compiled(pooling, relu=relu)(pixels)
    assert found.dtype == pixels.dtype
    assert found.grad_fn.name() == "MaxPoolBackward"
    for ours, theirs in zip(both_ways(found, pixels), both_ways(expected, pixels), strict=True):
        assert torch.equal(ours.isnan(), theirs.isnan())
        assert same_bits(ours, theirs)


WINDOWS = {
    "2x2": nn.MaxPool2d(2),
    "2x2, ceil": nn.MaxPool2d(2, ceil_mode=True),
    "2x2, padded": nn.MaxPool2d(2, padding=1),
    "2x2 in steps of 1": nn.MaxPool2d((2, 2), [1]),  # type: ignore[arg-type]
    "2x2 in steps of 3": nn.MaxPool2d([2], 3),  # type: ignore[arg-type]
    "2x2 in steps of 1 and 2": nn.MaxPool2d(2, (1, 2), padding=(0, 1)),
    "3x3 in steps of 2": nn.MaxPool2d(3, 2),
    "3x3 in steps of 2, padded": nn.MaxPool2d(3, 2, padding=1, ceil_mode=True),
    "3x3 in steps of 3 and 2": nn.MaxPool2d(3, (3, 2), padding=(1, 0)),
}


@needs_kernels
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("window", WINDOWS)
def test_every_window_gives_pytorchs_numbers(window: str, dtype: torch.dtype) -> None:
    sizes = ((8, 8), (7, 9), (11, 6))
    kinds = ("random", "ties", "not finite")
    for (height, width), channels, kind, relu in itertools.product(sizes, (32, 33, 48, 64), kinds, (False, True)):
        assert_same(images(2, channels, height, width, dtype=dtype, kind=kind), WINDOWS[window], relu=relu)


@needs_kernels
@pytest.mark.parametrize("window", ["2x2", "3x3 in steps of 2"])
def test_threads_share_the_lines(window: str) -> None:
    """More elements than one thread takes alone, and a number of lines that does not divide."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for relu in (False, True):
            assert_same(images(5, 48, 31, 17, dtype=torch.float32, kind="ties"), WINDOWS[window], relu=relu)
    finally:
        torch.set_num_threads(before)


@needs_kernels
def test_what_the_kernels_do_not_know_or_do_slower_is_pytorchs() -> None:
    layer = compiled(nn.MaxPool2d(2), relu=True)
    last = torch.channels_last
    for pixels in (
        torch.randn(2, 32, 4, 4, dtype=torch.float64).to(memory_format=last),
        torch.randn(2, 31, 4, 4).to(memory_format=last),
        torch.randn(32, 4, 4),
        torch.randn(2, 32, 4, 4),  # whose output keeps that layout, and can be viewed as vectors
    ):
        pooled, expected = layer(pixels.requires_grad_()), nn.functional.max_pool2d(pixels, 2).relu()
        assert same_bits(pooled.detach(), expected.detach())
        assert pooled.grad_fn.name() == "ReluBackward0"


@needs_kernels
def test_a_second_derivative_and_a_second_backward_are_refused_not_wrong() -> None:
    pixels = images(1, 32, 4, 4, dtype=torch.float32)
    pooled = compiled(nn.MaxPool2d(2), relu=False)(pixels)
    (gradient,) = torch.autograd.grad((pooled**2).sum(), pixels, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
    pooled = compiled(nn.MaxPool2d(2), relu=False)(pixels)
    pooled.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        pooled.sum().backward()
