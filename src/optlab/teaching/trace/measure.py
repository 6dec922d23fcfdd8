"""From the tensors of a step to the numbers that are shown."""

import math
from typing import Any

import torch
from torch import Tensor

from optlab.data.arrays import DataInfo
from optlab.module import TrainingModule
from optlab.teaching.trace.follow import weight_of
from optlab.teaching.trace.record import (
    After,
    Backward,
    Followed,
    Forward,
    ParameterGradient,
    ParameterUpdate,
    Sample,
    Step,
    Update,
    ZeroGrad,
)
from optlab.teaching.trace.watch import Seen, norm
from optlab.teaching.trace.worked import formula_of, why_not

MOST_OUTPUTS = 1000  # of a sample, that are kept
CLOSE = 1e-4  # relative: a mean of float32 losses (bfloat16 ones are computed in float32) against the loss itself


def step_of(seen: Seen, followed: Followed, module: Any, info: DataInfo, samples: int) -> Step:
    """All that is shown of a step, but the formula."""
    forward = forward_of(seen, module, info, samples)
    unknown = [] if isinstance(module, TrainingModule) else ["trace.unknown.forward", "trace.unknown.after"]
    if isinstance(module, TrainingModule) and any(each.output is None for each in forward.samples):
        unknown.append("trace.unknown.outputs")
    if seen.next_loss is None:
        unknown.append("trace.unknown.next")
    if not seen.zeroed:
        unknown.append("trace.unknown.zero_grad")
    weight = weight_of(seen, followed)
    weight.no_formula = why_not(seen, followed)
    weight.formula = formula_of(seen, followed) if weight.no_formula is None else None
    lr = weight.hyperparameters.get("lr")
    update, dot = update_of(seen)
    loss = forward.loss
    known = loss is not None and seen.loss_after is not None
    return Step(
        step=seen.step,
        epoch=seen.epoch,
        batch=seen.batch,
        samples=sum(len(each) for each in seen.targets) or sum(size_of(each) for each in seen.batches),
        lr=lr if isinstance(lr, (int, float)) else None,
        forward=forward,
        zero_grad=ZeroGrad(seen.grad_before, seen.grad_zeroed),
        backward=backward_of(seen),
        update=update,
        after=After(
            loss=seen.loss_after,
            actual_fall=loss - seen.loss_after if known else None,  # type: ignore[operator]
            predicted_fall=-dot,
        ),
        next={"loss": seen.next_loss},
        weight=weight,
        unknown=unknown,
    )


def size_of(batch: Any) -> int:
    """The samples of a batch of any form."""
    from lightning.pytorch.utilities.data import extract_batch_size

    return int(extract_batch_size(batch))


# -- forward


def forward_of(seen: Seen, module: Any, info: DataInfo, shown: int) -> Forward:
    if not isinstance(module, TrainingModule):
        return Forward([], None, None, seen.loss, False, seen.evaluations)
    losses = [loss for outputs, targets in pairs(seen) for loss in losses_of(module, outputs, targets)]
    mean = math.fsum(losses) / len(losses) if losses else None
    loss = seen.loss
    weighted = loss is not None and mean is not None and not math.isclose(loss, mean, rel_tol=CLOSE, abs_tol=1e-7)
    samples: list[Sample] = []
    for outputs, targets in pairs(seen):
        for output, target in zip(outputs, targets, strict=True):
            if len(samples) < shown:
                samples.append(sample_of(output, target, losses[len(samples)], info))
    return Forward(samples, [*losses], mean, loss, weighted, seen.evaluations)


def pairs(seen: Seen) -> list[tuple[Tensor, Tensor]]:
    return list(zip(seen.outputs, seen.targets, strict=True))


@torch.no_grad()
def losses_of(module: TrainingModule, outputs: Tensor, targets: Tensor) -> list[float]:
    """The loss of each sample alone."""
    outputs = outputs.float()  # as autocast does for losses
    return [float(module.loss(outputs[i : i + 1], targets[i : i + 1])) for i in range(len(targets))]


def sample_of(output: Tensor, target: Tensor, loss: float, info: DataInfo) -> Sample:
    label = None
    if target.ndim == 0 and not target.is_floating_point() and 0 <= int(target) < len(info.classes):
        label = info.classes[int(target)]
    small = output.numel() <= MOST_OUTPUTS and target.numel() <= MOST_OUTPUTS
    return Sample(output.float().tolist() if small else None, target.tolist() if small else None, label, loss)


# -- backward and step


def backward_of(seen: Seen) -> Backward:
    rows = []
    for name, gradient in seen.gradients.items():
        sizes = gradient.double().abs()
        empty = gradient.numel() == 0
        rows.append(
            ParameterGradient(
                name,
                list(gradient.shape),
                norm([gradient]),
                None if empty else float(sizes.max()),
                None if empty else float(sizes.min()),
            )
        )
    whole, read = norm([*seen.gradients.values()]), norm([*seen.read.values()])
    clipped = any(
        not torch.equal(seen.read[name], seen.gradients[name]) for name in seen.read if name in seen.gradients
    )
    return Backward(rows, whole, clipped, read, seen.gathered)


def update_of(seen: Seen) -> tuple[Update, float]:
    """What the step added, and the product of all of it with the gradient."""
    rows, products = [], []
    changes = {name: after.double() - seen.weights_before[name].double() for name, after in seen.weights_after.items()}
    for name, change in changes.items():
        gradient = seen.gradients.get(name)
        dot = 0.0 if gradient is None else float((gradient.double() * change).sum())
        products.append(dot)
        length, before = norm([change]), norm([seen.weights_before[name]])
        rows.append(
            ParameterUpdate(
                name=name,
                norm=length,
                largest=float(change.abs().max()) if change.numel() else None,
                weight_norm=before,
                ratio=length / before if length is not None and before else None,
                dot=dot,
            )
        )
    length, slope = norm([*changes.values()]), norm([*seen.gradients.values()])
    dot = math.fsum(products)
    cosine = None
    if length and slope and math.isfinite(length * slope):
        cosine = max(-1.0, min(1.0, -dot / (length * slope)))
    return Update(rows, length, cosine, None if cosine is None else math.degrees(math.acos(cosine))), dot
