"""What the launchers share. Light at import: Hydra imports every plugin at every start."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING

from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from optlab.adapters.hydra import JobReturn
    from optlab.sweep.launchers.pool import Backend


class ProcessLauncher(Launcher):
    """Runs each job in another process; a subclass says how such a process is started."""

    name = ""  # as typed: hydra/launcher=NAME
    package = ""  # and the extra of pyproject.toml that brings it
    on_this_machine = True  # all processes, so that they can share a data set in memory

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.check()
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def check(self) -> None:
        """Raise UserError where this launcher cannot start anything, before anything is planned or written."""
        from optlab.errors import UserError
        from optlab.rules.commands import install

        if any(find_spec(package) is None for package in (self.package, "cloudpickle")):
            raise UserError(f"hydra/launcher={self.name} needs a package: {install(self.package)}")
        from optlab.sweep.launchers.slots import check_counts

        check_counts(**{name: value for name, value in vars(self).items() if name in ("n_jobs", "threads")})

    @abstractmethod
    def backend(self, content: bytes, jobs: Sequence[Sequence[str]], first: int) -> Backend:
        """How the jobs' processes are started; `content` is what they need to know of the sweep."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from optlab.sweep.launchers.parcel import pack
        from optlab.sweep.launchers.pool import run_all
        from optlab.sweep.shelf import sharing

        with sharing() if self.on_this_machine else nullcontext(()) as shelves:
            content = pack(self.hydra_context, self.config, self.task_function, shelves)
            endings = run_all(self.backend(content, job_overrides, initial_job_idx), job_overrides, initial_job_idx)
        return [ending.to_job_return(job) for ending, job in zip(endings, job_overrides, strict=True)]
