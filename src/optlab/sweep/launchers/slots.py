"""The machine's cores and GPUs, shared out among the jobs that run side by side."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optlab.adapters.process import cores
from optlab.errors import UserError

VISIBLE = "CUDA_VISIBLE_DEVICES"
COUNTS = ("devices", "num_nodes")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Slot:
    """The share of one job: CPU threads, and the GPUs it may see (None: as the machine has them)."""

    threads: int | None
    gpus: tuple[str, ...] | None = None

    def environment(self) -> dict[str, str]:
        """The variables to set before torch is imported."""
        variables = {} if self.threads is None else dict.fromkeys(THREADS, str(self.threads))
        return variables if self.gpus is None else variables | {VISIBLE: ",".join(self.gpus)}


def share_out(
    jobs: int, config: Mapping[str, Any], *, n_jobs: int | None, threads: int | None, gpus: Sequence[int] | None
) -> list[Slot]:
    """A slot for each job that runs at the same time.

    Args:
        jobs: how many there are in all.
        config: of the sweep; with `trainer.accelerator` cpu no GPU is given out.
        n_jobs: jobs at a time; by default one a GPU, or one a CPU core where there is no GPU.
        threads: CPU threads a job; by default the cores divided by the jobs at a time.
        gpus: the GPUs to use; by default all that there are. More jobs than GPUs share them in turn, with fewer jobs
            each has several.

    Raises:
        UserError: a number below 1.
    """
    check_counts(n_jobs=n_jobs, threads=threads)
    on_cpu = config["trainer"].get("accelerator") == "cpu"
    devices = [] if on_cpu else visible_gpus() if gpus is None else [str(gpu) for gpu in gpus]
    at_a_time = min(n_jobs or len(devices) or cores(), jobs)
    each = threads or max(1, cores() // at_a_time)
    return [Slot(each, share(devices, place, at_a_time)) for place in range(at_a_time)]


def is_distributed(config: Mapping[str, Any], jobs: Sequence[Sequence[str]] = ()) -> bool:
    """Whether a run is several processes by itself, which share out the machine among them.

    Args:
        config: of the sweep.
        jobs: the overrides of each, which may choose another trainer.
    """
    words = {word.lstrip("+") for overrides in jobs for word in overrides}
    typed = {word.partition("=")[2] for word in words if word.startswith(("trainer.devices=", "trainer.num_nodes="))}
    trainer = config["trainer"]
    return "trainer=ddp" in words or not {"1", *typed, *(str(trainer.get(key, 1)) for key in COUNTS)} <= {"1"}


def check_counts(**counts: object) -> None:
    """Raise UserError for a setting of a launcher that is no number of things."""
    for name, value in counts.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise UserError(f"hydra.launcher.{name}={value}: must be 1 or more, or null to share out what is there")


def share(devices: Sequence[str], place: int, places: int) -> tuple[str, ...] | None:
    """The GPUs of one place: every `places`-th, or one of them in turn where there are more places than GPUs."""
    if not devices:
        return None
    return tuple(devices[place::places]) or (devices[place % len(devices)],)


def visible_gpus() -> list[str]:
    """The GPUs that this process sees, by the names that CUDA_VISIBLE_DEVICES gives them."""
    import torch

    names = [name.strip() for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
    return names[: torch.cuda.device_count()] or [str(index) for index in range(torch.cuda.device_count())]
