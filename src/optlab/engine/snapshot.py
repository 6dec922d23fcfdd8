"""Everything that a training step changes, to be put back: a warm-up leaves no trace."""

from typing import Any

import torch
from torch import Tensor

from optlab.adapters.torch import buffers_of, random_state, set_random_state
from optlab.engine.buffers import BufferedStep


class Snapshot:
    """The weights, buffers, optimizer state, sums, cursor and default random stream as they are now.

    `restore` puts the values back into the same tensors, and the same tensors back into their places.
    """

    def __init__(self, step: BufferedStep) -> None:
        self.step = step
        state = [entry for entry in step.optimizer.state.values() if isinstance(entry, dict)]
        self.places: list[dict[str, Any]] = [*state, *buffers_of(step.module)]
        self.before = [dict(place) for place in self.places]
        held = [value for place in self.before for value in place.values() if isinstance(value, Tensor)]
        self.weights = [p.detach() for p in step.module.parameters()]
        self.tensors: list[Tensor] = [*self.weights, *held, *step.sums.tensors, step.cursor]
        self.copies = self.values()
        self.samples = step.sums.samples
        self.random = random_state(step.device)

    def values(self) -> list[Tensor]:
        """Copies of the tensors as they are now, the weights first."""
        return [tensor.clone() for tensor in self.tensors]

    @torch.no_grad()
    def restore(self) -> None:
        for place, before in zip(self.places, self.before, strict=True):
            place.clear()
            place.update(before)
        for tensor, copy in zip(self.tensors, self.copies, strict=True):
            tensor.copy_(copy)
        self.step.sums.samples = self.samples
        set_random_state(self.random, self.step.device)

    def replaced(self) -> str | None:
        """What the steps since keep in Python or in new tensors, where no replay would find it; None if nothing."""
        for place, before in zip(self.places, self.before, strict=True):
            for name in place.keys() | before.keys():
                new, old = place.get(name), before.get(name)
                if new is not old and (isinstance(new, Tensor) or isinstance(old, Tensor) or new != old):
                    return name
        return None
