"""`hydra/launcher=auto`: workers of this machine that have torch from their first moment and live for a whole sweep."""

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

from optlab.adapters.forkserver import ForkServer, Worker
from optlab.adapters.process import Place, become_worker
from optlab.adapters.scheduler import take_turns
from optlab.errors import Interrupted
from optlab.sweep.launchers.parcel import Ending, run_parcel
from optlab.sweep.launchers.pool import Backend
from optlab.sweep.launchers.questions import Questioned
from optlab.sweep.launchers.slots import Slot

PATIENCE = 20.0  # seconds that a worker without a job gets to end


@dataclass
class Running:
    """A job under way in a worker."""

    worker: Worker

    def done(self) -> bool:
        return self.worker.answered()

    def ending(self) -> Ending:
        try:
            ending: Ending = self.worker.answer()
        except (EOFError, OSError):
            self.worker.pipe.close()
            return Ending("died", 1)
        return ending

    def stop(self) -> None:
        with suppress(EOFError, OSError):
            os.kill(self.worker.pid, signal.SIGINT)


class Forked(Backend):
    """A worker for each slot, from the first job of the sweep to its last; one that dies is replaced.

    Args:
        server: where workers come from.
        content: from `pack`.
    """

    def __init__(self, server: ForkServer, content: bytes) -> None:
        self.server = server
        self.content = content
        self.place = Place.here()
        self.workers: dict[int, tuple[Slot, Worker]] = {}

    def start(self, overrides: Sequence[str], number: int, place: int) -> Running:
        worker = self.worker(place)
        with suppress(OSError):  # it died since its last job; whoever waits for this one hears of that
            worker.pipe.send((list(overrides), number))
        return Running(worker)

    def worker(self, place: int) -> Worker:
        """The worker of a slot; a new one for the first job, after a death, and where it was given another slot."""
        slot = self.slots[place]
        if place in self.workers:
            earlier, worker = self.workers[place]
            if not worker.pipe.closed and not worker.answered() and earlier == slot:  # of itself it says nothing
                return worker
            worker.pipe.close()
        worker = self.server.start()
        environment = os.environ | slot.environment()
        with suppress(OSError):
            worker.pipe.send((os.getpid(), self.content, self.place, environment, slot.threads))
        self.workers[place] = slot, worker
        return worker

    def wait(self, jobs: Sequence[Running]) -> None:
        wait([job.worker.pipe for job in jobs])

    def close(self) -> None:
        """End all workers, and wait until they are gone."""
        for _, worker in self.workers.values():
            with suppress(OSError):
                worker.pipe.send(None)
        for _, worker in self.workers.values():
            if not worker.pipe.closed:
                worker.end(PATIENCE)
        self.workers = {}


def work(pipe: Connection) -> None:
    """What a worker does: one job after the other, until it is told that there are none, or the sweep has died.

    One that is asked questions does nothing else.
    """
    from optlab.adapters.torch import use_threads

    with suppress(EOFError, OSError, KeyboardInterrupt, Interrupted):
        # the sweep was stopped while no job was under way here, or it died
        first = pipe.recv()
        if isinstance(first, Questioned):
            first.answer(pipe)
            return
        parent, content, place, environment, threads = first
        become_worker(parent)
        if threads is not None:
            use_threads(threads)
        if threads == 1:  # several threads wait for each other, and so for whoever takes long turns
            take_turns()
        while (job := pipe.recv()) is not None:
            overrides, number = job
            pipe.send(run_parcel(content, place, overrides, number, environment))
