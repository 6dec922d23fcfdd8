"""What test time adds to loss and accuracy: top-5, macro F1, calibration error and the confusion matrix."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassCalibrationError,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
)

from optlab.data.arrays import DataInfo


class TestQuality:
    """torchmetrics' classification metrics over a test split.

    `test/top5` exists for more than five classes. `test/ece` is the expected calibration error of the top prediction
    with 15 equal bins (Guo et al. 2017, eq. 3).
    """

    __test__ = False  # not a pytest class

    def __init__(self, info: DataInfo) -> None:
        classes = info.outputs
        # validate_args calls torch.unique, a read-back, on every update.
        options: dict[str, Any] = {"num_classes": classes, "validate_args": False}
        metrics: dict[str, Any] = {
            "test/acc": MulticlassAccuracy(average="micro", **options),
            "test/f1": MulticlassF1Score(average="macro", **options),
            "test/ece": MulticlassCalibrationError(n_bins=15, norm="l1", **options),
            "confusion": MulticlassConfusionMatrix(**options),
        }
        if classes > 5:
            metrics["test/top5"] = MulticlassAccuracy(top_k=5, average="micro", **options)
        self.info = info
        self.metrics = MetricCollection(metrics, compute_groups=False)
        self.confusion: list[list[int]] = []

    def to(self, device: torch.device) -> None:
        self.metrics.to(device)

    def reset(self) -> None:
        self.metrics.reset()

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch: outputs (logits) [n, classes], targets [n]."""
        self.metrics.update(outputs.float().softmax(1), targets)

    def compute(self) -> dict[str, float]:
        """The metrics by name; the confusion matrix is kept in `confusion`, [true class][predicted class]."""
        values = self.metrics.compute()
        self.confusion = values.pop("confusion").tolist()
        return {name: value.item() for name, value in sorted(values.items())}

    def details(self) -> dict[str, Any]:
        """The confusion matrix, and precision, recall, F1 and number of samples of each class."""
        if not self.confusion:
            return {}
        matrix = torch.tensor(self.confusion, dtype=torch.float64)
        hits = matrix.diagonal()
        support = matrix.sum(1)
        precision = hits / matrix.sum(0).clamp(min=1)
        recall = hits / support.clamp(min=1)
        f1 = 2 * hits / (matrix.sum(0) + support).clamp(min=1)
        classes = {
            name: {
                "precision": precision[i].item(),
                "recall": recall[i].item(),
                "f1": f1[i].item(),
                "samples": int(support[i]),
            }
            for i, name in enumerate(self.info.classes)
        }
        return {"confusion": self.confusion, "classes": classes}
