"""Reading run folders: what is there, what is damaged, and which runs are one and the same."""

import csv
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import numpy as np
import yaml
from numpy.typing import NDArray

from optlab.analysis.read.instruments import Measured, is_cut, read_measured
from optlab.errors import UserError
from optlab.planned import Planned
from optlab.record import METRICS_FILE, RECORD_FILE, OtherSchema, Phase, RunRecord, Status, run_id, shortest
from optlab.rules.commands import run_command, sweep_commands
from optlab.rules.files import SWEEP_FILE
from optlab.rules.messages import Message, message
from optlab.rules.words import failure

FloatArray = NDArray[np.float64]

STATUSES = get_args(Status)
PHASES = get_args(Phase)


@dataclass(frozen=True, eq=False)
class Run:
    """One run folder: its record, and the columns of its metrics.csv [epochs], NaN where a cell is empty."""

    folder: Path
    sweep: Path
    record: RunRecord
    history: dict[str, FloatArray]
    measured: Measured = field(default_factory=dict)  # by its instruments, where it had such

    @cached_property
    def contender(self) -> tuple[str, str]:
        """What is compared: the optimizer and the schedule."""
        return self.record.optimizer, self.record.lr_schedule

    @cached_property
    def configuration(self) -> str:
        """Identity of everything but the seed: runs that share it differ by chance alone."""
        return run_id(self.record.config | {"seed": None}) + self.fingerprint

    @cached_property
    def setting(self) -> str:
        """Identity of what is held constant in a comparison: all but optimizer, schedule and seed."""
        return run_id(self.record.config | {"seed": None, "optimizer": None, "lr": None}) + self.fingerprint

    @property
    def fingerprint(self) -> str:
        """Of the data: the same command on another folder of images is another experiment."""
        return str(self.record.data.get("fingerprint", ""))

    @property
    def is_over(self) -> bool:
        return self.record.status in ("finished", "diverged")

    @property
    def is_cut(self) -> bool:
        """Whether its metrics.csv has fewer rows than the run had epochs: rows, or the whole file, were deleted."""
        return (self.is_over or self.record.status == "stopped") and len(
            next(iter(self.history.values()), ())
        ) < self.record.epochs

    @property
    def is_cut_within(self) -> bool:
        """Whether its instruments.csv ends before the run did."""
        return self.is_over and is_cut(self.measured, self.record.steps)

    def epochs_at(self, steps: FloatArray) -> FloatArray:
        """The epochs, in fractions, at which some of its steps were done."""
        done, epochs = (np.append(0.0, self.history.get(name, np.empty(0))) for name in ("step", "epoch"))
        return np.asarray(np.interp(steps, done, epochs), dtype=float)

    @property
    def horizon(self) -> int | None:
        """The declared number of epochs."""
        epochs = self.record.config.get("trainer", {}).get("max_epochs")
        return epochs if isinstance(epochs, int) and epochs > 0 else None

    @cached_property
    def axes(self) -> dict[str, FloatArray]:
        """Where each row of the history stands: epochs, training samples seen, seconds of training; each [epochs]."""
        epochs = self.history.get("epoch", np.empty(0))
        config, trainer = self.record.config, self.record.config.get("trainer", {})
        if trainer.get("limit_train_batches") is None and self.record.data.get("train"):
            samples = epochs * float(self.record.data["train"])
        else:
            batch = float(config.get("batch_size") or 1) * float(trainer.get("accumulate_grad_batches") or 1)
            samples = self.history.get("step", epochs) * batch
        return {"epoch": epochs, "sample": samples, "second": self.history.get("seconds", np.full(len(epochs), np.nan))}

    @property
    def command(self) -> str:
        """What repeats this run."""
        return run_command(self.record.overrides)


@dataclass(frozen=True)
class Runs:
    """All runs of some sweeps; `skipped` says which folders could not be read and why."""

    folders: list[Path]
    runs: list[Run]
    skipped: list[Message] = field(default_factory=list)
    duplicates: int = 0
    commands: dict[Path, list[str]] = field(default_factory=dict)  # what was typed for each sweep, where it says so
    to_come: int = 0  # runs that their sweeps have planned and not begun

    def counts(self) -> dict[str, int]:
        """Number of runs by status, every status named."""
        return {status: sum(run.record.status == status for run in self.runs) for status in STATUSES}

    def failures(self) -> list[tuple[Run, str]]:
        """The failed runs, each with what went wrong in one line."""
        failed = [run for run in self.runs if run.record.status == "failed"]
        return [(run, f"{run.folder.name}  {failure(run.record.error)}") for run in failed]


def read_runs(folders: Sequence[Path]) -> Runs:
    """The runs of sweep folders (or of single run folders), in the order of their names.

    A damaged or unknown run.json, or a damaged multirun.yaml, is skipped and named in `skipped`. A run that several
    sweeps hold is counted once.

    Raises:
        UserError: a folder does not exist, or none of its runs can be read.
    """
    found: list[Run] = []
    skipped: list[Message] = []
    commands: dict[Path, list[str]] = {}
    to_come = 0
    for folder in folders:
        runs, bad = read_sweep(folder)
        if not runs:
            first = f": {bad[0]}" if bad else f"; a sweep folder holds a folder a job, each with {RECORD_FILE}"
            raise UserError(f"{shortest(folder)}: no runs of optlab here{first}")
        found += runs
        skipped += bad
        try:
            commands[folder] = sweep_commands(read_yaml(folder / SWEEP_FILE))
        except UserError as error:  # the runs are whole without it
            skipped.append(unreadable(folder, error))
        try:
            to_come += planned_only(folder)
        except UserError as error:
            skipped.append(unreadable(folder, error))
    lend_fingerprints(found)
    kept = without_duplicates(found)
    return Runs(list(folders), kept, skipped, len(found) - len(kept), commands, to_come)


def planned_only(folder: Path) -> int:
    """How many runs a sweep has planned and not begun; 0 where it does not say.

    Raises:
        UserError: its planned.json is damaged.
    """
    if (plan := Planned.read(folder)) is None:
        return 0
    begun = sum((folder / run.folder / RECORD_FILE).exists() for run in plan.runs)
    return plan.expected - begun


def read_sweep(folder: Path) -> tuple[list[Run], list[Message]]:
    """The runs in one folder, and a message for each that cannot be read."""
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; name a sweep folder, as in outputs/sweeps/first")
    runs: list[Run] = []
    bad: list[Message] = []
    for path in run_folders(folder):
        try:
            run = read_run(path, folder)
        except UserError as error:
            bad.append(unreadable(path, error))
            continue
        try:
            run = replace(run, measured=read_measured(path))
        except UserError as error:  # the run is whole without
            bad.append(unreadable(path, error))
        runs.append(run)
    return runs, bad


def unreadable(folder: Path, error: UserError) -> Message:
    kind = "unreadable_schema" if isinstance(error, OtherSchema) else "unreadable"
    return message(kind, folder.name, error=error)


def lend_fingerprints(runs: Sequence[Run]) -> None:
    """Give a run that failed before its data was read the fingerprint of those with the same data set settings.

    Else it would be an experiment of its own, and its failure be missing from the row of its configuration.
    """
    known: dict[str, set[str]] = {}
    for run in runs:
        if run.fingerprint:
            known.setdefault(dataset_settings(run), set()).add(run.fingerprint)
    for run in runs:
        fingerprints = known.get(dataset_settings(run), set())
        if not run.fingerprint and len(fingerprints) == 1:
            run.record.data["fingerprint"] = next(iter(fingerprints))


def dataset_settings(run: Run) -> str:
    return json.dumps(run.record.config.get("dataset"), sort_keys=True)


def run_folders(folder: Path) -> Iterator[Path]:
    """Every folder below that holds a run.json, sorted; nothing is looked for inside a run folder."""
    for path, below, files in os.walk(folder):
        below.sort()
        if RECORD_FILE in files:
            below.clear()
            yield Path(path)


def read_run(folder: Path, sweep: Path) -> Run:
    """One run.

    Raises:
        UserError: run.json is damaged or of an unknown schema. (A metrics.csv that is missing is no history yet.)
    """
    record = RunRecord.read(folder)
    if record.config.get("mode") == "find_lr":
        raise UserError(f"{shortest(folder)}: a test of the learning-rate finder and no run; open find_lr.html")
    groups = all(isinstance(record.config.get(group), dict) for group in ("optimizer", "lr", "trainer"))
    if record.phase not in PHASES or not groups:
        raise UserError(f"{folder / RECORD_FILE}: damaged, a field holds something else than it should")
    return Run(folder, sweep, record, read_history(folder / METRICS_FILE))


def read_history(path: Path) -> dict[str, FloatArray]:
    """The columns of a metrics.csv; a last line that is still being written is left out.

    Raises:
        UserError: the file is damaged.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from error
    header, *rows = csv.reader(text[: text.rfind("\n") + 1].splitlines()) if "\n" in text else [[]]
    try:
        cells = np.array([[float(cell) if cell else np.nan for cell in row] for row in rows], dtype=float)
        cells = cells.reshape(len(rows), len(header))
    except ValueError as error:
        raise UserError(f"{path}: damaged, a row does not fit its header ({error})") from error
    return {name: cells[:, column] for column, name in enumerate(header)}


def without_duplicates(runs: Iterable[Run]) -> list[Run]:
    """The runs, each identity once: counting one run twice would make chance look smaller than it is.

    Of several folders with one run, the one that got furthest stays.
    """
    kept: dict[tuple[str, str], Run] = {}

    def rank(run: Run) -> tuple[int, bool]:
        return STATUSES.index(run.record.status), run.record.phase != "confirm"

    for run in runs:
        key = (run.record.id, run.fingerprint)
        if key not in kept or rank(run) < rank(kept[key]):
            kept[key] = run
    return list(kept.values())


def read_yaml(path: Path) -> dict[str, Any]:
    """A yaml file as a dict; empty where it is missing.

    Raises:
        UserError: the file is damaged.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path}: cannot be read ({' '.join(str(error).split())})") from error
    return content if isinstance(content, dict) else {}


def flat(node: Any, path: str = "") -> dict[str, str]:
    """Dotted keys and their values as text."""
    if not isinstance(node, dict):
        return {path: node if isinstance(node, str) else json.dumps(node)}
    below = [flat(value, f"{path}.{key}" if path else str(key)) for key, value in node.items()]
    return {key: value for part in below for key, value in part.items()}
