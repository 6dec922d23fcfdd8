"""`hydra/launcher=joblib`: processes of this machine, kept from job to job so that each imports torch once."""

import os
import signal
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from functools import partial

from optlab.adapters.joblib import ProcessPoolExecutor, one_worker
from optlab.adapters.process import Place, become_worker
from optlab.sweep.launchers.parcel import Ending, run_parcel
from optlab.sweep.launchers.pool import Backend
from optlab.sweep.launchers.slots import Slot


@dataclass
class Running:
    """A job under way in a worker."""

    future: "Future[Ending]"
    pid: int

    def done(self) -> bool:
        return self.future.done()

    def ending(self) -> Ending:
        if self.future.exception() is not None:
            return Ending("died", 1)
        return self.future.result()

    def stop(self) -> None:
        if not self.future.done():
            os.kill(self.pid, signal.SIGINT)


class Processes(Backend):
    """An executor with one worker for each slot, for the whole sweep; one that dies takes no other job with it.

    A worker has read its slot's variables when it imported torch: it is replaced where it gets another slot.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.place = Place.here()
        self.workers: dict[int, tuple[Slot, ProcessPoolExecutor, Running]] = {}  # and the last job of each

    def start(self, overrides: Sequence[str], number: int, place: int) -> Running:
        executor, pid = self.worker(place)
        slot = self.slots[place]
        job = Running(
            executor.submit(
                run_parcel, self.content, self.place, list(overrides), number, os.environ | slot.environment()
            ),
            pid,
        )
        self.workers[place] = slot, executor, job
        return job

    def worker(self, place: int) -> tuple[ProcessPoolExecutor, int]:
        """The executor of a slot and its worker's process number; a new one for the first job and after a death."""
        if place in self.workers:
            slot, executor, last = self.workers[place]
            if last.future.exception() is None and slot == self.slots[place]:
                return executor, last.pid
            executor.shutdown(wait=True)
        executor = one_worker(initializer=partial(become_worker, os.getpid()))
        return executor, executor.submit(os.getpid).result()

    def wait(self, jobs: Sequence[Running]) -> None:
        wait([job.future for job in jobs], return_when=FIRST_COMPLETED)

    def close(self) -> None:
        for _, executor, _ in self.workers.values():
            executor.shutdown(wait=True)
        self.workers = {}
