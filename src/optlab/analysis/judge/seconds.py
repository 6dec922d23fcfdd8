"""Seconds of training, and whether they compare: the same step takes longer on a machine that does other work too."""

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from optlab.analysis.judge.contest import Contender, Contest
from optlab.analysis.read.runs import Run
from optlab.rules.messages import Message, message, phrase
from optlab.rules.words import enumerated

DISTURBED = 1.5  # times the fastest run's step time, in runs computed alike: above, something else was going on
SHOWN = 4  # values of what runs differ in; above, the first of them
HOW = (  # of what is recorded of how a run was computed: what changes how long it takes
    *("engine", "kernels", "compile", "device", "device_name", "devices", "cpu_model", "cpu_capability", "threads"),
    *("precision", "tf32", "deterministic", "cudnn_benchmark", "channels_last"),
)


@dataclass(frozen=True)
class StepTime:
    """What a step of one contender takes, in milliseconds, in runs computed alike (host, engine, device, threads).

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
            how = [told(run, name) for name in ("host", *HOW)]
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


# -- what a reader of seconds must know


def about_seconds(contest: Contest, said: Collection[str] = ()) -> list[Message]:
    """Why the seconds of contenders do not compare; each reason once, and where there are two, in one warning.

    Args:
        said: what runs differ in, as far as the comparison warns of it anyway.
    """
    if len(contest.contenders) < 2:
        return disturbed(contest)
    differences = unlike(contest, said)
    if slowed := disturbed(contest, differences):
        return slowed
    return [message("seconds_unlike", differences=differences)] if differences else []


def unlike(contest: Contest, said: Collection[str] = ()) -> str:
    """What runs differ in that takes different times, hosts too; empty where there is nothing."""
    found = []
    for name in ("host", *HOW):
        values = list(dict.fromkeys(str(value) for run in contest.runs if (value := told(run, name)) is not None))
        if len(values) > 1 and name not in said:
            shown = [*values[:SHOWN], "..."] if len(values) > SHOWN else values
            found.append(phrase("numerics_of", name=name, values=enumerated(shown)))
    return "; ".join(found)


def told(run: Run, name: str) -> Any:
    """What a run says of how and where it was computed; None where it does not say."""
    return run.record.environment.get("host") if name == "host" else run.record.numerics.get(name)


def disturbed(contest: Contest, differences: str = "") -> list[Message]:
    """Contenders whose steps took different times in runs computed alike, with what is known of the reason.

    Args:
        differences: in how runs were computed, which is said besides.
    """
    times: Sequence[tuple[str, StepTime | None]] = [(c.name, step_time(c)) for c in contest.contenders]
    together = beside_others(contest)
    why = phrase("as_side_by_side", **together) if together else phrase("probably_other_work")
    why += f", {phrase('and_unlike', differences=differences)}" if differences else ""
    return [
        message("disturbed", name, fastest=time.fastest, slowest=time.slowest, why=why)
        for name, time in times
        if time is not None and time.disturbed
    ]


def shared(contest: Contest) -> list[Message]:
    """Runs that trained side by side, as a launcher lets them, without one of them being slowed down by much."""
    if len(contest.contenders) < 2 or disturbed(contest):
        return []
    together = beside_others(contest)
    return [message("side_by_side", **together)] if together else []


def beside_others(contest: Contest) -> dict[str, Any]:
    """How many runs trained beside others, of how many that tell, and how many at a time at most; {} where none did."""
    known = [contest.beside[run.folder] for run in contest.runs if run.folder in contest.beside]
    together = sum(at_once > 1 for at_once in known)
    return {"beside": together, "runs": len(known), "most": max(known)} if together else {}
