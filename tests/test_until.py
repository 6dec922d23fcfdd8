"""A run that stops behind an epoch of its plan and goes on later: the bits of one that never stopped."""

from pathlib import Path

import pytest
import torch

from optlab import checkpoint
from optlab.errors import UserError
from optlab.record import METRICS_FILE, RunRecord, run_id
from tests.conftest import Train

HORIZON = "trainer.max_epochs=4"


def last(folder: Path) -> str:
    return str(folder / "checkpoints" / "last.ckpt")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return checkpoint.read(last(folder)).state_dict


def history(folder: Path) -> list[str]:
    """The rows of metrics.csv without the clock, in their own digits."""
    header, *rows = (folder / METRICS_FILE).read_text(encoding="utf-8").splitlines()
    clock = header.split(",").index("seconds")
    return [",".join(cell for at, cell in enumerate(row.split(",")) if at != clock) for row in (header, *rows)]


@pytest.mark.parametrize(
    "words",
    [
        ("optimizer=adam",),
        ("optimizer=sgd", "lr=cosine", "model=cnn", "dataset.augment=crop_flip", "trainer.limit_train_batches=4"),
        ("optimizer=momentum", "lr=onecycle", "model=linear", "model._target_=tests.test_resume.Dropout"),
        ("optimizer=rmsprop", "lr=linear", "lr.warmup_fraction=0.3", "callbacks.checkpoint.every_n_epochs=3"),
    ],
)
def test_a_run_that_stopped_twice_has_the_bits_of_one_that_never_did(
    train: Train, tmp_path: Path, words: tuple[str, ...]
) -> None:
    train(*words, HORIZON, folder="whole")
    first = train(*words, HORIZON, "until=1")
    assert (first.status, first.epochs) == ("stopped", 1)
    assert first.ended == {"reason": "until", "epoch": 1, "text": "until=1"}
    again = f"ckpt={last(tmp_path / 'run')}"
    assert train(*words, HORIZON, again, "until=3").status == "stopped"
    record = train(*words, HORIZON, again)
    assert record.status == "finished"
    assert history(tmp_path / "run") == history(tmp_path / "whole")
    whole = weights(tmp_path / "whole")
    assert all(torch.equal(value, whole[name]) for name, value in weights(tmp_path / "run").items())
    assert record.metrics == RunRecord.read(tmp_path / "whole").metrics


def test_the_test_split_is_not_looked_at_before_the_end(train: Train) -> None:
    record = train(HORIZON, "until=2")
    assert "val/loss" in record.metrics
    assert not any(name.startswith("test/") for name in record.metrics)


def test_a_run_with_nothing_left_before_its_stop_is_stopped(train: Train, tmp_path: Path) -> None:
    before = train(HORIZON, "until=2")
    again = train(HORIZON, "until=2", f"ckpt={last(tmp_path / 'run')}")
    assert (again.status, again.epochs, again.metrics) == ("stopped", 2, before.metrics)


def test_a_run_that_is_over_before_its_stop_is_finished(train: Train) -> None:
    assert train("until=2").status == "finished"  # of 2 epochs
    stopping = "{_target_: lightning.pytorch.callbacks.EarlyStopping, monitor: val/acc, stopping_threshold: 0.0}"
    record = train(HORIZON, "until=1", f"+callbacks.early={stopping}")
    assert (record.status, (record.ended or {})["reason"]) == ("finished", "early_stopping")


def test_what_cannot_be_is_refused(train: Train, tmp_path: Path) -> None:
    train(HORIZON, "until=3")
    with pytest.raises(UserError, match=r"until=2: ckpt=.* has 3 epochs already"):
        train(HORIZON, "until=2", f"ckpt={last(tmp_path / 'run')}")
    with pytest.raises(UserError, match=r"until=2: trainer\.min_epochs keeps a run from ending"):
        train("until=2", "+trainer.min_epochs=3", folder="other")


def test_the_run_is_the_same_with_it(train: Train) -> None:
    assert run_id(train("until=1").config) == train(folder="other").id
