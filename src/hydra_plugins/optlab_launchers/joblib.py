"""`hydra/launcher=joblib`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra_plugins.optlab_launchers._base import ProcessLauncher

if TYPE_CHECKING:
    from optlab.sweep.launchers.pool import Backend


class JoblibLauncher(ProcessLauncher):
    """Several jobs at a time, each in a process of this machine; see conf/hydra/launcher/joblib.yaml."""

    name = package = "joblib"

    def __init__(
        self, n_jobs: int | None = None, threads: int | None = None, gpus: Sequence[int] | None = None
    ) -> None:
        self.n_jobs = n_jobs
        self.threads = threads
        self.gpus = gpus

    def backend(self, content: bytes) -> Backend:
        from optlab.sweep.launchers.processes import Processes

        return Processes(content)
