import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.conftest import Train

from optlab.data import image_folder
from optlab.data.arrays import fingerprint
from optlab.data.split import split
from optlab.data.streamed import Streamed
from optlab.errors import UserError
from optlab.rules.instruments import read as read_instruments


def fill(folder: Path, n: int, value: int = 0, suffix: str = "png") -> None:
    """n images of 6x6 pixels whose red channel is `value` + their number."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        array = np.full((6, 6, 3), 100, dtype=np.uint8)
        array[..., 0] = value + i
        array[0] = 0
        Image.fromarray(array).save(folder / f"{i}.{suffix}")


def reds(images: torch.Tensor) -> list[int]:
    return images[:, 0, 5, 5].tolist()


def test_train_and_test_folders_are_used_as_such(tmp_path: Path) -> None:
    for part, value in (("train", 0), ("test", 200)):
        fill(tmp_path / part / "dog", 2, value)
        fill(tmp_path / part / "cat", 3, value + 10)
    source = image_folder(root=tmp_path, image_size=6)
    assert source.info.classes == ("cat", "dog")
    assert source.info.input_shape == (3, 6, 6)
    assert reds(source.train.inputs) == [10, 0, 11, 1, 12]
    assert source.train.targets.tolist() == source.test.targets.tolist() == [0, 1, 0, 1, 0]
    assert reds(source.test.inputs) == [210, 200, 211, 201, 212]
    assert source.val is None


def test_a_val_folder_is_the_validation_part(tmp_path: Path) -> None:
    for part, value in (("train", 0), ("val", 100), ("test", 200)):
        fill(tmp_path / part / "cat", 2, value)
        fill(tmp_path / part / "dog", 2, value + 10)
    splits = split(image_folder(root=str(tmp_path), image_size=6), val_size=0.5, split_seed=0)
    assert splits.val is not None
    assert reds(splits.val.inputs) == [100, 110, 101, 111]
    assert len(splits.train) == 4


@pytest.mark.parametrize("inner", ["", "train"])
def test_without_a_test_folder_a_stratified_test_part_is_held_out(tmp_path: Path, inner: str) -> None:
    fill(tmp_path / inner / "cat", 10)
    fill(tmp_path / inner / "dog", 20, value=100)
    first, again, other = (image_folder(root=tmp_path, image_size=6, test_size=0.2, split_seed=s) for s in (0, 0, 1))
    assert first.test.targets.bincount().tolist() == [2, 4]
    held, kept = reds(first.test.inputs), reds(first.train.inputs)
    assert sorted(held + kept) == [*range(10), *range(100, 120)]
    assert held == reds(again.test.inputs) != reds(other.test.inputs)


def test_mean_and_std_are_measured_on_the_training_images(tmp_path: Path) -> None:
    for part in ("train", "test"):
        fill(tmp_path / part / "cat", 3, value=50 if part == "train" else 250)
        fill(tmp_path / part / "dog", 3, value=150)
    source = image_folder(root=tmp_path, image_size=6)
    values = source.train.inputs.double() / 255
    assert source.info.mean == pytest.approx(values.mean((0, 2, 3)).tolist(), rel=1e-12)
    assert source.info.std == pytest.approx(values.std((0, 2, 3), correction=0).tolist(), rel=1e-12)
    given = image_folder(root=tmp_path, image_size=6, mean=[0.1, 0.2, 0.3], std=[1, 2, 3])
    assert (given.info.mean, given.info.std) == ((0.1, 0.2, 0.3), (1, 2, 3))


def test_grey_images_of_a_size_that_is_not_square(tmp_path: Path) -> None:
    fill(tmp_path / "cat", 5)
    fill(tmp_path / "dog", 5, suffix="JPG")
    source = image_folder(root=tmp_path, image_size=[4, 3], channels=1)
    assert source.info.input_shape == (1, 4, 3)
    assert source.train.inputs.shape[1:] == (1, 4, 3)
    assert len(source.info.mean or ()) == 1


def test_hidden_folders_and_other_files_do_not_count(tmp_path: Path) -> None:
    fill(tmp_path / "cat", 5)
    fill(tmp_path / "dog", 5)
    fill(tmp_path / ".cache", 5)
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    (tmp_path / "README").write_text("about these images")
    source = image_folder(root=tmp_path, image_size=6)
    assert source.info.classes == ("cat", "dog")
    assert len(source.train) + len(source.test) == 10


@pytest.mark.parametrize("root", [None, "???", ""])
def test_a_root_must_be_given(root: str | None) -> None:
    with pytest.raises(UserError, match=r"type dataset\.root=FOLDER"):
        image_folder(root=root)


def test_a_root_that_is_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"dataset.root=.*photos is no folder; it should hold .*/cat/1\.jpg"):
        image_folder(root=tmp_path / "photos")
    (tmp_path / "photos").touch()
    with pytest.raises(UserError, match=r"photos is a file, not a folder"):
        image_folder(root=tmp_path / "photos")


def test_a_folder_without_class_folders_shows_the_layout(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    with pytest.raises(UserError, match=r"has no class folders; it should hold one folder a class, like .*/cat/1"):
        image_folder(root=tmp_path)


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    fill(tmp_path / "cat", 3)
    with pytest.raises(UserError, match=r"has only one class folder \(cat\)") as caught:
        image_folder(root=tmp_path)
    assert "dataset.root" not in str(caught.value)


def test_a_folder_too_high_up_is_pointed_down(tmp_path: Path) -> None:
    fill(tmp_path / "photos" / "cat", 1)
    fill(tmp_path / "photos" / "dog", 1)
    with pytest.raises(UserError, match=r"only one class folder \(photos\).* or dataset.root=.*/photos$"):
        image_folder(root=tmp_path)


def test_a_class_without_images_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "cat", 3)
    (tmp_path / "dog").mkdir()
    with pytest.raises(UserError, match="dog holds no images"):
        image_folder(root=tmp_path)


def test_parts_with_different_classes_are_named(tmp_path: Path) -> None:
    for name in ("train/cat", "train/dog", "test/cat", "test/bird"):
        fill(tmp_path / name, 1)
    with pytest.raises(UserError, match=r"train/ and test/ differ \(test/ has bird and test/ lacks dog\)"):
        image_folder(root=tmp_path)


def test_a_class_that_is_not_in_test_is_named(tmp_path: Path) -> None:
    for name in ("train/cat", "train/dog", "train/owl", "test/cat", "test/dog"):
        fill(tmp_path / name, 1)
    with pytest.raises(UserError, match=r"train/ and test/ differ \(test/ lacks owl\)"):
        image_folder(root=tmp_path)


def test_a_corrupt_image_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "cat", 3)
    fill(tmp_path / "dog", 3)
    (tmp_path / "dog" / "1.png").write_bytes(b"broken")
    with pytest.raises(UserError, match=r"dog/1\.png cannot be read as an image \(not an image\)"):
        image_folder(root=tmp_path)


def test_images_of_one_colour_have_no_std(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.new("RGB", (4, 4), (10, 20, 30)).save(tmp_path / name / f"{i}.png")
    with pytest.raises(UserError, match="so its std is 0"):
        image_folder(root=tmp_path)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"mean": [0.5]}, r"dataset.mean=\[0.5\] has 1 numbers for the 3 channels"),
        ({"std": [1, 1]}, r"dataset.std=\[1, 1\] has 2 numbers for the 3 channels"),
        ({"std": [1, 0, 1]}, "type numbers above 0"),
    ],
)
def test_statistics_must_fit_the_channels(tmp_path: Path, option: dict[str, Any], message: str) -> None:
    fill(tmp_path / "cat", 3)
    fill(tmp_path / "dog", 3)
    with pytest.raises(UserError, match=message):
        image_folder(root=tmp_path, image_size=6, **option)


def link(path: Path, target: str | Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target, target_is_directory=True)


def test_each_real_folder_counts_once_whatever_links_lead_to_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root, elsewhere = tmp_path / "photos", tmp_path / "elsewhere"
    fill(root / "cat", 8)
    fill(root / "dog" / "inner", 8, value=100)
    fill(elsewhere, 4, value=200)
    link(root / "cat" / "self", ".")
    link(root / "cat" / "up", root)
    link(root / "cat" / "a dog", root / "dog" / "inner")  # it comes first, and the real folder counts
    link(root / "cat" / "more", elsewhere)  # is followed
    link(root / "cat" / "more again", elsewhere)
    link(elsewhere / "back", root / "cat")
    link(root / "loop", root)
    source = image_folder(root=root, image_size=6, test_size=2)
    assert source.info.classes == ("cat", "dog")
    everything = reds(source.train.inputs) + reds(source.test.inputs)
    assert sorted(everything) == [*range(8), *range(100, 108), *range(200, 204)]
    warned = [record.getMessage() for record in caplog.records]
    assert [text.partition(":")[0] for text in warned] == [
        f"left out, as these links lead to {root} or above it",
        "left out, as these links lead to folders that are read anyway",
    ]
    named = ["a dog", "more/back", "more again", "self", "up"]
    assert all(f"{root / 'cat' / name}" in warned[1] for name in named[:2])


def test_one_folder_cannot_be_two_classes(tmp_path: Path) -> None:
    fill(tmp_path / "cat", 3)
    link(tmp_path / "dog", tmp_path / "cat")
    with pytest.raises(UserError, match="cat and dog are one and the same folder; take one of them out"):
        image_folder(root=tmp_path)


def test_what_is_no_regular_file_and_what_a_mac_adds_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path / "cat", 5)
    fill(tmp_path / "dog", 5, value=100)
    for rubbish in ("__MACOSX", "cat/__MACOSX"):
        (tmp_path / rubbish).mkdir()
        (tmp_path / rubbish / "1.jpg").write_bytes(b"rubbish")
    os.mkfifo(tmp_path / "cat" / "fifo.png")
    (tmp_path / "dog" / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "dog" / "gone.png").symlink_to(tmp_path / "nowhere")
    source = image_folder(root=tmp_path, image_size=6)
    assert len(source.train) + len(source.test) == 10
    shown = ", ".join(str(tmp_path / name) for name in ("cat/fifo.png", "dog/gone.png", "dog/zero.png"))
    assert [r.getMessage() for r in caplog.records] == [f"left out, as these are no regular files: {shown}"]


def test_files_of_one_content_in_train_and_test_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for part, value in (("train", 0), ("test", 100)):
        fill(tmp_path / part / "cat", 2, value)
        fill(tmp_path / part / "dog", 2, value + 50)
    shutil.copy(tmp_path / "train" / "cat" / "0.png", tmp_path / "test" / "dog" / "copy.png")
    (tmp_path / "test" / "cat" / "link.png").symlink_to(tmp_path / "train" / "cat" / "1.png")
    image_folder(root=tmp_path, image_size=6)
    [record] = caplog.records
    said = record.getMessage()
    assert said.startswith("2 of the images of test stand in train too: ")
    assert f"{tmp_path}/train/cat/0.png = {tmp_path}/test/dog/copy.png" in said
    assert f"{tmp_path}/train/cat/1.png = {tmp_path}/test/cat/link.png" in said


def test_copies_that_a_held_out_part_shares_with_training_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path / "cat", 4)
    fill(tmp_path / "dog", 4, value=100)
    for i in range(20):
        shutil.copy(tmp_path / "cat" / "0.png", tmp_path / "cat" / f"copy {i}.png")
    image_folder(root=tmp_path, image_size=6)
    [record] = caplog.records
    assert re.match(r"\d of the images of test stand in train too: .*/cat/copy", record.getMessage())


MEASURED = "+callbacks.instruments._target_=optlab.callbacks.Instruments"


def test_streamed_photos_train_as_those_in_memory(tmp_path: Path, train: Train) -> None:
    fill(tmp_path / "photos" / "cat", 40)
    fill(tmp_path / "photos" / "dog", 40, value=100)
    photos = ("dataset=image_folder", "dataset.root=photos", "dataset.image_size=8", "dataset.augment=crop_flip")
    words = (*photos, "batch_size=16", "engine=eager", "model=cnn", MEASURED)
    memory = train(*words, folder="memory")
    streamed = train(*words, "dataset.memory=false", "dataset.workers=1", folder="streamed")
    assert streamed.metrics == memory.metrics
    assert read_instruments(Path("streamed")) == read_instruments(Path("memory")) != []
    assert (streamed.data["streamed"], streamed.data["mean"]) == (True, memory.data["mean"])
    first = image_folder(root=tmp_path / "photos", image_size=6, memory=False)
    assert isinstance(first.train, Streamed)
    before = fingerprint(first)
    (tmp_path / "photos" / "cat" / "0.png").write_bytes((tmp_path / "photos" / "dog" / "9.png").read_bytes())
    assert fingerprint(image_folder(root=tmp_path / "photos", image_size=6, memory=False)) != before
