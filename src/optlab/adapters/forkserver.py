"""A process that imports torch once and forks itself into workers, each of which has it at once.

The standard library's forkserver is one for the whole process, has no public end, repeats the main script in each
worker (a script without `if __name__ == "__main__"` would start its sweep again there), and takes the Ctrl-C of the
terminal while it imports. This one belongs to who started it, ends with it, and is in a process group of its own.
Forking is for systems where that is safe once libraries are loaded: see `can_fork`.

`tests/adapters/test_forkserver.py` says what each function keeps from breaking. Light at import.
"""

import logging
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from optlab.adapters import process

GOING = 5.0  # seconds at most that a process is still there behind its last word: a driver takes its memory back


def can_fork() -> bool:
    """Whether workers are forked: on Linux. On macOS libraries may crash in a fork, Windows has none."""
    return sys.platform == "linux"


class Worker:
    """A worker, seen from this process.

    Attributes:
        pipe: to it; what its function receives is sent here.
    """

    def __init__(self, pipe: Connection, child: BaseProcess | None = None) -> None:
        self.pipe = pipe
        self._child = child  # of this process, which has to bury it
        self._pid = None if child is None else child.pid

    @property
    def pid(self) -> int:
        """Its process number; waits until the worker is there.

        Raises:
            EOFError: it died before it could say so.
        """
        if self._pid is None:  # a forked worker's first message
            self._pid = int(self.pipe.recv())
        return self._pid

    def answered(self) -> bool:
        """Whether `answer` has something to return or to raise, now."""
        try:
            return self.pipe.poll() and (self._pid is not None or (self.pid > 0 and self.pipe.poll()))
        except (EOFError, OSError):
            return True

    def answer(self, patience: float | None = None) -> Any:
        """What its function sent next; waits for that.

        Args:
            patience: seconds in which it is to begin, and then to send; None: for ever.

        Raises:
            EOFError, OSError: it died; TimeoutError, which is one of these, where it sent nothing.
        """
        begins = self._pid is not None or self.pipe.poll(patience)
        if not (begins and self.pid and self.pipe.poll(patience)):
            raise TimeoutError(f"no answer in {patience} s")
        return self.pipe.recv()

    def end(self, patience: float = 0.0, *, interrupt: bool = False) -> None:
        """Wait until it is gone, and after so many seconds without a word kill it; what it still sends is not read.

        Args:
            interrupt: break off what it does first, so that it leaves no half-written file.
        """
        with self.pipe, suppress(EOFError, OSError):
            if interrupt and (self._pid is not None or self.pipe.poll()):
                os.kill(self.pid, signal.SIGINT)
            while self.pipe.poll(patience):
                message = self.pipe.recv()
                self._pid = int(message) if self._pid is None else self._pid
            if self._pid is not None:  # else it is yet to begin, and will find that nobody waits
                os.kill(self._pid, signal.SIGKILL)
        if self._child is not None:
            self._child.join(GOING)
            return
        until = time.monotonic() + GOING
        while self._pid is not None and process.exists(self._pid) and time.monotonic() < until:
            time.sleep(0.002)


class ForkServer:
    """Starts workers: forked from a process that has imported what they need, or anew where that is not safe.

    Args:
        work: what each worker does with its end of the pipe, as `module:function`.
        imports: modules to import beforehand; the process begins with that at once, beside this one.
        fork: see `can_fork`.
    """

    def __init__(self, work: str, imports: Sequence[str], *, fork: bool | None = None) -> None:
        self.work = work
        self.imports = list(imports)
        self.forks = can_fork() if fork is None else fork
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        if self.forks:
            self._begin()

    def _begin(self) -> None:
        ours, theirs = socket.socketpair()
        code = f"from {__name__} import serve; serve({theirs.fileno()}, {self.work!r}, {self.imports!r})"
        # The path of this process, which may hold more than is installed. One thread for NumPy's OpenBLAS: it starts
        # others when it is imported, and only a process of one thread is safely forked.
        path = os.pathsep.join(folder or str(Path.cwd()) for folder in sys.path)
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-P", "-c", code],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
                process_group=0,
            )
        self._control = ours

    def start(self) -> Worker:
        """A new worker; it is there at once, or when all is imported."""
        if not self.forks:
            return self._start_anew()
        if self._server is None or self._server.poll() is not None:  # somebody killed it
            self.close()
            self._begin()
        ours, theirs = multiprocessing.Pipe()
        assert self._control is not None, "_begin makes it"
        with theirs:
            socket.send_fds(self._control, [b"1"], [theirs.fileno()])
        return Worker(ours)

    def _start_anew(self) -> Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        with theirs, _without_main():
            worker = context.Process(target=run_worker, args=(theirs, self.work, self.imports), daemon=True)
            worker.start()
        return Worker(ours, worker)

    def close(self) -> None:
        """End the process that forks; its workers go on until their pipes end."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._server is not None:
            self._server.kill()  # it holds nothing, and may have seconds of imports before it
            self._server.wait()
            self._server = None


@contextmanager
def _without_main() -> Iterator[None]:
    """Within the block a process that is started does not repeat the main script, which may have no guard."""
    before, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = before


# -- in the other processes


def serve(control: int, work: str, imports: Sequence[str]) -> None:
    """Import, then fork a worker for each pipe that comes, until the other end is closed; in a process of its own."""
    with socket.socket(fileno=control) as requests:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, process.STOPS)  # held back where this was started
        _import(imports)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries the workers; their pipes say that they ended
        while True:
            message, files, *_ = socket.recv_fds(requests, 1, 1)
            if not message:
                return
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                requests.close()
                break
            os.close(files[0])
    os.set_inheritable(files[0], False)
    pipe = Connection(files[0])
    pipe.send(os.getpid())
    run_worker(pipe, work, ())
    _leave()


def run_worker(pipe: Connection, work: str, imports: Sequence[str]) -> None:
    """Do what a worker is for."""
    _import(imports)
    module, _, function = work.partition(":")
    getattr(import_module(module), function)(pipe)


def _leave() -> NoReturn:
    """End a forked worker as `multiprocessing` ends its own: taking apart what torch imported takes a second."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _import(modules: Sequence[str]) -> None:
    with process.importing():
        for module in modules:
            import_module(module)
