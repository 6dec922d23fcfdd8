"""Using a checkpoint: testing it again, and predicting classes of images."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.commandline import command
from tests.conftest import Train


def colours(root: Path) -> Path:
    """Red and blue images, which a linear network tells apart."""
    rng = np.random.default_rng(0)
    for channel, label in ((0, "red"), (2, "blue")):
        (root / label).mkdir(parents=True)
        for number in range(20):
            pixels = rng.integers(0, 60, (12, 10, 3), dtype=np.uint8)
            pixels[..., channel] += 180
            Image.fromarray(pixels).save(root / label / f"{number}.{'png' if number % 2 else 'jpg'}")
    return root


def test_a_checkpoint_is_tested_again_with_its_own_settings(train: Train) -> None:
    record = train("optimizer=sgd", "seed=5", "model=linear")
    result = command("mode=test", "ckpt=run/checkpoints/last.ckpt", "hydra.run.dir=again")
    assert result.code == 0
    content = json.loads(Path("again/test.json").read_text())
    for name, value in content["metrics"].items():
        assert value == pytest.approx(record.metrics[name])
    assert f"{record.metrics['test/acc']:.4f}" in result.out
    assert f"weights     run/checkpoints/last.ckpt (step {record.steps})" in result.out
    assert not Path("again/run.json").exists()  # it is no training run


def test_a_checkpoint_of_other_classes_is_refused(train: Train) -> None:
    train("dataset=image_folder", f"dataset.root={colours(Path('a'))}", "batch_size=8", "model=linear")
    other = colours(Path("b"))
    (other / "red").rename(other / "green")
    result = command("mode=test", "ckpt=run/checkpoints/last.ckpt", "dataset.root=b")
    assert result.code == 1
    assert "blue, red" in result.err
    assert "blue, green" in result.err


def test_testing_on_changed_data_says_so(train: Train) -> None:
    root = colours(Path("photos"))
    train("dataset=image_folder", "dataset.root=photos", "batch_size=8", "model=linear")
    (root / "red" / "3.png").unlink()
    result = command("mode=test", "ckpt=run")
    assert result.code == 0
    assert "is not the data that" in result.out


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_classified_with_probabilities(channels: int, train: Train) -> None:
    root = colours(Path("photos"))
    words = ["dataset=image_folder", f"dataset.root={root}", "batch_size=8", "model=linear", "dataset.image_size=8"]
    train(*words, f"dataset.channels={channels}", "optimizer.lr=0.05", "trainer.max_epochs=10")
    result = command("mode=predict", "ckpt=run/checkpoints/last.ckpt", "input=photos/red", "hydra.run.dir=out")
    assert result.code == 0
    rows = list(csv.DictReader(Path("out/predictions.csv").read_text().splitlines()))
    assert len(rows) == 20
    Path("photos/red/broken.png").write_bytes(b"no picture")
    result = command("mode=predict", "ckpt=run", "input=photos/red", "hydra.run.dir=again")
    assert result.code == 1
    assert "1 of 21 files were left out: photos/red/broken.png" in result.err
    assert len(Path("again/predictions.csv").read_text().splitlines()) == 21
    for row in rows:
        assert float(row["red"]) + float(row["blue"]) == pytest.approx(1, abs=1e-5)
        assert row["class"] in result.out
    if channels == 3:
        assert {row["class"] for row in rows} == {"red"}
    one = command("mode=predict", "ckpt=run/checkpoints/last.ckpt", "input=photos/blue/3.png", "hydra.run.dir=one")
    assert one.out.count("3.png") == 1


def test_prediction_says_what_is_missing(train: Train) -> None:
    train("model=linear")
    ckpt = "ckpt=run/checkpoints/last.ckpt"
    assert "input=photo.jpg" in command("mode=predict", ckpt).err
    assert "nowhere" in command("mode=predict", ckpt, "input=nowhere").err
    Path("empty").mkdir()
    assert "empty" in command("mode=predict", ckpt, "input=empty").err
    assert "mode=predict needs a checkpoint" in command("mode=predict", "input=empty").err
    assert not list(Path("outputs").rglob("*.csv"))
