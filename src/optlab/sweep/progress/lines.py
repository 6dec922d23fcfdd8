"""How the state of a sweep is shown: one line that changes in place, or a line for each job that ends."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from optlab.console import console_for
from optlab.notebook import NotebookBar
from optlab.record import RunRecord
from optlab.rules.words import divergence, duration, failure
from optlab.sweep.job import Job
from optlab.sweep.progress.board import Board, value_of


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
        self.task = self.line.add_task(title(board), total=board.total - board.spared, state="")
        self.line.start()

    def show(self, ended: Sequence[Job]) -> None:
        for job in ended:
            record = self.board.seen[job].record
            if record is not None and record.status == "failed":
                self.console.print(
                    f"[red]failed[/red]  {self.board.label(job)}  {escape(failure(record.error))}", soft_wrap=True
                )
        board = self.board
        self.line.update(
            self.task,
            description=title(board),
            completed=board.work,
            total=board.total - board.spared,
            state=done(board),
            refresh=True,
        )

    def close(self) -> None:
        self.line.stop()


class NotebookLine:
    """One bar in a notebook; what failed stands in the results."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.bar = NotebookBar()
        self.task = self.bar.add_task(title(board), total=board.total - board.spared)
        self.bar.start()

    def show(self, ended: Sequence[Job]) -> None:
        board = self.board
        self.bar.update(
            self.task,
            description=title(board),
            completed=board.work,
            total=board.total - board.spared,
            running=done(board),
            refresh=True,
        )

    def close(self) -> None:
        self.bar.stop()


class PlainLines:
    """A line for each job that ends, for logs and pipes."""

    def __init__(self, board: Board, console: Console) -> None:
        self.board = board
        self.console = console

    def show(self, ended: Sequence[Job]) -> None:
        title = f"{self.board.title} " if self.board.title else ""
        done, total = self.board.counted
        for place, job in enumerate(ended, start=done - len(ended) + 1):
            record = self.board.seen[job].record
            assert record is not None
            line = f"{title}{place:>{len(str(total))}}/{total}  {self.board.label(job)}  {result(record)}"
            if job is ended[-1] and self.board.left:
                line += f"  ({state(self.board)})"
            self.console.print(line, markup=False, soft_wrap=True)

    def close(self) -> None:
        pass


def say_again(run: str) -> None:
    """One line where the process of a run died and the run is started once more.

    Args:
        run: its folder's name, or the words that tell it from others.
    """
    if not console_for("progress").quiet:
        # Not by a console: what is shown live takes over `sys.stdout`, and puts what is printed there above itself.
        print(f"a worker died without a word (out of memory?); its run goes on or begins again: {run}", flush=True)


def title(board: Board) -> str:
    return board.title or "sweep"


def done(board: Board) -> str:
    """How many runs are done, and the state of the others."""
    number, total = board.counted
    return f"{number}/{total} done, {state(board)}"


def state(board: Board) -> str:
    """What is under way and waits, what went wrong, the time left, and the best so far."""
    numbers = {
        "running": board.running,
        "left": board.left - board.running,
        "stopped": board.stopped,
        "diverged": board.count("diverged"),
        "failed": board.count("failed"),
    }
    parts = [", ".join(f"{number} {name}" for name, number in numbers.items() if number)]
    if (seconds := board.seconds_left()) is not None and board.left:
        parts.append(f"about {duration(seconds)}")
    if (best := board.best) is not None:
        what = " ".join([best.optimizer, *([best.lr_schedule] if board.names_schedules else [])])
        parts.append(f"best {best.data['metric']} {value_of(best):.4f} {what} lr {best.lr:g} seed {best.seed}")
    return "; ".join(part for part in parts if part)


def result(record: RunRecord) -> str:
    if record.status == "failed":
        return f"failed: {failure(record.error)}"
    if record.status == "diverged":
        return divergence(record.diverged)
    if record.status == "stopped":
        reached = record.metrics.get(str(record.data.get("metric")))
        return f"paused at epoch {record.epochs}" + (
            "" if reached is None else f", {record.data['metric']} {reached:.4f}"
        )
    value, seconds = value_of(record), record.timing.get("fit_seconds")
    what = f"{record.data['metric']} {value:.4f}" if value is not None else "finished"
    return f"{what} in {seconds:.1f} s" if seconds is not None else what
