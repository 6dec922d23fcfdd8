"""Data with several labels a sample, a loss and a metric, all of one's own."""

import torch
from torch import Tensor
from torchmetrics import Metric

from optlab.data import Arrays, DataInfo, Source


def shapes() -> Source:
    """Four numbers a sample; its labels say which of the first two are above 0."""
    inputs = torch.randn(400, 4, generator=torch.Generator().manual_seed(0))
    targets = (inputs[:, :2] > 0).float()  # [n, labels], 0 or 1
    info = DataInfo("shapes", "multilabel", (4,), ("round", "red"), 2, None, None)
    return Source(info, Arrays(inputs[:300], targets[:300]), Arrays(inputs[300:], targets[300:]))


def focal(output: Tensor, target: Tensor, weight: Tensor, gamma: float = 2.0) -> Tensor:
    """The focal loss (Lin et al. 2017, eq. 4) of logits, the mean over samples and labels."""
    loss = torch.nn.functional.binary_cross_entropy_with_logits(output, target, reduction="none")
    return (weight * (1 - torch.exp(-loss)) ** gamma * loss).mean()


class AllRight(Metric):
    """The share of samples all of whose labels are right."""

    higher_is_better = True

    def __init__(self) -> None:
        super().__init__()
        self.right: Tensor
        self.samples: Tensor
        self.add_state("right", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("samples", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, probabilities: Tensor, targets: Tensor) -> None:
        self.right += ((probabilities > 0.5) == targets.bool()).all(1).sum()
        self.samples += len(targets)

    def compute(self) -> Tensor:
        return self.right / self.samples
