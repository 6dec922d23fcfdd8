"""What the tests of the kernels share: where they can run, and comparing tensors to the bit."""

import os
import shutil
import sys

import pytest
import torch
from torch import Tensor

from pooled_convolutions.convolution import lacks

CAN_COMPILE = sys.platform == "linux" and shutil.which(os.environ.get("CXX", "g++")) is not None
needs_kernels = pytest.mark.skipif(not CAN_COMPILE, reason="the kernels are for Linux with a C++ compiler")
HALF = torch.bfloat16


def known(dtype: torch.dtype) -> bool:
    """Whether there are kernels of convolutions in this type here."""
    return CAN_COMPILE and lacks(dtype) is None


def images(*shape: int, dtype: torch.dtype, kind: str = "random") -> Tensor:
    found = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    if kind == "ties":
        found = found.round()  # -0.0 among them
    if kind == "not finite":
        found[found > 1.5] = float("nan")
        found[found < -1.5] = float("-inf")
    return found.to(dtype).to(memory_format=torch.channels_last).requires_grad_()


def same_bits(ours: Tensor, theirs: Tensor) -> bool:
    """Equal, and signs of zero and strides too; of a NaN only that it is one."""
    ours, theirs = (
        tensor.float().masked_fill(tensor.isnan(), 0.5).clone(memory_format=torch.preserve_format)
        for tensor in (ours, theirs)
    )
    return torch.equal(ours.view(torch.int32), theirs.view(torch.int32)) and ours.stride() == theirs.stride()
