"""The one line of a sweep: how many runs are done, running and left, the best so far, and the time that is left.

It is read from the run folders, so it is the same whatever launches the jobs, and counts those of other processes.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from optlab.errors import UserError
from optlab.record import METRICS_FILE, RECORD_FILE, RunRecord
from optlab.sweep.job import FINAL, Job

SECONDS_BETWEEN_LOOKS = 0.25


@contextmanager
def watching(jobs: Sequence[Job], title: str = "", console: Console | None = None) -> Iterator[None]:
    """Show how these jobs get on while the body runs: one live line on a terminal, elsewhere a line for each job."""
    with watching_plan(len(jobs), title, console) as watch, watch.during(jobs):
        yield


@contextmanager
def watching_plan(total: int, title: str = "", console: Console | None = None) -> Iterator["Watch"]:
    """One display for a plan of so many jobs that come to be known round by round: see `Watch.during`."""
    watch = Watch(Board(total=total), title, console or Console(highlight=False))
    try:
        yield watch
    finally:
        watch.close()
    if watch.display is None:
        watch.announce()


class Watch:
    """The display of a plan: it begins with the first job that is not over, and shows the whole plan to its end."""

    def __init__(self, board: "Board", title: str, console: Console) -> None:
        self.board = board
        self.title = title
        self.console = console
        self.display: LiveLine | PlainLines | None = None
        self.lock = threading.Lock()  # the board is looked at from a thread
        self.over = threading.Event()
        self.watcher = threading.Thread(target=self.watch, name="sweep-progress", daemon=True)

    @contextmanager
    def during(self, jobs: Sequence[Job], title: str = "", total: int = 0) -> Iterator[None]:
        """Count these jobs in, and show how they get on while the body runs.

        Args:
            title: what is being done now, in place of the plan's title.
            total: the number of jobs in the whole plan as it is now.
        """
        with self.lock:
            self.board.add(jobs)
            self.board.planned = total or self.board.planned
            self.board.title = title or self.title
        if self.display is None and not all(self.board.seen[job].final for job in jobs):
            self.begin()
        try:
            yield
        finally:
            self.show()  # now, so that what is printed next stands below

    def begin(self) -> None:
        self.announce()
        kind = LiveLine if self.console.is_terminal else PlainLines
        self.display = kind(self.board, self.console)
        self.board.began = time.monotonic()
        self.watcher.start()

    def announce(self) -> None:
        """One line: how much there is to do."""
        done, total = self.board.done, self.board.total
        what = f"{self.title}: " if self.title else ""
        if done == total:
            self.console.print(f"{what}{counted(total)}, done already")
        elif done:
            self.console.print(f"{what}{counted(total)}, {done} done already, {total - done} to run")
        else:
            self.console.print(f"{what}{counted(total)} to run")

    def watch(self) -> None:
        while not self.over.wait(SECONDS_BETWEEN_LOOKS):
            self.show()

    def show(self) -> None:
        with self.lock:
            ended = self.board.refresh()
            if self.display is not None:
                self.display.show(ended)

    def close(self) -> None:
        if self.display is not None:
            self.over.set()
            self.watcher.join()
            self.display.close()


# -- what the run folders say


@dataclass
class Seen:
    """What was last seen of a job."""

    record: RunRecord | None = None
    stamp: int | None = None  # of run.json
    rows_stamp: int | None = None  # of metrics.csv
    epochs: int = 0
    alive: bool = False  # a file changed since we look, so a process is running it

    @property
    def final(self) -> bool:
        return self.record is not None and self.record.status in FINAL


class Board:
    """The state of a sweep's jobs, kept up to date by looking at what changed.

    Args:
        jobs: those that are known so far.
        total: how many there will be.
    """

    def __init__(self, jobs: Sequence[Job] = (), total: int = 0) -> None:
        self.planned = total
        self.title = ""
        self.seen: dict[Job, Seen] = {}
        self.best: RunRecord | None = None
        self.began = time.monotonic()
        self.work_before = 0.0  # done by earlier processes
        self.add(jobs)

    def add(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            if job not in self.seen:
                self.seen[job] = seen = Seen()
                look(job, seen)
                seen.alive = False  # what an earlier process left behind
                self.work_before += share(job, seen)
                if seen.final:
                    self.compare(seen.record)

    def refresh(self) -> list[Job]:
        """Look at every job that is not over; returns those that ended since the last look, in that order."""
        going = [job for job, seen in self.seen.items() if not seen.final]
        for job in going:
            look(job, self.seen[job])
        ended = [job for job in going if self.seen[job].final]
        for job in ended:
            self.compare(self.seen[job].record)
        return sorted(ended, key=lambda job: self.seen[job].stamp or 0)

    def compare(self, record: RunRecord | None) -> None:
        value = value_of(record)
        best = value_of(self.best)
        if record is None or value is None:
            return
        if best is None or (value < best if record.data["metric"].endswith("loss") else value > best):
            self.best = record

    @property
    def total(self) -> int:
        return max(self.planned, len(self.seen))

    @property
    def done(self) -> int:
        return sum(seen.final for seen in self.seen.values())

    @property
    def running(self) -> int:
        return sum(seen.alive and not seen.final for seen in self.seen.values())

    @property
    def left(self) -> int:
        return self.total - self.done

    def count(self, status: str) -> int:
        return sum(seen.record is not None and seen.record.status == status for seen in self.seen.values())

    @property
    def work(self) -> float:
        """Jobs done, each unfinished one counted by its share of epochs."""
        return sum(share(job, seen) for job, seen in self.seen.items())

    def seconds_left(self) -> float | None:
        """An estimate from the speed since this process looks; None before there is one."""
        done = self.work - self.work_before
        if done <= 0:
            return None
        return (time.monotonic() - self.began) / done * (self.total - self.work)


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
    seen.stamp, seen.rows_stamp = stamp, rows_stamp


def changed_at(job: Job, name: str) -> int | None:
    try:
        return (job.folder / name).stat().st_mtime_ns
    except FileNotFoundError:
        return None


def share(job: Job, seen: Seen) -> float:
    """The part of a job that is done, by its epochs."""
    if seen.final:
        return 1.0
    epochs = job.config["trainer"]["max_epochs"]
    return min(seen.epochs / epochs, 1.0) if epochs > 0 else 0.0


def value_of(record: RunRecord | None) -> float | None:
    """The final value of the metric that a finished run is judged by."""
    if record is None or record.status != "finished":
        return None
    return record.metrics.get(record.data["metric"])


# -- showing it


class LiveLine:
    """One line that changes in place; a failure is printed above it."""

    def __init__(self, board: Board, console: Console) -> None:
        self.board = board
        self.console = console
        rest = Column(no_wrap=True, overflow="ellipsis", ratio=1)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[state]}", table_column=rest),
        )
        self.line = Progress(*columns, console=console, transient=True, expand=True, auto_refresh=False)
        self.task = self.line.add_task(board.title or "sweep", total=board.total, state="")
        self.line.start()

    def show(self, ended: Sequence[Job]) -> None:
        for job in ended:
            record = self.board.seen[job].record
            if record is not None and record.status == "failed":
                self.console.print(f"[red]failed[/red]  {job.folder.name}  {escape(message(record))}", soft_wrap=True)
        board = self.board
        text = f"{board.done}/{board.total} done, {state(board)}"
        title = board.title or "sweep"
        self.line.update(
            self.task, description=title, completed=board.work, total=board.total, state=text, refresh=True
        )

    def close(self) -> None:
        self.line.stop()


class PlainLines:
    """A line for each job that ends, for logs and pipes."""

    def __init__(self, board: Board, console: Console) -> None:
        self.board = board
        self.console = console

    def show(self, ended: Sequence[Job]) -> None:
        total, title = str(self.board.total), f"{self.board.title} " if self.board.title else ""
        for place, job in enumerate(ended, start=self.board.done - len(ended) + 1):
            record = self.board.seen[job].record
            assert record is not None
            line = f"{title}{place:>{len(total)}}/{total}  {job.folder.name}  {result(record)}"
            if job is ended[-1] and self.board.left:
                line += f"  ({state(self.board)})"
            self.console.print(line, markup=False, soft_wrap=True)

    def close(self) -> None:
        pass


def state(board: Board) -> str:
    """What is under way and waits, what went wrong, the time left, and the best so far."""
    numbers = {
        "running": board.running,
        "left": board.left - board.running,
        "diverged": board.count("diverged"),
        "failed": board.count("failed"),
    }
    parts = [", ".join(f"{number} {name}" for name, number in numbers.items() if number)]
    if (seconds := board.seconds_left()) is not None and board.left:
        parts.append(f"about {duration(seconds)}")
    if (best := board.best) is not None:
        parts.append(
            f"best {best.data['metric']} {value_of(best):.4f} {best.optimizer} lr {best.lr:g} seed {best.seed}"
        )
    return "; ".join(part for part in parts if part)


def result(record: RunRecord) -> str:
    if record.status == "failed":
        return f"failed: {message(record)}"
    if record.status == "diverged":
        return f"diverged in epoch {(record.diverged or {}).get('epoch')}"
    value, seconds = value_of(record), record.timing.get("fit_seconds")
    what = f"{record.data['metric']} {value:.4f}" if value is not None else "finished"
    return f"{what} in {seconds:.1f} s" if seconds is not None else what


def message(record: RunRecord) -> str:
    """The first line of a failed run's error."""
    error = record.error or {}
    lines = str(error.get("message", "")).splitlines()
    return f"{error.get('type', 'error')}: {lines[0] if lines else ''}"


def duration(seconds: float) -> str:
    """Two units at most: "40 s", "3 min", "2 h 5 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def counted(jobs: int) -> str:
    return f"{jobs} run" if jobs == 1 else f"{jobs} runs"
