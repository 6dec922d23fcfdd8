"""pytest: a few steps on one's own data teach one's own network something."""

from pathlib import Path

import pytest

from optlab import compose
from optlab.run import run


def test_a_few_epochs_reduce_the_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent)  # where conf/ lies
    words = ["model=mine", "dataset=mine", "optimizer.lr=0.01", "trainer=cpu", "trainer.max_epochs=3"]
    record = run(compose([*words, "logger=none", "callbacks=quiet"]), tmp_path / "run")
    assert record.status == "finished"
    assert record.metrics["test/loss"] < 1.0  # guessing one of three classes: 1.0986
