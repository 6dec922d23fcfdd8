"""The report run: a sweep's report in Weights & Biases, where its runs are; never a reason to fail or to wait long."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console

from optlab.analysis import Summary
from optlab.analysis.build import SUMMARY_FILE
from optlab.config.schema import Wandb
from optlab.record import shortest, write_whole
from optlab.sweep.folder import LOCKS

FOLDER = "wandb"  # of a sweep, W&B's own: the report runs and nothing else
MADE_FILE = "report.json"  # in it: which W&B run the report is, and of which numbers
MOST_SECONDS = 120.0  # that making it may take online; W&B's client asks a server that hangs again and again


def mirror(folder: Path, summary: Summary, console: Console) -> None:
    """Log a sweep's report to W&B, in the sweep's group, if its runs were logged there.

    Online it is one run however often the sweep goes on; offline the last one takes the place of those that were not
    uploaded. Nothing is done where the report is there already. Whatever W&B raises is one line.

    Raises:
        KeyboardInterrupt: the user does not want to wait.
    """
    config = settings(folder, summary)
    if config is None:
        return
    try:
        with alone(folder) as made:
            digest = hashlib.sha256((summary.folder / SUMMARY_FILE).read_bytes()).hexdigest()
            if made.get("digest") == digest:
                return
            run = within(MOST_SECONDS, lambda: log(config, folder, summary, made.get("id"), console))
            if run is not None:
                write_made(folder, id=run, digest=digest)
    except Timeout:
        console.print("W&B: another process is making the report run")
    except Exception as error:  # whatever it is: W&B is a mirror, and the sweep is done
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        console.print(
            f"W&B has no report run ({reason}); {shortest(summary.report)} has everything", markup=False, soft_wrap=True
        )


def settings(folder: Path, summary: Summary) -> Wandb | None:
    """What the runs of a sweep gave W&B, with the sweep's group; None where none was logged there."""
    given = (run.record.config.get("logger", {}).get("wandb") for run in summary.runs.runs)
    found = next((each for each in given if each is not None), None)
    return None if found is None else Wandb.parse({**found, "group": found.get("group") or name_of(folder, summary)})


def name_of(folder: Path, summary: Summary) -> str:
    """The sweep's name as its runs say it: one with slashes is several folders deep."""
    said = {str(run.record.config.get("sweep")) for run in summary.runs.runs}
    return said.pop() if len(said) == 1 and "None" not in said else folder.name


@contextmanager
def alone(folder: Path) -> Iterator[dict[str, Any]]:
    """What stands in the report file, for one process at a time; empty where there is none that can be read."""
    with FileLock(folder / LOCKS / "report_run.lock", timeout=MOST_SECONDS):
        try:
            content = json.loads((folder / FOLDER / MADE_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            content = {}
        yield content if isinstance(content, dict) else {}


def write_made(folder: Path, **made: str) -> None:
    write_whole(folder / FOLDER / MADE_FILE, json.dumps(made) + "\n")


def within(seconds: float, work: Callable[[], str | None]) -> str | None:
    """What the work returns, in a thread of its own that is given up when it takes too long.

    Raises:
        TimeoutError: it did.
        Exception: what the work raised.
    """
    done: Future[str | None] = Future()

    def fulfil() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    thread = Thread(target=fulfil, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"nothing in {seconds:g} s")
    return done.result()


def log(config: Wandb, folder: Path, summary: Summary, id: str | None, console: Console) -> str | None:
    """Log the report and return the id of its W&B run; None where W&B is not to be used or cannot be."""
    from optlab.sweep.report_run import log_report
    from optlab.tracking.wandb import start

    def say(line: str) -> None:
        console.print(line, markup=False, soft_wrap=True)

    name = name_of(folder, summary)
    about = {"name": f"report of {name}", "job_type": "report", "config": {"sweep": name}}
    started = start(config, folder, about, say, continues=id)
    if started is None:
        return None
    run, offline = started
    write_made(folder, id=run.id)  # so that what breaks half-way is gone on with
    earlier = [path for path in (folder / FOLDER).glob("offline-run-*") if path != Path(run.dir).parent]
    try:
        log_report(run, summary)
    except Exception:
        run.finish(exit_code=1)
        raise
    run.finish()
    for path in earlier:  # this one says all that they said
        if not any(path.glob("*.wandb.synced")):
            shutil.rmtree(path, ignore_errors=True)
    if offline is None:
        say(f"W&B: {run.url}")
    return str(run.id)
