"""`hydra/launcher=ray`."""

from __future__ import annotations

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

    def backend(self, content: bytes) -> Backend:
        from optlab.sweep.launchers.cluster import Ray

        return Ray(content, self.address, self.gpus_per_job)
