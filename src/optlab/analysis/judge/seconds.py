"""Seconds of training, and whether they compare: the same step takes longer on a machine that does other work too."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from optlab.analysis.judge.contest import Contender, Contest
from optlab.analysis.read.runs import Run
from optlab.rules.messages import Message, message

DISTURBED = 1.5  # times the fastest run's step time, in runs computed alike: above, something else was going on
HOW = ("engine", "kernels", "compile", "device", "device_name", "devices", "cpu_model", "threads", "precision")


@dataclass(frozen=True)
class StepTime:
    """What a step of one contender takes, in milliseconds, in runs that are computed alike (engine, device, threads).

    `fastest` and `slowest` are means of single runs, of those alike that are furthest apart. `spent` is the seconds of
    all its runs, and `epoch` those of an epoch, if each step took as long as in the fastest run like it.
    """

    fastest: float
    slowest: float
    spent: float
    epoch: float

    @property
    def disturbed(self) -> bool:
        return self.slowest > DISTURBED * self.fastest


def step_time(contender: Contender) -> StepTime | None:
    """The step time of a contender; None where no run tells."""
    alike: dict[str, list[tuple[float, Run]]] = defaultdict(list)
    for run in contender.runs:
        if (milliseconds := step_milliseconds(run)) is not None:
            how = [run.record.numerics.get(name) for name in HOW]
            alike[json.dumps(how, sort_keys=True, default=str)].append((milliseconds, run))
    if not alike:
        return None
    ends = [(min(ms for ms, _ in group), max(ms for ms, _ in group)) for group in alike.values()]
    fastest, slowest = max(ends, key=lambda pair: pair[1] / pair[0])
    groups = zip(alike.values(), ends, strict=True)
    spent = sum(run.record.steps * least / 1000 for group, (least, _) in groups for _, run in group)
    whole = [run for run in contender.runs if run.record.epochs]
    whole = [run for run in whole if run.record.status == "finished"] or whole  # others end within an epoch
    steps = min((run.record.steps / run.record.epochs for run in whole), default=0.0)
    return StepTime(fastest, slowest, spent, steps * min(ends)[0] / 1000)


def step_milliseconds(run: Run) -> float | None:
    """The mean time of a step of a run, evaluation left out where the record says so; None where it does not tell."""
    measured = run.record.timing.get("step_milliseconds")
    if measured is None and run.record.steps and run.record.timing.get("fit_seconds"):
        measured = 1000 * (run.record.timing["fit_seconds"] or 0.0) / run.record.steps
    return measured if measured else None


def disturbed(contest: Contest) -> list[Message]:
    """Contenders whose seconds do not compare."""
    found: Sequence[tuple[str, StepTime | None]] = [(c.name, step_time(c)) for c in contest.contenders]
    return [
        message("disturbed", name, fastest=time.fastest, slowest=time.slowest)
        for name, time in found
        if time is not None and time.disturbed
    ]
