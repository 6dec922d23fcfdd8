"""What the machine could do at most: the speed of its matrix products, and what a training step needs of it."""

import statistics
import time

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from optlab.models import CNN, CNN3C3D

NETWORKS: dict[str, type[nn.Module]] = {"cnn": CNN, "cnn_3c3d": CNN3C3D}


def matmul_peak(bf16: bool, size: int = 2048, rounds: int = 9) -> float:
    """Floating point operations a second of a square matrix product, the median of some rounds."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind = torch.bfloat16 if bf16 else torch.float32
    a = torch.randn(size, size, device=device).to(kind)
    seconds = []
    for number in range(rounds + 1):
        began = time.perf_counter()
        _ = a @ a
        if device.type == "cuda":
            torch.cuda.synchronize()
        if number:
            seconds.append(time.perf_counter() - began)
    return 2 * size**3 / statistics.median(seconds)


def training_flops(network: str, shape: tuple[int, int, int]) -> int:
    """Floating point operations of forward and backward of one image, as PyTorch counts them."""
    model = NETWORKS[network](shape, 10)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, *shape)).sum().backward()
    return int(counter.get_total_flops())
