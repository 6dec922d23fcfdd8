"""`optlab.sweep` and `optlab.study`: many runs from a program."""

import importlib
import logging
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback

import optlab
from optlab.api import many
from optlab.errors import Stopped, UserError
from tests.api.test_run import MLP, Plain, vectors

QUICK: dict[str, Any] = {
    "logger": "none",
    "trainer": {"accelerator": "cpu", "max_epochs": 1},
    "batch_size": 16,
    "dataset": vectors(),
    "model": MLP,
    "figures": False,
}


class StopInSecondRun(Callback):
    """Ctrl-C at the end of the second run's only epoch: that run still finishes."""

    seen = 0

    def on_train_epoch_end(self, *_: Any) -> None:
        StopInSecondRun.seen += 1
        if StopInSecondRun.seen == 2:
            os.kill(os.getpid(), signal.SIGINT)


def test_a_sweep_gives_results_prints_nothing_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger().handlers[:]
    x, y = vectors()
    settings = QUICK | {"name": "s", "optimizer": ["sgd", Plain], "progress": False}
    two = optlab.sweep(seed=0, **settings)
    assert capsys.readouterr() == ("", "")
    assert logging.getLogger().handlers == before
    assert sorted(two.runs.optimizer) == ["sgd", "tests.api.test_run.Plain"]
    assert two.folders == [Path("outputs/sweeps/s")]
    assert Path("outputs/sweeps/s/report.html").exists()
    assert not Path("outputs/sweeps/s/figures").exists()
    four = optlab.sweep(seed=0, **settings | {"dataset": [(x, y), (x + 1, y)]})
    assert set(two.runs.id) < set(four.runs.id)
    assert four.runs.dataset.tolist() == ["data"] * 4  # two of one name, told apart by what they hold
    assert four.runs["dataset._target_"].nunique() == 2
    one_run = {key: value for key, value in QUICK.items() if key != "figures"}
    alone = optlab.run(seed=0, optimizer=Plain, **one_run | {"dataset": (x + 1, y), "progress": False})
    assert alone.id in set(four.runs.id)


def test_room_and_function_share_a_name() -> None:
    room: Any = importlib.import_module("optlab.sweep")
    assert importlib.import_module("optlab.sweep.job").Job
    assert room is optlab.sweep


def test_a_study_has_a_verdict() -> None:
    results = optlab.study(
        optimizer=["sgd", torch.optim.Adam],
        trials=2,
        tuning_seeds=1,
        confirmation_seeds=(7, 8),
        extensions=0,
        progress=False,
        **QUICK,
    )
    confirmed = results.runs[results.runs.phase == "confirm"]
    assert sorted(confirmed.optimizer + confirmed.seed.astype(str)) == sorted(
        f"{optimizer}{seed}" for optimizer in ("sgd", "adam") for seed in (7, 8)
    )
    assert len(results.comparisons) == 1
    assert results.verdict.conclusion


def test_ctrl_c_keeps_what_was_done_and_the_same_call_goes_on() -> None:
    StopInSecondRun.seen = 0
    stop = ["+callbacks.stop._target_=tests.api.test_many.StopInSecondRun"]
    with pytest.raises(
        Stopped, match=r"stopped with 2 runs done, kept in outputs/sweeps/c; .*name='c' goes on"
    ) as caught:
        optlab.sweep(name="c", seed=[0, 1, 2], overrides=stop, progress=False, **QUICK)
    assert len(caught.value._render_traceback_()) == 1
    results = optlab.sweep(name="c", seed=[0, 1, 2], overrides=stop, progress=False, **QUICK)
    assert results.counts["finished"] == 3


def test_a_run_that_failed_is_among_the_results_and_a_warning_says_so() -> None:
    with pytest.warns(UserWarning, match=r"1 run failed; .runs.error says why"):
        results = optlab.sweep(seed=0, loss=broken, progress=False, **QUICK)
    assert "on purpose" in results.runs.error.item()


def broken(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    raise RuntimeError("on purpose")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"optimizer": ["sgd", "adm"]}, "optimizer=adm: there is no such optimizer"),
        ({"optimizer": []}, r"optimizer=\[\]: nothing to compare"),
        ({"sweep": "a"}, "give the name as name='first'"),
        ({"name": "../a"}, "one name for the whole sweep"),
        ({"modle": "mlp"}, "modle: there is no such key"),
        ({"launcher": "joblibb"}, "joblibb"),
        ({"dataset": vectors(), "launcher": "joblib"}, "lies in no module, so only this process has it"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        optlab.sweep(seed=[0, 1], progress=False, **settings)
    assert "\n" not in str(caught.value)
    assert not Path("outputs").exists()


def test_an_importable_class_runs_in_other_processes() -> None:
    data: dict[str, Any] = {"batch_size": 2, "dataset": {"name": "line", "val_size": 0}, "loss": "mse"}
    results = optlab.sweep(optimizer=Plain, seed=0, launcher="joblib", progress=False, **QUICK | data)
    assert results.counts["finished"] == 1


def test_names_by_time_are_not_taken_twice() -> None:
    (many.SWEEPS / many.new_name()).mkdir(parents=True)
    assert not (many.SWEEPS / many.new_name()).exists()
