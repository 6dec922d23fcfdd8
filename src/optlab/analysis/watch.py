"""Watching sweeps that run: the page is written again while runs come in, and once more when all are over.

`python -m optlab.analysis.watch SWEEP` is what a sweep with `report.live=true` starts beside itself: a process of its
own, at low priority, that ends with the sweep and leaves the last page to it.
"""

import argparse
import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from optlab.analysis.build import build, check_ours, default_folder, judged
from optlab.analysis.read.progress import Progress, read_progress
from optlab.analysis.read.runs import Runs, read_runs, run_folders
from optlab.analysis.show.figures import describe
from optlab.analysis.show.live import Live
from optlab.analysis.show.report import render
from optlab.analysis.show.summary import Summary
from optlab.errors import UserError
from optlab.planned import PLANNED_FILE
from optlab.record import METRICS_FILE, RECORD_FILE, cannot_write, shortest, write_whole
from optlab.rules.files import PLAN_FILE, REPORT_FILE, SWEEP_FILE

SECONDS_BETWEEN_LOOKS = 1.0  # at the files, for anything new
FEWEST_SECONDS = 3.0  # between two writings
PART_OF_A_CORE = 0.05  # that writing may take
MOST_SECONDS = 30.0  # between two writings where nothing is new: the page says that somebody still looks
BEGUN = (PLANNED_FILE, SWEEP_FILE, PLAN_FILE)  # one of these lies in the folder of a sweep before its first run


@dataclass(frozen=True)
class Watched:
    """What is watched and how it is judged; see `build`."""

    sweeps: Sequence[Path]
    out: Path | None = None
    metric: str | None = None
    target: float | None = None
    reference: str | None = None

    @property
    def folder(self) -> Path:
        """Where the page is written."""
        if self.out is None and len(self.sweeps) == 1 and self.missing:
            return self.sweeps[0]
        return self.out if self.out is not None else default_folder(self.sweeps)

    @property
    def page(self) -> Path:
        return self.folder / REPORT_FILE

    @property
    def missing(self) -> list[Path]:
        """Sweeps that are not there yet: no folder, or one in which nothing lies."""
        return [sweep for sweep in self.sweeps if not sweep.exists() or is_empty(sweep)]

    def look(self) -> tuple[Summary, Progress]:
        """What the runs say so far, and how far they are; a sweep whose first run has not begun is no error.

        Raises:
            UserError: a folder holds no sweep, or its files cannot be used.
        """
        begun = [sweep for sweep in self.sweeps if next(run_folders(sweep), None) is not None]
        coming = [sweep for sweep in self.sweeps if sweep not in begun and any((sweep / n).exists() for n in BEGUN)]
        strange = [sweep for sweep in self.sweeps if sweep not in (*begun, *coming)]
        runs = read_runs([*begun, *strange]) if begun or strange else Runs([], [])
        runs = Runs(list(self.sweeps), runs.runs, runs.skipped, runs.duplicates, runs.commands)
        progress = read_progress(runs)
        try:
            return self.judged(runs), progress
        except UserError:
            if any(run.is_over for run in runs.runs):
                raise
            return self.judged(Runs(runs.folders, [], runs.skipped)), progress  # nothing to judge yet

    def judged(self, runs: Runs) -> Summary:
        settings = {"metric": self.metric, "target": self.target, "reference": self.reference} if runs.runs else {}
        return judged(runs, self.folder, **settings)  # type: ignore[arg-type]

    def write(self, every: float) -> Progress:
        """Write the page of a sweep that runs, and nothing else: tables and pictures come at its end.

        Args:
            every: seconds until it is written again.
        """
        summary, progress = self.look()
        page = render(summary, describe(summary), {}, Live(progress, every))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        write_whole(self.page, page)
        return progress

    def stamp(self) -> tuple[int, int]:
        """Changes whenever a run begins, ends an epoch or ends, or more runs are planned."""
        files = [sweep / name for sweep in self.sweeps for name in BEGUN]
        for sweep in self.sweeps:
            files += [folder / name for folder in run_folders(sweep) for name in (RECORD_FILE, METRICS_FILE)]
        stamps = []
        for path in files:
            with contextlib.suppress(OSError):
                stamps.append(path.stat().st_mtime_ns)
        return len(stamps), sum(stamps)


def is_empty(folder: Path) -> bool:
    """Whether nothing lies in a folder but what a sweep makes before its plan."""
    return folder.is_dir() and all(path.name.startswith(".") for path in folder.iterdir())


def follow(
    watched: Watched, stop: threading.Event, *, ends: bool, first: Callable[[Progress], None]
) -> Progress | None:
    """Write the page whenever something is new, until `stop` is set or, where it `ends`, all planned runs are over.

    Args:
        first: called after the page was written for the first time.

    Returns:
        The state of the sweep at the last look; None where there was none.
    """
    check_ours(watched.folder)
    progress: Progress | None = None
    every, seen, written = FEWEST_SECONDS, (-1, -1), -MOST_SECONDS
    while not stop.is_set():
        since = time.monotonic() - written
        stamp = watched.stamp()
        if (stamp != seen and since >= every) or since >= max(MOST_SECONDS, every):
            seen, written, before = stamp, time.monotonic(), time.process_time()
            is_first = progress is None
            progress = watched.write(every)
            every = max(FEWEST_SECONDS, (time.process_time() - before) / PART_OF_A_CORE)
            if is_first:
                first(progress)
            if ends and progress.complete:
                return progress
        stop.wait(SECONDS_BETWEEN_LOOKS)
    return progress


# -- typed: scripts/report.py --watch


def watch(watched: Watched, *, figures: bool = True, pdf: bool = False, say: Callable[[str], None] = print) -> Summary:
    """Write the page while the sweeps run, and all that a report has when every planned run is over.

    A folder that is not there yet is waited for. After Ctrl-C the page is left as it is, and refreshes no longer.

    Raises:
        UserError: see `build`.
        KeyboardInterrupt: Ctrl-C.
    """
    if watched.missing:
        names = ", ".join(str(shortest(sweep)) for sweep in watched.missing)
        say(f"watch   {names}: not there yet, so it is waited for; Ctrl-C ends that")
    while watched.missing:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    if watched.look()[1].complete:
        say("watch   every planned run is over, so the report is written once")
    else:

        def announce(progress: Progress) -> None:
            say(f"watch   {shortest(watched.page)}: {Live(progress, 0).headline}; Ctrl-C ends the watching")

        try:
            follow(watched, threading.Event(), ends=True, first=announce)
        except KeyboardInterrupt:
            rest(watched)
            raise
        say("watch   every planned run is over")
    return build(
        watched.sweeps,
        watched.folder,
        figures=figures,
        pdf=pdf,
        metric=watched.metric,
        target=watched.target,
        reference=watched.reference,
    )


def rest(watched: Watched) -> None:
    """Leave a page that does not refresh: the report so far."""
    summary, _ = watched.look()
    write_whole(watched.page, render(summary, describe(summary), {}))


# -- beside a sweep: report.live=true


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m optlab.analysis.watch", description=__doc__)
    parser.add_argument("sweep", type=Path, metavar="SWEEP")
    sweep = parser.parse_args(arguments).sweep
    stop = threading.Event()
    threading.Thread(target=end_with_input, args=(stop,), daemon=True).start()
    try:
        follow(Watched([sweep]), stop, ends=False, first=lambda _: None)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def end_with_input(stop: threading.Event) -> None:
    """Set `stop` when standard input ends: it is a pipe from the sweep, and ends with that, however the sweep went.

    A page that is being written is written to its end.
    """
    os.read(sys.stdin.fileno(), 1)  # not through the buffer, whose lock would break the end of this process
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
