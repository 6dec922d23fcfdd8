"""What another process needs to run a job of this sweep, and running it there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import cloudpickle
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from optlab.adapters import hydra as hydra_adapter
from optlab.adapters.composing import Known
from optlab.adapters.hydra import JobReturn
from optlab.adapters.process import Place
from optlab.config import places
from optlab.config.changes import composing
from optlab.config.places import Places
from optlab.errors import Interrupted, ProcessDied
from optlab.sweep.shelf import Shelves, using


@dataclass(frozen=True)
class Ending:
    """How a job came back from its process; what became of the run stands in its folder.

    Attributes:
        how: "died" only where the job can be started once more.
        value: what was returned, or the text of what was raised; of "died" how often.
    """

    how: Literal["returned", "interrupted", "raised", "died"]
    value: Any = None

    def to_job_return(self, overrides: Sequence[str]) -> JobReturn:
        if self.how == "died":
            return hydra_adapter.job_return(overrides, error=ProcessDied(self.value))
        if self.how == "raised":
            return hydra_adapter.job_return(overrides, error=RuntimeError(self.value))
        return hydra_adapter.job_return(overrides, self.value)


def pack(hydra_context: HydraContext, config: DictConfig, task_function: TaskFunction, shelves: Shelves = ()) -> bytes:
    """Everything that this process knows of the sweep. By value, as the task function stands in train.py.

    Args:
        shelves: folders through which the jobs' processes share data sets; none for processes of other machines.
    """
    context = hydra_adapter.context_of(hydra_context, config, task_function)
    return bytes(cloudpickle.dumps((places.current(), shelves, context)))


@dataclass(frozen=True)
class Opened:
    """A parcel in the process that runs its jobs.

    Attributes:
        known: what the jobs so far have composed, so that the same options are merged once.
    """

    found: Places
    shelves: Shelves
    context: tuple[Any, ...]
    known: Known = field(default_factory=dict)


@lru_cache(maxsize=1)
def opened(content: bytes) -> Opened:
    """What `pack` packed; once for all jobs that this process runs for a sweep."""
    return Opened(*cloudpickle.loads(content))


def run_parcel(
    content: bytes, place: Place, overrides: Sequence[str], number: int, environment: Mapping[str, str]
) -> Ending:
    """Run one job in this process; the body of every launcher.

    Args:
        content: from `pack`.
        place: of the command.
        overrides: of the job.
        number: `hydra.job.num`.
        environment: variables that must stand before torch is imported, which the job does.
    """
    place.enter(environment)
    try:
        sweep = opened(content)
        with composing(sweep.found, sweep.known), using(sweep.shelves):
            result = hydra_adapter.run_one(sweep.context, overrides, number)
    except (Interrupted, KeyboardInterrupt):
        return Ending("interrupted")
    except Exception as error:  # whatever it is: the sweep goes on, and says which job it was
        return Ending("raised", f"{type(error).__name__}: {error}")
    if (raised := hydra_adapter.error_of(result)) is not None:
        return Ending("raised", f"{type(raised).__name__}: {raised}")
    return Ending("returned", result.return_value)
