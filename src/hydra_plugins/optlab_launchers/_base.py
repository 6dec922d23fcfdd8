"""What the launchers share. Light at import: Hydra imports every plugin at every start."""

from __future__ import annotations

import os
import weakref
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from optlab.adapters.forkserver import ForkServer
    from optlab.adapters.hydra import JobReturn
    from optlab.sweep.launchers.gpus import FreeOn
    from optlab.sweep.launchers.pool import Backend
    from optlab.sweep.launchers.questions import Ask
    from optlab.sweep.launchers.slots import Room, Slot, Takes
    from optlab.sweep.shelf import Shelves

PLENTY = 1e9  # MiB, more than any GPU has


class ProcessLauncher(Launcher):
    """Runs each job in another process; a subclass says how such a process is started."""

    name = ""  # as typed: hydra/launcher=NAME
    package = ""  # and the extra of pyproject.toml that brings it
    on_this_machine = True  # all processes, so that they can share a data set in memory
    elsewhere = True  # whether jobs run in other processes than this one
    looks_elsewhere = False  # and whether configs are looked at there

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.check()
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config
        self.running: Backend | None = None  # from the first launch on
        self.free_mib: float | None = None
        self.free_on: FreeOn | None = None
        self.takes: Takes | None = None
        self.told = False
        self.shared: Shelves | None = None
        self.to_the_end = ExitStack()
        weakref.finalize(self, self.to_the_end.close)  # a sweeper that is not optlab's does not know `close`

    def check(self) -> None:
        """Raise UserError where this launcher cannot start anything, before anything is planned or written."""
        from optlab.errors import UserError
        from optlab.rules.commands import install

        if find_spec(self.package) is None:
            raise UserError(f"hydra/launcher={self.name} needs a package: {install(self.package)}")
        from optlab.sweep.launchers.slots import check_counts, check_gpus

        check_counts(**{name: value for name, value in vars(self).items() if name in ("n_jobs", "threads")})
        check_gpus(vars(self).get("gpus"))

    @abstractmethod
    def backend(self, content: bytes) -> Backend:
        """How the jobs' processes are started; `content` is what they need to know of the sweep."""

    def slots(self, jobs: int) -> Sequence[Slot]:
        """The machine, shared out among so many jobs."""
        return self.shared_out(jobs, self.room())

    def shared_out(self, jobs: int, room: Room | None) -> Sequence[Slot]:
        """The same, if there were this room."""
        from optlab.sweep.launchers.slots import share_out

        given = {name: getattr(self, name, None) for name in ("n_jobs", "threads", "gpus")}
        return share_out(jobs, self.config, **given, room=room)

    def room(self) -> Room | None:
        """The memory of this machine, as it was before this sweep took of it; None where it does not matter."""
        from optlab.sweep.launchers import gpus
        from optlab.sweep.launchers.slots import Room, Takes
        from optlab.sweep.price.machine import free_mib

        if not self.on_this_machine:
            return None
        if self.free_mib is None:
            self.free_mib = free_mib()
        if self.free_on is None:
            self.free_on = cache(gpus.free_mib)
        return Room(self.takes or Takes(), self.free_mib, self.free_on)

    def runs_take(self, host_mib: float | None, device_mib: float | None) -> None:
        """Share out the machine by what was measured of a run, in MiB, the largest of all; None: not measured."""
        from optlab.sweep.launchers.slots import Takes

        takes = Takes(device=device_mib) if host_mib is None else Takes(host_mib, device_mib)
        self.told = self.told and takes == self.takes  # so `line` says what holds from here on
        self.takes = takes

    def may_share_gpus(self, jobs: int) -> bool:
        """Whether so many jobs would be more at a time if each were known to take little of a GPU; it is not asked."""
        from optlab.sweep.launchers.slots import Room, Takes, is_distributed

        if not self.on_this_machine or is_distributed(self.config):
            return False
        slots = self.slots(jobs)
        tiny = Room(Takes(device=0.0), self.free_mib, lambda _: PLENTY)
        return len(self.shared_out(jobs, tiny)) > len(slots)

    def asks_a_worker(self, jobs: int) -> bool:
        """Whether a worker is to say what so many jobs take: where they get GPUs, of which it takes none for long.

        Not on Windows, see `server_for`.
        """
        from optlab.sweep.launchers.slots import is_distributed

        if not self.on_this_machine or is_distributed(self.config) or os.name == "nt":
            return False
        return any(slot.gpus is not None for slot in self.slots(jobs))

    @contextmanager
    def asking(self, slot: Slot) -> Iterator[Ask]:
        """Ask a worker with the environment of this slot, which is gone behind the block; see `asks_a_worker`."""
        from optlab.sweep.launchers.questions import asking

        with (
            self.server_to_ask() as server,
            asking(server, environment=slot.environment(), shelves=self.shelves()) as ask,
        ):
            yield ask

    def server_to_ask(self) -> AbstractContextManager[ForkServer]:
        """Where a worker that is asked comes from."""
        from optlab.sweep.launchers.questions import server_for_questions

        return server_for_questions()

    def shelves(self) -> Shelves:
        """Folders through which all processes of the sweep share data sets, from the first that needs one."""
        from optlab.sweep.shelf import sharing

        if self.shared is None:
            self.shared = self.to_the_end.enter_context(sharing()) if self.on_this_machine else ()
        return self.shared

    def line(self, jobs: int) -> str | None:
        """How many of so many jobs run at a time, the first time that it is asked; None for one."""
        from optlab.sweep.launchers.slots import Room, said

        slots = self.slots(jobs)
        if self.told or len(slots) < 2 or not self.on_this_machine:
            return None
        self.told = True
        return said(slots, self.room() or Room(), chosen=getattr(self, "n_jobs", None) is not None)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run these jobs; the processes stay for the next launch, until `close`."""
        from optlab.sweep.launchers.parcel import pack
        from optlab.sweep.launchers.pool import run_all

        slots = self.slots(len(job_overrides))
        if self.running is None:
            self.running = self.backend(pack(self.hydra_context, self.config, self.task_function, self.shelves()))
            self.to_the_end.callback(self.running.close)
        self.running.take(job_overrides, initial_job_idx, slots)
        endings = run_all(self.running, job_overrides, initial_job_idx)
        return [ending.to_job_return(job) for ending, job in zip(endings, job_overrides, strict=True)]

    def close(self) -> None:
        """End the processes; the sweep is over."""
        self.running = self.shared = None
        self.to_the_end.close()
