"""Random streams: each purpose has its own, derived from (seed, purpose, epoch, batch).

No stream depends on how much randomness another one used before, so two optimizers at one seed start from the same
weights and see the same batches, and a run that continues in the middle draws what it would have drawn.
"""

import hashlib
from contextlib import AbstractContextManager

import torch

from optlab.adapters.torch import seeded


def derive(seed: int, purpose: str, *position: int) -> int:
    """A 63-bit seed for one stream: the first 8 bytes of SHA-256 of its address."""
    address = ":".join([str(seed), purpose, *map(str, position)])
    return int.from_bytes(hashlib.sha256(address.encode()).digest()[:8], "big") >> 1


def generator(seed: int, purpose: str, *position: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator at the start of the stream of this purpose."""
    return torch.Generator(device).manual_seed(derive(seed, purpose, *position))


def default_stream(seed: int, purpose: str, *position: int) -> AbstractContextManager[None]:
    """Torch's default generator on the CPU at the start of a stream, put back afterwards.

    For what takes no generator argument, such as torch's initialisers.
    """
    return seeded(derive(seed, purpose, *position))
