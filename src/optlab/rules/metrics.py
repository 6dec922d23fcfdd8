"""What a run may be judged by: which way is better, what chance gives, and the objective of a record."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from optlab.errors import UserError
from optlab.record import RunRecord
from optlab.rules.logged import standard_name
from optlab.rules.tasks import chance_of, task_of

Direction = Literal["max", "min"]
# Words of a metric's name that say which way is better: `val/loss`, `top5`, `my_balanced_accuracy`, `val_f1_epoch`.
# The last such word counts: of `loss_acc` it is the accuracy.
_LOWER = """
    loss ece mae mse rmse error err perplexity ppl nll bce crossentropy entropy distance hamming fid wer cer
"""
_HIGHER = """
    acc accuracy top f1 fbeta auroc auc ap map miou iou jaccard dice r2 precision recall sensitivity specificity
    kappa mcc corrcoef score psnr ssim bleu ndcg likelihood
"""
LOWER, HIGHER = frozenset(_LOWER.split()), frozenset(_HIGHER.split())


def part_of(metric: str) -> str:
    """`val` of `val/acc`."""
    return metric.partition("/")[0]


def kind_of(metric: str) -> str:
    """`acc` of `val/acc`."""
    return metric.partition("/")[2]


def may_choose(metric: str) -> str:
    """A metric that may be chosen by, under optlab's name; raises ValueError for one of the test split."""
    metric = standard_name(metric)
    if part_of(metric) == "test":
        raise ValueError(f"val/{kind_of(metric)}, as nothing is chosen on the test split")
    return metric


def direction(metric: str, directions: Mapping[str, Direction] | None = None) -> Direction | None:
    """Which way a metric is better; None where neither the run nor the name tells.

    Args:
        metric: `val/acc`, `kappa`, `val_loss`: the part before a slash says nothing.
        directions: of metrics of a user's own, by the part after the slash (`data.directions` in run.json).
    """
    kind = kind_of(metric) or metric
    if directions and kind in directions:
        return directions[kind]
    in_capitals = re.findall(r"[A-Z]*[a-z]+\d*|[A-Z]+\d*", kind)  # valAcc, F1Score
    for word in reversed([*in_capitals, *re.findall(r"[a-z]+\d*", kind.lower())]):
        spellings = (word.lower(), word.lower().rstrip("0123456789"))  # top5 is a top
        if not HIGHER.isdisjoint(spellings):
            return "max"
        if not LOWER.isdisjoint(spellings):
            return "min"
    return None


def higher_is_better(metric: str, directions: Mapping[str, Direction] | None = None) -> bool:
    """Whether more of it is better; of what nobody tells, less is."""
    return direction(metric, directions) == "max"


def directions_of(data: Mapping[str, Any]) -> Mapping[str, Direction]:
    """What a run's record says of metrics of its own; `data` is that of run.json."""
    said = data.get("directions")
    return {str(kind): way for kind, way in said.items() if way in ("max", "min")} if isinstance(said, dict) else {}


def better(metric: str, value: float, than: float, directions: Mapping[str, Direction] | None = None) -> bool:
    return value > than if higher_is_better(metric, directions) else value < than


def metrics_of(*, validates: bool, task: str, outputs: int = 2, own: Iterable[str] = ()) -> list[str]:
    """The metrics that a run may have while it trains; see `metric_of` for the arguments."""
    found = task_of(task)
    known = [f"val/{kind}" for kind in (*found.metrics(outputs), *own) if validates]
    return [*known, *(f"train/{kind}" for kind in found.sums)]


def metric_of(
    wanted: str | None,
    *,
    validates: bool,
    task: str,
    outputs: int = 2,
    own: Mapping[str, Direction | None] | None = None,
) -> str:
    """The metric that a run is judged by: the one that is wanted, or what its task is judged by.

    Args:
        wanted: what the config says; None leaves it to the task.
        validates: whether the run measures itself on validation; else it is judged on training.
        task: a name in `optlab.rules.tasks`.
        outputs: of the network.
        own: metrics of the user's own and their directions.

    Raises:
        UserError: the run has no such metric, or nobody knows which way it is better.
    """
    part, found, own = "val" if validates else "train", task_of(task), own or {}
    known = metrics_of(validates=validates, task=task, outputs=outputs, own=own)
    metric = wanted or f"{part}/{found.judged_by}"
    if metric not in known:
        raise UserError(f"metric={metric}: this run has {', '.join(known)}")
    if (kind := kind_of(metric)) in own and own[kind] is None:
        raise UserError(
            f"metric={metric}: its class has no higher_is_better, so nothing can be chosen by it; "
            f"a class of your own says higher_is_better = True or False"
        )
    return metric


def chance_level(metric: str, outputs: int | None, task: object = None) -> float | None:
    """What guessing scores; None where the metric has no such level, as a loss, which has no bound above.

    Args:
        outputs: the number of classes, where it is known.
        task: a name in `optlab.rules.tasks`; of classes without it.
    """
    return chance_of(kind_of(metric), outputs, task)


def final_value(record: RunRecord, metric: str) -> float | None:
    """What a run is worth by a metric, from its record alone; None where it has no result.

    A diverged run is at chance level. Where the metric has none, it is infinitely bad: any finite number could let it
    pass a run that finished.
    """
    if record.status == "diverged":
        level = chance_level(metric, record.data.get("outputs"), record.data.get("task"))
        worst = -math.inf if higher_is_better(metric, directions_of(record.data)) else math.inf
        return worst if level is None else level
    if record.status != "finished":
        return None
    value = record.metrics.get(metric)
    return value if value is not None and math.isfinite(value) else None


def objective(record: RunRecord) -> float | None:
    """What a sweeper gets: the final value of the metric that the run is judged by; None where it never got one."""
    metric = record.data.get("metric")  # missing where a run failed before its data was read
    return None if metric is None else final_value(record, str(metric))
