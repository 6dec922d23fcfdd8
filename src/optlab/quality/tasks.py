"""How each task is measured with torchmetrics: what the metrics are given, their values, and details of a test.

Each entry of `MEASURES` is for one task of `optlab.rules.tasks`. A value may be a number, or one for each class, label
or output, whose mean over those that have one is the metric: there is no ranking where all answers are alike.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchmetrics import MeanAbsoluteError, MeanSquaredError, Metric, R2Score
from torchmetrics.classification import (
    BinaryAUROC,
    BinaryAveragePrecision,
    BinaryCalibrationError,
    BinaryConfusionMatrix,
    BinaryF1Score,
    MulticlassAccuracy,
    MulticlassAUROC,
    MulticlassCalibrationError,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MultilabelAUROC,
    MultilabelAveragePrecision,
    MultilabelConfusionMatrix,
    MultilabelF1Score,
)

from optlab.rules.tasks import IGNORED, TOP

Values = Mapping[str, Tensor]
COUNTS = "counts"  # the confusion matrix, or one for each label: what the rest is judged by, and no metric by itself
BINS: dict[str, Any] = {"n_bins": 15, "norm": "l1"}  # Guo et al. 2017, eq. 3
FAST: dict[str, Any] = {"validate_args": False}  # validating calls torch.unique, a read-back, on every update


@dataclass(frozen=True)
class Measures:
    """How a task is measured.

    Args:
        made: from the number of outputs to the metric, by kind.
        given: from a batch's outputs and targets to what torchmetrics takes: probabilities, and whole numbers.
        ranked: kinds that say nothing of a class or label of which all answers are alike.
        derived: kinds that follow from the counts.
        details: what a test's record holds, from the values and the names of classes, labels or outputs.
        noun: what is called by a number where the data gives it no name.
    """

    made: Mapping[str, Callable[[int], Metric]]
    given: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    details: Callable[[Values, Sequence[str]], dict[str, Any]]
    noun: str
    ranked: tuple[str, ...] = ()
    derived: Mapping[str, Callable[[Tensor], Tensor]] | None = None


# -- what the metrics are given


def of_classes(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities [n, classes] or [n, classes, *positions]."""
    return outputs.float().softmax(1), targets


def of_yes_or_no(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities of yes and whole numbers, [n, labels]."""
    return outputs.float().sigmoid(), targets.long()


def of_one(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """As `of_yes_or_no`, of one answer a sample: [n]."""
    probabilities, answers = of_yes_or_no(outputs, targets)
    return probabilities.reshape(-1), answers.reshape(-1)


def of_numbers(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """In double precision, where the device has it: squares of large numbers are subtracted from each other."""
    kind = torch.float32 if outputs.device.type == "mps" else torch.float64
    return outputs.to(kind), targets.to(kind)


# -- from counts


def present(counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of a confusion matrix [true, predicted]: the hits, and how often each class is the target and the answer."""
    matrix = counts.double()
    return matrix.diagonal(), matrix.sum(1), matrix.sum(0)


def overlap(counts: Tensor) -> Tensor:
    """Intersection over union of each class; NaN for one that is neither target nor answer."""
    hits, truly, said = present(counts)
    return hits / (truly + said - hits)


def f1_of(counts: Tensor) -> Tensor:
    """F1 of each class; NaN for one that is neither target nor answer."""
    hits, truly, said = present(counts)
    return 2 * hits / (truly + said)


def occurs(counts: Tensor) -> Tensor:
    """Where there are samples of a class, or yes of a label, and others too: [classes] of [classes, classes], or
    [labels] of [labels, 2, 2].
    """
    truly = counts.sum(-1)
    if counts.ndim == 3:
        return (truly > 0).all(-1)
    return (truly > 0) & (truly < truly.sum())


# -- details of a test


def of_each_class(counts: Tensor, names: Sequence[str]) -> dict[str, Any]:
    """Precision, recall, F1 and number of samples of each class, by a confusion matrix [true, predicted]."""
    hits, truly, said = present(counts)
    precision = hits / said.clamp(min=1)
    recall = hits / truly.clamp(min=1)
    f1 = 2 * hits / (said + truly).clamp(min=1)
    return {
        name: {
            "precision": precision[i].item(),
            "recall": recall[i].item(),
            "f1": f1[i].item(),
            "samples": int(truly[i]),
        }
        for i, name in enumerate(names)
    }


def details_of_classes(values: Values, names: Sequence[str]) -> dict[str, Any]:
    counts = values[COUNTS].cpu()
    return {"confusion": counts.tolist(), "classes": of_each_class(counts, names)}


def details_of_positions(values: Values, names: Sequence[str]) -> dict[str, Any]:
    details = details_of_classes(values, names)
    for name, each in zip(names, overlap(values[COUNTS]).tolist(), strict=True):
        details["classes"][name]["iou"] = each
    return details


def details_of_labels(values: Values, names: Sequence[str]) -> dict[str, Any]:
    counts = values[COUNTS].cpu()
    classes = {name: of_each_class(each, ("no", "yes"))["yes"] for name, each in zip(names, counts, strict=True)}
    able = occurs(counts).tolist()
    for kind in ("auroc", "ap"):
        for name, value, said in zip(names, values[kind].reshape(-1).tolist(), able, strict=True):
            classes[name][kind] = value if said else None
    return {"classes": classes}


def details_of_numbers(values: Values, names: Sequence[str]) -> dict[str, Any]:
    kinds = {kind: values[kind].reshape(-1).tolist() for kind in ("r2", "mae", "rmse") if kind in values}
    return {"outputs": {name: {kind: each[i] for kind, each in kinds.items()} for i, name in enumerate(names)}}


class Rmse(MeanSquaredError):
    """The root of the mean squared error of each output; without a sample there is none."""

    def __init__(self, outputs: int) -> None:
        super().__init__(squared=False, num_outputs=outputs)


def double(metric: Metric) -> Metric:
    return metric.set_dtype(torch.float64)


MEASURES = {
    "classification": Measures(
        made={
            "acc": lambda n: MulticlassAccuracy(n, average="micro", **FAST),
            "top5": lambda n: MulticlassAccuracy(n, top_k=TOP, average="micro", **FAST),
            "f1": lambda n: MulticlassF1Score(n, average="macro", **FAST),
            "ece": lambda n: MulticlassCalibrationError(n, **BINS, **FAST),
            "auroc": lambda n: MulticlassAUROC(n, average="none", **FAST),
            COUNTS: lambda n: MulticlassConfusionMatrix(n, **FAST),
        },
        given=of_classes,
        details=details_of_classes,
        noun="class",
        ranked=("auroc",),
    ),
    "binary": Measures(
        made={
            "f1": lambda _: BinaryF1Score(**FAST),
            "auroc": lambda _: BinaryAUROC(**FAST),
            "ap": lambda _: BinaryAveragePrecision(**FAST),
            "ece": lambda _: BinaryCalibrationError(**BINS, **FAST),
            COUNTS: lambda _: BinaryConfusionMatrix(**FAST),
        },
        given=of_one,
        details=details_of_classes,
        noun="class",
        ranked=("auroc", "ap"),
    ),
    "multilabel": Measures(
        made={
            "f1": lambda n: MultilabelF1Score(n, average="none", **FAST),
            "auroc": lambda n: MultilabelAUROC(n, average="none", **FAST),
            "ap": lambda n: MultilabelAveragePrecision(n, average="none", **FAST),
            COUNTS: lambda n: MultilabelConfusionMatrix(n, **FAST),
        },
        given=of_yes_or_no,
        details=details_of_labels,
        noun="label",
        ranked=("auroc", "ap"),
    ),
    "regression": Measures(
        made={
            "r2": lambda _: double(R2Score(multioutput="raw_values")),
            "mae": lambda n: double(MeanAbsoluteError(num_outputs=n)),
            "rmse": lambda n: double(Rmse(n)),
        },
        given=of_numbers,
        details=details_of_numbers,
        noun="output",
    ),
    "dense": Measures(
        made={COUNTS: lambda n: MulticlassConfusionMatrix(n, ignore_index=IGNORED, **FAST)},
        given=lambda outputs, targets: (outputs.argmax(1), targets),
        details=details_of_positions,
        noun="class",
        derived={"f1": f1_of, "iou": overlap},
    ),
}
