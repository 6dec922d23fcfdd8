"""Folders in which the processes of one sweep on this machine share what each would load for itself.

They last as long as the sweep. Those of a sweep that was killed are removed by the next one. Light at import.
"""

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

MEMORY = Path("/dev/shm")  # a file system in memory, where there is one
PREFIX = "optlab-shared-"
OWNER = "owner.lock"  # held while the sweep lives
YOUNG = 60.0  # seconds in which the lock of a new folder may not be held yet

Shelves = tuple[Path, ...]  # the best first

_current: ContextVar[Shelves] = ContextVar("shelves", default=())


@contextmanager
def sharing() -> Iterator[Shelves]:
    """Folders of this user's alone for the time of the block: in memory where that can be, and on the disk."""
    with ExitStack() as to_the_end:
        yield tuple(to_the_end.enter_context(shelf(base)) for base in bases())


def bases() -> list[Path]:
    memory = [MEMORY] if os.access(MEMORY, os.W_OK | os.X_OK) and MEMORY.is_dir() else []
    return list(dict.fromkeys([*memory, Path(tempfile.gettempdir())]))


@contextmanager
def shelf(base: Path) -> Iterator[Path]:
    remove_left_behind(base)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))  # for its owner alone
    owner = FileLock(folder / OWNER)
    owner.acquire()
    try:
        yield folder
    finally:
        owner.release()
        shutil.rmtree(folder, ignore_errors=True)


def remove_left_behind(base: Path) -> None:
    """Remove the folders here of this user's sweeps that live no more."""
    for folder in base.glob(f"{PREFIX}*"):
        with suppress(OSError, Timeout):  # others remove it at this moment, or it is alive
            if not is_ours(folder) or time.time() - folder.lstat().st_mtime < YOUNG:
                continue
            FileLock(folder / OWNER).acquire(blocking=False).lock.release()
            shutil.rmtree(folder, ignore_errors=True)


def is_ours(folder: Path) -> bool:
    """Whether it is a folder of this user's, and no link that another put here."""
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and (not hasattr(os, "getuid") or status.st_uid == os.getuid())


@contextmanager
def using(shelves: Shelves) -> Iterator[None]:
    """Let the runs of the block share through these folders."""
    token = _current.set(shelves)
    try:
        yield
    finally:
        _current.reset(token)


def scratch() -> Path | None:
    """A folder on the disk that is removed with the sweep, however this process ends; None in a run by itself."""
    return _current.get()[-1] if _current.get() else None


def behind(sources: MutableMapping[str, Any] | None) -> MutableMapping[str, Any] | None:
    """The data sets of this process, and behind them those of the sweep, where its processes share them."""
    if not isinstance(sources, dict) or not _current.get():
        return sources
    from optlab.data.shared import SharedSources

    return SharedSources(sources, _current.get())
