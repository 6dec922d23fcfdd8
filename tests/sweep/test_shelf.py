"""The folders in which a sweep's processes share data: nobody else's, and gone when it is over, however that came."""

import os
import time
from pathlib import Path

import pytest
from filelock import FileLock

from optlab.sweep import shelf
from optlab.sweep.shelf import OWNER, PREFIX, behind, sharing, using


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    memory, disk = tmp_path / "memory", tmp_path / "disk"
    for place in (memory, disk):
        place.mkdir()
    monkeypatch.setattr(shelf, "MEMORY", memory)
    monkeypatch.setattr(shelf.tempfile, "tempdir", str(disk))
    return memory, disk


def old(folder: Path) -> Path:
    folder.mkdir()
    an_hour_ago = time.time() - 3600
    os.utime(folder, (an_hour_ago, an_hour_ago))
    return folder


def test_there_is_one_in_memory_and_one_on_the_disk_until_the_block_ends(places: tuple[Path, Path]) -> None:
    def stopped() -> None:
        with sharing() as shelves:
            assert [folder.parent for folder in shelves] == list(places)
            assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in shelves)
            (shelves[0] / "data.pt").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert [list(place.iterdir()) for place in places] == [[], []]


def test_without_a_file_system_in_memory_the_disk_does(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "MEMORY", Path("/nowhere"))
    with sharing() as shelves:
        assert [folder.parent for folder in shelves] == [places[1]]


def test_what_a_killed_sweep_left_is_removed_by_the_next_and_what_lives_or_is_no_folder_of_ours_stays(
    places: tuple[Path, Path], tmp_path: Path
) -> None:
    memory, _ = places
    dead, young, alive = (memory / f"{PREFIX}{name}" for name in ("dead", "young", "alive"))
    old(dead), old(alive)
    young.mkdir()
    elsewhere = old(tmp_path / "elsewhere")
    (memory / f"{PREFIX}link").symlink_to(elsewhere)
    with FileLock(alive / OWNER):
        an_hour_ago = time.time() - 3600
        os.utime(alive, (an_hour_ago, an_hour_ago))
        with sharing():
            assert not dead.exists()
            assert young.exists()
            assert alive.exists()
    assert not list(elsewhere.iterdir())


def test_runs_share_within_a_sweep_alone(tmp_path: Path) -> None:
    own: dict[str, object] = {}
    assert behind(own) is own
    with using((tmp_path,)):
        assert behind(own) is not own
        assert behind(None) is None
    assert behind(own) is own
