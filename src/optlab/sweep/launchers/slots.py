"""The machine's cores and GPUs, shared out among the jobs that run side by side."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optlab.adapters.process import cores
from optlab.errors import UserError
from optlab.rules.words import plural
from optlab.sweep.launchers.gpus import CONTEXT, FreeOn, of_sharing, sharing

VISIBLE = "CUDA_VISIBLE_DEVICES"
DRIVERS = ("/dev/nvidiactl", "/dev/nvhost-ctrl", "/dev/dxg", "/dev/kfd")  # NVIDIA's, on Tegra, under Windows; AMD's
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


@dataclass(frozen=True)
class Takes:
    """What a run takes at its highest, in MiB.

    Attributes:
        host: a run on the digits has 550 to 800 resident, of which a forked worker shares 400; the rest is left for
            larger networks and data.
        device: of a GPU; None: not measured.
    """

    host: float = 800.0
    device: float | None = None


@dataclass(frozen=True)
class Room:
    """How many runs there is room for side by side.

    Attributes:
        runs: in memory, 1 or more; None: not known.
        free: MiB of memory.
        free_on: MiB of the fullest of some GPUs, as it was before the sweep; None: as it is.
    """

    takes: Takes = Takes()
    free: float | None = None
    free_on: FreeOn | None = None

    @property
    def runs(self) -> int | None:
        return None if self.free is None else max(1, int(self.free // self.takes.host))


def share_out(
    jobs: int,
    config: Mapping[str, Any],
    *,
    n_jobs: int | None,
    threads: int | None,
    gpus: Sequence[int] | None,
    room: Room | None = None,
) -> list[Slot]:
    """A slot for each job that runs at the same time.

    Args:
        jobs: how many there are in all.
        config: of the sweep; with `trainer.accelerator` cpu no GPU is given out.
        n_jobs: jobs at a time; by default as many as share a GPU (see `optlab.sweep.launchers.gpus`) and have a core
            each, or without a GPU as many as the cores give their threads to and the memory has room for.
        threads: CPU threads a job, as the sweep's plan has it; without one the cores divided by the jobs at a time.
        gpus: the GPUs to use; by default all that there are. More jobs than GPUs share them in turn, with fewer jobs
            each has several.
        room: in memory; without it as much as is asked for.

    Raises:
        UserError: a number below 1.
    """
    check_counts(n_jobs=n_jobs, threads=threads)
    on_cpu = config["trainer"].get("accelerator") == "cpu"
    devices = [] if on_cpu else visible_gpus() if gpus is None else [str(gpu) for gpu in gpus]
    room = room or Room()
    # on a GPU a run needs a core to launch kernels from; its other threads read samples, and wait for most of the time
    shared = min(len(devices) * sharing(devices, room.takes.device, room.free_on), max(cores(), len(devices)))
    wanted = shared or max(1, cores() // (threads or 1))
    at_a_time = min(n_jobs or min(wanted, room.runs or wanted), jobs)
    each = threads or max(1, cores() // max(1, at_a_time))  # no jobs, no slots: all of a round may be done already
    return [Slot(each, share(devices, place, at_a_time)) for place in range(at_a_time)]


def said(slots: Sequence[Slot], room: Room, *, chosen: bool) -> str:
    """How many runs there are at a time and what of the machine decides it, in one line.

    Args:
        chosen: the user chose how many.
    """
    devices = {gpu for slot in slots for gpu in slot.gpus or ()}
    on = plural(len(devices), "GPU") if devices else plural(cores(), "core")
    line = f"{plural(len(slots), 'run')} at a time on {on}"
    shared = len(slots) > len(devices) > 0
    if shared and len(devices) > 1:
        line += f", {'up to ' if len(slots) % len(devices) else ''}{-(-len(slots) // len(devices))} on each"
    if shared and room.takes.device is not None:
        line += f", {gigabytes(room.takes.device + CONTEXT)} GB of a GPU's memory a run"
    short = not chosen and room.runs == len(slots) < cores()
    if room.free is not None and (short or not devices):
        line += f", {'as there is memory for no more' if short else 'memory'}: {gigabytes(room.takes.host)} GB each"
        line += f" of {gigabytes(room.free)} GB free"
    if shared:
        line += f"; {of_sharing()}"
    return line


def gigabytes(mib: float) -> str:
    return f"{mib * 2**20 / 1e9:.1f}"


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


def check_gpus(gpus: object) -> None:
    """Raise UserError for `hydra.launcher.gpus` that names one that there is not."""
    if gpus is None:
        return
    if isinstance(gpus, str) or not isinstance(gpus, Sequence):
        raise UserError(f"hydra.launcher.gpus={gpus}: must be a list, as [0,1], or null for all that there are")
    there = visible_gpus()
    if not gpus or any(str(gpu) not in there for gpu in gpus):
        said = f"torch sees the GPUs {', '.join(there)}" if there else "torch sees no GPU on this machine"
        typed = ",".join(map(str, gpus))
        raise UserError(f"hydra.launcher.gpus=[{typed}]: {said}; leave it out to use what is there")


def share(devices: Sequence[str], place: int, places: int) -> tuple[str, ...] | None:
    """The GPUs of one place: every `places`-th, or one of them in turn where there are more places than GPUs."""
    if not devices:
        return None
    return tuple(devices[place::places]) or (devices[place % len(devices)],)


def visible_gpus() -> list[str]:
    """The GPUs that this process sees, by the names that CUDA_VISIBLE_DEVICES gives them."""
    if sys.platform == "linux" and not any(Path(device).exists() for device in DRIVERS):
        return []  # and torch need not be imported to hear so
    import torch

    names = [name.strip() for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
    return names[: torch.cuda.device_count()] or [str(index) for index in range(torch.cuda.device_count())]
