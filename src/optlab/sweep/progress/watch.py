"""Showing how a sweep gets on while its jobs run: a thread looks at the board and shows it."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

from optlab import notebook
from optlab.console import console_for
from optlab.rules.words import plural
from optlab.sweep.job import Job
from optlab.sweep.progress.board import Board
from optlab.sweep.progress.lines import LiveLine, NotebookLine, PlainLines

SECONDS_BETWEEN_LOOKS = 0.25


@contextmanager
def watching(jobs: Sequence[Job], title: str = "", console: Console | None = None) -> Iterator[None]:
    """Show how these jobs get on while the body runs: one live line on a terminal, elsewhere a line for each job."""
    with watching_plan(len(jobs), title, console) as watch, watch.during(jobs):
        yield


@contextmanager
def watching_plan(
    total: int, title: str = "", console: Console | None = None, spared: float = 0.0
) -> Iterator["Watch"]:
    """One display for a plan of so many jobs that come to be known round by round: see `Watch.during`.

    Args:
        spared: the whole runs' worth of epochs that will not be trained, as trials are stopped.
    """
    watch = Watch(Board(total=total, spared=spared), title, console or console_for("progress"))
    try:
        yield watch
    finally:
        watch.close()
    if watch.display is None:
        watch.announce()


class Watch:
    """The display of a plan: it begins with the first job that is not over, and shows the whole plan to its end."""

    def __init__(self, board: Board, title: str, console: Console) -> None:
        self.board = board
        self.title = title
        self.console = console
        self.display: LiveLine | NotebookLine | PlainLines | None = None
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
        self.display = display_for(self.board, self.console)
        self.board.begin()
        self.watcher.start()

    def announce(self) -> None:
        """One line: how much there is to do."""
        done, total = self.board.done, self.board.total
        what = f"{self.title}: " if self.title else ""
        if done == total:
            self.console.print(f"{what}{plural(total, 'run')}, done already")
        elif done:
            self.console.print(f"{what}{plural(total, 'run')}, {done} done already, {total - done} to run")
        else:
            self.console.print(f"{what}{plural(total, 'run')} to run")

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


def display_for(board: Board, console: Console) -> LiveLine | NotebookLine | PlainLines:
    """One line that changes in place where that can be, and lines below each other elsewhere."""
    if console.is_terminal:
        return LiveLine(board, console)
    return NotebookLine(board) if notebook.is_here() and not console.quiet else PlainLines(board, console)
