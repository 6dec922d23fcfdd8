"""Which task targets make, and targets in the form of their task (see `DataInfo.task`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from optlab.errors import UserError
from optlab.rules.tasks import IGNORED, TaskName, task_of


@dataclass(frozen=True)
class Targets:
    """What was decided about the targets of a data set.

    Args:
        outputs: what a network needs: the number of classes, labels or numbers; 1 for binary.
        classes: their names, or () where they have none.
    """

    task: TaskName
    outputs: int
    classes: tuple[str, ...] = ()

    def of(self, raw: Tensor, name: str) -> Tensor:
        """Targets as they came, [n, ...], in the form of the task.

        Raises:
            UserError: they are not of that task.
        """
        converted = FORMS[self.task](raw, name)
        label = int(converted.max()) if task_of(self.task).has_classes and converted.numel() else 0
        if label >= self.outputs:
            raise UserError(f"{outside(label, self.outputs, name)}; type dataset.outputs={label + 1}")
        if self.task in ("multilabel", "regression") and converted.shape[1] != self.outputs:
            raise UserError(f"{name}: a sample has {converted.shape[1]} targets, and {self.outputs} were expected")
        return converted


def decide(
    raw: Sequence[Tensor],
    input_shape: tuple[int, ...],
    name: str,
    *,
    task: TaskName | None = None,
    outputs: int | None = None,
    classes: Sequence[str] = (),
) -> Targets:
    """The task of targets, [n, ...] of each part of a data set, and how many outputs it takes.

    Whole numbers, one a sample, are classes; whole numbers for each position of the input are dense; 0 and 1 several
    times a sample are labels; other numbers are a regression, and where they are all 0 or 1, binary. `task` says it
    instead.

    Raises:
        UserError: targets of no task, or not of the one that is asked for.
    """
    task = task or infer(raw, input_shape, name)
    formed = [FORMS[task](each, name) for each in raw]
    if task == "binary":
        return Targets(task, 1, tuple(classes) if len(classes) == 2 else ())
    if task in ("multilabel", "regression"):
        found = formed[0].shape[1]
    else:
        found = max((int(each.max()) + 1 for each in formed if each.numel()), default=0)
        if len(classes) > found:
            found = len(classes)
    if outputs is not None and outputs < found:
        label = max((int(each.max()) for each in formed if each.numel()), default=0)
        if task_of(task).has_classes and label >= outputs > 1:
            wrong = outside(label, outputs, name)
            raise UserError(f"dataset.outputs={outputs}: {wrong}; type dataset.outputs={found}, or leave it out")
        raise UserError(f"dataset.outputs={outputs}: the targets of {name} need {found}; leave it out")
    count = outputs or found
    if task in ("classification", "dense") and count < 2:
        raise UserError(f"{name} has targets of one class only, and a classifier needs two")
    if not classes and task == "classification":
        classes = [str(label) for label in range(count)]
    return Targets(task, count, tuple(classes) if len(classes) == count else ())


def infer(raw: Sequence[Tensor], input_shape: tuple[int, ...], name: str) -> TaskName:
    """The task that targets [n, ...] look like."""
    first = raw[0]
    single = first.dim() == 1 or (first.dim() == 2 and first.shape[1] == 1)
    if not (first.is_floating_point() or first.is_complex()):
        if single:
            return "classification"
        positions = tuple(first.shape[1:])
        if positions == input_shape[-len(positions) :]:
            return "dense"
        return "multilabel" if first.dim() == 2 and all(map(is_zero_one, raw)) else "dense"
    if first.dim() <= 2 and not first.is_complex():
        if all(map(is_zero_one, raw)):
            return "binary" if single else "multilabel"
        return "regression"
    raise UserError(
        f"{name}: targets {first.dtype} of the shape {list(first.shape)} are of no task; known are a class or numbers "
        "a sample, or a class (whole number) for each position"
    )


def is_zero_one(values: Tensor) -> bool:
    return bool(((values == 0) | (values == 1)).all())


# -- targets as they came, [n, ...], in the form of each task


def _classes(raw: Tensor, name: str) -> Tensor:
    if raw.dim() == 2 and raw.shape[1] == 1:
        raw = raw[:, 0]
    if raw.dim() == 2 and is_zero_one(raw) and bool((raw.sum(1) == 1).all()):
        return raw.argmax(1)  # one-hot
    if raw.dim() != 1:
        raise _not_of("classification", raw, name, "one class a sample")
    return _whole(raw, "classification", name, least=0)


def _binary(raw: Tensor, name: str) -> Tensor:
    if raw.dim() == 1:
        raw = raw[:, None]
    if raw.dim() != 2 or raw.shape[1] != 1 or not is_zero_one(raw):
        raise _not_of("binary", raw, name, "0 or 1, one a sample")
    return raw.float()


def _labels(raw: Tensor, name: str) -> Tensor:
    if raw.dim() != 2 or not is_zero_one(raw):
        raise _not_of("multilabel", raw, name, "0 or 1, several a sample")
    return raw.float()


def _numbers(raw: Tensor, name: str) -> Tensor:
    if raw.dim() == 1:
        raw = raw[:, None]
    if raw.dim() != 2 or raw.is_complex():
        raise _not_of("regression", raw, name, "one or several numbers a sample")
    check_finite(raw, f"{name}: the targets")
    return raw.float()


def _dense(raw: Tensor, name: str) -> Tensor:
    if raw.dim() < 2:
        raise _not_of("dense", raw, name, "a class for each position of a sample")
    return _whole(raw, "dense", name, least=0, but=IGNORED)


def _whole(raw: Tensor, task: TaskName, name: str, least: int, but: int | None = None) -> Tensor:
    whole = raw.long()
    if not torch.equal(whole.to(raw.dtype), raw):
        raise _not_of(task, raw, name, "whole numbers")
    wrong = whole < least if but is None else (whole < least) & (whole != but)
    if wrong.any():
        raise UserError(f"{name}: label {int(whole[wrong][0])} is below 0; classes are counted from 0")
    return whole


FORMS = {
    "classification": _classes,
    "binary": _binary,
    "multilabel": _labels,
    "regression": _numbers,
    "dense": _dense,
}


def outside(label: int, classes: int, name: str) -> str:
    """That a label is none of the classes of a data set or of outputs, in words."""
    return f"label {label} is outside the {classes} classes of {name} (allowed: 0 to {classes - 1})"


def check_finite(values: Tensor, what: str) -> None:
    """Raise UserError for NaN and infinite numbers."""
    if values.is_floating_point() and not values.isfinite().all():
        count = math.prod(values.shape) - int(values.isfinite().sum())
        raise UserError(f"{what} hold NaN or infinite numbers ({count:,}); repair them or take these samples out")


def _not_of(task: TaskName, raw: Tensor, name: str, wanted: str) -> UserError:
    found = f"{str(raw.dtype).removeprefix('torch.')} of the shape {list(raw.shape)}"
    return UserError(f"dataset.task={task} needs {wanted}, and the targets of {name} are {found}")
