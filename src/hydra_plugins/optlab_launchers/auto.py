"""`hydra/launcher=auto`, the default of a multirun."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.optlab_launchers._base import ProcessLauncher

if TYPE_CHECKING:
    from optlab.adapters.forkserver import ForkServer
    from optlab.adapters.hydra import JobReturn
    from optlab.config.schema import Config
    from optlab.sweep.launchers.pool import Backend


class AutoLauncher(ProcessLauncher):
    """As many jobs at a time as the machine has room for; see conf/hydra/launcher/auto.yaml."""

    name = "auto"
    package = "cloudpickle"

    def __init__(
        self, n_jobs: int | None = None, threads: int | None = None, gpus: Sequence[int] | None = None
    ) -> None:
        self.n_jobs = n_jobs
        self.threads = threads
        self.gpus = gpus

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from optlab.adapters.hydra import basic_launcher
        from optlab.sweep.launchers.server import server_for

        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        if (server := server_for(config, self.n_jobs)) is not None:
            self.to_the_end.callback(server.close)
        self.here = basic_launcher(hydra_context, config, task_function)
        self.server = server
        self.elsewhere = server is not None
        self.looks_elsewhere = server is not None and server.forks

    def backend(self, content: bytes) -> Backend:
        from optlab.sweep.launchers.forked import Forked

        assert self.server is not None, "launch asks"
        return Forked(self.server, content)

    def check_configs(self, configs: Sequence[Config]) -> bool:
        """Look at configs in a worker, where there are some; whether that was done. Raises UserError as checks do."""
        from optlab.sweep.launchers.checks import check_in_worker

        return self.server is not None and self.looks_elsewhere and check_in_worker(self.server, configs)

    def may_share_gpus(self, jobs: int) -> bool:
        return os.name != "nt" and super().may_share_gpus(jobs)  # a dry run has no workers, and speaks of them

    def asks_a_worker(self, jobs: int) -> bool:
        return self.looks_elsewhere  # where torch is imported already

    def server_to_ask(self) -> AbstractContextManager[ForkServer]:
        assert self.server is not None, "asks_a_worker says so"
        return nullcontext(self.server)

    def line(self, jobs: int) -> str | None:
        return None if self.server is None else super().line(jobs)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run these jobs in workers, or in this process where they run one after the other.

        Where there are workers they get a single job, too: it may be one whose process died.
        """
        from optlab.sweep.launchers.slots import is_distributed
        from optlab.sweep.shelf import using

        one_by_one = self.server is None or is_distributed(self.config, job_overrides)
        if one_by_one or (self.running is None and len(self.slots(len(job_overrides))) == 1):
            with using(self.shared or ()):  # a worker that was asked has put the data set there
                return self.here.launch(job_overrides, initial_job_idx)
        return super().launch(job_overrides, initial_job_idx)
