"""Run folders have one name, whoever asks for it, and none is left in which no run began."""

import re
from pathlib import Path

import pytest

from optlab import folders
from optlab.folders import Claims, discard, new_folder


@pytest.fixture(autouse=True)
def one_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands still, so that folders of one second meet."""
    now = folders.datetime(2026, 11, 21, 12, 0, 0)
    monkeypatch.setattr(folders, "datetime", type("Still", (folders.datetime,), {"now": classmethod(lambda cls: now)}))


def test_the_command_line_and_a_notebook_name_folders_alike() -> None:
    assert Claims().claim("train", "pytorch_optimizer.Lion") == "outputs/runs/2026-11-21_12-00-00-lion"
    assert new_folder("pytorch_optimizer.Lion") == Path("outputs/runs/2026-11-21_12-00-00-lion-2")
    assert not new_folder("pytorch_optimizer.Lion").exists()  # made when the run begins
    assert re.match("outputs/predictions/", Claims().claim("predict", "adam"))


def test_no_two_commands_share_a_folder_and_one_command_has_one_however_often_it_is_asked_for() -> None:
    first, second = Claims(), Claims()
    assert first.claim("train", "adam") == first.claim("train", "adam") == "outputs/runs/2026-11-21_12-00-00-adam"
    assert second.claim("train", "adam") == "outputs/runs/2026-11-21_12-00-00-adam-2"
    (Path(second.claim("train", "adam")) / "run.json").touch()
    first.give_up()
    second.give_up()
    assert [path.name for path in Path("outputs/runs").iterdir()] == ["2026-11-21_12-00-00-adam-2"]


def test_a_folder_that_holds_something_of_others_stays() -> None:
    for name in ("ours", "theirs"):
        Path(name, ".hydra").mkdir(parents=True)
        Path(name, "train.log").touch()
    Path("theirs", "notes.txt").touch()
    discard(Path("ours"))
    discard(Path("theirs"))
    assert not Path("ours").exists()
    assert Path("theirs", "notes.txt").exists()
