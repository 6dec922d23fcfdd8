"""A linear model: softmax regression on classes, linear regression on numbers."""

import math

from torch import Tensor, nn


class Linear(nn.Module):
    """`y = W x + b` on the flattened input [batch, ...]; output [batch, outputs]."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        output: Tensor = self.layers(inputs)
        return output
