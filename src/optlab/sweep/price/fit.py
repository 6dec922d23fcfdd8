"""How many runs of a grid share a GPU: as many as there is room for by ten steps of each configuration.

A worker takes the steps on the GPU of the first run, and is gone before that begins: the GPU is then as free as it was.
What torch reserved counts, not what the whole GPU holds, which others may use. What is not known shares nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from hydra.plugins.launcher import Launcher

from optlab.config.schema import Config
from optlab.errors import UserError
from optlab.rules.words import plural
from optlab.sweep.job import Job, outcome
from optlab.sweep.launchers.gpus import CONTEXT, sharing
from optlab.sweep.launchers.questions import Ask, NoAnswer
from optlab.sweep.launchers.slots import Room, Slot, Takes, gigabytes
from optlab.sweep.price.estimate import labels
from optlab.sweep.price.measured import Measured, configuration
from optlab.sweep.price.steps import Downloads, Steps
from optlab.sweep.threads import is_distributed

MOST = 24  # configurations that are measured; more would take longer than many a grid
PATIENCE = 600.0  # seconds for all of them, with their data set, unless that is to be downloaded

Say = Callable[[str], None]


@runtime_checkable
class Sharer(Protocol):
    """A launcher that shares out the GPUs of this machine: see `ProcessLauncher`."""

    def may_share_gpus(self, jobs: int) -> bool: ...

    def slots(self, jobs: int) -> Sequence[Slot]: ...

    def room(self) -> Room: ...

    def runs_take(self, host_mib: float | None, device_mib: float | None) -> None: ...

    def asking(self, slot: Slot) -> AbstractContextManager[Ask]: ...


class Alone(Exception):
    """Why a GPU gets one run at a time, in words that follow `as`."""


def fit_to_gpus(jobs: Sequence[Job], launcher: Launcher, say: Say, *, retry: bool = False) -> None:
    """Let a launcher give each GPU as many of these jobs as have room there, where that can be more than one.

    Args:
        say: is told what the user may wait for, and why a GPU gets no more than one run.
        retry: failed jobs are to be run again.
    """
    if not isinstance(launcher, Sharer) or not may_share(launcher, jobs):
        return
    left = [job for job in jobs if not (found := outcome(job)).settled or (retry and found.state == "failed")]
    if not may_share(launcher, left):
        return
    slots = launcher.slots(len(left))
    devices = [gpu for slot in slots for gpu in slot.gpus or ()]
    try:
        room = launcher.room()
        check_room(devices, room)
        configs = different(job.config for job in left)
        with launcher.asking(slots[0]) as ask:
            downloads = ask(Downloads([config.plain for config in configs]))
            for line in downloads:
                say(line)
            say(f"ten steps of {plural(len(configs), 'configuration')} say how many runs have room on a GPU")
            answers = ask(Steps([config.plain for config in configs]), None if downloads else PATIENCE)
        takes = taken(dict(zip(labels(configs), answers, strict=True)))
        launcher.runs_take(takes.host, takes.device)
        check_room(devices, launcher.room())
    except (Alone, NoAnswer) as reason:
        alone(say, str(reason), 2 * len(devices))
    except UserError as refusal:
        alone(say, f"a run would be refused: {refusal}", 2 * len(devices))


def alone(say: Say, reason: str, several: int) -> None:
    say(f"one run a GPU at a time, as {reason}; hydra.launcher.n_jobs={several} puts several on one")


def may_share(launcher: Sharer, jobs: Sequence[Job]) -> bool:
    """Whether these jobs would be more at a time if each were known to take little of a GPU; no GPU is asked."""
    if not launcher.may_share_gpus(len(jobs)) or any(is_distributed(job.config) for job in jobs):
        return False
    return any(on_gpu(job.config) for job in jobs)


def on_gpu(config: Config) -> bool:
    return bool(config.trainer.accelerator != "cpu")


def check_room(devices: Sequence[str], room: Room) -> None:
    """Raise Alone where the memory of these GPUs has room for one run each, by what is known of a run."""
    free = None if room.free_on is None else room.free_on(tuple(devices))
    if free is None:
        raise Alone("nvidia-smi does not say how much memory is free")
    device = room.takes.device or 0.0
    if sharing(devices, device, room.free_on) == 1:
        raise Alone(f"one takes {gigabytes(device + CONTEXT)} GB of the {gigabytes(free)} GB that are free there")


def different(configs: Iterable[Config]) -> list[Config]:
    """One config of each configuration that trains on a GPU.

    Raises:
        Alone: there are too many.
    """
    found: dict[str, Config] = {}
    for config in configs:
        if on_gpu(config):
            found.setdefault(configuration(config), config)
    if len(found) > MOST:
        raise Alone(f"{len(found)} configurations are too many to take steps of each beforehand ({MOST} at most)")
    return list(found.values())


def taken(costs: Mapping[str, Measured | str]) -> Takes:
    """What the largest of these runs takes.

    Args:
        costs: by label; a text says why one is not known.

    Raises:
        Alone: of one it is not known what it takes of a GPU.
    """
    host, device = [], []
    for label, cost in costs.items():
        if isinstance(cost, str):
            raise Alone(f"{label} could not be measured ({cost})")
        if cost.device_mib is None:
            raise Alone(f"{label} used no GPU when it was measured")
        device.append(cost.device_mib)
        host += [] if cost.host_mib is None else [cost.host_mib]
    return Takes(max(host, default=Takes().host), max(device))
