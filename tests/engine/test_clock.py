"""The training clock: what is made once is no part of it, and no step is lost."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from optlab.callbacks import Recorder, recorder
from optlab.engine.graph import ReplayedSteps
from tests.conftest import Train
from tests.metrics import read_metrics

SLOW, STEP = 100.0, 1.0  # seconds of a clock that nothing but the network moves on


class Time:
    now = 0.0


@pytest.fixture(autouse=True)
def made_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "time", SimpleNamespace(perf_counter=lambda: Time.now, time=time.time))
    Time.now = 1.0


class SlowAtFirst(nn.Module):
    """Its first pass for training takes long, and so does the first over another number of samples."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.LazyLinear(outputs))
        self.layers(torch.zeros(1, *input_shape))
        self.seen: set[int] = set()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if self.training and torch.is_grad_enabled():
            Time.now += STEP if len(inputs) in self.seen else SLOW
            self.seen.add(len(inputs))
        outputs: torch.Tensor = self.layers(inputs)
        return outputs


MODEL = ("model=linear", f"model._target_={__name__}.SlowAtFirst", "engine=loop")


@pytest.mark.parametrize("engine", ["eager", "loop"])
def test_the_first_batch_of_each_size_counts_as_long_as_the_others(engine: str, train: Train) -> None:
    timing = train(*MODEL, f"engine={engine}").timing  # 21 batches an epoch, the last of 13 samples
    assert timing["warm_up_seconds"] == 2 * SLOW
    assert [row["seconds"] for row in read_metrics(Path("run/metrics.csv"))] == [21 * STEP, 42 * STEP]
    assert timing["fit_seconds"] == 42 * STEP, "neither made once nor lost"
    assert timing["step_milliseconds"] == 1000 * STEP
    assert timing["samples_per_second"] == pytest.approx(2 * 1293 / (42 * STEP), abs=0.1)
    assert timing["began"] is not None
    assert timing["ended"] is not None
    assert 0 < timing["ended"] - timing["began"] < 600, "by the clock of everybody"


def test_a_run_that_goes_on_leaves_out_its_own_first_batch(train: Train) -> None:
    words = (*MODEL, "batch_size=1293")  # one batch an epoch
    first = train(*words, "trainer.max_epochs=1", folder="a")
    assert first.timing["fit_seconds"] == SLOW, "there is no other that it could count as"
    assert [row["seconds"] for row in read_metrics(Path("a/metrics.csv"))] == [SLOW]
    longer = train(*words, "trainer.max_epochs=4", "ckpt=a", folder="b")
    assert longer.timing["warm_up_seconds"] == SLOW
    seconds = [row["seconds"] for row in read_metrics(Path("b/metrics.csv"))]
    assert seconds == [SLOW, *(SLOW + each * STEP for each in (1, 2, 3))], "as long as the others, once there are such"


def test_an_epoch_of_one_batch_takes_time_too(train: Train) -> None:
    """A full batch: the first row has nothing but a step that the clock leaves out, and gets its seconds behind it."""
    record = train(*MODEL, "batch_size=1293", "trainer.max_epochs=3")
    assert [row["seconds"] for row in read_metrics(Path("run/metrics.csv"))] == [STEP, 2 * STEP, 3 * STEP]
    assert record.timing["fit_seconds"] == 3 * STEP
    longer = train(*MODEL, "batch_size=1293", "trainer.max_epochs=4", "ckpt=run", folder="longer")
    assert [row["seconds"] for row in read_metrics(Path("longer/metrics.csv"))][:3] == [STEP, 2 * STEP, 3 * STEP]
    assert longer.timing["fit_seconds"] == 3 * STEP + SLOW


def test_a_step_that_is_captured_counts_as_the_others(
    train: Train, captures: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def replay(self: ReplayedSteps, capture: Any) -> None:
        replayed(self, capture)
        Time.now += STEP

    def slowly(self: ReplayedSteps) -> Any:
        Time.now += SLOW
        return captured(self)

    replayed, captured = ReplayedSteps.replay, ReplayedSteps.captured
    monkeypatch.setattr(ReplayedSteps, "replay", replay)
    monkeypatch.setattr(ReplayedSteps, "captured", slowly)
    record = train("engine=graph", "trainer.max_epochs=1")
    assert record.environment["engine"] == "graph"
    assert captures
    assert record.timing["warm_up_seconds"] == SLOW
    assert record.timing["fit_seconds"] == pytest.approx(21 * STEP)


def test_what_was_left_out_is_counted_once() -> None:
    recorder = Recorder()
    recorder.seconds = recorder.seconds_here = 1.0  # of 10 batches
    recorder.leave_out(5.0)
    recorder.leave_out(5.0)
    recorder.count_left_out(12)
    assert recorder.seconds_here == pytest.approx(1.2)
    recorder.seconds += 0.1
    recorder.seconds_here += 0.1
    recorder.leave_out(5.0)
    recorder.count_left_out(2)
    assert recorder.seconds_here == pytest.approx(1.4)
    assert recorder.timing()["fit_seconds"] == pytest.approx(1.4)
