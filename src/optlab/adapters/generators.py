"""The default generators of Python, NumPy and torch, which a data set of a user's may draw from as it likes.

`tests/adapters/test_generators.py` says what each function keeps from breaking.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


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
