"""All runs of a sweep compute on one number of CPU threads, decided from its plan, kept, and typed for each."""

import json
import shlex
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.flops import flops_of_step
from optlab.planned import Planned
from optlab.record import RunRecord
from optlab.rules.commands import run_words
from optlab.rules.threads import FLOPS_A_THREAD, threads_of
from optlab.sweep.threads import Threads
from tests.commandline import Result, command
from tests.conftest import QUICK, Train, words_of
from tests.sweep.helpers import assert_same_run, multirun, record_of

STUDY = (
    *("-m", "hydra/sweeper=study", *QUICK, "model=linear", "trainer.max_epochs=1", "optimizer=sgd", "sweep=which"),
    *("hydra.sweeper.spaces={sgd:{lr:{low:0.1,high:1.0}}}", "hydra.sweeper.trials=2", "hydra.sweeper.tuning_seeds=1"),
    *("hydra.sweeper.extensions=0", "callbacks.checkpoint.best=false", "hydra.sweeper.confirmation_seeds=1"),
)


@pytest.fixture(autouse=True)
def four_cores(no_report: None, shared_workers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which two runs have two threads each, as any step is worth a thread of the least work."""
    machine(monkeypatch, cores=4)
    monkeypatch.setattr("optlab.rules.threads.FLOPS_A_THREAD", 1.0)
    monkeypatch.delenv("OMP_NUM_THREADS")


def machine(monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    for module in ("optlab.sweep.threads", "optlab.sweep.launchers.slots"):
        monkeypatch.setattr(f"{module}.cores", lambda: cores)


def numbers(name: str = "first") -> list[int]:
    """The threads of each run, which its words, its config and its numerics agree in."""
    found = []
    for path in sorted(Path("outputs/sweeps", name).glob("*/run.json")):
        record = RunRecord.read(path.parent)
        number = record.numerics["threads"]
        assert record.config["trainer"]["threads"] == record.environment["threads"] == number
        assert f"trainer.threads={number}" in record.overrides
        found.append(number)
    return found


@pytest.mark.parametrize(
    ("runs", "cores", "work", "threads"),
    [
        (16, 8, 1e12, 1),  # as many as there are cores, or more
        (8, 8, 1e12, 1),
        (3, 8, 1e12, 2),
        (1, 8, 1e12, 8),
        (1, 8, 2.5 * FLOPS_A_THREAD, 2),  # no more than a step keeps busy
        (1, 8, 0.1 * FLOPS_A_THREAD, 1),
        (1, 64, None, 4),  # not known
        (5, 8, None, 1),
        (0, 1, 0.0, 1),
    ],
)
def test_runs_go_before_threads(
    runs: int, cores: int, work: float | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optlab.rules.threads.FLOPS_A_THREAD", FLOPS_A_THREAD)
    assert threads_of(runs, cores, work) == threads


def test_the_work_of_a_step_is_that_of_its_products_forward_and_backward() -> None:
    mlp = words_of("model.hidden=[16,8]", "batch_size=10")
    products = 64 * 16 + 16 * 8 + 8 * 10
    assert flops_of_step(Config.parse(resolve(compose(mlp)))) == 3 * 2 * products * 10


def test_a_sweep_keeps_its_number_on_any_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    first = multirun("optimizer.lr=0.1,0.2")
    assert first.code == 0, first.err
    assert "2 threads a run: 2 runs on 4 cores, and a step of" in first.out
    assert numbers() == [2, 2]
    machine(monkeypatch, cores=64)
    planned = Planned.read(Path("outputs/sweeps/first"))
    assert planned is not None
    assert planned.threads == 2
    assert "trainer.threads=2" in planned.runs[0].overrides
    again = multirun("optimizer.lr=0.1,0.2,0.3")
    assert "2 threads a run: as this sweep began with" in again.out
    assert numbers() == [2, 2, 2]
    refused = multirun("optimizer.lr=0.4", "trainer.threads=1")
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert "trainer.threads=1: this sweep's runs compute on 2 threads" in refused.err
    assert "type sweep=another-name" in refused.err
    assert len(numbers()) == 3


def test_the_command_of_a_run_gives_its_bits(train: Train) -> None:
    assert multirun("optimizer.lr=0.1,0.2").code == 0
    record = record_of(0.1)
    alone = command(*shlex.split(run_words(record.overrides)), "hydra.run.dir=alone")
    assert alone.code == 0, alone.err
    pasted = RunRecord.read(Path("alone"))
    assert (pasted.metrics, pasted.numerics) == (record.metrics, record.numerics)
    assert pasted.id == record.id


def test_what_is_typed_wins_and_is_one_number() -> None:
    assert multirun("optimizer.lr=0.1,0.2", "trainer.threads=3").code == 0
    assert multirun("optimizer.lr=0.1,0.2", "hydra/launcher=auto", "hydra.launcher.threads=3", name="second").code == 0
    assert numbers() == numbers("second") == [3, 3]  # one at a time, as two would take six of four cores
    assert_same_run(0.1, "first", "second")
    for words in (["trainer.threads=1,2"], ["hydra/launcher=auto", "hydra.launcher.threads=2", "trainer.threads=1"]):
        refused = multirun("optimizer.lr=0.1", *words, name="third")
        assert (refused.code, refused.err.count("\n")) == (1, 1), refused.err
        assert "type one number" in refused.err
    assert not Path("outputs/sweeps/third").exists()


def test_more_threads_than_the_machine_has_cores_are_said() -> None:
    here = import_module("hydra_plugins.optlab_launchers.auto").AutoLauncher()
    elsewhere = import_module("hydra_plugins.optlab_launchers.ray").RayLauncher()
    many, few = (Threads(number, f"{number} threads a run: as typed") for number in (64, 4))
    said = "64 threads a run: as typed; this machine has 4 cores, for which they take turns"
    assert many.beside(here).line == said
    assert many.beside(elsewhere) == many
    assert few.beside(here) == few


def test_workers_compute_on_the_threads_of_the_plan() -> None:
    words = ("optimizer.lr=0.1,0.2,0.3,0.4", "trainer.max_epochs=1")
    assert multirun(*words, "hydra/launcher=auto", "hydra.launcher.n_jobs=2").code == 0
    assert multirun(*words, name="second").code == 0
    assert numbers() == numbers("second") == [1] * 4
    for lr in (0.1, 0.4):
        assert_same_run(lr, "first", "second")


def test_the_environment_of_the_user_is_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert "1 thread a run: as OMP_NUM_THREADS says" in multirun("optimizer.lr=0.1", "trainer.max_epochs=1").out
    assert numbers() == [1]


def test_a_sweep_of_before_goes_on_as_its_runs_are_and_says_where_they_differ() -> None:
    assert multirun("optimizer.lr=0.1,0.2", "trainer.max_epochs=1", "trainer.threads=3").code == 0
    path = Path("outputs/sweeps/first/planned.json")
    content = json.loads(path.read_text())
    del content["threads"]
    path.write_text(json.dumps(content))
    assert "3 threads a run: as the runs that are there" in multirun("optimizer.lr=0.3", "trainer.max_epochs=1").out
    assert numbers() == [3, 3, 3]
    path.write_text(json.dumps(content))
    [run] = Path("outputs/sweeps/first").glob("*-lr0.2-*/run.json")
    record = json.loads(run.read_text())
    record["numerics"]["threads"] = 1
    run.write_text(json.dumps(record))
    said = multirun("optimizer.lr=0.5,0.4", "trainer.max_epochs=1").out
    assert "those that are there have 1 or 3, so bits differ among them" in said


def study(*words: str) -> Result:
    return command(*STUDY, *words)


def plan() -> dict[str, object]:
    content = yaml.safe_load(Path("outputs/sweeps/which/protocol.yaml").read_text())
    assert isinstance(content, dict)
    return content


def test_the_first_run_of_a_study_computes_as_the_others_do_and_so_does_its_extension() -> None:
    first = study()
    assert first.code == 0, first.err
    assert "2 threads a run: 2 runs on 4 cores" in first.out
    assert numbers("which") == [2, 2, 2]
    assert plan()["threads"] == 2
    hash = plan()["hash"]
    path = Path("outputs/sweeps/which/protocol.yaml")
    path.write_text(path.read_text().replace("threads: 2\n", ""))  # as of before
    assert study().code == 0
    assert (plan()["threads"], plan()["hash"]) == (2, hash)
    assert study("hydra.sweeper.confirmation_seeds=3").code == 0
    assert (plan()["threads"], numbers("which")) == (2, [2] * 5)
    assert "compute on 2 threads" in study("hydra.sweeper.confirmation_seeds=3", "trainer.threads=1").err


def test_threads_are_no_part_of_the_plan() -> None:
    assert study("trainer.threads=3", "dry_run=true").code == 0
    assert study("trainer.threads=3").code == 0
    typed = plan()
    assert typed["threads"] == 3
    assert "threads" not in str(typed["overrides"])
    assert study().code == 0
    assert plan() == typed
