"""The layers of a network: modules that own trained parameters."""

from collections.abc import Iterable
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
        part: where its parameters stand in a flat vector of all that are trained.
        units: how many outputs it computes; 0 where nothing tells.
        of_units: where those of its parameters stand that have an equal share for each unit, one behind the other.
    """

    name: str
    part: slice
    units: int
    of_units: tuple[slice, ...]


class Layers:
    """The layers of a network and their parameters, as they are when training begins.

    A parameter that several modules share belongs to the first.
    """

    def __init__(self, network: nn.Module) -> None:
        self.parameters: list[nn.Parameter] = []
        self.layers: list[Layer] = []
        self._size = 0  # of all parameters so far
        known: set[int] = set()
        for name, module in network.named_modules():
            own = [p for p in module.parameters(recurse=False) if p.requires_grad and id(p) not in known]
            own = list({id(p): p for p in own}.values())
            if own:
                known |= {id(p) for p in own}
                self._add(named(name), module, own)
        self._orders = [in_memory(p) for p in self.parameters]
        double = any(p.dtype == torch.float64 for p in self.parameters)
        self.kind = torch.float64 if double else torch.float32

    def _add(self, name: str, module: nn.Module, own: list[nn.Parameter]) -> None:
        begin, units = self._size, units_of(module)
        of_units: list[slice] = []
        for p in own:
            self.parameters.append(p)
            end = self._size + p.numel()
            if p.ndim and p.shape[0] == units and in_memory(p)[0] == 0:
                of_units.append(slice(self._size, end))
            self._size = end
        self.layers.append(Layer(name, slice(begin, self._size), units if of_units else 0, tuple(of_units)))

    def flat(self, tensors: Iterable[Tensor]) -> Tensor:
        """Tensors that stand as the parameters do as one vector, a copy: float32 [n], or float64 where weights are.

        Each in the order in which its parameter lies in memory, which is any order, and takes no copying.
        """
        parts = [t.permute(order).reshape(-1) for t, order in zip(tensors, self._orders, strict=True)]
        return torch.cat(parts).to(self.kind)


def in_memory(parameter: Tensor) -> list[int]:
    """Its dimensions, that of the longest stride first."""
    strides = parameter.stride()
    return sorted(range(parameter.ndim), key=lambda dim: -strides[dim])


def named(name: str) -> str:
    """The name of a layer; one that a user called `all` must not be taken for all of them."""
    return f"{name}_" if name == ALL else name or ROOT


def units_of(module: nn.Module) -> int:
    """How many units a layer computes: the outputs of a linear one, the channels of a convolution; else 0."""
    if getattr(module, "transposed", False):  # whose weights have them along the second dimension
        return 0
    units = getattr(module, "out_features", None) or getattr(module, "out_channels", None)
    return units if isinstance(units, int) else 0
