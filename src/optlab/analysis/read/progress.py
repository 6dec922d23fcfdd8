"""How far sweeps are that may still run: what is over, what is running, what is left, and when it will end.

Seen from the files alone, so it may be seen from another machine. A process that was killed leaves a record that says
"running"; here such a run is running for as long as its files change.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from optlab.analysis.read.runs import Run, Runs
from optlab.errors import UserError
from optlab.planned import Planned
from optlab.record import CHECKPOINT_FOLDER, METRICS_FILE, RECORD_FILE, RunRecord
from optlab.rules.progress import Span, session, share, time_left

OVER = ("finished", "diverged", "stopped", "failed", "unreadable")
PHASES = {"tune": "tuning", "confirm": "confirmation"}  # those of a study, in their order
SIGNS_OF_LIFE = (RECORD_FILE, METRICS_FILE, "train.log", CHECKPOINT_FOLDER)
PATIENCE = 60.0  # seconds without a sign of life that are nothing unusual, beside three epochs of the run
FIRST_EPOCH = 600.0  # seconds that a first epoch may take where no other run shows how long one takes
RECENT = 16  # runs that show how many are made at once


@dataclass(frozen=True)
class Seen:
    """One run of a sweep, begun or not.

    Attributes:
        status: as in run.json; `planned` before it has one, `unreadable` where that is damaged.
        epochs, horizon: done, and declared (-1 where steps end the run).
        begun, changed: when it began, and when one of its files last changed, in seconds since 1970; None before that.
    """

    name: str
    folder: Path
    contender: str
    phase: str
    status: str
    epochs: int = 0
    horizon: int = -1
    begun: float | None = None
    changed: float | None = None

    @property
    def over(self) -> bool:
        return self.status in OVER

    @property
    def share(self) -> float:
        """The part of it that is done."""
        return share(self.epochs, self.horizon, over=self.over)

    @property
    def span(self) -> Span | None:
        """From its beginning to its last sign of life."""
        return (self.begun, self.changed) if self.begun is not None and self.changed is not None else None


class Phase(NamedTuple):
    """A part of a study: how many of its runs are over, and are known."""

    name: str
    over: int
    runs: int


@dataclass(frozen=True)
class Progress:
    """The state of some sweeps at one moment.

    Attributes:
        seen: every run that is known, planned or begun.
        expected: how many there will be.
        now: the moment, in seconds since 1970.
    """

    seen: Sequence[Seen]
    expected: int
    now: float

    @property
    def total(self) -> int:
        return max(self.expected, len(self.seen))

    @cached_property
    def over(self) -> int:
        return sum(run.over for run in self.seen)

    @property
    def complete(self) -> bool:
        """Whether every run that was planned is over."""
        return self.over == self.total

    @cached_property
    def running(self) -> list[Seen]:
        """Those whose files change."""
        return [run for run in self.seen if run.status == "running" and not self.is_silent(run)]

    @cached_property
    def silent(self) -> list[Seen]:
        """Those whose record says that they run, and whose files have not changed for longer than that takes."""
        return [run for run in self.seen if run.status == "running" and self.is_silent(run)]

    @property
    def left(self) -> int:
        """Runs that are neither over nor running."""
        return self.total - self.over - len(self.running)

    @property
    def phases(self) -> list[Phase]:
        """The parts of a study, and how many runs its results will still ask for; none for a plain sweep."""
        found = []
        for phase, name in PHASES.items():
            if runs := [run for run in self.seen if run.phase == phase]:
                found.append(Phase(name, sum(run.over for run in runs), len(runs)))
        if found and self.total > len(self.seen):
            found.append(Phase("later rounds", 0, self.total - len(self.seen)))
        return found

    def count(self, status: str) -> int:
        return sum(run.status == status for run in self.seen)

    @property
    def share(self) -> float:
        """The part of the work that is done, each unfinished run by its share of epochs; 0 to 1."""
        return sum(run.share for run in self.seen) / self.total if self.total else 0.0

    @property
    def quiet(self) -> float | None:
        """Seconds since the last sign of life of any run; None where none has begun."""
        changes = [run.changed for run in self.seen if run.changed is not None]
        return max(self.now - max(changes), 0.0) if changes else None

    def is_silent(self, run: Seen) -> bool:
        if run.changed is None:
            return False
        epoch = per_epoch(run) or self.cost_of_an_epoch or FIRST_EPOCH
        return self.now - run.changed > PATIENCE + 3 * epoch

    @cached_property
    def cost_of_an_epoch(self) -> float | None:
        """Seconds that an epoch takes, over all runs that show it."""
        known = [seconds for run in self.seen if (seconds := per_epoch(run)) is not None]
        return sum(known) / len(known) if known else None

    @cached_property
    def costs(self) -> Mapping[str, float]:
        """Seconds that an epoch of each contender takes (a whole run where steps end it), where runs show it."""
        seconds: dict[str, float] = defaultdict(float)
        units: dict[str, int] = defaultdict(int)
        for run in self.seen:
            is_measured = run.over if run.horizon <= 0 else run.epochs > 0
            if run.span is not None and is_measured:
                seconds[run.contender] += run.span[1] - run.span[0]
                units[run.contender] += max(run.epochs, 1) if run.horizon > 0 else 1
        return {name: seconds[name] / units[name] for name in seconds}

    def cost(self, run: Seen) -> float:
        """Seconds that a whole run takes by itself; runs of its contender show it, or else all that are known."""
        return self.costs.get(run.contender, sum(self.costs.values()) / len(self.costs)) * max(run.horizon, 1)

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take if as many runs as lately are made at once; None before anything shows it."""
        if not self.costs or not self.running or self.complete:
            return None
        lately = sorted((run.span for run in self.seen if run.over and run.span), key=lambda span: span[1])
        spans = [*lately[-max(RECENT, 2 * len(self.running)) :], *(run.span for run in self.running if run.span)]
        lengths = [end - begin for begin, end in spans]
        went_on = session(spans, PATIENCE + 3 * max(lengths))
        if went_on is None:
            return None
        done = sum(end - max(begin, went_on[0]) for begin, end in spans if end > went_on[0])
        rest = {run.folder: self.cost(run) * (1 - run.share) for run in self.seen}
        unknown = (self.total - len(self.seen)) * sum(map(self.cost, self.seen)) / len(self.seen)
        together = time_left(went_on[1] - went_on[0], done, sum(rest.values()) + unknown)
        return together if together is None else max(together, *(rest[run.folder] for run in self.running))


def per_epoch(run: Seen) -> float | None:
    """Seconds that an epoch of this run took, on the clock of the files."""
    return (run.span[1] - run.span[0]) / run.epochs if run.span is not None and run.epochs else None


# -- reading


def read_progress(runs: Runs, now: float | None = None) -> Progress:
    """The state of the sweeps that `runs` were read from, by them and by what is planned.

    Raises:
        UserError: a planned.json is damaged.
    """
    plans = [(sweep, plan) for sweep in runs.folders if (plan := Planned.read(sweep)) is not None]
    seen = {run.folder.absolute(): of_run(run) for run in runs.runs}
    expected = 0
    for sweep, plan in plans:
        for run in plan.runs:
            folder = (sweep / run.folder).absolute()
            if folder not in seen:
                name = contender_of(run.overrides)
                seen[folder] = Seen(folder.name, folder, name, run.phase, status_now(folder), horizon=run.epochs)
        expected += plan.expected - len(plan.runs)
    return Progress(list(seen.values()), len(seen) + expected, time.time() if now is None else now)


def status_now(folder: Path) -> str:
    """Of a run that is not among those that were read: it has not begun, or only just, or is known from elsewhere."""
    if not (folder / RECORD_FILE).exists():
        return "planned"
    try:
        status = RunRecord.read(folder).status
    except UserError:
        return "unreadable"
    return status if status in OVER else "planned"


def of_run(run: Run) -> Seen:
    record = run.record
    epochs = len(next(iter(run.history.values()), ()))
    times = [at for name in SIGNS_OF_LIFE if (at := changed_at(run.folder / name)) is not None]
    changed = max(times) if record.status == "running" and times else changed_at(run.folder / RECORD_FILE)
    return Seen(
        run.folder.name,
        run.folder,
        contender_of(record.overrides),
        record.phase,
        record.status,
        epochs,
        run.horizon or -1,
        begun_at(run, changed),
        changed,
    )


def begun_at(run: Run, changed: float | None) -> float | None:
    """When a run began: Hydra writes its folder then. Without that, what it says it took before its end."""
    hydra = changed_at(run.folder / ".hydra" / "config.yaml")
    if changed is None or (hydra is not None and hydra <= changed):
        return hydra
    took = [run.record.timing.get(name) or 0.0 for name in ("setup_seconds", "warm_up_seconds", "fit_seconds")]
    return changed - sum(took) if any(took) else None


def changed_at(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def contender_of(overrides: Iterable[str]) -> str:
    """What tells fast from slow runs, as far as it was typed: the optimizer."""
    words = list(overrides)
    for beginning in ("++optimizer._target_=", "optimizer="):  # a class stands behind optimizer=custom
        if found := next((word for word in words if word.startswith(beginning)), None):
            return found
    return ""
