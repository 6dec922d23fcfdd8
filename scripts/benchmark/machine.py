"""What the machine could do at most: the speed of its matrix products, and what a training step needs of it."""

import time
from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from optlab.adapters.torch import set_float32_precision
from optlab.models import CNN, CNN3C3D

NETWORKS: dict[str, type[nn.Module]] = {"cnn": CNN, "cnn_3c3d": CNN3C3D}


def matmul_peak(bf16: bool) -> float:
    """Floating point operations a second: the better of a square matrix product and of one in a 3x3 convolution.

    PyTorch hands them to different libraries, and on some processors the first is half as fast. On a GPU float32 is
    TF32, as it is in a run.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    set_float32_precision(tf32=True)
    kind = torch.bfloat16 if bf16 else torch.float32
    n, batch = (
        (8192, 256) if device.type == "cuda" else (2048, 8)
    )  # a GPU does the small ones while it is asked for them
    square = torch.randn(n, n, device=device).to(kind)
    images = torch.randn(batch, 512, 32, 32, device=device).to(kind, memory_format=torch.channels_last)
    weights = torch.randn(512, 512, 3, 3, device=device).to(kind, memory_format=torch.channels_last)
    product = 2 * n**3 / seconds_of(lambda: square @ square)
    convolution = 2 * batch * 32**2 * 512**2 * 9 / seconds_of(lambda: torch.conv2d(images, weights, padding=1))
    return max(product, convolution)


def seconds_of(work: Callable[[], object], rounds: int = 9) -> float:
    """The shortest of some rounds, as this is to be a peak."""
    seconds = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def training_flops(network: str, shape: tuple[int, int, int]) -> int:
    """Floating point operations of forward and backward of one image, as PyTorch counts them."""
    model = NETWORKS[network](shape, 10)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, *shape)).sum().backward()
    return int(counter.get_total_flops())
