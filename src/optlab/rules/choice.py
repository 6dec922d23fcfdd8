"""How a winner is chosen among configurations, from the records of their runs."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from optlab.record import RunRecord
from optlab.rules.metrics import directions_of, final_value, higher_is_better, part_of
from optlab.rules.space import numbers

# Part of every plan and of its hash: not a word of it changes. What a diverged run counts as where there is no chance
# level stands in `metrics.final_value`, the rest of the ties in `best`.
RULE = (
    "highest mean over the tuning seeds of the final metric; a diverged run counts as chance level; "
    "ties: the lower mean loss, then the smaller lr"
)

T = TypeVar("T")


class Score(NamedTuple):
    """How a run ended; larger is better in both numbers."""

    value: float  # the final metric, negated for a loss; a diverged run: chance level, or -inf where there is none
    tie_break: float  # the negated final loss of the same part; -inf where it is not known
    trained: bool = True  # False: it diverged


def score_of(record: RunRecord, metric: str | None = None) -> Score | None:
    """The score of a run that is over, from its record alone; None where it failed or has no value of the metric.

    Args:
        metric: what is judged by; the run's own without it.
    """
    metric = record.data.get("metric") if metric is None else metric
    value = None if metric is None else final_value(record, metric)
    if metric is None or value is None:
        return None
    trained = record.status == "finished"
    loss = final_value(record, f"{part_of(metric)}/loss") if trained else None
    up = higher_is_better(metric, directions_of(record.data))
    return Score(value if up else -value, -math.inf if loss is None else -loss, trained)


@dataclass(frozen=True)
class Candidate(Generic[T]):
    """A configuration that may win."""

    of: T
    scores: Sequence[Score | None]  # one a seed; None: that run failed
    optimizer: Mapping[str, Any]  # its config, hyperparameters included

    @property
    def mean(self) -> tuple[float, float] | None:
        """Mean value and tie-break over the seeds; None where a run failed, or there is none yet."""
        complete = [score for score in self.scores if score is not None]
        if not complete or len(complete) < len(self.scores):
            return None
        return mean([score.value for score in complete]), mean([score.tie_break for score in complete])


def best(candidates: Iterable[Candidate[T]]) -> Candidate[T] | None:
    """The candidate with the best mean over its seeds; None where each has a failed run."""
    return next(iter(ranked(candidates)), None)


def ranked(candidates: Iterable[Candidate[T]]) -> list[Candidate[T]]:
    """The candidates without a failed run, the one with the best mean over its seeds first.

    One that diverged on every seed counts as chance, and a network that learns may do worse than that for a while: it
    wins only where no other is left. Ties, which are common on a small validation split, go to the lower mean loss,
    then to the smaller lr, and then to the smaller values of the other hyperparameters in the order of their names,
    so that the order of the candidates never matters.
    """

    def quality(candidate: Candidate[T]) -> tuple[bool, float, float, list[float]]:
        value, tie_break = candidate.mean or (-math.inf, -math.inf)
        trained = any(score is not None and score.trained for score in candidate.scores)
        values = numbers(candidate.optimizer)
        return trained, value, tie_break, [-values.pop("lr", 0.0), *(-number for number in values.values())]

    return sorted((each for each in candidates if each.mean is not None), key=quality, reverse=True)


def mean(values: Sequence[float]) -> float:
    """The mean, rounded so that sums of equal numbers are equal; -inf with a value that is not finite among them."""
    return round(math.fsum(values) / len(values), 12) if all(map(math.isfinite, values)) else -math.inf
