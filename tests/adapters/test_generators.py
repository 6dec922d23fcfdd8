import random

import numpy as np
import torch

from optlab.adapters.generators import generator_states, keeping_generators, seed_generators, set_generator_states


def drawn() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), torch.rand(()).item()


def test_what_follows_draws_as_if_the_block_had_not_been() -> None:
    seed_generators(1)
    expected = drawn()
    seed_generators(1)
    with keeping_generators():
        seed_generators(2)
        drawn()
    assert drawn() == expected


def test_a_seed_fixes_all_three_generators() -> None:
    draws = []
    for seed in (2**62 + 5, 2**62 + 5, 6):
        seed_generators(seed)
        draws.append(drawn())
    assert draws[0] == draws[1]
    assert all(a != b for a, b in zip(draws[0], draws[2], strict=True))


def test_what_is_drawn_can_be_drawn_again() -> None:
    cpu = torch.device("cpu")
    seed_generators(1)
    before = generator_states(cpu)
    expected = drawn()
    set_generator_states(before, cpu)
    assert drawn() == expected, "a batch that is evaluated again drops out other units, and so do the steps behind it"
