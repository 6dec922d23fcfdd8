"""`hydra/launcher=submitit_local` and `hydra/launcher=submitit_slurm`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from hydra_plugins.optlab_launchers._base import ProcessLauncher

if TYPE_CHECKING:
    from optlab.sweep.launchers.pool import Backend
    from optlab.sweep.launchers.slots import Slot


class SubmititLocalLauncher(ProcessLauncher):
    """submitit's own local executor; see conf/hydra/launcher/submitit_local.yaml."""

    name = "submitit_local"
    package = "submitit"

    def __init__(
        self,
        folder: str,
        n_jobs: int | None = None,
        threads: int | None = None,
        gpus: Sequence[int] | None = None,
    ) -> None:
        self.folder = folder
        self.n_jobs = n_jobs
        self.threads = threads
        self.gpus = gpus

    def backend(self, content: bytes) -> Backend:
        from optlab.sweep.launchers.queue import Local

        return Local(content, Path(self.folder).absolute())


class SubmititSlurmLauncher(ProcessLauncher):
    """A SLURM cluster's queue; see conf/hydra/launcher/submitit_slurm.yaml."""

    name = "submitit_slurm"
    package = "submitit"
    on_this_machine = False

    def __init__(self, folder: str, **parameters: Any) -> None:
        self.folder = folder
        self.parameters = {
            key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for key, value in parameters.items()
        }

    def check(self) -> None:
        from optlab.errors import UserError

        super().check()
        if shutil.which("sbatch") is None:
            raise UserError(
                "hydra/launcher=submitit_slurm: there is no sbatch on this machine; type it on a login node of the "
                "cluster, or hydra/launcher=submitit_local to run here"
            )

    def slots(self, jobs: int) -> Sequence[Slot]:
        from optlab.sweep.launchers.slots import Slot

        return [Slot(None)] * jobs  # SLURM shares out its machines

    def backend(self, content: bytes) -> Backend:
        from optlab.sweep.launchers.queue import Slurm

        return Slurm(content, Path(self.folder).absolute(), self.parameters)
