"""Metrics of the user's own: `metrics.kappa._target_=torchmetrics.classification.MulticlassCohenKappa`."""

import inspect
import re
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from optlab.config.schema import Call
from optlab.config.signature import check_call, locate
from optlab.create import create
from optlab.data.arrays import DataInfo
from optlab.errors import UserError, piece
from optlab.quality.tasks import of_classes, of_one, of_yes_or_no
from optlab.rules.metrics import Direction
from optlab.rules.tasks import IGNORED, TASKS, task_of

KNOWN = frozenset(kind for task in TASKS.values() for kind in task.metrics(outputs=10))
OF_TORCHMETRICS = {
    "classification": "multiclass",
    "dense": "multiclass",
    "binary": "binary",
    "multilabel": "multilabel",
}
GIVEN = ("task", "num_classes", "num_labels", "num_outputs", "ignore_index")


def check(metrics: Mapping[str, Call]) -> None:
    """Raise UserError for a name that is taken, a class that is no metric of torchmetrics' kind, or its arguments."""
    for name, metric in metrics.items():
        if not re.fullmatch(r"[A-Za-z]\w*", name):
            raise UserError(f"metrics.{name}: a metric is called by letters, digits and _, such as metrics.kappa")
        if name in KNOWN:
            raise UserError(
                f"metrics.{name}: there is a metric of this name already; call it another, such as my_{name}"
            )
        target = locate(f"metrics.{name}", metric.target)
        if not inspect.isclass(target) or not issubclass(target, Metric):
            raise UserError(
                f"metrics.{name}._target_={metric.target}: not a torchmetrics.Metric; derive a class from it, "
                "with update(predictions, targets) and compute()"
            )
        check_call(f"metrics.{name}", metric.plain, given=[each for each in GIVEN if each not in metric.plain])


def build(metrics: Mapping[str, Call], info: DataInfo) -> dict[str, Metric]:
    """The metrics by name, each given what its signature takes of the data and nobody typed: `num_classes` and such.

    Raises:
        UserError: one cannot be built.
    """
    return {name: build_one(name, metric, info) for name, metric in metrics.items()}


def build_one(name: str, metric: Call, info: DataInfo) -> Metric:
    task = task_of(info.task)
    known: dict[str, Any] = {
        "task": OF_TORCHMETRICS.get(task.name),
        "num_classes": info.outputs if task.has_classes else None,
        "num_labels": info.outputs if task.name == "multilabel" else None,
        "num_outputs": info.outputs if task.answers is None else None,
        "ignore_index": IGNORED if task.answers == "positions" else None,
    }
    parameters = inspect.signature(locate(f"metrics.{name}", metric.target)).parameters
    added = {
        key: value
        for key, value in known.items()
        if key in parameters and key not in metric.plain and value is not None
    }
    try:
        made: Metric = create(metric.plain, **added)
    except Exception as error:  # whatever a class of anyone's raises
        raise UserError(f"metrics.{name} cannot be built: {one_line(error)}") from error
    return made


def directions(own: Mapping[str, Metric]) -> dict[str, Direction | None]:
    """Which way each is better, as its class says; None where it does not say."""
    ways: dict[bool | None, Direction | None] = {True: "max", False: "min", None: None}
    return {name: ways[metric.higher_is_better] for name, metric in own.items()}


def given(outputs: Tensor, targets: Tensor, info: DataInfo) -> tuple[Tensor, Tensor]:
    """What such a metric is updated with: probabilities (of classes, or of yes) or numbers, and the targets."""
    task = task_of(info.task)
    if task.has_classes:
        return of_classes(outputs, targets)
    if task.answers == "yes_no":
        return (of_one if info.outputs == 1 else of_yes_or_no)(outputs, targets)
    return (outputs[:, 0], targets[:, 0]) if info.outputs == 1 else (outputs, targets)


def try_out(own: Mapping[str, Metric], info: DataInfo, targets: Tensor) -> None:
    """Raise UserError for a metric that cannot take what this data gives, or whose value is no single number.

    Args:
        targets: of a few samples, on the CPU.
    """
    outputs = torch.zeros(len(targets), *task_of(info.task).shape(info.outputs, targets.shape[1:]))
    for name, metric in own.items():
        try:
            with warnings.catch_warnings(action="ignore"):  # of so few samples most metrics have something to say
                metric.update(*given(outputs, targets, info))
                value: Any = metric.compute()
            metric.reset()
        except Exception as error:  # whatever a class of anyone's raises
            raise UserError(f"metrics.{name} cannot measure {info.name} ({info.task}): {one_line(error)}") from error
        number(name, value)


def number(name: str, value: Any) -> float:
    """The value of a metric as a number; raises UserError for anything else."""
    if isinstance(value, Tensor) and value.numel() == 1:
        return float(value.item())
    if isinstance(value, (int, float)):
        return float(value)
    got = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
    raise UserError(f"metrics.{name} gives {got}, and a metric is one number; an argument such as average may help")


def one_line(error: Exception) -> str:
    return piece(" ".join(f"{type(error).__name__}: {error}".split()))
