"""What the tests of sweeps share: quick jobs, and what they leave on disk."""

from pathlib import Path
from typing import Any

import torch

from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.record import RunRecord
from optlab.sweep.job import Job
from tests import forked
from tests.commandline import Result, command
from tests.conftest import QUICK, SMALL
from tests.metrics import read_metrics

SIGNAL = "+callbacks.signal._target_=tests.sweep.troubles.Signal"
HOLD = "+callbacks.hold._target_=tests.sweep.troubles.Hold"
LOG = "+callbacks.log._target_=tests.sweep.troubles.Log"
LOCAL = ("auto", "submitit_local", "ray")  # launchers with processes of this machine


def by(launcher: str, at_a_time: int) -> tuple[str, ...]:
    """Through this launcher, so many runs at a time, with one thread each as the test process has."""
    return (f"hydra/launcher={launcher}", f"hydra.launcher.n_jobs={at_a_time}", "hydra.launcher.threads=1")


def words_of(*words: str, name: str = "first") -> list[str]:
    """The command line of a quick multirun."""
    return ["-m", *QUICK, *SMALL, f"sweep={name}", "optimizer=sgd", *words]


def multirun(*words: str, name: str = "first") -> Result:
    """A quick multirun in this process."""
    return command(*words_of(*words, name=name))


def start(*words: str, name: str = "first") -> forked.Typed:
    """A quick multirun in a process of its own."""
    return forked.start(*words_of(*words, name=name))


def folder_of(lr: object, name: str = "first") -> Path:
    """The run folder of the only job with this lr."""
    [folder] = Path("outputs/sweeps", name).glob(f"*-lr{lr}-*")
    return folder


def record_of(lr: object, name: str = "first") -> RunRecord:
    return RunRecord.read(folder_of(lr, name))


def data_sets_shared(name: str = "first") -> int:
    """How many runs say that they put their data set where the others find it."""
    logs = (path.read_text() for path in Path("outputs/sweeps", name).glob("*/train.log"))
    return sum("shared with the other runs" in text for text in logs)


def rows(lr: object, name: str = "first") -> list[dict[str, Any]]:
    """The metrics of each epoch, without the time they took."""
    return [
        {key: value for key, value in row.items() if key != "seconds"}
        for row in read_metrics(folder_of(lr, name) / "metrics.csv")
    ]


def weights(lr: object, name: str = "first") -> dict[str, torch.Tensor]:
    path = folder_of(lr, name) / "checkpoints" / "last.ckpt"
    state: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["state_dict"]
    return state


def assert_same_run(lr: object, name: str, other: str) -> None:
    """Weights, metrics of every epoch and final metrics are those of the other sweep, bit for bit."""
    assert rows(lr, name) == rows(lr, other)
    assert record_of(lr, name).metrics == record_of(lr, other).metrics
    ours, theirs = weights(lr, name), weights(lr, other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


# -- jobs that are only pretended, in a folder `sweep`


def jobs_of(*names: str) -> list[Job]:
    config = Config.parse(resolve(compose()))
    return [Job((f"name={name}",), Path("sweep", name).absolute(), "1a2b3c4d", config) for name in names]


def write(job: Job, status: str, **fields: Any) -> None:
    """Write the record of a job as its process would."""
    record = RunRecord.begin(job.config.plain)
    record.id, record.status = job.id, status  # type: ignore[assignment]
    record.data = {"metric": "val/acc", "outputs": 10}
    for name, value in fields.items():
        setattr(record, name, value)
    job.folder.mkdir(parents=True, exist_ok=True)
    record.write(job.folder)


def finish(job: Job, accuracy: float = 0.9) -> None:
    write(job, "finished", metrics={"val/acc": accuracy}, timing={"fit_seconds": 2.0})
