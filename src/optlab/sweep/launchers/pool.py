"""As many jobs at a time as there are slots, until all are done or the user stops them."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

from optlab.adapters.process import ctrl_c_waits
from optlab.errors import Interrupted
from optlab.sweep.launchers.parcel import Ending
from optlab.sweep.launchers.slots import Slot
from optlab.sweep.progress.lines import say_again

SECONDS_BETWEEN_LOOKS = 0.1
STARTS = 2  # of a job whose process dies


class Handle(Protocol):
    """A job in a process of its own."""

    def done(self) -> bool:
        """Whether its process has come back, or died."""

    def ending(self) -> Ending:
        """How it came back; of a job that is done."""

    def stop(self) -> None:
        """Ask it to save and stop."""


class Backend(ABC):
    """A way of starting processes, for all jobs of a sweep.

    Attributes:
        slots: a job at a time for each.
    """

    slots: Sequence[Slot] = ()

    def take(self, jobs: Sequence[Sequence[str]], first: int, slots: Sequence[Slot]) -> None:
        """Hear of the jobs that come next; a sweep launches several times, and no job is under way then.

        Args:
            jobs: the overrides of each.
            first: number of the first.
        """
        self.slots = slots

    @abstractmethod
    def start(self, overrides: Sequence[str], number: int, place: int) -> Handle:
        """Start a job in the slot of this place, where no other job is under way."""

    def wait(self, jobs: Sequence[Any]) -> None:
        """Return when one of these handles may be done: after a while, where nothing tells."""
        time.sleep(SECONDS_BETWEEN_LOOKS)

    def close(self) -> None:
        """Let go of all processes; no job is under way. What is started afterwards has new ones."""
        self.slots = ()


def run_all(backend: Backend, jobs: Sequence[Sequence[str]], first: int) -> list[Ending]:
    """Run all jobs, each slot's next as soon as its last is done; `hydra.job.num` counts from `first`.

    A job whose process died is started once more, before those that wait: it has a checkpoint to go on from.

    Ctrl-C starts no further job and asks those under way to save and stop, and waits for them; once more, and they
    are asked again, which stops them at once.

    Raises:
        Interrupted, KeyboardInterrupt: the user or the system stopped the sweep; no job is under way.
    """
    endings: list[Ending] = [Ending("interrupted")] * len(jobs)
    deaths = [0] * len(jobs)
    waiting = list(range(len(jobs)))
    busy: dict[int, tuple[int, Handle]] = {}
    free = list(range(len(backend.slots)))
    stop: BaseException | None = None
    while busy or (waiting and stop is None):
        try:
            while waiting and free and stop is None:
                with ctrl_c_waits():
                    place, job = free.pop(0), waiting.pop(0)
                    busy[place] = (job, backend.start(jobs[job], first + job, place))
            for place in [place for place, (_, handle) in busy.items() if handle.done()]:
                job, handle = busy.pop(place)
                endings[job] = handle.ending()
                free.append(place)
                if endings[job].how == "died":
                    deaths[job] += 1
                    endings[job] = Ending("died", deaths[job])
                    if deaths[job] < STARTS:
                        waiting.insert(0, job)
                        say_again(" ".join(jobs[job]))
            if busy and not (free and waiting):
                backend.wait([handle for _, handle in busy.values()])
        except (Interrupted, KeyboardInterrupt) as request:
            stop = request
            for _, handle in busy.values():
                handle.stop()
    if stop is not None:
        raise stop
    return endings
