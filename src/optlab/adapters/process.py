"""Every change to this process as a whole: its memory, threads and collector, its signals, its command line.

A setting that makes something faster stands here only where that is at least a tenth of something a user waits for;
docs/speed.md has the figures. `tests/adapters/test_process.py` says what each function keeps from breaking. Light at
import.
"""

import gc
import os
import platform
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import NoReturn

from optlab.adapters.torchmetrics import without_plots_and_signals
from optlab.errors import Interrupted

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
LARGEST_INT = 2**31 - 1
HANG_UP = tuple(filter(None, [getattr(signal, "SIGHUP", None)]))  # the terminal was closed; Windows has no such signal
STOPS = (signal.SIGINT, signal.SIGTERM, *HANG_UP)


# -- speed

IMPORTS = threading.RLock()  # held where modules are imported that others stand for meanwhile, and by who imports these
_imported = threading.Event()  # whether `importing` has done its work: counting what it froze takes 0.05 s


@contextmanager
def importing() -> Iterator[None]:
    """Around the imports of torch and Lightning: collect no garbage, and look through what they made never again.

    Torchmetrics, which Lightning imports, does without what few of its metrics need.

    Importing makes millions of objects that live to the end: looking through them again and again takes a quarter of
    the time from the shell to the first step, and once more at exit. Once a process: what a sweep's first run leaves
    behind is to be collected before the second.
    """
    if not _imported.is_set() and gc.get_freeze_count():  # by somebody else, as Ray does in its workers
        _imported.set()
    if _imported.is_set():
        yield
        return
    with IMPORTS:
        gc.disable()
        try:
            with without_plots_and_signals():
                yield
        finally:
            gc.enable()
        gc.freeze()
        _imported.set()


def import_lightning() -> None:
    """Import torch and Lightning in a process that is about to need them, as `importing` does; once."""
    if "lightning.pytorch" not in sys.modules:
        with importing():
            import_module("lightning.pytorch")


@contextmanager
def freeing_memory() -> Iterator[None]:
    """Give back what was held in the block: a network and its trainer refer to each other, so only the collector can.

    It looks through what the block made: with all imported modules that would take 0.3 s a job. They are set aside
    for no longer than the job, as this leaves nothing uncollected for good.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.collect()
        gc.unfreeze()
        if (adapter := sys.modules.get("optlab.adapters.torch")) is not None:
            adapter.give_memory_back()


def spin_briefly() -> None:
    """Let OpenMP's waiting threads give their core back soon; it reads this when torch is imported.

    Threads that wait for each other by spinning take the cores from whatever else runs: beside two busy processes, ten
    epochs on the digits took 29 s with OpenMP's default of 300,000 turns and 2 to 20 s with 20,000, which cost nothing
    that can be measured when alone. 2,000 would cost a twenty-fifth then.
    """
    set_unless_chosen("GOMP_SPINCOUNT", "20000")


def keep_large_blocks() -> None:
    """Tell glibc to keep freed memory, however large the blocks; elsewhere nothing is done.

    By default it returns large blocks to the system and takes them again, page by page, at every step: activations of
    a batch of 512 images then cost a third of the training speed on the CPU. What a user set with MALLOC_* or
    GLIBC_TUNABLES stays.
    """
    chosen = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    if chosen or platform.libc_ver()[0] != "glibc":
        return
    import ctypes

    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_MAX, 0)  # every block comes from the heap ...
    libc.mallopt(M_TRIM_THRESHOLD, LARGEST_INT)  # ... and up to 2 GiB of it stay when they are free


def cores() -> int:
    """The CPU cores that this process may use: what it is pinned to, and what its container gets of them."""
    pinned = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = read_line("/sys/fs/cgroup/cpu.max").partition(" ")  # of cgroup v2; "max" where there is none
    return max(1, min(pinned, int(quota) // int(period))) if quota.isdigit() else pinned


def read_line(path: str) -> str:
    """The first line of a file of the system's; empty where there is no such file."""
    try:
        return Path(path).read_text(encoding="ascii").partition("\n")[0]
    except OSError:
        return ""


# -- signals; they arrive in the main thread, and other threads cannot handle them


@contextmanager
def handling(numbers: Iterable[int], handler: Callable[[int, FrameType | None], None]) -> Iterator[bool]:
    """Let these signals be handled by this function within the block; yields whether they are.

    A SIGHUP that is ignored stays so: `nohup` was typed to let the command outlive its terminal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield False
        return
    heard = [n for n in numbers if n not in HANG_UP or signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in heard}
    try:
        yield True
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


class CtrlC:
    """SIGINT before training: an import that it breaks may turn the KeyboardInterrupt into another exception.

    Attributes:
        came: whether it did.
    """

    came = False

    def __call__(self, signum: int, frame: FrameType | None) -> NoReturn:
        self.came = True
        raise KeyboardInterrupt


@contextmanager
def remembering_ctrl_c() -> Iterator[None]:
    """Within the block `ctrl_c_came` knows of a SIGINT, until somebody else handles it: a run does, a sweep does."""
    with handling([signal.SIGINT], CtrlC()):
        yield


def ctrl_c_came() -> bool:
    """Whether there was a SIGINT since `remembering_ctrl_c`; the handler itself is the memory."""
    handler = signal.getsignal(signal.SIGINT)
    return isinstance(handler, CtrlC) and handler.came


@contextmanager
def noticing_signals() -> Iterator[list[int]]:
    """Fills a list with the numbers of SIGINT, SIGTERM and SIGHUP that come meanwhile.

    A run that is asked to stop in its last epoch finishes instead, and handles the signal itself; the sweep still
    has to stop. The interpreter writes each signal's number to the wakeup descriptor whoever handles it.
    """
    seen: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield seen
        return
    reader, writer = socket.socketpair()
    with reader, writer:
        reader.setblocking(False)
        writer.setblocking(False)
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            yield seen
        finally:
            signal.set_wakeup_fd(before)
            with suppress(BlockingIOError):
                seen += [number for number in reader.recv(4096) if number in STOPS]


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """Let SIGTERM, and a terminal that is closed, end the block with `Interrupted`, as Ctrl-C with KeyboardInterrupt.

    Of a closed terminal one may hear several times: each stream that leads there says so, too.
    """
    hung_up = False

    def stop(signum: int, frame: FrameType | None) -> None:
        nonlocal hung_up
        again, hung_up = hung_up and signum in HANG_UP, hung_up or signum in HANG_UP
        if not again:
            raise Interrupted(signum)

    with handling([signal.SIGTERM, *HANG_UP], stop):
        yield


@contextmanager
def ctrl_c_waits() -> Iterator[None]:
    """Hold SIGINT back for the time of the block, so that no process is started and then forgotten.

    A process that is started here is born with SIGINT held back, too: the Ctrl-C of a terminal goes to every process
    of the command, and a job is to be asked once, by this process.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def become_worker(parent: int) -> None:
    """Leave the terminal's process group, as its Ctrl-C is for the sweep, which passes it on; and listen to that.

    Args:
        parent: the process of the sweep, without which this one ends.
    """
    os.setpgrp()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    end_with(parent)


def end_with(parent: int, *, seconds_between_looks: float = 1.0, patience: float = 30.0) -> None:
    """End this process when its parent is gone, which may have been killed without a word.

    A run that is under way is asked to save and stop first. Else a worker waits for ever for a job that nobody sends.

    Args:
        parent: the process that started this one, or one above it, as submitit has a process of its own in between.
    """
    is_child = os.getppid() == parent

    def trains() -> bool:
        return signal.getsignal(signal.SIGINT) is not signal.default_int_handler

    def watch() -> None:
        while os.getppid() == parent if is_child else exists(parent):
            time.sleep(seconds_between_looks)
        if trains():
            os.kill(os.getpid(), signal.SIGINT)
        end = time.monotonic() + patience
        while trains() and time.monotonic() < end:
            time.sleep(0.1)
        os._exit(1)

    threading.Thread(target=watch, name="ends with its parent", daemon=True).start()


def exists(process: int) -> bool:
    """Whether a process of this number runs, which may be another user's.

    One that was killed and that nobody has asked after yet keeps its number, as Linux says.
    """
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return not read_line(f"/proc/{process}/stat").rpartition(") ")[2].startswith("Z")


# -- the command line and the environment


def type_instead(words: Sequence[str]) -> None:
    """Let these be the words behind `python train.py`: Hydra reads them from there."""
    sys.argv[1:] = words


def import_from(folders: Iterable[str]) -> None:
    """Let modules in these folders be imported, behind everything that is installed.

    A script finds the modules beside it; the command line is no script of the user's, so it finds none of theirs.
    """
    sys.path += [folder for folder in dict.fromkeys(folders) if folder not in sys.path]


@contextmanager
def importing_from(folders: Iterable[str]) -> Iterator[None]:
    """`import_from` for the time of the block."""
    before = list(sys.path)
    import_from(folders)
    try:
        yield
    finally:
        sys.path[:] = before


def set_unless_chosen(name: str, value: str) -> None:
    """Set an environment variable that a library asks for, and no function of it sets; the user's own value stays."""
    os.environ.setdefault(name, value)


@contextmanager
def as_if_typed(words: Sequence[str]) -> Iterator[None]:
    """Make this process look like `python train.py WORDS`, and take back what the block does to the environment.

    Lightning starts the other processes of a distributed run by repeating the command line; that of a multirun would
    start the whole sweep again in each of them. It leaves MASTER_PORT and LOCAL_RANK behind, which are one run's.
    """
    arguments, sys.argv = sys.argv, [sys.argv[0], *words]
    environment = dict(os.environ)
    try:
        yield
    finally:
        sys.argv = arguments
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)


@dataclass(frozen=True)
class Place:
    """Where the user typed the command, so that relative paths and imports mean the same in every process."""

    folder: str
    script: str
    import_path: tuple[str, ...]
    module: str | None = None  # `optlab.__main__` for `python -m optlab`

    @classmethod
    def here(cls) -> "Place":
        spec = sys.modules["__main__"].__spec__
        module = spec.name if spec is not None and spec.name == "optlab.__main__" else None
        return cls(str(Path.cwd()), str(Path(sys.argv[0]).absolute()), tuple(sys.path), module)

    def enter(self, environment: Mapping[str, str]) -> None:
        """Make this process, which only runs jobs, one of that command; for good, as it does nothing else."""
        os.environ.update(environment)
        os.chdir(self.folder)
        sys.argv = [self.script]
        sys.path += [path for path in self.import_path if path not in sys.path]
        # Lightning starts the processes of a distributed run from this: the script where there is none, else by -m.
        # The script of `python -m optlab` itself would bring its folder onto the path, with modules like `data`.
        sys.modules["__main__"].__spec__ = find_spec(self.module) if self.module else None
