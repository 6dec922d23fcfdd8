"""Losses: `loss(output [n, k], target) -> scalar`, the mean over the n samples.

The regression losses take class indices too and compare with the one-hot target.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from optlab.errors import UserError


class CrossEntropy(nn.CrossEntropyLoss):
    """Cross-entropy of logits [n, k] and class indices [n].

    With smoothing e the target distribution is (1 - e) one-hot + e / k (Szegedy et al., 2016, section 7).
    Raises UserError for targets that are not class indices, which torch would take for probabilities.
    """

    def __init__(self, label_smoothing: Annotated[float, Field(ge=0, le=1)] = 0.0) -> None:
        super().__init__(label_smoothing=label_smoothing)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        if target.is_floating_point():
            raise UserError("loss=cross_entropy needs classes, but the targets are numbers: use loss=mse, l1 or huber")
        return super().forward(output, target)


class Elementwise(nn.Module):
    """The mean over samples and outputs of a loss of (output - target), for outputs [n, k].

    Targets are numbers [n, k], or class indices [n], which stand for their one-hot rows.
    Raises UserError for any other shape: torch would broadcast [n] against [n, k] in silence.
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        if not target.is_floating_point() and target.ndim == output.ndim - 1:
            # scatter_ raises on an index outside the classes; a comparison with arange would give a zero row.
            target = torch.zeros_like(output).scatter_(-1, target.unsqueeze(-1), 1.0)
        if target.shape != output.shape:
            raise UserError(
                f"the network's outputs have shape {list(output.shape)} and the targets {list(target.shape)}: "
                f"this loss needs equal shapes, or class indices [{len(output)}]"
            )
        value: Tensor = self.loss(output, target)
        return value


class MSE(Elementwise):
    """Mean of (output - target)²."""

    def __init__(self) -> None:
        super().__init__(nn.MSELoss())


class L1(Elementwise):
    """Mean of |output - target|."""

    def __init__(self) -> None:
        super().__init__(nn.L1Loss())


class Huber(Elementwise):
    """Mean of d²/2 where |d| <= delta and delta (|d| - delta/2) beyond, d = output - target (Huber, 1964)."""

    def __init__(self, delta: Annotated[float, Field(gt=0)] = 1.0) -> None:
        super().__init__(nn.HuberLoss(delta=delta))
