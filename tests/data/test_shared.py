"""A data set of a sweep lies in memory once: one process makes it, and all map it."""

import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.data.made_datasets import Vectors

from optlab.data import digits
from optlab.data.arrays import Source, fingerprint
from optlab.data.shared import SharedSources
from optlab.data.sources.wrapped import Options, source_of
from optlab.data.split import split
from optlab.errors import UserError


def mapping_of(tensor: torch.Tensor) -> tuple[int, str]:
    """The inode and the name of the file that the memory of a tensor is mapped from; 0 for a process' own memory."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        low, high, inode, name = re.match(r"(\w+)-(\w+) \S+ \S+ \S+ (\d+)\s*(.*)", line).groups()
        if int(low, 16) <= tensor.data_ptr() < int(high, 16):
            return int(inode), name
    raise AssertionError("the tensor lies nowhere")


def never() -> Source:
    raise AssertionError("made a second time")


needs_proc = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="asks Linux where memory comes from")


@needs_proc
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_two_processes_map_the_same_memory(tmp_path: Path) -> None:
    made = digits()
    assert mapping_of(made.train.inputs)[0] == 0
    ours = SharedSources({}, [tmp_path]).load("digits", lambda: made)
    reader, writer = os.pipe()
    if os.fork() == 0:
        theirs = SharedSources({}, [tmp_path]).load("digits", never)
        os.write(writer, repr(mapping_of(theirs.train.inputs)).encode())
        os._exit(0)
    os.close(writer)
    there = os.read(reader, 4096).decode()
    assert there == repr(mapping_of(ours.train.inputs))
    assert str(tmp_path) in there


def test_what_is_mapped_is_what_was_made(tmp_path: Path) -> None:
    made, mapped = digits(), SharedSources({}, [tmp_path]).load("digits", digits)
    assert mapped.info == made.info
    assert fingerprint(mapped) == fingerprint(made)
    assert mapped.train.inputs.stride() == made.train.inputs.stride()
    first, second = (split(each, val_size=0.1, split_seed=0) for each in (made, mapped))
    assert torch.equal(first.train.inputs, second.train.inputs)
    mapped.train.targets.zero_()  # a process that writes into it spoils its own
    assert fingerprint(SharedSources({}, [tmp_path]).load("digits", never)) == fingerprint(made)


def test_one_process_makes_it_while_others_wait(tmp_path: Path) -> None:
    makes: list[int] = []

    def make() -> Source:
        makes.append(1)
        return digits()

    loads: list[Any] = [
        threading.Thread(target=lambda: SharedSources({}, [tmp_path]).load("digits", make)) for _ in range(4)
    ]
    for each in loads:
        each.start()
    for each in loads:
        each.join()
    assert len(makes) == 1


def test_what_is_read_while_training_is_loaded_by_each(tmp_path: Path) -> None:
    def make() -> Source:
        options = Options("vectors", test_size=0.2, memory=False, workers=0)
        return source_of(lambda **_: Vectors(), Vectors, options, ())

    first, second = (SharedSources({}, [tmp_path]).load("vectors", make) for _ in range(2))
    assert first.train is not second.train
    assert [path.suffix for path in sorted(tmp_path.iterdir())] == [".each", ".lock"]


def test_without_room_in_memory_it_lies_on_the_disk_and_without_any_each_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="optlab")
    memory, disk = tmp_path / "memory", tmp_path / "disk"
    for place in (memory, disk):
        place.mkdir()
    monkeypatch.setattr("optlab.data.shared.fits", lambda size: False)
    SharedSources({}, [memory, disk]).load("digits", digits)
    assert [path.suffix for path in disk.iterdir()] == [".pt"]
    assert f"shared with the other runs through {disk}" in caplog.text
    monkeypatch.setattr("optlab.data.shared.has_room", lambda *_, **__: False)
    for _ in range(2):
        SharedSources({}, [memory, disk]).load("other", digits)
    assert caplog.text.count("find no room to be shared; each process loads its own") == 1


def test_a_data_set_that_cannot_be_made_is_tried_by_the_next_and_a_sweep_that_is_over_stops_nobody(
    tmp_path: Path,
) -> None:
    def refuse() -> Source:
        raise UserError("no such folder")

    sources = SharedSources({}, [tmp_path / "gone"])
    with pytest.raises(UserError, match="no such folder"):
        sources.load("digits", refuse)
    assert fingerprint(sources.load("digits", digits)) == fingerprint(digits())
