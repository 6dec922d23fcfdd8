"""A network of one's own, beside the folder `conf` whose files name it."""

import math

from torch import Tensor, nn


class Net(nn.Module):
    """One hidden layer.

    Args:
        input_shape: of one sample, given by the data.
        outputs: how many, given by the data.
        width: of the hidden layer; `model.width=64` on the command line.
    """

    def __init__(self, input_shape: tuple[int, ...], outputs: int, width: int = 32) -> None:
        super().__init__()
        inputs = math.prod(input_shape)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, outputs))

    def forward(self, inputs: Tensor) -> Tensor:  # [batch, *input_shape] -> [batch, outputs]
        outputs: Tensor = self.layers(inputs)
        return outputs
