"""The test split by epoch: there to be drawn, and without any influence on the run."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback

from optlab.config import compose
from optlab.errors import UserError
from optlab.rules.metrics import objective
from tests.conftest import Train
from tests.metrics import read_metrics
from tests.test_resume import END_OF_EPOCH, WITHIN_EPOCH, assert_continues, weights, without_time

ON = "+callbacks.test_curve._target_=optlab.callbacks.TestCurve"
TEST = ("test/loss", "test/acc")


class Watch(Callback):
    """Keeps what else a callback could look at, and the mode of the network, at the start of each step."""

    seen: list[tuple[set[str], set[bool]]] = []  # noqa: RUF012

    def on_train_batch_start(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        self.seen.append((set(trainer.callback_metrics), {layer.training for layer in pl_module.network.modules()}))


class Normalised(torch.nn.Module):
    """A network whose running statistics, and whose draws, would show an evaluation in the wrong mode."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        size = torch.Size(input_shape).numel()
        self.layers = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.BatchNorm1d(size), torch.nn.Dropout(), torch.nn.Linear(size, outputs)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.layers(x)
        return output


NETWORK = ("model=linear", "model._target_=tests.test_test_curve.Normalised")


def rows_of(folder: str) -> list[dict[str, Any]]:
    return [dict(row) for row in read_metrics(Path(folder, "metrics.csv"))]


def test_each_epoch_has_its_test_metrics_and_the_last_are_the_records(train: Train) -> None:
    record = train(ON, *NETWORK, "trainer.max_epochs=3")
    rows = rows_of("run")
    assert [row["test/acc"] for row in rows] == sorted({row["test/acc"] for row in rows})  # three, and it learns
    assert [rows[-1][name] for name in TEST] == pytest.approx([record.metrics[name] for name in TEST], rel=1e-6)


def test_the_run_is_the_one_without_it_bit_for_bit(train: Train) -> None:
    words = (*NETWORK, "lr=plateau", "lr.patience=0", "test_weights=best", "trainer.max_epochs=4")
    without, having = train(*words, folder="without"), train(*words, ON, folder="with")
    assert having.id == without.id  # so it is no other run in a sweep or a comparison either
    assert (having.metrics, having.best, objective(having)) == (without.metrics, without.best, objective(without))
    mine, theirs = weights(Path("with")), weights(Path("without"))
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    plain = [{k: v for k, v in row.items() if k not in TEST} for row in without_time(Path("with"))]
    assert plain == without_time(Path("without"))


def test_it_continues_bit_for_bit(tmp_path: Path, train: Train) -> None:
    assert_continues(tmp_path, train, (END_OF_EPOCH, WITHIN_EPOCH), ON, *NETWORK)


def test_nothing_that_chooses_can_see_it_and_training_goes_on_in_its_mode(train: Train) -> None:
    Watch.seen.clear()
    train(ON, "+callbacks.watch._target_=tests.test_test_curve.Watch", *NETWORK)
    assert {"val/acc", "train/acc"} <= Watch.seen[-1][0]
    assert not any(name.startswith("test/") for names, _ in Watch.seen for name in names)
    assert all(modes == {True} for _, modes in Watch.seen)


@pytest.mark.parametrize("words", [["metric=test/acc"], ["+callbacks.stop.monitor=test/acc"]])
def test_a_test_metric_to_choose_by_is_refused(words: list[str], train: Train) -> None:
    stop = "+callbacks.stop._target_=lightning.pytorch.callbacks.EarlyStopping"
    with pytest.raises(UserError, match=r"test/acc.*val/"):
        train(ON, stop, *words)
    assert not Path("run").exists()


def test_tuning_does_not_look_at_the_test_split(train: Train) -> None:
    record = train(ON, "phase=tune")
    assert not any(name.startswith("test/") for name in (*record.metrics, *rows_of("run")[-1]))


def test_the_clock_of_training_stands_still_meanwhile(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    from optlab.callbacks import recorder
    from optlab.module import TrainingModule

    now = [0.0]
    evaluate = TrainingModule.evaluate

    def slow(self: TrainingModule, batch: Any) -> Any:
        if not self.training:
            now[0] += 1000.0
        return evaluate(self, batch)

    monkeypatch.setattr(recorder.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(TrainingModule, "evaluate", slow)
    train(ON)
    assert now[0] > 2000
    assert [row["seconds"] for row in rows_of("run")] == [0.0, 0.0]


def test_a_limit_on_test_batches_holds_for_the_curve(train: Train) -> None:
    words = (ON, "eval_batch_size=100", "trainer.limit_test_batches=1")
    record = train(*words)
    assert rows_of("run")[-1]["test/loss"] == record.metrics["test/loss"]


def test_the_preset_of_the_published_curves_turns_it_on() -> None:
    callbacks = compose(["experiment=deepobs_3c3d"]).callbacks
    assert callbacks.test_curve._target_ == "optlab.callbacks.TestCurve"
    assert {"divergence", "checkpoint"} <= set(callbacks)
