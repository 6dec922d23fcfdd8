"""What another process needs to run a job of this sweep, and running it there."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cloudpickle
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from optlab.errors import Interrupted


@dataclass(frozen=True)
class Ending:
    """How a job came back from its process; what became of the run stands in its folder."""

    how: Literal["returned", "interrupted", "raised"]
    value: Any = None

    def to_job_return(self, overrides: Sequence[str]) -> JobReturn:
        status = JobStatus.FAILED if self.how == "raised" else JobStatus.COMPLETED
        value = RuntimeError(self.value) if self.how == "raised" else self.value
        return JobReturn(overrides=list(overrides), status=status, _return_value=value)


def pack(hydra_context: HydraContext, config: DictConfig, task_function: TaskFunction) -> bytes:
    """Everything that this process knows of the sweep. By value, as the task function stands in train.py."""
    content = (hydra_context, config, task_function, Singleton.get_state())
    return bytes(cloudpickle.dumps(content))


@dataclass(frozen=True)
class Place:
    """Where the user typed the command, so that relative paths and imports mean the same everywhere."""

    folder: str
    script: str
    import_path: tuple[str, ...]

    @classmethod
    def here(cls) -> "Place":
        return cls(str(Path.cwd()), str(Path(sys.argv[0]).absolute()), tuple(sys.path))

    def enter(self) -> None:
        os.chdir(self.folder)
        sys.argv = [self.script]
        sys.path += [path for path in self.import_path if path not in sys.path]
        # Lightning starts the processes of a distributed run from this, and must find the script there.
        sys.modules["__main__"].__spec__ = None


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
    os.environ.update(environment)
    place.enter()
    try:
        hydra_context, config, task_function, singletons = cloudpickle.loads(content)
        setup_globals()
        Singleton.set_state(singletons)
        job_config = hydra_context.config_loader.load_sweep_config(config, list(overrides))
        with open_dict(job_config):
            job_config.hydra.job.id = str(number)
            job_config.hydra.job.num = number
        HydraConfig.instance().set_config(job_config)
        result = run_job(
            hydra_context=hydra_context,
            task_function=task_function,
            config=job_config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
    except (Interrupted, KeyboardInterrupt):
        return Ending("interrupted")
    except Exception as error:  # whatever it is: the sweep goes on, and says which job it was
        return Ending("raised", f"{type(error).__name__}: {error}")
    if result.status == JobStatus.FAILED:
        return Ending("raised", f"{type(result._return_value).__name__}: {result._return_value}")
    return Ending("returned", result.return_value)
