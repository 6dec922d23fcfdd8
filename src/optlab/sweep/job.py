"""A job of a sweep: a list of overrides and the folder and identity that they lead to; and what became of it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from optlab.adapters import hydra as hydra_adapter
from optlab.adapters.hydra import ConfigLoader
from optlab.adapters.process import import_lightning
from optlab.config import resolve
from optlab.config.mistakes import explain
from optlab.config.schema import Config
from optlab.errors import Interrupted, UserError
from optlab.planned import PlannedRun
from optlab.record import METRICS_FILE, RECORD_FILE, OtherSchema, RunRecord, Status, read_metrics, run_id, shortest
from optlab.rules.messages import Message, message

FINAL = ("finished", "diverged", "failed")  # whatever its `until`
MODES = ("train", "find_lr")  # what the jobs of a sweep may do

State = Status | Literal["missing", "damaged"]


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Attributes:
        overrides: what follows `python train.py` to train this run alone.
        folder: the run folder, absolute.
        id: the run's identity (see `optlab.record.run_id`).
        config: without Hydra's own part.
    """

    overrides: tuple[str, ...]
    folder: Path
    id: str
    config: Config = field(repr=False, compare=False)

    def on_threads(self, number: int | None) -> "Job":
        """The job with its number of CPU threads among its words; None: as it is."""
        trainer = self.config.trainer
        if number is None or trainer.threads == number:
            return self
        word = f"{'' if 'threads' in trainer.plain else '++'}trainer.threads={number}"
        config = self.config.with_(trainer=trainer.with_(threads=number))
        return replace(self, overrides=(*self.overrides, word), config=config)

    def planned(self, sweep: Path) -> PlannedRun:
        """Its entry in the planned.json of its sweep folder."""
        folder = self.folder.relative_to(sweep.absolute()).as_posix()
        return PlannedRun(folder, list(self.overrides), self.config.trainer.max_epochs, self.config.phase)


@dataclass(frozen=True)
class Outcome:
    """What the run folder of a job says.

    Attributes:
        record: the content of run.json; None where there is none, or none that can be read.
        problem: why a run.json cannot be used, and what to do about it; it is left as it is.
        skipped: the job was settled before, and was not launched.
    """

    job: Job
    record: RunRecord | None
    problem: Message | None = None
    skipped: bool = False

    @property
    def state(self) -> State:
        if self.problem is not None:
            return "damaged"
        return self.record.status if self.record is not None else "missing"

    @property
    def settled(self) -> bool:
        """Whether there is nothing left to do for this job (a failed one runs again only when asked to)."""
        return self.problem is not None or (self.record is not None and is_over(self.job, self.record))


def is_over(job: Job, record: RunRecord) -> bool:
    """Whether a run's record says that nothing is left to do for a job: it ended, or got as far as it was to get."""
    return record.status in FINAL or got_beyond(job.folder, record, job.config.until)


def got_beyond(folder: Path, record: RunRecord, until: int | None) -> bool:
    """Whether a run has stopped behind the epoch `until`, or had gone on from there when it was broken off."""
    if until is None:
        return False
    if record.status == "stopped":
        return record.epochs >= until
    return len(read_metrics(folder / METRICS_FILE)) > until


class SweepInterrupted(Interrupted):
    """The user or the system stopped the sweep; `outcomes` says how far it got."""

    def __init__(self, signum: int, outcomes: Sequence[Outcome]) -> None:
        super().__init__(signum)
        self.outcomes = list(outcomes)


def plan(config_loader: ConfigLoader, sweep_config: DictConfig, overrides: Iterable[str]) -> Job:
    """Compose the config of one override list to see which run it is.

    Args:
        config_loader: Hydra's.
        sweep_config: the config of the multirun, with its folder fixed by `open_sweep`.
        overrides: of this job alone, without sweeps; the sweep's name is added where it is missing.

    Raises:
        UserError: the overrides name a key or option that does not exist, or something else than a training run.
    """
    words = list(overrides)
    names = [word for word in words if word.startswith("sweep=")]
    if not names:
        words.append(f"sweep={sweep_config.sweep}")
    try:
        composed = config_loader.load_sweep_config(sweep_config, words)
        sweep_folder, subfolder = Path(composed.hydra.sweep.dir), str(composed.hydra.sweep.subdir)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain(error, words)) from error
    if str(composed.sweep) != str(sweep_config.sweep):
        raise UserError(f"{names[0]}: all runs of a sweep share one name; type sweep=first")
    folder = sweep_folder.absolute() / subfolder
    if sweep_folder.resolve() not in folder.resolve().parents:
        raise UserError(f"hydra.sweep.subdir={subfolder}: a job's folder lies within that of its sweep; leave it out")
    with open_dict(composed), read_write(composed):
        del composed["hydra"]
    config = Config.parse(resolve(composed))
    if config.mode not in MODES:
        if config.mode == "trace":
            raise UserError("mode=trace: a multirun trains; leave out -m; several at once: trace.compare=[sgd,adam]")
        raise UserError(f"mode={config.mode}: a multirun trains; leave out -m to {config.mode} with one checkpoint")
    return Job(tuple(words), folder, run_id(config.plain), config)


def unique(jobs: Iterable[Job]) -> list[Job]:
    """The jobs without those that are the same run as an earlier one.

    Raises:
        UserError: two different runs share a folder.
    """
    kept: dict[Path, Job] = {}
    for job in jobs:
        if kept.setdefault(job.folder, job).id != job.id:
            raise UserError(f"{shortest(job.folder)} would hold several runs; hydra.sweep.subdir must tell them apart")
    return list(kept.values())


def check(jobs: Iterable[Job], launcher: Launcher | None = None) -> None:
    """Raise UserError for the first job that cannot work, or lacks its data: a typo costs a line and not a night.

    Jobs that are settled already are not looked at: a complete sweep needs no torch to see that it is complete.

    Args:
        launcher: which may have them looked at where torch is imported already.
    """
    left = apart_from_seeds(job.config for job in jobs if not outcome(job).settled)
    if left and not hydra_adapter.checked_by(launcher, left):
        import_lightning()
        from optlab.check import check_config
        from optlab.inputs import missing

        for config in left:
            check_config(config)
            if getattr(launcher, "on_this_machine", True):  # elsewhere there may be other files
                missing(config)


def apart_from_seeds(configs: Iterable[Config]) -> list[Config]:
    """The first of those that differ in nothing but the seed, which no check depends on."""
    found: dict[str, Config] = {}
    for config in configs:
        found.setdefault(json.dumps(config.plain | {"seed": None}, default=str), config)
    return list(found.values())


def outcome(job: Job, *, skipped: bool = False) -> Outcome:
    """Read what became of a job.

    Raises:
        UserError: its folder holds another run (a hand-made `hydra.sweep.subdir` that is not unique).
    """
    if not (job.folder / RECORD_FILE).exists():
        return Outcome(job, None)
    try:
        record = RunRecord.read(job.folder)
    except UserError as error:
        kind = "other_schema" if isinstance(error, OtherSchema) else "damaged"
        return Outcome(job, None, problem=message(kind, job.folder.name, error=error))
    if record.id != job.id:
        raise UserError(
            f"{shortest(job.folder)} holds run {record.id} and not {job.id}; name the sweep otherwise with sweep=NAME"
        )
    return Outcome(job, record, skipped=skipped)
