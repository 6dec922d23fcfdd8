"""`hydra/launcher=ray`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra_plugins.optlab_launchers._base import ProcessLauncher

if TYPE_CHECKING:
    from optlab.sweep.launchers.pool import Backend


class RayLauncher(ProcessLauncher):
    """Ray's tasks, on this machine or on a cluster; see conf/hydra/launcher/ray.yaml."""

    name = package = "ray"
    on_this_machine = False

    def __init__(
        self,
        address: str | None = None,
        n_jobs: int | None = None,
        threads: int | None = None,
        gpus_per_job: float | None = None,
    ) -> None:
        self.address = address
        self.n_jobs = n_jobs
        self.threads = threads
        self.gpus_per_job = gpus_per_job

    def backend(self, content: bytes, jobs: Sequence[Sequence[str]], first: int) -> Backend:
        from optlab.sweep.launchers.cluster import Ray
        from optlab.sweep.launchers.slots import share_out

        slots = share_out(len(jobs), self.config, n_jobs=self.n_jobs, threads=self.threads, gpus=None)
        return Ray(content, slots, self.address, self.gpus_per_job)
