"""The training step: what every engine does with a batch.

The eager engine calls `loss_of`, and Lightning does what `learn` does around it: it forgets the gradients, goes
backward, gathers and clips gradients where that is asked for, and steps the optimizer. The other engines call `learn`.
"""

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from optlab.adapters.torch import forget_gradients
from optlab.callbacks.costs import clip
from optlab.data.batches import Batch
from optlab.module import TrainingModule


def loss_of(module: TrainingModule, batch: Batch, *, counts: bool = True) -> Tensor:
    """The loss whose gradient the step follows: forward, loss, and the sums of the epoch.

    Args:
        counts: add to the sums; not where the same step evaluates its batch again.
    """
    loss, outputs = module.evaluate(batch)
    if counts:
        module.sums["train"].add(loss, outputs, batch.targets)
    processes = module.trainer.world_size
    if processes > 1:
        # They average their gradients: weigh each by its share of the batch.
        return loss * (len(batch.targets) * processes / batch.size)
    return loss


def learn(module: TrainingModule, batch: Batch, optimizer: Optimizer, precision: AbstractContextManager[Any]) -> None:
    """The whole step. Clipping reads nothing back: a norm that is not finite makes the gradients so, as with Lightning.

    Args:
        precision: what forward and loss are computed in.
    """
    forget_gradients(optimizer)
    with precision:
        loss = loss_of(module, batch)
    torch.autograd.backward(loss)
    clip(optimizer, module.trainer)
    optimizer.step()
