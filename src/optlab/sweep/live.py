"""report.live: a process beside the sweep that writes its page while runs come in (see `optlab.analysis.watch`)."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import optlab
from optlab.record import shortest
from optlab.rules.files import REPORT_FILE

PATIENCE = 20.0  # seconds that a page which is being written gets to be finished


@contextmanager
def live_page(folder: Path, *, wanted: bool) -> Iterator[None]:
    """Keep report.html of a sweep up to date while the body runs, where that is wanted; never an error.

    The process takes no part in the training: it reads files, at low priority. It is gone when the body ends, so that
    the last page is the sweep's own.
    """
    if not wanted:
        yield
        return
    print(f"live  {shortest(folder / REPORT_FILE)}", flush=True)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        try:
            writer = start(folder, said)
        except OSError as error:
            print(f"live  the page is not written while the sweep runs: {error}", file=sys.stderr)
            yield
            return
        try:
            yield
        finally:
            complain(end(writer, folder), said)


def start(folder: Path, said: IO[str]) -> "subprocess.Popen[bytes]":
    """The writer, in a session of its own: Ctrl-C is for the sweep, which ends the writer then."""
    path = os.pathsep.join(filter(None, [str(Path(optlab.__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    writer = subprocess.Popen(
        [sys.executable, "-P", "-m", "optlab.analysis.watch", str(folder)],
        stdin=subprocess.PIPE,  # nothing comes through it: its end is the end of the sweep
        stdout=subprocess.DEVNULL,
        stderr=said,
        env=os.environ | one_thread | {"PYTHONPATH": path},
        start_new_session=True,
    )
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, writer.pid, 15)  # the training goes before
    return writer


def end(writer: "subprocess.Popen[bytes]", folder: Path) -> int:
    """End the writer, once its page is whole; returns its exit code, 0 where that took too long."""
    assert writer.stdin is not None, "start opens it"
    writer.stdin.close()
    try:
        return writer.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        writer.kill()
        writer.wait()
        (folder / f".{REPORT_FILE}.{writer.pid}.tmp").unlink(missing_ok=True)
        return 0


def complain(code: int, said: IO[str]) -> None:
    """One line where the writer ended before the sweep."""
    if code:
        said.seek(0)
        lines = said.read().strip().splitlines() or [f"exit code {code}"]
        print(f"live  the page was not kept up to date: {lines[-1]}", file=sys.stderr)
