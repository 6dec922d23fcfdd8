"""Successive halving over epochs: which trials of an arm go on behind a rung, and what they are judged by there.

Sources: Jamieson and Talwalkar 2016 ("Non-stochastic best arm identification and hyperparameter optimization");
Li et al. 2018 ("Hyperband"), whose brackets with the fewest epochs at the first rung are this.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from optlab.errors import UserError
from optlab.record import Row, RunRecord
from optlab.rules.choice import Candidate, Score, ranked, score_of
from optlab.rules.metrics import directions_of, higher_is_better, part_of

T = TypeVar("T")

# Part of every plan with it and of its hash: not a word of it changes.
RULE = (
    "successive halving over epochs, in tuning, among the trials of one arm: of those that are left, `kept` go on "
    "behind each of `rungs`, chosen by `rule` on the metric of that epoch; the others stop; trials of an extension run "
    "to the end"
)
FIRST = 4  # the first rung stands at this part of the horizon where it is not given: a fourth


@dataclass(frozen=True)
class Halving:
    """The rungs of a study, the same in each arm.

    Attributes:
        rungs: epochs, rising, each before the horizon.
        kept: how many trials go on behind each.
        horizon: epochs of a run that is not stopped.
    """

    rungs: tuple[int, ...]
    kept: tuple[int, ...]
    reduction: int
    horizon: int

    @classmethod
    def of(cls, trials: int, horizon: int, reduction: int, first: int | None = None, every: int = 1) -> Self:
        """The rungs for so many trials, each `reduction` times as far as the one before.

        Args:
            first: the first rung; None: a fourth of the horizon.
            every: epochs between two validations; a rung stands where there is one.

        Raises:
            UserError: no rung with less trials lies before the horizon.
        """
        epoch = float(first if first is not None else math.ceil(horizon / FIRST))
        rungs: dict[int, int] = {}
        left = trials
        for power in range(1, 64):
            rung, keep = every * math.ceil(epoch / every), math.ceil(trials / reduction**power)
            if rung >= horizon:
                break
            if keep < left:
                rungs[rung] = left = keep
            epoch *= reduction
        if not rungs:
            raise UserError(
                f"hydra.sweeper.stopping=halving stops none of {trials} trials before epoch {horizon}; type more "
                "trials, a longer trainer.max_epochs or an earlier hydra.sweeper.stopping_first, or leave it out"
            )
        return cls(tuple(rungs), tuple(rungs.values()), reduction, horizon)

    @classmethod
    def read(cls, plan: Any) -> Self | None:
        """The rule of a protocol.yaml; None where it has none, or none that can be read."""
        try:
            rungs, kept = ([int(each) for each in plan[name]] for name in ("rungs", "kept"))
            return cls(tuple(rungs), tuple(kept), int(plan["reduction"]), int(plan["horizon"]))
        except (TypeError, ValueError, KeyError):
            return None

    @property
    def plan(self) -> dict[str, Any]:
        """Its entry in protocol.yaml."""
        return {
            "name": "halving",
            "rule": RULE,
            "rungs": list(self.rungs),
            "kept": list(self.kept),
            "reduction": self.reduction,
            "horizon": self.horizon,
        }

    def epochs(self, trials: int) -> int:
        """The epochs that so many trials take, a run each."""
        left, behind, total = trials, 0, 0
        for rung, keep in zip(self.rungs, self.kept, strict=True):
            total += left * (rung - behind)
            left, behind = min(left, keep), rung
        return total + left * (self.horizon - behind)

    def saved(self, trials: int) -> int:
        """The epochs that so many trials do not take, a run each."""
        return trials * self.horizon - self.epochs(trials)


def left(candidates: Iterable[Candidate[T]], keep: int) -> list[T]:
    """What goes on behind a rung, in the order given: the best by the rule of choice, none with a failed run."""
    field = list(candidates)
    best = {id(each) for each in ranked(field)[:keep]}
    return [each.of for each in field if id(each) in best]


def score_at(record: RunRecord, rows: Sequence[Row], epoch: int, metric: str | None = None) -> Score | None:
    """The score of a run behind an epoch, whatever became of it later; None where it failed or had none there.

    One that was over by then counts with its end, as in the choice of a winner: a diverged one as chance level.

    Args:
        rows: of its metrics.csv.
        metric: what is judged by, where the record does not say it yet.
    """
    metric = record.data.get("metric") or metric
    at = record.epochs if record.status == "finished" else (record.diverged or {}).get("epoch")
    if record.status in ("finished", "diverged") and at is not None and at <= epoch:
        return score_of(record, metric)
    row = next((row for row in rows if row.get("epoch") == epoch), None)
    if row is None and record.status != "failed":
        raise UserError(f"epoch {epoch} is missing in its metrics.csv, by which it would be judged")
    value = None if row is None or metric is None else row.get(metric)
    if row is None or metric is None or value is None or not math.isfinite(value):
        return None
    loss = row.get(f"{part_of(metric)}/loss")
    up = higher_is_better(metric, directions_of(record.data))
    return Score(float(value if up else -value), -math.inf if loss is None else -float(loss))
