"""Data sets that the processes of a sweep share: made by the first that needs one, and mapped into memory by all.

A mapped file has its pages in memory once, however many processes map it.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections import UserDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor

from optlab.data.arrays import Arrays, DataInfo, Source, Subset
from optlab.data.memory import fits

log = logging.getLogger(__name__)


class SharedSources(UserDict[str, Source]):
    """The data sets of this process, and behind them those in folders that other processes look into, too.

    What cannot be shared (samples that are read while a run trains), or finds no room, each process loads for itself.

    Args:
        own: of this process; filled and emptied like any other mapping of sources.
        places: folders of the sweep's own, the best first: in memory, on a disk.
    """

    def __init__(self, own: dict[str, Source], places: Sequence[Path]) -> None:
        self.data = own
        self.places = places

    def load(self, key: str, make: Callable[[], Source]) -> Source:
        """The data set of this key: mapped where a process has made it, else made now, by one process at a time."""
        name = hashlib.sha256(key.encode()).hexdigest()[:16]
        loaded_by_each = self.places[0] / f"{name}.each"
        with one_at_a_time(self.places[0] / f"{name}.lock"):
            if (found := self.find(name)) is not None:
                return found
            if not loaded_by_each.exists():
                made = make()
                if (shared := self.put(name, made)) is not None:
                    return shared
                with suppress(OSError):
                    loaded_by_each.touch()
                return made
        return make()

    def find(self, name: str) -> Source | None:
        for place in self.places:
            with suppress(OSError):  # not there, or removed as the sweep is over
                return read(place / f"{name}.pt")
        return None

    def put(self, name: str, source: Source) -> Source | None:
        """Write a data set where there is room for it, and read it from there; None where that cannot be."""
        if (content := content_of(source)) is None:
            return None
        size = size_of(content)
        for place in self.places:
            if not has_room(place, size, in_memory=place != self.places[-1]):
                continue
            new = place / f"{name}.new"
            try:
                torch.save(content, new)
                new.replace(place / f"{name}.pt")
                mapped = read(place / f"{name}.pt")
            except (OSError, RuntimeError):  # which torch raises for a full disk
                with suppress(OSError):
                    new.unlink()
                continue
            log.info("%s: %.1f MiB, shared with the other runs through %s", source.info.name, size / 2**20, place)
            return mapped
        log.info("%s: %.1f MiB find no room to be shared; each process loads its own", source.info.name, size / 2**20)
        return None


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Hold the lock of this file, where its folder is still there."""
    with ExitStack() as held:
        with suppress(OSError):
            held.enter_context(FileLock(path))
        yield


def has_room(place: Path, size: int, *, in_memory: bool) -> bool:
    """Whether so many bytes leave as much free as they take."""
    try:
        return shutil.disk_usage(place).free >= 2 * size and (not in_memory or fits(2 * size))
    except OSError:
        return False


# -- a source as a file


def content_of(source: Source) -> dict[str, Any] | None:
    """A source as tensors, numbers and strings; None for samples that do not lie in memory."""
    parts = source.parts()
    if not all(isinstance(samples, (Arrays, Subset)) for samples in parts.values()):
        return None
    return {
        "info": source.info.to_dict(),
        "parts": {name: [samples.inputs, samples.targets] for name, samples in parts.items()},
        "not_guaranteed": list(source.not_guaranteed),
    }


def size_of(content: dict[str, Any]) -> int:
    """Bytes of the tensors; what is a view of the same memory counts once, as it is written once."""
    tensors: list[Tensor] = [tensor for pair in content["parts"].values() for tensor in pair]
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())


def read(path: Path) -> Source:
    """The inverse of `content_of`, its tensors mapped: what a process would write into them is its own."""
    content = torch.load(path, mmap=True, weights_only=True)
    parts = {name: Arrays(*pair) for name, pair in content["parts"].items()}
    return Source(DataInfo.from_dict(content["info"]), not_guaranteed=tuple(content["not_guaranteed"]), **parts)
