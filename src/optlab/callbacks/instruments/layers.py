"""The layers of a network: modules that own trained parameters."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from optlab.rules.instruments import ALL

ROOT = "network"  # what the layer is called that owns parameters and is the network itself


@dataclass(frozen=True)
class Layer:
    """A module with parameters of its own that are trained.

    Attributes:
        name: of the module in the network.
        places: where its parameters stand among all that are trained.
        units: how many outputs it has, where each of `unit_places` has a part for each, along the first dimension.
    """

    name: str
    places: tuple[int, ...]
    units: int | None
    unit_places: tuple[int, ...]


class Layers:
    """The layers of a network and their parameters, as they are when training begins.

    A parameter that several modules share belongs to the first.
    """

    def __init__(self, network: nn.Module) -> None:
        self.parameters: list[nn.Parameter] = []
        self.layers: list[Layer] = []
        known: set[int] = set()
        for name, module in network.named_modules():
            own = [p for p in module.parameters(recurse=False) if p.requires_grad and id(p) not in known]
            own = list({id(p): p for p in own}.values())
            if own:
                known |= {id(p) for p in own}
                self._add(named(name), module, own)

    def _add(self, name: str, module: nn.Module, own: list[nn.Parameter]) -> None:
        first = len(self.parameters)
        self.parameters += own
        places = tuple(range(first, first + len(own)))
        units = units_of(module)
        with_units = tuple(place for place, p in zip(places, own, strict=True) if p.ndim and p.shape[0] == units)
        self.layers.append(Layer(name, places, units if with_units else None, with_units))

    def flat(self, layer: Layer, tensors: Sequence[Tensor]) -> Tensor:
        """The parts of a layer, of tensors that stand as the parameters do, as one vector in double precision."""
        kind = torch.float32 if tensors[0].device.type == "mps" else torch.float64  # Metal has no float64
        parts = [tensors[place].reshape(-1) for place in layer.places]
        return (parts[0] if len(parts) == 1 else torch.cat(parts)).to(kind)


def named(name: str) -> str:
    """The name of a layer; one that a user called `all` must not be taken for all of them."""
    return f"{name}_" if name == ALL else name or ROOT


def units_of(module: nn.Module) -> int | None:
    """How many units a layer computes: the outputs of a linear one, the channels of a convolution; else None."""
    if getattr(module, "transposed", False):  # whose weights have them along the second dimension
        return None
    units = getattr(module, "out_features", None) or getattr(module, "out_channels", None)
    return units if isinstance(units, int) else None
