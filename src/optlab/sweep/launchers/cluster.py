"""`hydra/launcher=ray`: jobs as tasks of Ray, started on this machine or running on a cluster already."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray

from optlab.adapters.process import Place
from optlab.sweep.launchers.parcel import Ending, run_parcel
from optlab.sweep.launchers.pool import Backend
from optlab.sweep.launchers.slots import Slot


@dataclass
class Task:
    """A task under way in one of Ray's workers."""

    reference: "ray.ObjectRef[Ending]"

    def done(self) -> bool:
        ready, _ = ray.wait([self.reference], timeout=0)
        return bool(ready)

    def ending(self) -> Ending:
        try:
            ending: Ending = ray.get(self.reference)
        except ray.exceptions.TaskCancelledError:
            return Ending("interrupted")
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError):
            return Ending("died", 1)
        except ray.exceptions.RayError as error:
            return Ending("raised", f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")
        return ending

    def stop(self) -> None:
        ray.cancel(self.reference)


class Ray(Backend):
    """Ray's tasks, as many at a time as there are slots; Ray gives each its cores and its share of a GPU."""

    def __init__(self, content: bytes, address: str | None, gpus: float | None) -> None:
        self.gpus = gpus
        self.place = Place.here()
        self.ours = not ray.is_initialized()
        if self.ours:
            ray.init(address=address, include_dashboard=False, log_to_driver=False, configure_logging=False)
        self.content: Any = ray.put(content)

    def start(self, overrides: Sequence[str], number: int, place: int) -> Task:
        threads = self.slots[place].threads
        gpus = self.gpus if self.gpus is not None else share_of_a_gpu(self.slots)
        task = ray.remote(run_parcel).options(num_cpus=threads, num_gpus=gpus, max_retries=0)
        environment = Slot(threads).environment()
        return Task(task.remote(self.content, self.place, list(overrides), number, environment))

    def close(self) -> None:
        if self.ours:
            ray.shutdown()


def share_of_a_gpu(slots: Sequence[Slot]) -> float:
    """A whole GPU for each slot, or a part of one where there are more slots than GPUs; 0 without GPUs."""
    gpus = {gpu for slot in slots for gpu in slot.gpus or ()}
    return min(1.0, len(gpus) / len(slots))
