"""What a network gets wrong on the test split: files that are right, pictures, the trackers, and no influence."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from optlab import checkpoint
from optlab.callbacks import pictures
from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.errors import UserError
from optlab.inputs import load_data
from tests.conftest import Train, words_of
from tests.test_resume import weights
from tests.tracking.test_wandb import leet

ON = "+callbacks.predictions._target_=optlab.callbacks.Predictions"
KEEPS = ("callbacks=default", "callbacks.progress=null")


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def judged(path: str, *words: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Softmax [n, classes] of a checkpoint's network over the test split, and the labels [n]; worked out apart."""
    saved = checkpoint.read(path)
    data = load_data(Config.parse(resolve(compose(words_of(*words)))))
    mean, std = (torch.tensor(each)[None, :, None, None] for each in (data.info.mean, data.info.std))
    inputs = (data.test.inputs.float() / data.info.pixel_max - mean) / std
    with torch.no_grad():
        return saved.network().eval()(inputs).double().softmax(1), data.test.targets


def test_the_files_say_what_the_chosen_weights_get_wrong(train: Train) -> None:
    words = (*KEEPS, "callbacks.checkpoint.best=true", "test_weights=best", "trainer.max_epochs=3")
    record = train(*words, ON, "+callbacks.predictions.worst=7", "eval_batch_size=50")
    softmax, labels = judged("run/checkpoints/best.ckpt", *words)
    losses = -softmax[torch.arange(len(labels)), labels].log()
    worst = rows_of("run/predictions/worst.csv")
    assert [int(row["index"]) for row in worst] == losses.argsort(descending=True)[:7].tolist()
    for row in worst:
        one, label = softmax[int(row["index"])], labels[int(row["index"])]
        assert row["label"] == str(label.item())
        assert row["prediction"] == str(one.argmax().item())
        assert float(row["probability"]) == pytest.approx(one.max().item(), abs=1e-4)
        assert float(row["probability_of_label"]) == pytest.approx(one[label].item(), abs=1e-4)
        assert float(row["loss"]) == pytest.approx(losses[int(row["index"])].item(), abs=1e-3)
    matrix = rows_of("run/predictions/confusion_matrix.csv")
    for label_name, row in enumerate(matrix):
        expected = torch.bincount(softmax[labels == label_name].argmax(1), minlength=10)
        assert [int(row[str(name)]) for name in range(10)] == expected.tolist()
    hits = sum(int(row[row["label"]]) for row in matrix)
    assert hits / 360 == pytest.approx(record.metrics["test/acc"])


def test_the_sheet_shows_the_samples_of_the_table(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    draw = pictures.contact_sheet

    def watched(wrong: Any, names: Any) -> Any:
        drawn.append(draw(wrong, names))
        return drawn[-1]

    monkeypatch.setattr(pictures, "contact_sheet", watched)
    train("callbacks=predictions", "callbacks.progress=null", "callbacks.predictions.worst=6")
    data = load_data(Config.parse(resolve(compose(words_of()))))
    cells = [axes for axes in drawn[0].axes if axes.images]
    rows = rows_of("run/predictions/worst.csv")
    assert len(cells) == len(rows) == 6
    for axes, row in zip(cells, rows, strict=True):
        pixels = data.test.inputs[int(row["index"]), 0].numpy() * (255 / data.info.pixel_max)
        assert np.abs(axes.images[0].get_array() - pixels).max() <= 0.5
        assert axes.get_title().split("\n")[0] == row["label"]
        assert f" {row['prediction']} ({100 * float(row['probability']):.0f} %)" in axes.get_title()
    for name in ("worst", "confusion_matrix"):
        with Image.open(f"run/predictions/{name}.png") as picture:
            assert min(picture.size) > 300


def test_the_run_is_the_one_without_it_and_without_it_there_is_nothing(train: Train) -> None:
    words = (*KEEPS, "lr=plateau", "lr.patience=0")
    without, having = train(*words, folder="without"), train(*words, ON, folder="with")
    assert having.id == without.id
    assert (having.metrics, having.test) == (without.metrics, without.test)
    mine, theirs = weights(Path("with")), weights(Path("without"))
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert not Path("without/predictions").exists()


def test_numbers_are_refused_in_one_line_and_nothing_is_written(train: Train) -> None:
    with pytest.raises(UserError, match="callbacks=predictions needs classes, and line has numbers") as refused:
        train("experiment=notes_line", "batch_size=3", ON)
    assert "\n" not in str(refused.value)
    assert not Path("run").exists()
    with pytest.raises(UserError, match=r"callbacks.predictions.worst=0: must be 1 or more"):
        train(ON, "+callbacks.predictions.worst=0")


def test_tuning_does_not_look_and_says_so(train: Train, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        train(ON, "phase=tune")
    assert caplog.text.count("a tuning run does not look at the test split") == 1
    assert not Path("run/predictions").exists()


def test_names_of_classes_are_written_as_they_are(train: Train, caplog: pytest.LogCaptureFixture) -> None:
    make_images(Path("photos"))
    caplog.set_level("INFO")
    words = ("dataset=image_folder", "dataset.root=photos", "batch_size=4", "dataset.val_size=0.2")
    train(*words, ON, "+callbacks.predictions.worst=1000")
    worst = rows_of("run/predictions/worst.csv")
    assert {row["label"] for row in worst} == {"a <b>cat & $x_1$ with a very long name", "猫"}
    assert len({row["index"] for row in worst}) == len(worst)  # each once, though more were asked for
    assert Path("run/predictions/worst.png").exists()
    assert caplog.text.count("the font lacks letters of class names (1 of them)") in (
        0,
        1,
    )  # where a font has them, none


def make_images(root: Path) -> None:
    rng = np.random.default_rng(0)
    for shade, name in enumerate(("a <b>cat & $x_1$ with a very long name", "猫")):
        (root / name).mkdir(parents=True)
        for i in range(20):
            pixels = rng.integers(0, 128, (8, 8, 3), dtype=np.uint8) + 100 * shade
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{i}.png")


def test_wandb_gets_tables_and_pictures_that_its_pages_can_read(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(Path.cwd()))
    train(ON, "logger=wandb")
    summary = leet(Path("run"))["summary"]
    table, picture = summary["predictions/worst"], summary["predictions/worst_picture"]
    assert (table["_type"], table["nrows"]) == ("table-file", 25)
    assert picture["_type"] == "image-file"
    (offline,) = Path("run").glob("wandb/offline-run-*")
    assert (offline / "files" / picture["path"]).exists()
    content = json.loads((offline / "files" / table["path"]).read_text())
    ours = rows_of("run/predictions/worst.csv")
    assert [row[1] for row in content["data"]] == [int(row["index"]) for row in ours]
    assert set(summary["val/acc"]) == {"min", "max", "last"}  # the numbers' own summaries are as ever


def test_tensorboard_gets_the_pictures(train: Train) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(ON, "logger=tensorboard")
    tags: set[Any] = set()
    for path in Path("run/tensorboard").glob("events*"):
        events = EventAccumulator(str(path))
        events.Reload()
        tags |= set(events.Tags()["images"])
    assert tags == {"predictions/worst", "predictions/confusion_matrix"}
