"""A run that was interrupted and continued is the run that never stopped, bit for bit on the CPU."""

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback

from optlab.config import compose
from optlab.config.groups import options
from optlab.record import RunRecord
from optlab.run import run
from tests.conftest import Train, words_of
from tests.metrics import read_metrics

OPTIMIZERS = [name for name in options("optimizer") if name not in ("custom", "own")]
SCHEDULES = options("lr")


class StopAfter(Callback):
    """Sends this process SIGINT after so many steps, as Ctrl-C does."""

    def __init__(self, steps: int, signum: int = signal.SIGINT) -> None:
        self.steps = steps
        self.signum = signum

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step == self.steps:
            signal.raise_signal(signal.Signals(self.signum))


def interrupted(folder: Path, steps: int, *overrides: str) -> RunRecord:
    stop = ("+callbacks.stop._target_=tests.test_resume.StopAfter", f"+callbacks.stop.steps={steps}")
    return run(compose(words_of(*stop, *overrides)), folder)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return state


def without_time(folder: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in read_metrics(folder / "metrics.csv")]


END_OF_EPOCH, WITHIN_EPOCH = 21, 30


def assert_continues(tmp_path: Path, train: Train, steps: Sequence[int], *overrides: str) -> None:
    """A run that stops behind any of these steps, and goes on, is the run that never stopped."""
    overrides = ("trainer.max_epochs=3", *overrides)
    whole = train(*overrides, folder="whole")
    for step in steps:
        folder = tmp_path / f"stopped{step}"
        assert interrupted(folder, step, *overrides).status == "interrupted"
        continued = train(*overrides, f"ckpt={folder}/checkpoints/last.ckpt", folder=f"continued{step}")
        assert continued.status == whole.status == "finished"
        assert without_time(tmp_path / f"continued{step}") == without_time(tmp_path / "whole"), step
        assert continued.metrics == whole.metrics, step
        expected, actual = weights(tmp_path / "whole"), weights(tmp_path / f"continued{step}")
        assert all(torch.equal(actual[name], expected[name]) for name in expected), step


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_continues_bit_for_bit(optimizer: str, tmp_path: Path, train: Train) -> None:
    assert_continues(tmp_path, train, (END_OF_EPOCH, WITHIN_EPOCH), f"optimizer={optimizer}")


class Dropout(torch.nn.Module):
    """A network that draws random numbers as it trains."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        size = torch.Size(input_shape).numel()
        self.layers = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(), torch.nn.Linear(size, outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.layers(x)
        return output


@pytest.mark.parametrize(
    "words",
    {
        "accumulation": ["trainer.accumulate_grad_batches=4"],
        "running_sums": ["callbacks=running_sums", "callbacks.progress=null"],
        "rare_validation": ["trainer.check_val_every_n_epoch=2", "lr=plateau", "lr.patience=0", "optimizer.lr=0.01"],
        "steps": ["trainer.max_steps=50", "lr=cosine"],
        "dropout": ["model=linear", "model._target_=tests.test_resume.Dropout"],
        "clipping": ["trainer.gradient_clip_val=0.1"],
    }.values(),
)
def test_every_way_to_train_continues_bit_for_bit(words: list[str], tmp_path: Path, train: Train) -> None:
    # With accumulation 4, step 7 is taken within the second epoch, and SIGINT arrives between two batches of step 8.
    step = 7 if "accumulate" in words[0] else WITHIN_EPOCH
    assert_continues(tmp_path, train, [step], *words)


def test_the_best_checkpoint_survives_an_interruption(tmp_path: Path, train: Train) -> None:
    # The peak of the schedule is far too high, so the best epoch comes early.
    schedule = ("optimizer.lr=30", "lr=onecycle", "lr.warmup_fraction=0.9", "trainer.max_epochs=6")
    words = ("optimizer=sgd", *schedule, "test_weights=best")
    whole = train(*words, folder="whole")
    stopped = interrupted(tmp_path / "stopped", 110, *words)
    assert whole.best["epoch"] <= stopped.epochs < 6
    continued = train(*words, "ckpt=stopped/checkpoints/last.ckpt", folder="continued")
    assert continued.metrics == whole.metrics


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGHUP])
def test_a_stop_of_the_system_saves_as_ctrl_c_does(stop: signal.Signals, tmp_path: Path) -> None:
    words = words_of("+callbacks.stop._target_=tests.test_resume.StopAfter", "+callbacks.stop.steps=30")
    record = run(compose([*words, f"+callbacks.stop.signum={int(stop)}"]), tmp_path / "stopped")
    assert record.status == "interrupted"
    assert record.error == {"type": "Interrupted", "message": stop.name}
    content = torch.load("stopped/checkpoints/last.ckpt", weights_only=True)
    assert content["global_step"] == 31  # the signal came when step 30 had been looked at


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_continues_bit_for_bit(schedule: str, tmp_path: Path, train: Train) -> None:
    warmup = [] if schedule in ("constant", "plateau") else ["lr.warmup_fraction=0.2"]
    assert_continues(tmp_path, train, (END_OF_EPOCH, WITHIN_EPOCH), "optimizer=momentum", f"lr={schedule}", *warmup)
