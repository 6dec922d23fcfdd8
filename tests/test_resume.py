"""A run that was interrupted and continued is the run that never stopped, bit for bit on the CPU."""

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback

from optlab.config import compose
from optlab.record import RunRecord, read_metrics
from optlab.run import run
from tests.conftest import Train, words_of

OPTIMIZERS = [
    "sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop", "adagrad", "adadelta", "adamax", "nadam", "radam",
    "asgd", "rprop", "lbfgs", "muon",
]  # fmt: skip
SCHEDULES = ["constant", "step", "multistep", "exponential", "cosine", "onecycle", "linear", "plateau"]


class StopAfter(Callback):
    """Sends this process SIGINT after so many steps, as Ctrl-C does."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step == self.steps:
            signal.raise_signal(signal.SIGINT)


def interrupted(folder: Path, steps: int, *overrides: str) -> RunRecord:
    stop = ("+callbacks.stop._target_=tests.test_resume.StopAfter", f"+callbacks.stop.steps={steps}")
    return run(compose(words_of(*stop, *overrides)), folder)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return state


def without_time(folder: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in read_metrics(folder / "metrics.csv")]


def assert_continues(tmp_path: Path, train: Train, steps: int, *overrides: str) -> None:
    overrides = ("trainer.max_epochs=3", *overrides)
    whole = train(*overrides, folder="whole")
    stopped = interrupted(tmp_path / "stopped", steps, *overrides)
    assert stopped.status == "interrupted"
    continued = train(*overrides, f"ckpt={tmp_path}/stopped/checkpoints/last.ckpt", folder="continued")
    assert continued.status == whole.status == "finished"
    assert without_time(tmp_path / "continued") == without_time(tmp_path / "whole")
    assert continued.metrics == whole.metrics
    expected, actual = weights(tmp_path / "whole"), weights(tmp_path / "continued")
    assert all(torch.equal(actual[name], expected[name]) for name in expected)


@pytest.mark.parametrize("steps", [21, 30], ids=["end_of_epoch", "within_epoch"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_continues_bit_for_bit(optimizer: str, steps: int, tmp_path: Path, train: Train) -> None:
    assert_continues(tmp_path, train, steps, f"optimizer={optimizer}")


@pytest.mark.parametrize("steps", [21, 30], ids=["end_of_epoch", "within_epoch"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_continues_bit_for_bit(schedule: str, steps: int, tmp_path: Path, train: Train) -> None:
    warmup = [] if schedule in ("constant", "plateau") else ["lr.warmup_fraction=0.2"]
    assert_continues(tmp_path, train, steps, "optimizer=momentum", f"lr={schedule}", *warmup)
