"""The loop engine gives the run of the eager one, however many batches it gathers at a time."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from torch import Tensor

from optlab.config import compose
from optlab.data.batches import DeviceBatches
from optlab.engine import buffers
from optlab.run import run
from tests.conftest import Train, words_of
from tests.engine.test_engines import IMAGES, WORDS, assert_same

A_BATCH = 16 * 64 * 4  # bytes of 16 of the digits


@pytest.mark.parametrize(
    ("at_once", "words"),
    [
        (0, ["optimizer=adam"]),  # one by one
        (A_BATCH * 7, ["optimizer=adam", "lr=cosine"]),  # seven: 81 batches are not a multiple of it
        (buffers.AT_ONCE, ["shuffle=false"]),  # the whole epoch
        (buffers.AT_ONCE, [*IMAGES, "model=linear"]),  # which draws random numbers for each batch
        (A_BATCH * 7, ["dataset=line", "model=linear", "loss=mse", "batch_size=2", "optimizer.lr=0.01"]),
    ],
    ids=["one", "seven", "all", "augmented", "vectors"],
)
def test_runs_are_the_same(at_once: int, words: Sequence[str], train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffers, "AT_ONCE", at_once)
    train(*WORDS, *words, "engine=eager", folder="eager")
    record = train(*WORDS, *words, "engine=loop", folder="loop")
    assert record.environment["engine"] == "loop"
    assert_same(Path("eager"), Path("loop"))


def test_a_run_goes_on_within_what_was_gathered(train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffers, "AT_ONCE", A_BATCH * 7)
    words = (*WORDS, "optimizer=momentum", "callbacks.divergence.every_n_steps=10", "engine=loop")
    train(*words, folder="whole")
    stop = ("+callbacks.stop._target_=tests.engine.test_engines.Stop", "+callbacks.stop.steps=95")
    stopped = run(compose(words_of(*words, *stop)), tmp_path / "stopped")
    assert stopped.status == "interrupted"
    assert 81 < stopped.steps < 162  # within the second epoch
    resumed = run(
        compose(words_of(*words, f"ckpt={tmp_path / 'stopped' / 'checkpoints' / 'last.ckpt'}")), tmp_path / "on"
    )
    assert resumed.status == "finished"
    assert_same(Path("whole"), tmp_path / "on")


@pytest.mark.parametrize(("batch_size", "samples"), [(90, 90), (40, 80)])
def test_large_batches_are_gathered_one_by_one(
    batch_size: int, samples: int, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathered: list[int] = []
    take = DeviceBatches.gather

    def gather(self: DeviceBatches, chosen: Tensor) -> tuple[Tensor, Tensor]:
        gathered.append(len(chosen))
        return take(self, chosen)

    monkeypatch.setattr(DeviceBatches, "gather", gather)
    images = ("dataset=fake", "dataset.samples=240", "model=linear")  # 90 of them are 1.05 MiB
    train(*images, f"batch_size={batch_size}", "trainer.max_epochs=1", "engine=loop")
    assert gathered[:2] == [samples, samples]
