"""`hydra/launcher=auto`, the default: the same bits with any number of workers, killed or not, as one by one here."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from optlab.adapters.process import exists
from optlab.sweep.conclude import drawing
from tests import forked
from tests.commandline import Result, command
from tests.sweep.helpers import HOLD, LOG, SIGNAL, assert_same_run, by, multirun, record_of, start
from tests.sweep.test_stopping import HALVED, STUDY, chosen, ends, folders, rows
from tests.sweep.troubles import trained

AUTO = "hydra/launcher=auto"


@pytest.fixture(autouse=True)
def two_cores(shared_workers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("optlab.sweep.threads", "optlab.sweep.launchers.slots", "optlab.sweep.launchers.server"):
        monkeypatch.setattr(f"{module}.cores", lambda: 2)


def kill(sweep: forked.Typed, *, workers: bool) -> None:
    """`kill -9` of a sweep when two of its runs wait in their second epoch (see `Hold`); later ones will not.

    Args:
        workers: kill them too, as when the machine stops; else they notice that it is gone, save and end.
    """
    held: list[int] = []
    while len(held) < 2:
        assert not sweep.is_over(), sweep.printed
        time.sleep(0.02)
        held = [int(line) for line in Path("held").read_text().split()] if Path("held").exists() else []
    for process in [sweep.pid, *(held if workers else [])]:
        os.kill(process, signal.SIGKILL)
    assert sweep.wait() is None
    while any(exists(process) for process in held):
        time.sleep(0.02)
    Path("asked").touch()


@pytest.mark.usefixtures("no_report")
def test_a_sweep_has_the_same_bits_however_many_run_at_a_time_and_though_it_was_killed() -> None:
    lrs = (0.1, 0.2, 0.3)
    words = (
        f"optimizer.lr={','.join(map(str, lrs))}", LOG, HOLD,
        SIGNAL, "+callbacks.signal.signame=SIGINT", "+callbacks.signal.lr=0.3", "+callbacks.signal.step=30",
    )  # fmt: skip
    kill(start(*words, *by("auto", 2), name="killed"), workers=True)
    assert [record_of(lr, "killed").status for lr in lrs[:2]] == ["running", "running"]
    Path("armed").touch()  # of the third run the worker is stopped in its second epoch
    again = multirun(*words, AUTO, name="killed")
    assert again.code == 0, again
    assert sorted((lr, epochs) for lr, epochs, _ in trained()) == [(lr, epochs) for lr in lrs for epochs in (0, 1)]
    assert os.getpid() not in {process for *_, process in trained()}
    for name, launcher in {"one": by("auto", 1), "basic": ["hydra/launcher=basic"]}.items():
        assert multirun(*words, *launcher, name=name).code == 0
        for lr in lrs:
            assert_same_run(lr, name, "killed")
            assert record_of(lr, name).numerics == record_of(lr, "killed").numerics


def test_a_study_that_was_killed_chooses_the_same_and_a_finished_one_only_writes_its_report_again() -> None:
    def typed(name: str, *launcher: str) -> list[str]:
        return [*STUDY, HALVED, LOG, HOLD, f"sweep={name}", *launcher]

    def study(name: str, *launcher: str) -> Result:
        with drawing(figures=False):
            return command(*typed(name, *launcher))

    kill(forked.start(*typed("killed", AUTO, "hydra.launcher.n_jobs=2")), workers=False)
    assert "stopped" in {status for status, *_ in ends("killed").values()}, "behind the first rung"
    again = study("killed", AUTO)
    assert again.code == 0, again
    assert sum(epochs == 0 for _, epochs, _ in trained()) == 4 + 1, "no trial was begun anew, nor was the winner"
    assert os.getpid() not in {process for *_, process in trained()}
    assert study("basic").code == 0
    assert (ends("killed"), chosen("killed")) == (ends("basic"), chosen("basic"))
    assert {run: rows(folder) for run, folder in folders("killed").items()} == {
        run: rows(folder) for run, folder in folders("basic").items()
    }
    runs, report = len(trained()), written("killed")
    assert study("killed", AUTO).code == 0
    assert len(trained()) == runs
    assert written("killed") == report


def written(name: str) -> dict[str, bytes]:
    """The report of a sweep, but for the minute it was read in, and all that it is made from."""
    folder = Path("outputs/sweeps", name)
    minute = rb"read \d{4}-\d\d-\d\d \d\d:\d\d"
    return {
        str(path): re.sub(minute, b"read", path.read_bytes())
        for path in folder.rglob("*")
        if path.suffix in (".html", ".json", ".csv")
    }
