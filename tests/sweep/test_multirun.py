"""Plain multirun: each combination trained once, whatever happens to the others or to the process."""

import fcntl
import gc
import json
import os
import shlex
import signal
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.core.utils import setup_globals
from lightning import Callback
from omegaconf import OmegaConf

from optlab.planned import Planned
from optlab.record import write_whole
from optlab.rules.instruments import INSTRUMENTS_FILE
from optlab.sweep.folder import claim, lock_of
from tests.commandline import Result, command
from tests.sweep.helpers import (
    LOG,
    SIGNAL,
    assert_same_run,
    folder_of,
    multirun,
    record_of,
    rows,
    start,
    words_of,
)
from tests.sweep.troubles import trained

pytestmark = pytest.mark.usefixtures("no_report")

RAISES = ("+callbacks.raises._target_=tests.sweep.troubles.Raise", "+callbacks.raises.lr=0.2")
FOUR = ("optimizer.lr=0.1,0.2,1e18,0.3", "loss=mse", LOG, *RAISES)  # the second raises, the third diverges


def statuses(*lrs: object) -> list[str]:
    return [record_of(lr).status for lr in lrs]


def test_one_failing_and_one_diverging_job_do_not_touch_the_others() -> None:
    result = multirun(*FOUR)
    assert result.code == 1
    assert statuses(0.1, 0.2, "1e+18", 0.3) == ["finished", "failed", "diverged", "finished"]
    assert record_of(0.2).error == {"type": "RuntimeError", "message": "a bug in a user's callback\nwith a second line"}
    log = (folder_of(0.2) / "train.log").read_text()
    assert "Traceback" in log
    assert "troubles.py" in log
    assert "Traceback" not in (folder_of(0.1) / "train.log").read_text() + result.out + result.err
    [line] = [line for line in result.out.splitlines() if line.startswith("failed")]
    assert line.endswith("RuntimeError: a bug in a user's callback")
    assert "retry=true" in result.out
    assert Path("outputs/sweeps/first/multirun.yaml").exists()


def test_the_same_command_again_trains_nothing() -> None:
    multirun(*FOUR)
    before = {path: path.stat().st_mtime_ns for path in Path("outputs").rglob("run.json")}
    count = len(trained())
    again = multirun(*FOUR)
    assert again.code == 1  # there still is a failed job
    assert len(trained()) == count == 4
    assert {path: path.stat().st_mtime_ns for path in Path("outputs").rglob("run.json")} == before
    assert "4 runs, done already" in again.out


def test_more_values_add_only_what_is_missing() -> None:
    assert multirun("optimizer.lr=0.1,0.2", LOG).code == 0
    result = multirun("optimizer.lr=0.1,0.2,0.3", LOG)
    assert result.code == 0
    assert [lr for lr, *_ in trained()] == [0.1, 0.2, 0.3]
    assert "2 done already, 1 to run" in result.out


def test_every_command_of_a_sweep_is_kept_once_and_in_order() -> None:
    words = ["trainer.max_epochs=1", "model.hidden=[8, 8]"]
    for more in (["optimizer.lr=0.1"], ["seed=1,2"], ["optimizer.lr=0.1", "retry=true"]):
        assert multirun(*words, *more).code == 0
    path = Path("outputs/sweeps/first/multirun.yaml")
    typed = "python train.py -m hydra/launcher=basic " + shlex.join(words_of(*words)[1:])
    content = yaml.safe_load(path.read_text())
    assert content["commands"] == [f"{typed} optimizer.lr=0.1", f"{typed} seed=1,2"]
    assert content["hydra"]["overrides"]["task"][-1] == "retry=true"

    # One that an earlier version wrote, with its only command in Hydra's own place.
    path.write_text(yaml.safe_dump({key: value for key, value in content.items() if key != "commands"}))
    assert multirun(*words, "seed=1").code == 0
    assert yaml.safe_load(path.read_text())["commands"] == [f"{typed} optimizer.lr=0.1", f"{typed} seed=1"]


def test_failed_jobs_run_again_from_their_beginning_only_with_retry() -> None:
    multirun(*FOUR)
    Path("repaired").touch()
    assert multirun(*FOUR).code == 1
    assert record_of(0.2).status == "failed"
    left = folder_of(0.2) / INSTRUMENTS_FILE
    left.write_text("of the attempt that failed\n")
    assert multirun(*FOUR, "retry=true").code == 0
    assert not left.exists()
    assert statuses(0.1, 0.2, "1e+18", 0.3) == ["finished", "finished", "diverged", "finished"]
    assert [(lr, epochs) for lr, epochs, _ in trained()][4:] == [(0.2, 0)]
    assert record_of(0.2).error is None
    assert len(rows(0.2)) == 2


def test_a_job_says_its_advice_in_its_own_log_and_the_sweep_stays_quiet() -> None:
    slow = ("callbacks=instruments", "trainer.max_epochs=8", "optimizer.lr=0.001,0.1")
    done = multirun(*slow)
    assert done.code == 0, done.err
    (said,) = record_of(0.001).advice or []
    lines = (folder_of(0.001) / "train.log").read_text().splitlines()
    (at,) = [place for place, line in enumerate(lines) if said["text"] in line]
    assert lines[at + 1].endswith(said["fields"]["words"])
    assert record_of(0.1).advice == []
    assert "advice: " not in done.out + (folder_of(0.1) / "train.log").read_text()


def test_a_mistake_in_any_combination_is_one_line_before_anything_runs() -> None:
    Path("x.npy").touch()
    for words, expected in {
        ("optimizer=sgd,adm",): "optimizer=adm: there is no such optimizer",
        ("optimizer=momentum,adam", "optimizer.momentum=0.5,0.9"): "optimizer.momentum: optimizer=adam has no",
        ("optimizer.lr=0.1,-0.1",): "optimizer.lr=-0.1",
        ("dataset=image_folder", "dataset.root=lost"): "dataset.root=lost is no folder",
        ("dataset=table", "dataset.file=lost.csv", "dataset.target=a"): "dataset.file=lost.csv: no such file",
        ("dataset=arrays", "dataset.file=x.npy", "dataset.targets=y.npy"): "dataset.targets=y.npy: no such file",
        ("dataset=cifar10,mnist", "dataset.download=false"): "type ++dataset.download=false",
        ("+optimizer.lr=0.1",): "+optimizer.lr=0.1: there is such a key; type optimizer.lr=0.1",
        ("dataset=huggingface", "dataset.path=lost"): "dataset.path=lost: no such folder",
        ("dataset=cifar10", "dataset.download=false", "seed=0,1"): "cifar10 is missing or damaged in data",
        ("batch_size=32,many",): "batch_size=many",
        ("mode=test", "seed=0,1"): "mode=test: a multirun trains",
        ("mode=trace", "seed=0,1"): "mode=trace: a multirun trains; leave out -m; several at once: trace.compare=",
        ("sweep=a,b",): "sweep=a: all runs of a sweep share one name",
        ("sweep=../elsewhere",): "sweep=../elsewhere: one name",
    }.items():
        result = command("-m", "logger=none", *words)
        assert result.code == 1, words
        assert result.err.startswith("optlab: ")
        assert expected in result.err
        assert len(result.err.strip().splitlines()) == 1
        assert not list(Path().glob("outputs/**/*.*")), "nothing half-written"


def test_a_refusal_that_only_the_data_shows_is_a_failure_of_its_job() -> None:
    assert multirun("batch_size=32,5000").code == 1
    records = {record.config["batch_size"]: record for record in map(read, Path("outputs/sweeps/first").glob("sgd*"))}
    assert records[32].status == "finished"
    assert records[5000].status == "failed"
    assert records[5000].error is not None
    assert "batch_size=5000" in records[5000].error["message"]


def read(folder: Path) -> Any:
    from optlab.record import RunRecord

    return RunRecord.read(folder)


def test_a_job_is_quiet_unless_it_is_asked_to_speak() -> None:
    quiet = command("-m", *LOUD, "sweep=quiet")
    assert len(quiet.out.splitlines()) <= 3, quiet.out  # the threads, the runs, and this one
    [log] = Path("outputs/sweeps/quiet").glob("*/train.log")
    assert "parameters) on digits" in log.read_text()
    loud = command("-m", "callbacks=default", *LOUD, "sweep=loud")
    assert "parameters) on digits" in loud.out
    assert "train/loss" in loud.out


LOUD = (
    "logger=none", "trainer=cpu", "trainer.max_epochs=1", "model=linear", "optimizer=sgd", "optimizer.lr=0.1", "seed=0",
)  # fmt: skip


class Watched(Callback):
    """Keeps a weak reference to each job's network, for tests."""

    seen: list["weakref.ref[Any]"] = []  # noqa: RUF012
    alive: list[int] = []  # noqa: RUF012

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self.alive.append(sum(reference() is not None for reference in self.seen))
        self.seen.append(weakref.ref(pl_module.network))


def test_the_network_of_a_job_is_freed_before_the_next_one_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    Watched.seen.clear()
    Watched.alive.clear()
    collect, looked_through = gc.collect, []
    monkeypatch.setattr(gc, "collect", lambda: looked_through.append(len(gc.get_objects())) or collect())
    gc.disable()
    try:
        multirun(*FOUR, "+callbacks.watched._target_=tests.sweep.test_multirun.Watched")
    finally:
        gc.enable()
    assert Watched.alive == [0, 0, 0, 0]
    assert [reference() for reference in Watched.seen] == [None] * 4
    # Cheaply: what was there before a job, as all imported modules, is not looked through after it.
    assert len(looked_through) == 4
    assert max(looked_through[1:]) < len(gc.get_objects()) / 5
    assert gc.get_freeze_count() == 0


def test_each_job_is_a_run_of_its_own_in_the_sweeps_wandb_group(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def init(**options: Any) -> None:
        asked.append(options)
        raise RuntimeError("no mirror here")

    monkeypatch.setattr("wandb.init", init)
    assert multirun("optimizer.lr=0.1,0.2", "logger=wandb", "phase=tune").code == 0
    assert [options["name"] for options in asked] == ["sgd-lr0.1-seed0", "sgd-lr0.2-seed0"]
    assert {options["group"] for options in asked} == {"first"}
    assert {options["job_type"] for options in asked} == {"tune"}
    multirun("optimizer.lr=0.3", "logger=wandb", "logger.wandb.group=mine")
    assert asked[-1]["group"] == "mine"


# -- stopping and going on

STEPS = 21  # of an epoch on digits with batches of 64


def stopping(name: str, step: int) -> list[str]:
    """Three jobs, the second of which gets a signal in this step."""
    return [
        "optimizer.lr=0.1,0.2,0.3", "trainer.max_epochs=3", "batch_size=64", LOG,
        SIGNAL, f"+callbacks.signal.signame={name}", "+callbacks.signal.lr=0.2", f"+callbacks.signal.step={step}",
    ]  # fmt: skip


def test_a_job_that_was_killed_in_its_first_epoch_starts_over() -> None:
    words = ("optimizer.lr=0.1", LOG)
    multirun(*words)
    mark(0.1, "running")
    (folder_of(0.1) / "checkpoints" / "last.ckpt").unlink()
    assert multirun(*words).code == 0
    assert [epochs for _, epochs, _ in trained()] == [0, 0]
    assert [row["epoch"] for row in rows(0.1)] == [1, 2]


def mark(lr: float, status: str) -> None:
    """Change the status in a record; "running" is what a killed process leaves."""
    path = folder_of(lr) / "run.json"
    write_whole(path, json.dumps(json.loads(path.read_text()) | {"status": status}))


@pytest.mark.parametrize(("name", "step"), [("SIGINT", 30), ("SIGINT", 3 * STEPS), ("SIGTERM", 30), ("SIGHUP", 30)])
def test_an_interrupted_sweep_says_how_to_go_on_and_does(name: str, step: int) -> None:
    words = stopping(name, step)
    Path("armed").touch()
    stopped = multirun(*words)
    assert stopped.code == 128 + signal.Signals[name]
    assert "the same command" in stopped.out
    assert not stopped.err
    assert multirun(*words).code == 0
    assert multirun(*words, "optimizer.lr=0.2", name="whole").code == 0
    assert_same_run(0.2, "first", "whole")


def test_a_signal_leaves_the_job_interrupted_and_the_rest_untouched() -> None:
    Path("armed").touch()
    result = multirun(*stopping("SIGINT", 30))
    assert record_of(0.2).status == "interrupted"
    assert len(list(Path("outputs/sweeps/first").glob("sgd*"))) == 2
    assert "stopped with 1 of 3 runs done" in result.out
    planned = Planned.read(Path("outputs/sweeps/first"))
    assert planned is not None
    assert len(planned.runs) == planned.expected == 3  # all of them, though one never began


# -- several processes


def test_two_processes_share_a_sweep_and_no_job_is_trained_twice() -> None:
    words = ("optimizer.lr=0.1,0.2,0.3,0.4", LOG, "+callbacks.log.seconds=1.0")
    other = start(*words)
    while not trained():  # it has the first job
        assert not other.is_over(), other.printed
        time.sleep(0.02)
    assert multirun(*words).code == 0
    assert other.wait(60) == 0, other.printed
    assert sorted(lr for lr, *_ in trained()) == [0.1, 0.2, 0.3, 0.4]
    assert {process for *_, process in trained()} == {other.pid, os.getpid()}
    assert all(record_of(lr).status == "finished" for lr in (0.1, 0.2, 0.3, 0.4))


def test_sweeps_that_start_in_the_same_second_get_different_folders() -> None:
    setup_globals()

    def take(_: int) -> Path:
        config = OmegaConf.create({"sweep": "now", "hydra": {"sweep": {"dir": "outputs/sweeps/${sweep}"}}})
        folder = claim(config, "now")
        assert str(folder).endswith(config.sweep)
        return folder

    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(take, range(8)))
    assert len(set(folders)) == 8
    assert {folder.name for folder in folders} == {"now", *(f"now-{number}" for number in range(2, 9))}


def test_a_sweep_without_a_name_gets_a_dated_folder_of_its_own() -> None:
    words = ("-m", *LOUD)
    for _ in range(2):
        assert command(*words).code == 0
    first, second = sorted(Path("outputs/sweeps").iterdir())
    [job] = first.glob("sgd*")
    assert json.loads((job / "run.json").read_text())["config"]["sweep"] == first.name
    assert len(list(second.glob("sgd*"))) == 1


@pytest.mark.parametrize(("leaves", "trainings"), [("running", 2), ("finished", 1)])
def test_a_job_that_another_process_has_is_waited_for(leaves: str, trainings: int) -> None:
    words = ("optimizer.lr=0.1,0.2", LOG)
    multirun("optimizer.lr=0.1", LOG)
    mark(0.1, "running")
    held = os.open(lock_of(folder_of(0.1)).lock_file, os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)

    def let_go() -> None:
        sweep = Path("outputs/sweeps/first")
        while not any('"finished"' in path.read_text() for path in sweep.glob("*-lr0.2-*/run.json")):
            if given_up.wait(0.05):  # the sweep has come to its end without it
                break
        mark(0.1, leaves)
        (folder_of(0.1) / "checkpoints" / "last.ckpt").unlink()
        os.close(held)

    given_up = threading.Event()
    other = threading.Thread(target=let_go)
    other.start()
    try:
        assert multirun(*words).code == 0
        assert not other.is_alive()
    finally:
        given_up.set()
        other.join()
    assert [lr for lr, *_ in trained()] == [0.1, 0.2, 0.1][: trainings + 1]
    assert record_of(0.1).status == "finished"


# -- folders that are not as they should be


def result_of(*words: str) -> Result:
    return multirun("optimizer.lr=0.1,0.2", *words)


def test_a_folder_of_another_program_is_refused_and_left_alone() -> None:
    folder = Path("outputs/sweeps/first")
    folder.mkdir(parents=True)
    (folder / "thesis.tex").write_text("precious")
    result = result_of()
    assert result.code == 1
    assert "holds thesis.tex and no multirun.yaml" in result.err
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("content", "remedy"),
    [("{ half of", "remove that file"), ("[]", "remove that file"), ('{"schema": 99}', "update optlab")],
)
def test_a_damaged_record_is_named_and_left_alone(content: str, remedy: str) -> None:
    result_of()
    path = folder_of(0.1) / "run.json"
    path.write_text(content)
    result = result_of()
    assert result.code == 1
    assert path.read_text() == content
    assert f"{path.name}: " in result.out
    assert remedy in result.out


def test_two_runs_in_one_folder_are_refused() -> None:
    result = result_of("hydra.sweep.subdir=same")
    assert result.code == 1
    assert "would hold several runs" in result.err
    assert not Path("outputs/sweeps/first").exists()
