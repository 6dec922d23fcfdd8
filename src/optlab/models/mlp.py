"""A multilayer perceptron."""

import math
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from optlab.models.layers import Activation, activation_layers

Width = Annotated[int, Field(ge=1)]


class MLP(nn.Module):
    """Linear layers of the widths `hidden`, each followed by the activation, and Linear `outputs`.

    Input [batch, ...] of any shape, flattened; output [batch, outputs]. `hidden=()` is a linear model.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        outputs: int,
        hidden: Sequence[Width] = (256, 128),
        activation: Activation | None = "relu",
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        width = math.prod(input_shape)
        for n_out in hidden:
            layers += [nn.Linear(width, n_out), *activation_layers(activation)]
            width = n_out
        self.layers = nn.Sequential(*layers, nn.Linear(width, outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        output: Tensor = self.layers(inputs)
        return output
