"""Everything that a training step changes, to be put back: a warm-up leaves no trace."""

from typing import Any

import torch
from torch import Tensor, nn

from optlab.adapters.torch import buffers_of, random_state, set_random_state
from optlab.engine.buffers import BufferedStep

WEIGHTS, CURSOR, LOSS, COUNTS = "vector of weights", "cursor", "sum of losses", "count of correct answers"


class Snapshot:
    """Weights, buffers, plain attributes, optimizer state, sums, cursor and default random stream as they are now.

    `restore` puts the values back into the same tensors, and the same tensors and numbers back into their places.

    Attributes:
        kinds: what the tensors are, each in a word or the name that the network or the optimizer has for it.
    """

    def __init__(self, step: BufferedStep) -> None:
        self.step = step
        parts = [part for part in (step.module.network, step.module.loss) if isinstance(part, nn.Module)]
        layers = [layer for part in parts for layer in part.modules()]
        state = [entry for entry in step.optimizer.state.values() if isinstance(entry, dict)]
        self.places: list[dict[str, Any]] = [*state, *buffers_of(step.module), *map(vars, layers), vars(step.optimizer)]
        self.before = [dict(place) for place in self.places]
        held = [item for place in self.before for item in place.items() if isinstance(item[1], Tensor)]
        weights = [(WEIGHTS, p.detach()) for p in step.module.parameters()]
        sums = [(LOSS if each is step.sums.loss else COUNTS, each) for each in step.sums.tensors]
        kept = [*weights, *held, *sums, (CURSOR, step.cursor)]
        self.kinds: list[str] = [kind for kind, _ in kept]
        self.tensors: list[Tensor] = [tensor for _, tensor in kept]
        self.copies = self.values()
        self.samples = step.sums.samples
        self.random = random_state(step.device)

    def values(self) -> list[Tensor]:
        """Copies of the tensors as they are now."""
        return [tensor.detach().clone() for tensor in self.tensors]

    @torch.no_grad()
    def restore(self) -> None:
        for place, before in zip(self.places, self.before, strict=True):
            for name in place.keys() - before.keys():
                del place[name]
            place.update(before)
        for tensor, copy in zip(self.tensors, self.copies, strict=True):
            tensor.copy_(copy)
        self.step.sums.samples = self.samples
        set_random_state(self.random, self.step.device)
