"""The CNN of the notes against their own loop; tests/docs/test_notes.py has what docs/notes.md shows of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from optlab.data import image_folder
from optlab.models import CNN
from optlab.seeds import default_stream
from tests.commandline import command
from tests.metrics import read_metrics


def test_the_cnn_prints_both_running_sums_of_the_notes_loop() -> None:
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for label in ("bird", "cat", "dog"):
            folder = Path("images", part, label)
            folder.mkdir(parents=True)
            for number in range(15):
                Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(folder / f"{number:04}.jpg")
    words = ("experiment=notes_cnn", "dataset=image_folder", "dataset.root=images", "trainer.max_epochs=2")
    result = command(*words, "trainer=cpu", "logger=none", "hydra.run.dir=run")
    assert result.code == 0
    assert "train/sum_of_batch_losses  train/sum_of_sample_losses" in result.out

    # The loop as the notes write it.
    data = image_folder(root="images", image_size=32).test
    x, y = data.inputs.float() / 255, data.targets
    with default_stream(1, "weights"):
        model = CNN((3, 32, 32), 3, activation=None)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for row in read_metrics(Path("run/metrics.csv")):
        running_loss = weighted_loss = 0.0
        for i in range(0, len(x), 32):
            loss = torch.nn.functional.cross_entropy(model(x[i : i + 32]), y[i : i + 32])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
            weighted_loss += loss.item() * len(x[i : i + 32])
        assert row["train/sum_of_batch_losses"] == pytest.approx(running_loss, rel=1e-4)
        assert row["train/sum_of_sample_losses"] == pytest.approx(weighted_loss, rel=1e-4)
        assert row["train/loss"] == pytest.approx(weighted_loss / 45, rel=1e-4)
