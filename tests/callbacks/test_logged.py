"""What a callback logs with `pl_module.log` is a metric of the run."""

from pathlib import Path
from typing import Any

from lightning import Callback

from tests.conftest import Train
from tests.metrics import read_metrics

HERE = "tests.callbacks.test_logged"


class Logs(Callback):
    """Logs in a hook of each kind; the mean of its batches' numbers 0 ... 20 is 10."""

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        pl_module.log("my/index", float(batch_idx), batch_size=1)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        pl_module.log("my/epoch", float(trainer.current_epoch + 1))

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        pl_module.log_dict({"valid_accuracy": 0.5, "val/loss": -1.0})

    def on_test_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        pl_module.log("test_three", 3.0)


def test_it_reaches_the_file_the_record_and_what_watches(train: Train) -> None:
    stop = ("+callbacks.stop._target_=lightning.pytorch.callbacks.EarlyStopping", "+callbacks.stop.monitor=my/epoch")
    record = train(
        f"+callbacks.mine._target_={HERE}.Logs",
        *stop,
        "+callbacks.stop.mode=min",
        "+callbacks.stop.patience=2",
        "trainer.max_epochs=9",
    )
    rows = read_metrics(Path("run/metrics.csv"))
    assert [row["my/epoch"] for row in rows] == [1, 2, 3]  # and early stopping saw that it rises
    assert {row["my/index"] for row in rows} == {10.0}
    assert {row["valid_accuracy"] for row in rows} == {0.5}
    assert all((row["val/loss"] or 0) > 0 and row["val/acc"] != 0.5 for row in rows)  # those were measured
    assert {record.metrics[name] for name in ("my/epoch", "test_three", "test/three")} == {3.0}


def test_a_run_without_it_is_the_same(train: Train) -> None:
    with_logs = train(f"+callbacks.mine._target_={HERE}.Logs", "engine=eager", folder="a")
    without = train("engine=eager", folder="b")
    assert {name: value for name, value in with_logs.metrics.items() if name in without.metrics} == without.metrics


def test_a_run_may_be_judged_by_it(train: Train) -> None:
    record = train(f"+callbacks.mine._target_={HERE}.Logs", "metric=my/epoch", folder="a")
    assert (record.data["metric"], record.best["epoch"]) == ("my/epoch", 1)  # less is better of what nobody tells
    judged = train(f"+callbacks.mine._target_={HERE}.Logs", "metric=val_acc", folder="b")
    assert judged.data["metric"] == "val/acc"
