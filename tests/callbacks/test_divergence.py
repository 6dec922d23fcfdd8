"""The divergence guard's result names the epoch it happened in."""

from pathlib import Path

import pytest

from optlab.sums import Sent
from tests.conftest import Train
from tests.metrics import read_metrics


def test_a_run_that_diverges_in_its_last_epoch_says_so_though_progress_asked_whether_it_is_the_last(
    train: Train,
) -> None:
    words = ("callbacks=default", "callbacks.progress.every_n_epochs=20", "callbacks.divergence.bound=0.001")
    record = train(*words, "trainer.max_epochs=1")
    assert record.status == "diverged"
    assert record.diverged is not None
    assert record.diverged["epoch"] == 1
    assert [row["epoch"] for row in read_metrics(Path("run/metrics.csv"))] == [1]


@pytest.mark.parametrize("engine", ["eager", "loop"])
def test_a_device_that_is_not_waited_for_gives_the_same_result(
    engine: str, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (f"engine={engine}", "optimizer=sgd", "optimizer.lr=1e30", "callbacks.divergence.every_n_steps=5")
    at_once = train(*words, folder="at_once")
    monkeypatch.setattr(Sent, "is_here", False)
    late = train(*words, folder="late")
    assert late.error == at_once.error
    assert late.diverged is not None
    assert (late.diverged["epoch"], late.diverged["step"]) == (1, 5)
    assert (at_once.steps, late.steps) == (5, 10)


def test_the_last_look_of_an_epoch_is_read_at_its_end(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    # The mean falls within the epoch: above the bound at the only look, and below it at the end.
    words = ("callbacks.divergence.every_n_steps=3", "trainer.limit_train_batches=5", "trainer.max_epochs=1")
    bound = "callbacks.divergence.bound=2.2"
    at_once = train(*words, "optimizer=adam", "optimizer.lr=0.01", bound, folder="at_once")
    monkeypatch.setattr(Sent, "is_here", False)
    late = train(*words, "optimizer=adam", "optimizer.lr=0.01", bound, folder="late")
    assert late.diverged == at_once.diverged
    assert late.diverged is not None
    assert late.diverged["step"] == 3
    assert (at_once.steps, late.steps) == (3, 5)
    assert late.metrics["train/loss"] < 2.2
