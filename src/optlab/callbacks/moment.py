"""What a look at a training step must leave as it was, besides weights and gradients: buffers and random streams."""

import torch
from torch import nn

from optlab.adapters.generators import generator_states, set_generator_states
from optlab.adapters.torch import buffers_of


class Moment:
    """The buffers of a network and the random streams as they are now, to be put back."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self.device = device
        self.generators = generator_states(device)
        self.places = buffers_of(network)
        self.held = [dict(place) for place in self.places]
        self.copies = [{name: None if t is None else t.clone() for name, t in place.items()} for place in self.held]

    @torch.no_grad()
    def restore(self) -> None:
        """The same values in the same tensors, in the same places."""
        for place, held, copies in zip(self.places, self.held, self.copies, strict=True):
            place.clear()
            place.update(held)
            for name, tensor in held.items():
                copy = copies[name]
                if tensor is not None and copy is not None:
                    tensor.copy_(copy)
        set_generator_states(self.generators, self.device)
