"""Targets against the task that a data set says it has: their type, their shape and the values in them."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from optlab.data.arrays import DataInfo
from optlab.data.decide import outside
from optlab.errors import UserError
from optlab.rules.tasks import IGNORED, task_of


def check_targets(targets: Tensor, info: DataInfo, part: str) -> None:
    """Raise UserError for targets that are not what the task of the data set is about.

    Args:
        targets: of some samples, [n, ...]; see `optlab.rules.tasks` for what each task has.
        part: where they stand, for messages: `train`.
    """
    task = task_of(info.task)
    named = f"the {part} targets of {info.name}"
    kind = str(targets.dtype).removeprefix("torch.")
    if task.has_classes:
        if targets.dtype is not torch.int64:
            raise UserError(f"{named} are {kind}, and task={info.task} has whole numbers, one a class: int64")
        of_positions = task.answers == "positions"
        if (targets.ndim > 1) != of_positions:
            raise UserError(
                f"{named} have the shape {list(targets.shape)}: "
                + ("a class for each sample is task=classification" if of_positions else other_task(targets))
            )
        check_labels(targets[targets != IGNORED] if of_positions else targets, info)
        return
    if not targets.is_floating_point():
        raise UserError(f"{named} are {kind}, and task={info.task} has floating-point numbers: float32")
    if targets.ndim != 2 or targets.shape[1] != info.outputs:
        raise UserError(
            f"{named} have the shape {list(targets.shape)}, and task={info.task} with {info.outputs} outputs has "
            f"[{len(targets)}, {info.outputs}]"
        )
    if not bool(targets.isfinite().all()):
        raise UserError(f"{named} hold {int((~targets.isfinite()).sum()):,} values that are NaN or infinite")
    if task.answers == "yes_no" and not bool(((targets == 0) | (targets == 1)).all()):
        wrong = targets[(targets != 0) & (targets != 1)][0].item()
        raise UserError(f"{named} hold {wrong:g}, and task={info.task} has 0 and 1 only")


def other_task(targets: Tensor) -> str:
    return (
        f"task=classification has one class a sample, [{len(targets)}]; a class for each position is task=dense, "
        "and several labels a sample are task=multilabel, as float32 of 0 and 1"
    )


def check_labels(labels: Tensor, info: DataInfo) -> None:
    """Raise UserError for a label outside the classes."""
    if not len(labels):
        return
    low, high = (int(x) for x in labels.aminmax())
    if low < 0 or high >= info.outputs:
        raise UserError(outside(low if low < 0 else high, info.outputs, info.name))


def class_weights(wanted: Literal["balanced"] | Sequence[float], targets: Tensor, info: DataInfo) -> tuple[float, ...]:
    """How much each class counts in the loss: the numbers that are given, or n / (classes * samples of the class).

    Balanced, each class counts as much as any other in all, and a sample 1 on average (King and Zeng 2001, as
    scikit-learn has it).

    Args:
        targets: of the training part.

    Raises:
        UserError: targets that are no classes, other weights than classes, or a class without a sample to weigh.
    """
    task = task_of(info.task)
    if not task.has_classes:
        raise UserError(
            f"dataset.class_weights is for classes, and {info.name} has {task.words} as targets; leave it out"
        )
    if wanted != "balanced":
        if len(wanted) != info.outputs:
            raise UserError(
                f"dataset.class_weights={list(wanted)}: {len(wanted)} numbers, and {info.name} has {info.outputs} "
                "classes; type one for each"
            )
        return tuple(float(each) for each in wanted)
    counts = targets[targets != IGNORED].reshape(-1).bincount(minlength=info.outputs).double()
    if not bool((counts > 0).all()):
        missing = int((counts == 0).nonzero()[0])
        name = info.classes[missing] if info.classes else missing
        raise UserError(
            f"dataset.class_weights=balanced: {info.name} has no training sample of class {name}; "
            "type the weights as a list"
        )
    weights = counts.sum() / (len(counts) * counts)
    return tuple(float(f"{each:.6g}") for each in weights.tolist())
