"""Commands in processes of their own that are there at once: forked from one that has imported torch and optlab."""

import atexit
import os
import runpy
import sys
import tempfile
import time
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from optlab.adapters.forkserver import ForkServer, Worker, run_worker
from optlab.adapters.torch import use_threads
from optlab.sweep.launchers.server import IMPORTS, WORK
from tests.commandline import ROOT, here


class Shared(ForkServer):
    """One for all sweeps of this test process: its imports, which take seconds, are those of a sweep's own.

    Its end, at that of a sweep, is left out; workers end with their pipes, as ever.
    """

    def __init__(self) -> None:
        super().__init__(f"{__name__}:work", IMPORTS)

    def start(self, work: str = WORK) -> Worker:
        worker = super().start()
        worker.pipe.send((work, str(Path.cwd())))  # a sweep's own would be in its folder
        return worker

    def close(self) -> None:
        if self._server is not None and self._server.poll() is not None:  # dead: `start` makes another
            super().close()


@cache
def shared() -> Shared:
    with patch.dict(os.environ, OMP_NUM_THREADS="1"):
        server = Shared()
    atexit.register(super(Shared, server).close)
    return server


def work(pipe: Connection) -> None:
    """What a worker of the shared one does: what is asked of it."""
    what, folder = pipe.recv()
    os.chdir(folder)
    run_worker(pipe, what, ())


class Typed(NamedTuple):
    """A command under way."""

    worker: Worker
    output: Path

    @property
    def pid(self) -> int:
        return self.worker.pid

    def is_over(self) -> bool:
        return self.worker.answered()

    def wait(self, seconds: float = 120.0) -> int | None:
        """Its exit code; None when it died without one, as of SIGKILL."""
        end = time.monotonic() + seconds
        while not self.is_over():
            assert time.monotonic() < end, self.printed
            time.sleep(0.01)
        with self.worker.pipe:
            try:
                return int(self.worker.answer())
            except (EOFError, OSError):
                return None

    @property
    def printed(self) -> str:
        return self.output.read_text()


def start(*words: str) -> Typed:
    """`python train.py WORDS` in a process of its own, in this folder and with this environment."""
    worker = shared().start(f"{__name__}:type_command")
    file, output = tempfile.mkstemp(dir=Path.cwd().parent)
    os.close(file)
    worker.pipe.send((dict(os.environ), [str(ROOT / "train.py"), *here(words)], output))
    return Typed(worker, Path(output))


def type_command(pipe: Connection) -> None:
    """Type a command; in a worker."""
    environment, sys.argv, output = pipe.recv()
    os.setpgrp()
    os.environ.clear()
    os.environ.update(environment)
    use_threads(int(environment["OMP_NUM_THREADS"]))  # torch was imported without it
    with Path(output).open("w", encoding="utf-8") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    code = 0
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    pipe.send(code)
