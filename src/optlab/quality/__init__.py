"""What is measured besides loss and accuracy: torchmetrics' metrics of the task, and those of the user's own.

Test time has all of the task; validation those that are asked for: to choose by (`metric=`), to watch (`monitor`), or
listed under `metrics`.
"""

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from optlab.adapters.output import ignoring_warnings
from optlab.config.schema import Config
from optlab.data.arrays import DataInfo
from optlab.quality import own
from optlab.quality.tasks import COUNTS, MEASURES, occurs
from optlab.rules.metrics import kind_of, part_of
from optlab.rules.tasks import task_of

__all__ = ["Quality", "asked_for", "own", "qualities"]


class Quality:
    """The metrics of one part of the data over a pass.

    Args:
        part: `val` or `test`, before the slash of each name.
        kinds: what is measured, of the task's own metrics.
        of_own: metrics of the user's own by name.
        detailed: whether `details` will be asked for.
    """

    def __init__(
        self,
        part: str,
        info: DataInfo,
        kinds: Collection[str],
        of_own: Mapping[str, Metric] | None = None,
        *,
        detailed: bool = False,
    ) -> None:
        self.part, self.info = part, info
        self.measures = MEASURES[info.task]
        self.derived = {kind: rule for kind, rule in (self.measures.derived or {}).items() if kind in kinds}
        needs_counts = bool(self.derived) or any(kind in kinds for kind in self.measures.ranked)
        wanted = [*kinds, *([COUNTS] if detailed or needs_counts else [])]
        self.metrics = {kind: make(info.outputs) for kind, make in self.measures.made.items() if kind in wanted}
        self.of_own = dict(of_own or {})
        self.detailed = detailed
        self.values: dict[str, Tensor] = {}  # of the pass that ended last

    @property
    def confusion(self) -> list[list[int]]:
        """[true class][predicted class] of the last pass; empty where there is none."""
        counts = self.values.get(COUNTS)
        return counts.tolist() if counts is not None and counts.ndim == 2 else []

    def reset(self, device: torch.device) -> None:
        """Begin a pass on this device."""
        for metric in (*self.metrics.values(), *self.of_own.values()):
            if device.type == "mps":  # Metal has no float64
                metric.set_dtype(torch.float32)
            metric.to(device)
            metric.reset()

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch: outputs of the network and targets, as `optlab.rules.tasks` describes them."""
        if self.metrics:
            given = self.measures.given(outputs, targets)
            for metric in self.metrics.values():
                metric.update(*given)
        if self.of_own:
            given = own.given(outputs.float(), targets, self.info)
            for metric in self.of_own.values():
                metric.update(*given)

    def compute(self) -> dict[str, float]:
        """The metrics by name; NaN where there is nothing to measure."""
        with ignoring_warnings("No (positive|negative) samples"):  # what cannot be measured is NaN here
            self.values = {kind: metric.compute() for kind, metric in self.metrics.items() if has_enough(kind, metric)}
            found = {name: own.number(name, metric.compute()) for name, metric in self.of_own.items()}
        found |= {kind: self.mean_of(kind, value) for kind, value in self.values.items() if kind != COUNTS}
        found |= {kind: rule(self.values[COUNTS]).nanmean().item() for kind, rule in self.derived.items()}
        return {f"{self.part}/{kind}": value for kind, value in sorted(found.items())}

    def mean_of(self, kind: str, value: Tensor) -> float:
        if kind in self.measures.ranked:
            able = occurs(self.values[COUNTS]).reshape(-1)
            value = value.reshape(-1)
            able = able[-len(value) :]  # of yes or no, whether yes can be told from no
            return value[able].mean().item() if bool(able.any()) else float("nan")
        return value.mean().item() if value.ndim else value.item()

    def details(self) -> dict[str, Any]:
        """What a test's record holds besides metrics: the confusion matrix, and numbers of each class or output."""
        if not self.detailed or not self.values:
            return {}
        names = self.info.classes or tuple(
            f"{self.measures.noun} {i}" for i in range(task_of(self.info.task).names(self.info.outputs))
        )
        return self.measures.details(self.values, names)


def has_enough(kind: str, metric: Metric) -> bool:
    """R² is the share of a spread, so it needs two samples."""
    return kind != "r2" or int(metric.total) > 1  # type: ignore[arg-type]  # a state


def asked_for(config: Config, info: DataInfo) -> list[str]:
    """What validation measures of the task's own, besides loss and accuracy."""
    monitors = [callback.arguments.get("monitor") for callback in config.callbacks.values() if callback is not None]
    names = [str(name) for name in (config.metric, *monitors) if name is not None]
    task = task_of(info.task)
    extra = [kind for kind in task.metrics(info.outputs) if kind not in task.sums]
    return [kind for kind in extra if any(part_of(name) == "val" and kind_of(name) == kind for name in names)]


def qualities(config: Config, info: DataInfo, of_own: Mapping[str, Metric]) -> dict[str, Quality]:
    """What is measured of each part besides loss and accuracy: "val", where something is asked for, and "test"."""
    task, asked = task_of(info.task), asked_for(config, info)
    measured = [kind for kind in task.metrics(info.outputs) if kind in (*task.tested, *asked)]
    if "acc" in MEASURES[task.name].made:
        measured = ["acc", *measured]
    found = {"test": Quality("test", info, measured, of_own, detailed=True)}
    if asked or of_own:
        found["val"] = Quality("val", info, asked, {name: each.clone() for name, each in of_own.items()})
    return found
