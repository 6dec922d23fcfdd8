"""What a sweep will take, from what each run takes. Pure: no file, no process, no clock."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optlab.config.schema import Config
from optlab.sweep.price.measured import Measured, configuration
from optlab.sweep.price.plan import Planned
from optlab.sweep.price.workers import Workers

Costs = Mapping[str, Measured | str]  # by `configuration`; a text says why one is not known

# Seconds that are no run's: from the command to the first run, and from the last one to the report. Measured on two
# cores, with eight runs on the digits.
START = {"basic": 4.0, "": 3.5}  # importing torch and Lightning, above all
START_OF_WORKERS = 4.5
REPORT = 2.3
REPORT_A_RUN = 0.01
A_RUN = 0.1  # of the sweep for each run: composing its config, its folder, its log


@dataclass(frozen=True)
class Part:
    """The runs of one configuration.

    Attributes:
        label: what tells it from the others.
        runs: that are left.
        cost: None where it could not be measured.
        seconds: of one run from its first epoch.
        reason: why it was not measured.
    """

    label: str
    runs: int
    cost: Measured | None
    seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class Price:
    """What is left of a sweep.

    Attributes:
        runs: of the whole plan.
        states: how many of them there are in each state.
        parts: what is left, by configuration.
        seconds: with these workers; None where a configuration is not known.
        alone: the same one run at a time.
        slower: how many times as long a step takes beside the others.
        host_mib: of all workers together.
        disk: bytes that the runs to come will keep.
    """

    runs: int
    states: Mapping[str, int]
    parts: tuple[Part, ...]
    workers: Workers
    seconds: float | None
    alone: float | None
    slower: float
    host_mib: float | None
    device_mib: float | None
    disk: int | None

    @property
    def left(self) -> int:
        return sum(part.runs for part in self.parts)


def estimate(
    rounds: Sequence[Sequence[Planned]],
    left: Sequence[Sequence[Planned]],
    costs: Costs,
    workers: Workers,
    slower: float = 1.0,
) -> Price:
    """The price of what is left.

    Args:
        rounds: the whole plan; a round waits for the one before.
        left: of each round what is still to be done.
        slower: see `Price`.
    """
    states: dict[str, int] = {}
    for run in (run for runs in rounds for run in runs):
        states[run.state] = states.get(run.state, 0) + 1
    parts = parts_of([run for runs in left for run in runs], costs)
    known = [part.cost for part in parts if part.cost is not None]
    whole = len(known) == len(parts)

    def took(workers: int, slower: float) -> float:
        return sum(makespan([cost_of(run, costs, slower) for run in runs], workers) for runs in left)

    fixed = START.get(workers.launcher, START_OF_WORKERS) if parts else 0.0
    if parts and workers.launcher:  # a single run has no report
        fixed += REPORT + REPORT_A_RUN * sum(map(len, rounds))
    memory = [cost.host_mib for cost in known if cost.host_mib is not None]
    on_device = [cost.device_mib for cost in known if cost.device_mib is not None]
    return Price(
        runs=sum(map(len, rounds)),
        states=states,
        parts=tuple(parts),
        workers=workers,
        seconds=took(workers.at_a_time, slower) + fixed if whole else None,
        alone=took(1, 1.0) + fixed if whole else None,
        slower=slower,
        host_mib=max(memory) * workers.at_a_time if memory else None,
        device_mib=max(on_device) * workers.at_a_time if on_device else None,
        disk=sum(part.runs * part.cost.run_bytes for part in parts if part.cost is not None) if known else None,
    )


def cost_of(run: Planned, costs: Costs, slower: float) -> float:
    """Seconds of a run beside others; those of runs on disk were beside others, too."""
    cost = costs[configuration(run.config)]
    if isinstance(cost, str):
        return 0.0
    return A_RUN + cost.seconds(run.config, epochs_done=run.epochs_done) * (slower if cost.source == "steps" else 1.0)


def makespan(seconds: Sequence[float], workers: int) -> float:
    """How long so many workers take, each taking the next as soon as it is done."""
    busy = [0.0] * max(1, min(workers, len(seconds)))
    for each in seconds:
        heapq.heapreplace(busy, busy[0] + each)
    return max(busy)


def parts_of(runs: Sequence[Planned], costs: Costs) -> list[Part]:
    groups: dict[str, list[Planned]] = {}
    for run in runs:
        groups.setdefault(configuration(run.config), []).append(run)
    names = labels([group[0].config for group in groups.values()])
    parts = []
    for (key, group), name in zip(groups.items(), names, strict=True):
        cost = costs[key]
        if isinstance(cost, str):
            parts.append(Part(name, len(group), None, reason=cost))
        else:
            parts.append(Part(name, len(group), cost, cost.seconds(group[0].config)))
    return parts


def labels(configs: Sequence[Config]) -> list[str]:
    """What tells these configs apart, in words: the optimizer, and what else differs."""
    facts = [
        {
            "optimizer": config.optimizer.name,
            "model": config.model.name if config.module is None else config.module.label,
            "dataset": config.dataset.name,
            "batch_size": f"batch {config.batch_size}",
            "loss": config.loss.name,
            "precision": str(config.trainer.precision),
        }
        for config in configs
    ]
    differ = [key for key in facts[0] if len({each[key] for each in facts}) > 1] if facts else []
    shown = [", ".join(each[key] for key in dict.fromkeys(["optimizer", *differ])) for each in facts]
    return [f"{name} ({place + 1})" if shown.count(name) > 1 else name for place, name in enumerate(shown)]
