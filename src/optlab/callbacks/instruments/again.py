"""The batch of a step once more: its loss with the new weights, and gradients of parts of it. Nothing remembers it.

Weights, gradients, buffers (the statistics of batch norm), sums and random streams are afterwards what they were, and
meanwhile dropout draws what it drew in the step.
"""

from collections.abc import Sequence

import torch
from lightning import Trainer
from torch import Tensor, nn

from optlab.adapters.lightning import training_precision
from optlab.adapters.torch import uncompiled
from optlab.callbacks.moment import Moment
from optlab.data.batches import Batch
from optlab.module import TrainingModule


def loss_again(module: TrainingModule, trainer: Trainer, batch: Batch, moment: Moment) -> Tensor:
    """The mean loss over this process' samples of the batch with the weights as they are now; float [].

    Args:
        moment: before the step.
    """
    now = Moment(module.network, module.device)
    moment.restore()
    try:
        with uncompiled(), torch.no_grad(), training_precision(trainer):
            return module.evaluate(batch)[0].detach()
    finally:
        now.restore()


def gradient_of(
    module: TrainingModule, trainer: Trainer, part: Batch, moment: Moment, parameters: Sequence[nn.Parameter]
) -> list[Tensor]:
    """The gradient of the mean loss over a part, as tensors that stand as the parameters do.

    No parameter's `.grad` is touched, and no hook of several processes hears of it.

    Args:
        moment: now, before the step.
    """
    try:
        with uncompiled(), torch.enable_grad():  # another batch size would be compiled anew
            with training_precision(trainer):
                loss = module.evaluate(part)[0]
            found = torch.autograd.grad(loss, list(parameters), allow_unused=True)
    finally:
        moment.restore()
    return [dense(g, p) for g, p in zip(found, parameters, strict=True)]


def dense(gradient: Tensor | None, parameter: nn.Parameter) -> Tensor:
    """The gradient as a tensor of numbers; zeros where a parameter took no part."""
    if gradient is None:
        return torch.zeros_like(parameter)
    return gradient.detach().to_dense() if gradient.is_sparse else gradient.detach()


def parts_of(batch: Batch, most: int, least: int = 1) -> list[Batch]:
    """The first quarter of a batch in up to `most` equal parts; none where these have less than `least` samples."""
    here = len(batch.targets)
    count = min(most, here // 2)
    each = max(1, here // (4 * count)) if count else 0
    if each < least:
        return []
    places = [slice(k * each, (k + 1) * each) for k in range(count)]
    return [Batch(batch.inputs[place], batch.targets[place], each) for place in places]
