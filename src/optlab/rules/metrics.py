"""What a run may be judged by: which way is better, what chance gives, and the objective of a record."""

import math
from typing import Literal

from optlab.errors import UserError
from optlab.record import RunRecord

JudgedBy = Literal["val/acc", "val/loss", "train/acc", "train/loss"]
HIGHER_IS_BETTER = ("acc", "top5", "f1")


def part_of(metric: str) -> str:
    """`val` of `val/acc`."""
    return metric.partition("/")[0]


def kind_of(metric: str) -> str:
    """`acc` of `val/acc`."""
    return metric.partition("/")[2]


def higher_is_better(metric: str) -> bool:
    return kind_of(metric) in HIGHER_IS_BETTER


def better(metric: str, value: float, than: float) -> bool:
    return value > than if higher_is_better(metric) else value < than


def metric_of(wanted: str | None, *, validates: bool, task: str) -> str:
    """The metric that a run is judged by: the one that is wanted, or accuracy for classes and loss for numbers.

    Args:
        wanted: what the config says; None leaves it to the task.
        validates: whether the run measures itself on validation; else it is judged on training.
        task: "classification" or "regression".

    Raises:
        UserError: the run has no such metric.
    """
    part = "val" if validates else "train"
    known = [f"{p}/{kind}" for p in dict.fromkeys([part, "train"]) for kind in ("loss", "acc")]
    if task == "regression":
        known = [name for name in known if kind_of(name) == "loss"]
    metric = wanted or f"{part}/{'acc' if task == 'classification' else 'loss'}"
    if metric not in known:
        raise UserError(f"metric={metric}: this run has {', '.join(known)}")
    return metric


def chance_level(metric: str, outputs: int | None) -> float | None:
    """What guessing scores; None where the metric has no such level, as a loss, which has no bound above.

    Args:
        outputs: the number of classes, where it is known.
    """
    kind = kind_of(metric)
    if kind == "f1":
        return 0.0  # its least: the F1 of guessing depends on how often each class occurs
    if not outputs or kind not in ("acc", "top5"):
        return None
    return min(5.0, outputs) / outputs if kind == "top5" else 1 / outputs


def final_value(record: RunRecord, metric: str) -> float | None:
    """What a run is worth by a metric, from its record alone; None where it has no result.

    A diverged run is at chance level. Where the metric has none, it is infinitely bad: any finite number could let it
    pass a run that finished.
    """
    if record.status == "diverged":
        level = chance_level(metric, record.data.get("outputs"))
        worst = -math.inf if higher_is_better(metric) else math.inf
        return worst if level is None else level
    if record.status != "finished":
        return None
    value = record.metrics.get(metric)
    return value if value is not None and math.isfinite(value) else None


def objective(record: RunRecord) -> float | None:
    """What a sweeper gets: the final value of the metric that the run is judged by; None where it never got one."""
    metric = record.data.get("metric")  # missing where a run failed before its data was read
    return None if metric is None else final_value(record, str(metric))
