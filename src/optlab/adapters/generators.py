"""The default generators of Python, NumPy and torch, which a data set of a user's may draw from as it likes.

`tests/adapters/test_generators.py` says what each function keeps from breaking.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor


@contextmanager
def keeping_generators() -> Iterator[None]:
    """Put all three back after the block: what follows draws as if the block had not been."""
    python, array, tensor = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(array)
        torch.set_rng_state(tensor)


def seed_generators(seed: int) -> None:
    """Start all three: what a sample draws is then its own, whichever process reads it, and after whatever other."""
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)
    torch.default_generator.manual_seed(seed)


def generator_states(device: torch.device) -> tuple[Any, Any, Tensor, Tensor | None]:
    """Where all three stand, and the device's own where it has one: a forward pass of anyone's may draw from them."""
    on_device = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), on_device


def set_generator_states(states: tuple[Any, Any, Tensor, Tensor | None], device: torch.device) -> None:
    """Put them there: the same pass again draws the same, and what follows draws as if it had not been."""
    python, array, tensor, on_device = states
    random.setstate(python)
    np.random.set_state(array)
    torch.set_rng_state(tensor)
    if on_device is not None:
        torch.cuda.set_rng_state(on_device, device)
