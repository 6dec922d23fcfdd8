"""What the launchers share. Light at import: Hydra imports every plugin at every start."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from optlab.sweep.launchers.pool import Backend


class ProcessLauncher(Launcher):
    """Runs each job in another process; a subclass says how such a process is started."""

    extra = ""  # of pyproject.toml, which brings the package
    package = ""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    @abstractmethod
    def backend(self, content: bytes, jobs: Sequence[Sequence[str]], first: int) -> Backend:
        """How the jobs' processes are started; `content` is what they need to know of the sweep."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from optlab.errors import UserError

        for package in (self.package, "cloudpickle"):
            if find_spec(package) is None:
                raise UserError(f"hydra/launcher={self.extra} needs a package: pip install -e '.[{self.extra}]'")
        from optlab.sweep.launchers.parcel import pack
        from optlab.sweep.launchers.pool import run_all

        content = pack(self.hydra_context, self.config, self.task_function)
        endings = run_all(self.backend(content, job_overrides, initial_job_idx), job_overrides, initial_job_idx)
        return [ending.to_job_return(job) for ending, job in zip(endings, job_overrides, strict=True)]
