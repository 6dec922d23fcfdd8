"""planned.json: the runs that a sweep is going to make, on disk before the first of them begins.

Whoever watches a sweep reads it to say what is left. It is written by the process that conducts the sweep, each time
that it knows more runs; several commands on one sweep add up.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from optlab.errors import UserError
from optlab.record import is_of, write_whole

SCHEMA = 1
PLANNED_FILE = "planned.json"


@dataclass(frozen=True)
class PlannedRun:
    """One run to come, or made already.

    Attributes:
        folder: its run folder as seen from the sweep folder, with `/` on every system.
        overrides: what follows `python train.py` to train it alone.
        epochs: the declared number of epochs; -1 where steps end the run.
        phase: train, tune or confirm.
    """

    folder: str
    overrides: list[str]
    epochs: int
    phase: str


@dataclass(frozen=True)
class Planned:
    """The content of planned.json, schema 1.

    Attributes:
        runs: those that are known, in the order in which they came to be known.
        expected: how many there will be, as far as the results show: a study knows its later rounds by number alone.
        threads: CPU threads of each; None: not decided, or in the protocol.yaml of a study.
    """

    runs: tuple[PlannedRun, ...] = ()
    expected: int = 0
    threads: int | None = None

    def adding(self, runs: Iterable[PlannedRun], expected: int = 0, threads: int | None = None) -> Self:
        """With these runs, each folder once; what is expected is as it was last said, threads as they first were."""
        known = {run.folder: run for run in (*self.runs, *runs)}
        return type(self)(tuple(known.values()), max(expected or self.expected, len(known)), self.threads or threads)

    def write(self, sweep: Path) -> None:
        """Replace `sweep/planned.json`, so that no reader ever sees half of it.

        Raises:
            UserError: the folder cannot be written (full, read-only).
        """
        threads = {} if self.threads is None else {"threads": self.threads}
        content = {"schema": SCHEMA, "expected": self.expected, **threads, "runs": [asdict(run) for run in self.runs]}
        write_whole(sweep / PLANNED_FILE, json.dumps(content, indent=1) + "\n")

    @classmethod
    def read(cls, sweep: Path) -> Self | None:
        """The plan in a sweep folder; None where there is none, as in sweeps of before and of other programs.

        Raises:
            UserError: the file is damaged, or another version wrote it.
        """
        path = sweep / PLANNED_FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: cannot be read ({error}); the sweep's command writes it again") from error
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise UserError(
                f"{path}: not of schema {SCHEMA}, the one that this version reads; the sweep's command writes it again"
            )
        runs, expected = content.get("runs"), content.get("expected")
        if not isinstance(runs, list) or not isinstance(expected, int):
            raise UserError(f"{path}: damaged, runs or expected is missing; the sweep's command writes it again")
        threads = content.get("threads")
        if threads is not None and not (is_of(threads, int) and threads > 0):
            raise UserError(f"{path}: damaged, threads is {threads!r:.60}; the sweep's command writes it again")
        return cls(tuple(planned_run(path, entry) for entry in runs), expected, threads)


def planned_run(path: Path, entry: Any) -> PlannedRun:
    """An entry of planned.json; its folder lies within the sweep."""
    if not isinstance(entry, dict):
        raise UserError(f"{path}: damaged, a run is {entry!r:.60}")
    hints = {"folder": str, "overrides": list[str], "epochs": int, "phase": str}
    for name, hint in hints.items():
        if not is_of(entry.get(name), hint):
            raise UserError(f"{path}: damaged, a run's {name} is {entry.get(name)!r:.60}")
    folder = Path(entry["folder"])
    if folder.is_absolute() or ".." in folder.parts or not folder.parts:
        raise UserError(f"{path}: damaged, a run's folder is {entry['folder']!r:.60}")
    return PlannedRun(**{name: entry[name] for name in hints})
