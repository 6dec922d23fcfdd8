"""The end of a sweep, however it comes: the table, the report, what went wrong, and the exit code."""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from filelock import FileLock
from hydra.plugins.launcher import Launcher
from rich.console import Console

from optlab.adapters.hydra import runs_elsewhere
from optlab.adapters.process import IMPORTS
from optlab.console import console_for
from optlab.errors import UserError
from optlab.planned import Planned
from optlab.record import shortest
from optlab.rules.commands import tool
from optlab.rules.words import failure, plural
from optlab.sweep.folder import LOCKS
from optlab.sweep.job import Outcome, SweepInterrupted
from optlab.sweep.live import live_page

if TYPE_CHECKING:
    from optlab.analysis import Summary

_figures: ContextVar[bool] = ContextVar("figures", default=True)

MAX_FAILURES = 20  # lines on the terminal; report.html has them all


def conclude(
    folder: Path,
    work: Callable[[], Sequence[Outcome]],
    *,
    live: bool = False,
    show: Callable[[Path, Sequence[Outcome]], None] | None = None,
) -> None:
    """Do the work of a sweep and close it: figures, report, table, one line a failure.

    Args:
        live: keep report.html up to date meanwhile.
        show: in place of table, figures and report, where the jobs are no training runs.

    Returns when all went well; a diverged run is a result like any other.

    Raises:
        SystemExit: with 1 when a job failed, with 128 + its number after a signal (130 for Ctrl-C).
    """
    signum, trouble = 0, None
    try:
        with live_page(folder, wanted=live):
            outcomes = work()
    except SweepInterrupted as stop:
        outcomes, signum = stop.outcomes, stop.signum
    console = console_for("words")
    if show is not None:
        show(folder, outcomes)
    elif any(outcome.record is not None for outcome in outcomes):
        try:
            summary, trouble = summarize(folder, console)
        except KeyboardInterrupt:
            signum = signum or signal.SIGINT
            console.print(f"the report is not complete; {tool('report')} {shortest(folder)} writes it")
        else:
            signum = signum or (into_wandb(folder, summary, console) if trouble is None else 0)
    print_problems(outcomes, console)
    print_mirror(folder, console)
    if signum:
        done = sum(outcome.settled for outcome in outcomes)
        runs = plural(expected(folder, outcomes), "run")
        console.print(f"stopped with {done} of {runs} done; the same command goes on from here")
        sys.exit(128 + signum)
    if trouble is not None:
        line = f"the report is not whole: {trouble}; {tool('report')} {shortest(folder)} writes it when there is room"
        console.print(line, markup=False, soft_wrap=True)
    if trouble is not None or not all(outcome.state in ("finished", "diverged", "stopped") for outcome in outcomes):
        sys.exit(1)


def expected(folder: Path, outcomes: Sequence[Outcome]) -> int:
    """How many runs the sweep was to have: a study that is stopped knows its later rounds by their number alone."""
    try:
        plan = Planned.read(folder)
    except UserError:  # the report names it
        plan = None
    return max(len(outcomes), plan.expected if plan is not None else 0)


def summarize(folder: Path, console: Console | None = None) -> "tuple[Summary, str | None]":
    """Write the sweep's summary, figures and report, and print its table; one process of a sweep at a time.

    Returns:
        The summary, and why it could not be written, where the disk is full.
    """
    from optlab import analysis

    trouble = None
    with locked_for_summary(folder):
        summary = analysis.judged(analysis.read_runs([folder]))
        analysis.check_ours(summary.folder)
        try:
            analysis.write(summary, figures=_figures.get())
        except (OSError, UserError) as error:
            cause = error.__cause__ if isinstance(error, UserError) else error
            if not isinstance(cause, OSError):
                raise
            trouble = f"{shortest(folder)}: {cause.strerror or cause}"
    analysis.print_table(summary, console, written=trouble is None)
    return summary, trouble


def import_meanwhile(launcher: Launcher) -> None:
    """Begin to import what the report needs, where this process only waits for others to make the runs.

    It takes a second, which would otherwise pass behind the last run.
    """
    if runs_elsewhere(launcher):
        modules = ["optlab.analysis", *(["optlab.analysis.show.figures.to_matplotlib"] if _figures.get() else [])]
        Thread(target=_import, args=(modules,), daemon=True).start()


def _import(modules: Sequence[str]) -> None:
    # where this process is to make a run after all, its imports have others stand for matplotlib
    with IMPORTS, suppress(ImportError):  # whoever writes the report says what is missing
        for module in modules:
            import_module(module)


@contextmanager
def drawing(figures: bool) -> Iterator[None]:
    """Whether the reports of sweeps within the block draw pictures, which takes seconds."""
    token = _figures.set(figures)
    try:
        yield
    finally:
        _figures.reset(token)


@contextmanager
def locked_for_summary(folder: Path) -> Iterator[None]:
    """Wait for other processes of the sweep; without a lock where the disk has no room for one."""
    try:
        (folder / LOCKS).mkdir(exist_ok=True)
        lock = FileLock(folder / LOCKS / "summary.lock")
        lock.acquire()
    except OSError:
        yield
        return
    try:
        yield
    finally:
        lock.release()


def into_wandb(folder: Path, summary: "Summary", console: Console) -> int:
    """Make the report run in W&B, and return the signal that the user broke it off with, or 0."""
    from optlab.sweep.mirror import mirror

    try:
        mirror(folder, summary, console)
    except KeyboardInterrupt:
        console.print("the report is not whole in W&B; the same command logs it again")
        return signal.SIGINT
    return 0


def print_problems(outcomes: Sequence[Outcome], console: Console) -> None:
    """A line for each job that failed or cannot be read, and what to type."""
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    for outcome in failed[:MAX_FAILURES]:
        assert outcome.record is not None
        log_file = shortest(outcome.job.folder / "train.log")
        console.print(f"failed   {log_file}  {failure(outcome.record.error)}", markup=False, soft_wrap=True)
    if len(failed) > MAX_FAILURES:
        console.print(f"failed   {len(failed) - MAX_FAILURES} more")
    for outcome in outcomes:
        if outcome.problem is not None:
            state = "damaged" if outcome.problem.kind == "damaged" else "unread"  # what another version wrote is whole
            console.print(f"{state:<7}  {outcome.problem}", markup=False, soft_wrap=True)
    if failed:
        console.print(f"{plural(len(failed), 'run')} failed; the same command with retry=true runs failed ones again")


def print_mirror(folder: Path, console: Console) -> None:
    """How to upload what W&B recorded offline."""
    places = [place for place in ("*/wandb/offline-run-*", "wandb/offline-run-*") if any(folder.glob(place))]
    if places:
        console.print("W&B offline: wandb sync", *(f"{shortest(folder)}/{place}" for place in places), soft_wrap=True)
