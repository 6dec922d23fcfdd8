"""TensorBoard, several loggers, none; and that a tracker that breaks does not stop a run."""

from pathlib import Path
from typing import Any

import pytest

from optlab.record import RunRecord
from tests.conftest import Train
from tests.metrics import read_metrics
from tests.tracking.leet import leet, no_key

__all__ = ["no_key"]  # a fixture


def test_tensorboard_gets_every_epoch(train: Train) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train("logger=tensorboard")
    events = EventAccumulator("run/tensorboard")
    events.Reload()
    assert len(events.Scalars("val/acc")) == 2


def test_event_files_that_cannot_be_written_do_not_stop_the_run(
    train: Train, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from torch.utils.tensorboard import SummaryWriter

    def fail(self: Any, *args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SummaryWriter, "add_scalar", fail)
    assert train("logger=tensorboard").status == "finished"
    assert caplog.text.count("No space left on device") == 1


def test_several_loggers_at_once(train: Train) -> None:
    train("logger=[csv,tensorboard,wandb]")
    assert list(Path("run/tensorboard").iterdir())
    assert leet(Path("run"))["summary"]["status"] == "finished"


def test_without_a_logger_the_record_is_there(train: Train) -> None:
    train("logger=none")
    assert not Path("run/wandb").exists()
    assert RunRecord.read(Path("run")).status == "finished"
    assert len(read_metrics(Path("run/metrics.csv"))) == 2
