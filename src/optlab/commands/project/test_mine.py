"""pytest: a few epochs on one's own data teach one's own network something."""

from pathlib import Path

import pytest

import optlab


def test_a_few_epochs_reduce_the_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent)  # where conf/ lies
    words = ["optimizer.lr=0.01", "trainer=cpu", "trainer.max_epochs=3", "logger=none"]
    run = optlab.run(model="mine", dataset="mine", overrides=words, folder=tmp_path / "run", progress=False)
    assert run.status == "finished"
    assert run.metrics["test/loss"] < 1.0  # guessing one of three classes: 1.0986
