"""Any logger of Lightning's kind, made and called where it can neither stop a run nor hold it up."""

import inspect
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.loggers.logger import DummyExperiment

from optlab.config.schema import Call
from optlab.config.signature import check_call, locate
from optlab.create import create
from optlab.record import RunRecord, finite, shortest
from optlab.tracking.guard import Guard, Worker
from optlab.tracking.wandb import described

log = logging.getLogger(__name__)

PROJECT = "optlab"


class Tracker:
    """What is particular to one tracker; as it stands here, what any logger of Lightning's kind is asked for.

    The methods run in the mirror's thread and may raise anything.

    Args:
        name: the key under `logger`.
        call: the class and its arguments, as they were composed.
    """

    package = ""  # that must be there; the extra of pyproject.toml that installs it has the same name
    words = ""  # what people call it
    fills = frozenset({"save_dir", "name"})  # arguments that the user may leave out or give as null

    def __init__(self, name: str, call: Call) -> None:
        self.name, self.call = name, call

    def defaults(self, record: RunRecord, folder: Path) -> dict[str, Any]:
        """Arguments for what the user did not say; those that the class does not take are left out."""
        return {"save_dir": str(folder / self.name), "name": run_name(record)}

    def arguments(self, record: RunRecord, folder: Path) -> dict[str, Any]:
        """The keyword arguments of the class: the user's, over the defaults that it takes."""
        given = {key: value for key, value in self.call.arguments.items() if value is not None}
        return self.call.arguments | self.filled(self.defaults(record, folder)) | given

    def filled(self, usual: Mapping[str, Any]) -> dict[str, Any]:
        """Of these arguments those that the class names."""
        try:
            parameters = inspect.signature(locate(f"logger.{self.name}", self.call.target)).parameters
        except (TypeError, ValueError):  # a compiled class shows no signature
            return {}
        return {key: value for key, value in usual.items() if key in parameters}

    def check(self) -> None:
        """Raise UserError for an argument that the class does not take."""
        filled = self.filled(dict.fromkeys(self.fills, ""))
        said = {key: value for key, value in self.call.plain.items() if key not in filled or value is not None}
        check_call(f"logger.{self.name}", filled | said)

    def begin(self, logger: Any, record: RunRecord, folder: Path) -> None:
        """Say what the run is."""
        logger.log_hyperparams(parameters_of(record))

    def end(self, logger: Any, record: RunRecord) -> None:
        """Say how the run ended, and close it."""
        logger.save()
        logger.finalize("success" if record.status in ("finished", "diverged", "stopped") else "failed")

    def where(self, record: RunRecord, folder: Path) -> str:
        """Where the user finds the run, for the line at its start."""
        return str(shortest(folder / self.name))


class Mirror(Logger):
    """A logger around another one, which a thread makes and calls: see `guard.Worker`.

    Attributes:
        guard: says whether the tracker still records.
        logger: the one inside; None while it is not made yet, or where it could not be made.
    """

    def __init__(self, tracker: Tracker, record: RunRecord, folder: Path) -> None:
        super().__init__()
        self.tracker, self.folder = tracker, folder
        self.guard = Guard(tracker.words or f"logger.{tracker.name}")
        self.worker = Worker(self.guard)
        self.logger: Logger | None = None
        self._experiment: Any = DummyExperiment()
        arguments = tracker.arguments(record, folder)
        started = RunRecord(**vars(record))  # as it is now: the run goes on meanwhile
        self.worker.later(lambda: self._begin(arguments, started))

    def _begin(self, arguments: Mapping[str, Any], record: RunRecord) -> None:
        logger = create({"_target_": self.tracker.call.target}, **arguments)  # `name` is an argument here
        self.tracker.begin(logger, record, self.folder)
        self._experiment = getattr(logger, "experiment", self._experiment)
        self.logger = logger

    def _later(self, method: str, *args: Any, **kwargs: Any) -> None:
        self.worker.later(lambda: getattr(self.logger, method)(*args, **kwargs))

    # -- what Lightning, the recorder and callbacks of users call

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._later("log_metrics", dict(metrics), step)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        self._later("log_hyperparams", params, *args, **kwargs)

    def log_graph(self, model: Any, input_array: Any = None) -> None:
        """Nothing: the network is being trained while the thread would look at it."""

    def save(self) -> None:
        self._later("save")

    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        self._later("after_save_checkpoint", checkpoint_callback)

    def finalize(self, status: str) -> None:
        """Nothing: Lightning says so after training and again after the test; `finish` does it, once."""

    def finish(self, record: RunRecord) -> None:
        """Give what the test measured and how the run ended, and wait for the thread: half a minute at most."""
        tested = {name: value for name, value in finite(record.metrics).items() if name.startswith("test/")}
        if known := {name: value for name, value in tested.items() if value is not None}:
            self.log_metrics(known, record.steps)
        self.worker.later(lambda: self.tracker.end(self.logger, record))
        self.worker.close()

    @property
    def experiment(self) -> Any:
        """The inner logger's own, for a user's callback; one that does nothing until there is such a logger.

        Lightning asks for it before training, in the thread that trains: a tracker may then ask its server.
        """
        return self._experiment

    @property
    def name(self) -> str:
        return self.tracker.name

    @property
    def version(self) -> str:
        return ""

    @property
    def save_dir(self) -> str:
        return str(self.folder)


def group_of(record: RunRecord, folder: Path) -> str:
    """What the tracker files a run under: its sweep, which folders of jobs lie in, or optlab for a single run."""
    sweep = Path(str(record.config.get("sweep")))
    parts = folder.absolute().parent.parts
    return sweep.as_posix() if parts[-len(sweep.parts) :] == sweep.parts else PROJECT  # a name may have slashes


def run_name(record: RunRecord) -> str:
    """The name of a run in a list of runs: `adam-lr0.001-seed0`."""
    return f"{record.optimizer}-lr{record.lr:g}-seed{record.seed}"


def parameters_of(record: RunRecord) -> dict[str, Any]:
    """What a run is, as every tracker is told it; what is not finite is null."""
    return dict(finite(described(record)))


def tags_of(record: RunRecord) -> dict[str, str]:
    """What runs are grouped and chosen by: `configuration`, `phase`, `sweep` and `status`."""
    told = described(record)
    return {key: str(told[key]) for key in ("configuration", "phase", "sweep", "status") if told[key] is not None}
