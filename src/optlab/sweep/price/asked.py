"""Whom a sweep asks what its runs take: a worker that then ends, or this process."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, runtime_checkable

from hydra.plugins.launcher import Launcher

from optlab.adapters.process import stopped_by_sigterm
from optlab.sweep.launchers.questions import Ask, Question
from optlab.sweep.launchers.slots import Room, Slot


@runtime_checkable
class Sharer(Protocol):
    """A launcher that shares out the cores and GPUs of this machine: see `ProcessLauncher`."""

    def may_share_gpus(self, jobs: int) -> bool: ...

    def asks_a_worker(self, jobs: int) -> bool: ...

    def slots(self, jobs: int) -> Sequence[Slot]: ...

    def room(self) -> Room | None: ...

    def runs_take(self, host_mib: float | None, device_mib: float | None) -> None: ...

    def asking(self, slot: Slot) -> AbstractContextManager[Ask]: ...


def sharer_of(launcher: object) -> Sharer | None:
    """The launcher, where it is one of ours."""
    return launcher if isinstance(launcher, Sharer) else None


def here(question: Question, patience: float | None = None) -> Any:
    """Answer in this process."""
    return question.answer()


@contextmanager
def asked_by(launcher: Launcher | None, jobs: int) -> Iterator[Ask]:
    """Whom to ask about so many jobs: a worker where one has torch already, or where runs train on GPUs.

    A worker is as the first of these jobs will be, and this process uses no GPU, which it would keep memory of.
    """
    sharer = sharer_of(launcher)
    if sharer is None or jobs == 0 or not sharer.asks_a_worker(jobs):
        yield here
        return
    look_at_gpus(sharer, jobs)
    with stopped_by_sigterm(), sharer.asking(sharer.slots(jobs)[0]) as ask:
        yield ask


def look_at_gpus(launcher: Sharer, jobs: int) -> float | None:
    """MiB that are free on the fullest GPU of these jobs, as before the sweep used one; None where nobody says."""
    room = launcher.room()
    devices = tuple(dict.fromkeys(gpu for slot in launcher.slots(jobs) for gpu in slot.gpus or ()))
    return None if not devices or room is None or room.free_on is None else room.free_on(devices)
