"""What runs will cost: said before they are made, and nothing is left of the saying."""

import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from lightning import Trainer

from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.data.batches import DeviceBatches
from optlab.errors import UserError
from optlab.inputs import load_data
from optlab.record import run_id
from optlab.run import Prepared
from optlab.sweep.price.clock import Clock
from optlab.sweep.price.estimate import estimate, makespan
from optlab.sweep.price.measure import NotMeasured, measure, to_the_end
from optlab.sweep.price.measured import Measured, configuration
from optlab.sweep.price.plan import Planned
from optlab.sweep.price.quote import Quote
from optlab.sweep.price.show import estimate_lines
from optlab.sweep.price.workers import Workers
from optlab.sweep.study.protocol import Protocol
from tests.commandline import command
from tests.conftest import words_of
from tests.sweep.helpers import multirun


def config_of(*words: str) -> Config:
    return Config.parse(resolve(compose(words_of(*words))))


def files() -> list[Path]:
    return sorted(Path().rglob("*"))


COST = Measured(
    step_ms=10, epoch_steps=20, epoch_ms=50, run_ms=100, test_ms=30, host_mib=500, device_mib=None, run_bytes=1000
)


MADE = "dataset._target_=tests.data.made_datasets"


# -- dry_run


def test_a_grid_is_priced_and_nothing_is_written_not_even_its_folder() -> None:
    result = multirun("optimizer.lr=0.1,0.01", "seed=0,1", "dry_run=true")
    assert result.code == 0, result.err
    assert "optimizer.lr  0.1, 0.01" in result.out
    assert "1 thread a run: as OMP_NUM_THREADS says" in result.out
    assert "done     0 of 4 runs" in result.out
    assert "left     4 runs, one at a time" in result.out
    assert "time     about" in result.out
    assert "from ten steps of 1 configuration" in result.out
    assert "nothing was run or written" in result.out
    assert files() == []


def test_a_single_run_is_priced_and_leaves_no_folder() -> None:
    result = command(*words_of("dry_run=true"))
    assert result.code == 0, result.err
    assert "left     1 run, one at a time" in result.out
    assert files() == []


def test_what_is_done_is_not_priced_again_and_a_full_sweep_says_so(no_report: None) -> None:
    assert multirun("seed=0,1").code == 0
    before = {path: path.stat().st_mtime_ns for path in files()}
    more = multirun("seed=0,1,2", "dry_run=true")
    assert "done     2 of 3 runs: 2 finished" in more.out
    assert "from runs on disk, of 1 configuration" in more.out
    full = multirun("seed=0,1", "dry_run=true")
    assert "left     nothing" in full.out
    assert "trains nothing and shows the results" in full.out
    assert {path: path.stat().st_mtime_ns for path in files()} == before


@pytest.mark.parametrize("sampler", ["grid", "tpe"])
def test_a_study_is_priced_with_the_trials_that_results_will_choose(sampler: str) -> None:
    if sampler == "tpe":
        pytest.importorskip("optuna")
    words = ["hydra/sweeper=study", "hydra.sweeper.trials=3", "hydra.sweeper.tuning_seeds=2", "dry_run=true"]
    result = command("-m", *words_of("optimizer=sgd,adam", f"hydra.sweeper.sampler={sampler}", *words))
    assert result.code == 0, result.err
    assert "done     0 of 22 runs" in result.out  # 2 x (3 trials x 2 seeds + 5 confirmations)
    assert "left     22 runs" in result.out
    assert "from ten steps of 2 configurations" in result.out
    assert files() == []


def test_what_the_run_would_refuse_is_refused() -> None:
    result = multirun("batch_size=5000", "dry_run=true")
    assert result.code == 1
    assert "batch_size=5000" in result.err
    assert files() == []


def test_only_training_takes_time_to_be_priced() -> None:
    result = command(*words_of("mode=predict", "dry_run=true"))
    assert result.code == 1
    assert "dry_run says what training takes" in result.err


def test_dry_run_is_no_part_of_a_runs_identity() -> None:
    assert run_id(config_of().plain) == run_id(config_of("dry_run=true").plain)


@pytest.mark.parametrize("sweeper", ["grid", "study"])
def test_a_download_is_announced_and_not_made(sweeper: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optlab.data.sources.downloads._fetch", None)  # raises, where it is called
    monkeypatch.setattr("optlab.sweep.threads.cores", lambda: 64)  # which asks for the work of a step
    monkeypatch.delenv("OMP_NUM_THREADS")
    result = multirun(f"hydra/sweeper={sweeper}", "dataset=cifar10", "dry_run=true")
    assert result.code == 0, result.err
    assert "data     cifar10 is not in data: it is downloaded first (cifar-10-python.tar.gz)\n" in result.out
    assert "time     not known, as sgd could not be measured" in result.out
    assert files() == []


# -- a measurement


def test_a_measurement_draws_no_random_number_and_counts_the_whole_epoch() -> None:
    config = config_of("optimizer=adam")
    torch.manual_seed(1), random.seed(1), np.random.seed(1)
    before = torch.get_rng_state(), random.getstate(), str(np.random.get_state())
    cost = measure(config)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert str(np.random.get_state()) == before[2]
    assert cost.epoch_steps == 21  # 1,347 digits in batches of 64, of which ten were taken
    assert 0 < cost.step_ms < 1000
    assert cost.run_bytes > 2 * 3 * 4 * 1_500  # weights and Adam's two moments of each, last.ckpt and best.ckpt
    assert files() == []


@pytest.mark.parametrize(
    "words",
    [
        ["optimizer=lbfgs"],
        ["dataset.val_size=0"],
        ["lr=onecycle", "trainer.max_epochs=1"],
        ["trainer.max_steps=7", "trainer.max_epochs=-1"],
        ["trainer.accumulate_grad_batches=3", "engine=eager", "callbacks=instruments"],
        ["module=custom", "module._target_=tests.lit.LitDigits"],
        ["module=custom", "module._target_=tests.lit.ByHand", "optimizer=own"],
        ["dataset=torch", f"{MADE}.Vectors", "dataset.memory=false", "batch_size=16"],
        ["dataset=torch", f"{MADE}.Flow", "dataset.val_size=0", "trainer.max_steps=9", "trainer.max_epochs=-1"],
    ],
    ids=lambda words: " ".join(words),
)
def test_every_way_of_training_is_measured(words: list[str]) -> None:
    config = config_of(*words)
    cost = measure(config)
    assert cost.step_ms > 0
    assert cost.seconds(config) > 0
    assert files() == []


def test_a_gpu_has_the_test_split_besides_and_larger_batches_where_no_validation_showed_them() -> None:
    prepared = SimpleNamespace(
        config=config_of("batch_size=64"),
        data=load_data(config_of("batch_size=64")),
        trainer=Trainer(accelerator="cpu", logger=False, enable_checkpointing=False),
        module=SimpleNamespace(run_state=SimpleNamespace(batches_type=DeviceBatches)),
    )
    test = prepared.data.test.inputs.nbytes + prepared.data.test.targets.nbytes

    def taken(validation_seconds: float | None) -> float:
        clock = cast(Clock, SimpleNamespace(validation_seconds=validation_seconds))
        return to_the_end(1e6, cast(Prepared, prepared), clock)

    assert taken(0.1) == 1e6 + test
    assert taken(None) == 2e6 + test  # 128 samples at a time on a CPU


def test_a_run_of_several_processes_is_not_measured() -> None:
    with pytest.raises(NotMeasured, match=r"trainer\.devices=2"):
        measure(config_of("trainer.devices=2"))


def test_an_impossible_run_is_refused_as_the_run_would_be() -> None:
    with pytest.raises(UserError, match="batch_size=5000"):
        measure(config_of("batch_size=5000"))


# -- from that to a whole sweep


def test_configurations_differ_in_what_costs_time_alone() -> None:
    one = configuration(config_of("optimizer=sgd"))
    assert configuration(config_of("optimizer=sgd", "optimizer.lr=0.5", "seed=7", "trainer.max_epochs=9")) == one
    assert configuration(config_of("optimizer=sgd", "optimizer.lr=1", "optimizer.weight_decay=0")) == one
    for word in ("optimizer=adam", "optimizer.weight_decay=0.1", "batch_size=32", "model.hidden=[32]", "engine=eager"):
        assert configuration(config_of("optimizer=sgd", word)) != one


def test_a_run_costs_its_steps_its_epochs_and_what_is_left_of_them() -> None:
    config = config_of("trainer.max_epochs=10")
    assert COST.seconds(config) == pytest.approx((200 * 10 + 10 * 50 + 100 + 30) / 1000)
    assert COST.seconds(config, epochs_done=5) == pytest.approx((100 * 10 + 5 * 50 + 100 + 30) / 1000)
    assert COST.seconds(config.with_(phase="tune")) == pytest.approx((200 * 10 + 10 * 50 + 100) / 1000)
    assert COST.seconds(config_of("trainer.max_steps=30")) == pytest.approx((30 * 10 + 1.5 * 50 + 100 + 30) / 1000)


def test_workers_take_the_next_run_as_soon_as_they_are_free() -> None:
    assert makespan([1.0] * 4, 2) == 2
    assert makespan([1.0] * 3, 2) == 2
    assert makespan([3.0, 1.0, 1.0, 1.0], 2) == 3
    assert makespan([1.0], 8) == 1


def test_rounds_wait_for_each_other_and_memory_adds_up() -> None:
    run = Planned(config_of("optimizer=sgd"))
    costs = {configuration(run.config): COST}
    one = estimate([[run]], [[run]], costs, Workers("joblib", 4))
    three = estimate([[run] * 5, [run]], [[run] * 5, [run]], costs, Workers("joblib", 4))
    assert one.seconds is not None
    assert three.seconds is not None
    assert three.seconds - one.seconds > 2 * COST.seconds(run.config)  # 4 and 1 of the first round, 1 of the second
    assert three.host_mib == 4 * 500
    assert three.disk == 6 * 1000
    slow = estimate([[run]], [[run]], costs, Workers("joblib", 4), slower=2.0)
    recorded = {key: replace(cost, source="runs") for key, cost in costs.items()}
    assert slow.seconds is not None
    assert slow.seconds - one.seconds == pytest.approx(COST.seconds(run.config))
    assert estimate([[run]], [[run]], recorded, Workers("joblib", 4), slower=2.0).seconds == one.seconds


def test_a_long_study_says_what_would_make_it_shorter() -> None:
    run = config_of("optimizer=sgd", "trainer.max_epochs=1000")
    rounds = [[Planned(run.with_(phase="tune"))] * 8, [Planned(run.with_(phase="confirm"))] * 2]
    seen = Quote(rounds, rounds, {configuration(run): replace(COST, source="runs")}, Workers("basic", 1))
    plan = cast(Protocol, SimpleNamespace(fewest_runs=10, most_runs=14, trials=8))
    said = estimate_lines(seen, plan, is_new=True)
    assert said[0].startswith("a run takes about 4 min, so the whole study 42 min to 59 min, one run at a time")
    assert any("with hydra.sweeper.trials=4 instead of 8" in line and "25 min" in line for line in said)
    assert any("submitit_slurm" in line and "8 at a time" in line for line in said)
    assert not any("trials=" in line for line in estimate_lines(seen, plan, is_new=False))  # another plan
    short = Quote(rounds, rounds, {configuration(run): replace(COST, step_ms=0.1, epoch_ms=0)}, Workers("basic", 1))
    assert len(estimate_lines(short, plan, is_new=True)) == 1
