"""What the run folders of a sweep say, kept up to date by looking at what changed."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from optlab.errors import UserError
from optlab.record import METRICS_FILE, RECORD_FILE, RunRecord
from optlab.rules.metrics import better, directions_of
from optlab.rules.progress import share, time_left
from optlab.sweep.job import Job, is_over


@dataclass
class Seen:
    """What was last seen of a job."""

    record: RunRecord | None = None
    stamp: int | None = None  # of run.json
    rows_stamp: int | None = None  # of metrics.csv
    epochs: int = 0
    alive: bool = False  # a file changed since we look, so a process is running it

    final: bool = False  # nothing is left to do for the job: it is over, or stopped where it was to stop


class Board:
    """The state of a sweep's jobs, kept up to date by looking at what changed.

    Args:
        jobs: those that are known so far.
        total: how many there will be.
        spared: the whole runs' worth of epochs that will not be trained.
    """

    def __init__(self, jobs: Sequence[Job] = (), total: int = 0, spared: float = 0.0) -> None:
        self.planned = total
        self.spared = spared
        self.title = ""
        self.seen: dict[Job, Seen] = {}
        self.best: RunRecord | None = None
        self.rung: list[Job] = []  # those that the study takes to a rung now
        self.since = time.monotonic()  # this process looks
        self.began: float | None = None  # the first run since then, which may be long after its worker
        self.said = False  # by a run that ended
        self.work_before = 0.0  # done by earlier processes
        self.add(jobs)

    def add(self, jobs: Sequence[Job]) -> None:
        """Count jobs in; one that is known, and is to get further than it was, takes its own place."""
        by_folder = {job.folder: job for job in self.seen}
        for job in jobs:
            if job not in self.seen:
                before = self.seen.pop(by_folder[job.folder], None) if job.folder in by_folder else None
                self.seen[job] = seen = Seen()
                look(job, seen)
                seen.alive = False  # what an earlier process left behind
                self.work_before += share_of(job, seen) if before is None else 0.0
                if seen.final:
                    self.compare(seen.record)
        self.rung = [job for job in jobs if any(each.config.until is not None for each in jobs)]

    def begin(self) -> None:
        """Nothing was under way before: the time left is told by what comes from now on."""
        self.since, self.began, self.said = time.monotonic(), None, False

    def refresh(self) -> list[Job]:
        """Look at every job that is not over; returns those that ended since the last look, in that order."""
        going = [job for job, seen in self.seen.items() if not seen.final]
        for job in going:
            look(job, self.seen[job])
        ended = [job for job in going if self.seen[job].final]
        if not self.said:  # the first that end know best when training began
            began = self.first_beginning(ended)
            self.said = began is not None
            if self.said or self.began is None:
                self.began = began if self.said else self.first_beginning(going)
        for job in ended:
            self.compare(self.seen[job].record)
        return sorted(ended, key=lambda job: self.seen[job].stamp or 0)

    def first_beginning(self, going: Iterable[Job]) -> float | None:
        """When the first of these runs began to train, by this process' clock; None while none has."""
        now = time.monotonic()
        begun = [began for job in going if (began := beginning(self.seen[job])) is not None]
        return min(max(now - (time.time() - min(begun)), self.since), now) if begun else None

    def compare(self, record: RunRecord | None) -> None:
        value = value_of(record)
        best = value_of(self.best)
        if record is None or value is None:
            return
        if best is None or better(record.data["metric"], value, best, directions_of(record.data)):
            self.best = record

    @property
    def names_schedules(self) -> bool:
        """Whether the schedule has to be named: there are several, or it is none that goes without saying."""
        return {job.config.lr.name for job in self.seen} != {"constant"}

    def label(self, job: Job) -> str:
        """A job in a line: its folder's name, which leaves the schedule out."""
        return f"{job.folder.name} {job.config.lr.name}" if self.names_schedules else job.folder.name

    @property
    def total(self) -> int:
        return max(self.planned, len(self.seen))

    @property
    def done(self) -> int:
        return sum(seen.final for seen in self.seen.values())

    @property
    def counted(self) -> tuple[int, int]:
        """How many runs are done and of how many: of a rung its own, as they are not over, and else of the plan."""
        if self.rung:
            return sum(self.seen[job].final for job in self.rung), len(self.rung)
        return self.done, self.total

    @property
    def running(self) -> int:
        return sum(seen.alive and not seen.final for seen in self.seen.values())

    @property
    def left(self) -> int:
        done, total = self.counted
        return total - done

    @property
    def stopped(self) -> int:
        """The runs that a rung stopped for good; of those at the rung of now nobody knows yet."""
        at_rung = set(self.rung)
        return sum(status_of(seen) == "stopped" and job not in at_rung for job, seen in self.seen.items())

    def count(self, status: str) -> int:
        return sum(status_of(seen) == status for seen in self.seen.values())

    @property
    def work(self) -> float:
        """Jobs done, each unfinished one counted by its share of epochs."""
        return sum(share_of(job, seen) for job, seen in self.seen.items())

    def seconds_left(self) -> float | None:
        """An estimate from the speed since this process looks; None before there is one."""
        if self.began is None:
            return None
        left = max(self.total - self.spared - self.work, 0.0)
        return time_left(time.monotonic() - self.began, self.work - self.work_before, left)


def look(job: Job, seen: Seen) -> None:
    stamp, rows_stamp = (changed_at(job, name) for name in (RECORD_FILE, METRICS_FILE))
    if stamp == seen.stamp and rows_stamp == seen.rows_stamp:
        return
    if stamp != seen.stamp:
        try:
            seen.record = RunRecord.read(job.folder) if stamp is not None else None
        except UserError:  # it is named when the sweep ends
            seen.record = None
    if rows_stamp is not None and rows_stamp != seen.rows_stamp:
        seen.epochs = (job.folder / METRICS_FILE).read_bytes().count(b"\n") - 1
    seen.alive = seen.record is not None and seen.record.status == "running"
    seen.final = seen.record is not None and is_over(job, seen.record)
    seen.stamp, seen.rows_stamp = stamp, rows_stamp


def changed_at(job: Job, name: str) -> int | None:
    try:
        return (job.folder / name).stat().st_mtime_ns
    except FileNotFoundError:
        return None


def status_of(seen: Seen) -> str | None:
    return None if seen.record is None else seen.record.status


def beginning(seen: Seen) -> float | None:
    """When a run that moves, or ended just now, began to train (UTC, seconds): its process may be much older.

    None while nobody knows; 0, the beginning of time, of one that ended without saying so.
    """
    if seen.record is None or seen.stamp is None or seen.record.status == "failed":
        return None
    timing = seen.record.timing
    if seen.final:
        return float(timing.get("began") or 0.0)
    # A process writes the record first, imports what it needs, and writes it again when the run is set up.
    return seen.stamp / 1e9 if seen.alive and "setup_seconds" in timing else None


def share_of(job: Job, seen: Seen) -> float:
    return share(seen.epochs, job.config.trainer.max_epochs, over=seen.final and status_of(seen) != "stopped")


def value_of(record: RunRecord | None) -> float | None:
    """The final value of the metric that a finished run is judged by; None for a test of mode=find_lr, too."""
    if record is None or record.status != "finished" or "metric" not in record.data:
        return None
    return record.metrics.get(record.data["metric"])
