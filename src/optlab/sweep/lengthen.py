"""More epochs for the runs of a sweep: a run goes on from the last checkpoint of the same run with fewer epochs.

The run of fewer epochs keeps its folder and its record; the longer one has another id and so a folder of its own, and
says in its record what it was `continued_from`. Light at import: the process that conducts a sweep asks, too.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from optlab.config.schema import Config
from optlab.errors import UserError
from optlab.record import CHECKPOINT_FOLDER, RECORD_FILE, RunRecord, job_name
from optlab.rules.length import goes_by_length, without_length
from optlab.rules.words import plural
from optlab.sweep.job import Job, outcome


@dataclass(frozen=True)
class Shorter:
    """A run that differs in its number of epochs alone, and got all of them.

    Attributes:
        unfit: why the longer run cannot go on from it; None where it can.
    """

    folder: Path
    epochs: int
    unfit: str | None

    @property
    def checkpoint(self) -> Path:
        return last_checkpoint(self.folder)


def shorter(folder: Path, config: Config) -> Shorter | None:
    """The longest of the shorter runs beside a run folder; None where there is none, or the run has a checkpoint."""
    wanted, most = without_length(config.plain), config.trainer.max_epochs
    if most < 1 or config.ckpt is not None or last_checkpoint(folder).exists():
        return None
    found = [
        (record.epochs, other)
        for other, record in neighbours(folder, config)
        if record.status == "finished"
        and record.epochs == record.config.get("trainer", {}).get("max_epochs") < most
        and without_length(record.config) == wanted
    ]
    if not found:
        return None
    epochs, other = max(found)
    return Shorter(other, epochs, goes_by_length(config.plain) or lacks(other, config))


def neighbours(folder: Path, config: Config) -> Iterator[tuple[Path, RunRecord]]:
    """The other runs of the sweep; of folders that are named as usual, those of this optimizer, lr and seed alone."""
    stem = job_name(config.plain).rpartition("-")[0]
    pattern = f"{stem}-*" if folder.name.startswith(f"{stem}-") else "*"
    for path in sorted(folder.parent.glob(f"{pattern}/{RECORD_FILE}")):
        if path.parent == folder:
            continue
        try:
            yield path.parent, RunRecord.read(path.parent)
        except UserError:  # the report names it
            continue


def lacks(folder: Path, config: Config) -> str | None:
    """What of a run's checkpoints is not there any more, in words."""
    names = ["last.ckpt", *(["best.ckpt"] if config.test_weights == "best" else [])]
    missing = [name for name in names if not (folder / CHECKPOINT_FOLDER / name).is_file()]
    return f"{missing[0]} is missing" if missing else None


def last_checkpoint(folder: Path) -> Path:
    return folder / CHECKPOINT_FOLDER / "last.ckpt"


def lines(jobs: Iterable[Job]) -> list[str]:
    """What is said before the first of some jobs begins: how many go on from shorter runs, and why others do not."""
    counts: Counter[tuple[int, int, str | None]] = Counter()
    for job in jobs:
        if not outcome(job).settled and (found := shorter(job.folder, job.config)) is not None:
            counts[job.config.trainer.max_epochs, found.epochs, found.unfit] += 1
    said = []
    for (epochs, before, unfit), n in counts.items():
        runs = f"{plural(n, 'run')} of {plural(epochs, 'epoch')}"
        if unfit is None:
            said.append(f"{runs}: from epoch {before + 1} on, behind the same of {before}")
        else:
            said.append(f"{runs}: from the first epoch, and not behind the same of {before}: {unfit}")
    return said
