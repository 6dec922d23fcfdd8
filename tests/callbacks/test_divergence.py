"""The divergence guard's result names the epoch it happened in."""

from pathlib import Path

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
