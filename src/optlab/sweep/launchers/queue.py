"""`hydra/launcher=submitit_local` and `submitit_slurm`: jobs as submitit starts them, here or in a cluster's queue."""

import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import submitit

from optlab.adapters.process import Place, end_with
from optlab.adapters.submitit import ask_to_stop, has_result
from optlab.sweep.launchers.parcel import Ending, run_parcel
from optlab.sweep.launchers.pool import Backend
from optlab.sweep.launchers.slots import Slot

SECONDS_BETWEEN_LOOKS = 2.0  # at a job in a cluster's queue
FOREVER_MINUTES = 60 * 24 * 365  # submitit ends a local job after two minutes unless it is told a time


@dataclass(frozen=True)
class Call:
    """`run_parcel` with its arguments, as submitit pickles it."""

    content: bytes
    place: Place
    overrides: list[str]
    number: int
    environment: dict[str, str]
    parent: int | None = None  # the process of the sweep, where the job's ends with it

    def __call__(self) -> Ending:
        if self.parent is not None:
            end_with(self.parent)
        return run_parcel(self.content, self.place, self.overrides, self.number, self.environment)

    def checkpoint(self) -> "submitit.helpers.DelayedSubmission":
        """What to queue again before a time limit or when a node is taken away: the job goes on from last.ckpt."""
        return submitit.helpers.DelayedSubmission(self)


@dataclass
class Submitted:
    """A job that submitit has."""

    job: "submitit.Job[Ending]"

    def done(self) -> bool:
        return self.job.done()

    def ending(self) -> Ending:
        try:
            return self.job.result()
        except Exception as error:  # submitit raises the job's own exception, or one of its types for a dead job
            return Ending("raised", f"{type(error).__name__}: {str(error).strip().splitlines()[-1]}")

    def stop(self) -> None:
        self.job.cancel()


@dataclass
class SubmittedHere(Submitted):
    """A job in a process of this machine."""

    def ending(self) -> Ending:
        """At once, where submitit would wait ten seconds for a file that a network's file system may yet bring."""
        return super().ending() if has_result(self.job) else Ending("died", 1)

    def stop(self) -> None:
        ask_to_stop(self.job)


@dataclass
class Queued(Submitted):
    """A job in a cluster's queue, whose file system and accounting are shared with everybody: seldom asked."""

    looked: float = -math.inf
    over: bool = False

    def done(self) -> bool:
        now = time.monotonic()
        if not self.over and now - self.looked >= SECONDS_BETWEEN_LOOKS:
            self.looked, self.over = now, self.job.done()
        return self.over


class Local(Backend):
    """Each job in a process of its own on this machine, as many at a time as there are slots."""

    def __init__(self, content: bytes, folder: Path) -> None:
        self.content = content
        self.place = Place.here()
        self.executor = submitit.AutoExecutor(folder, cluster="local")
        self.executor.update_parameters(timeout_min=FOREVER_MINUTES)

    def start(self, overrides: Sequence[str], number: int, place: int) -> SubmittedHere:
        environment = self.slots[place].environment()
        return SubmittedHere(
            self.executor.submit(Call(self.content, self.place, list(overrides), number, environment, os.getpid()))
        )


class Slurm(Backend):
    """All jobs of a launch at once as one array of SLURM's, which starts them as it has room."""

    def __init__(self, content: bytes, folder: Path, parameters: Mapping[str, Any]) -> None:
        self.content = content
        self.place = Place.here()
        timeouts = parameters["max_num_timeout"]
        self.executor = submitit.AutoExecutor(folder, cluster="slurm", slurm_max_num_timeout=timeouts)
        self.executor.update_parameters(
            **{key: value for key, value in parameters.items() if key != "max_num_timeout" and value is not None}
        )

    def take(self, jobs: Sequence[Sequence[str]], first: int, slots: Sequence[Slot]) -> None:
        super().take(jobs, first, slots)
        with self.executor.batch():
            self.jobs = [
                self.executor.submit(Call(self.content, self.place, list(overrides), first + index, {}))
                for index, overrides in enumerate(jobs)
            ]
        self.first = first

    def start(self, overrides: Sequence[str], number: int, place: int) -> Queued:
        return Queued(self.jobs[number - self.first])
