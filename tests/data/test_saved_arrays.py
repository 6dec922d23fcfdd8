from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.conftest import Train

from optlab.data import saved_arrays
from optlab.errors import UserError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 4))
Y = np.arange(30) % 3


def saved(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_without_a_test_part_one_is_held_out_stratified(tmp_path: Path) -> None:
    file = saved(tmp_path / "flowers.npz", x=X, y=Y)
    first, other = (saved_arrays(file=file, split_seed=seed) for seed in (0, 1))
    assert (first.info.name, first.info.task, first.info.outputs) == ("flowers", "classification", 3)
    assert first.info.input_shape == (4,)
    assert first.train.inputs.dtype == torch.float32
    assert first.test.targets.bincount().tolist() == [2, 2, 2]
    held, kept = first.test.inputs[:, 0].tolist(), first.train.inputs[:, 0].tolist()
    assert sorted(held + kept) == sorted(X[:, 0].astype("f4").tolist())
    assert held != other.test.inputs[:, 0].tolist()


@pytest.mark.parametrize("names", ["x_{part} y_{part}", "{part}_images {part}_labels", "inputs_{part} targets_{part}"])
def test_parts_that_the_names_say_are_used_as_such(tmp_path: Path, names: str) -> None:
    arrays: dict[str, Any] = {}
    for part, n in (("train", 20), ("val", 6), ("test", 9)):
        inputs, targets = names.format(part=part).split()
        arrays |= {inputs: X[:n], targets: Y[:n, None]}  # labels as MedMNIST has them, [n, 1]
    source = saved_arrays(file=saved(tmp_path / "a.npz", **arrays))
    assert source.val is not None
    assert [len(part) for part in (source.train, source.val, source.test)] == [20, 6, 9]
    assert source.train.targets.shape == (20,)


def test_a_pt_and_two_npy_files_hold_the_same(tmp_path: Path) -> None:
    torch.save({"x": torch.from_numpy(X), "y": torch.from_numpy(Y)}, tmp_path / "a.pt")
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    expected = saved_arrays(file=saved(tmp_path / "a.npz", x=X, y=Y)).train
    for file, targets in ((tmp_path / "a.pt", None), (tmp_path / "x.npy", tmp_path / "y.npy")):
        found = saved_arrays(file=file, targets=targets).train
        assert torch.equal(found.inputs, expected.inputs)
        assert torch.equal(found.targets, expected.targets)


@pytest.mark.parametrize(
    ("y", "task", "outputs", "shape"),
    [
        (Y, "classification", 3, ()),
        (Y == 0, "classification", 2, ()),
        (np.array(["b", "a", "c"])[Y], "classification", 3, ()),
        (X[:, 0], "regression", 1, (1,)),
        (X[:, :2], "regression", 2, (2,)),
        ((Y == 0).astype("f8"), "binary", 1, (1,)),
        (np.eye(3)[Y][:, :2], "multilabel", 2, (2,)),
        (np.repeat(Y[:, None], 4, 1), "dense", 3, (4,)),
    ],
)
def test_the_targets_decide_the_task(tmp_path: Path, y: Any, task: str, outputs: int, shape: tuple[int, ...]) -> None:
    source = saved_arrays(file=saved(tmp_path / "a.npz", x=X, y=y), task=None)
    assert (source.info.task, source.info.outputs) == (task, outputs)
    assert source.train.targets.shape[1:] == shape
    assert source.train.targets.is_floating_point() == (task in ("binary", "multilabel", "regression"))


def test_the_task_may_be_said(tmp_path: Path) -> None:
    file = saved(tmp_path / "a.npz", x=X, y=Y % 2)
    assert saved_arrays(file=file, task="binary").info.outputs == 1
    assert saved_arrays(file=file, task="regression").train.targets.dtype == torch.float32
    assert saved_arrays(file=file, outputs=5).info.classes == ("0", "1", "2", "3", "4")
    with pytest.raises(UserError, match=r"dataset\.task=dense needs a class for each position"):
        saved_arrays(file=file, task="dense")


def test_text_gives_classes_their_names(tmp_path: Path) -> None:
    source = saved_arrays(file=saved(tmp_path / "a.npz", x=X, y=np.array(["owl", "cat", "dog"])[Y]))
    assert source.info.classes == ("cat", "dog", "owl")
    named = saved_arrays(file=saved(tmp_path / "b.npz", x=X, y=Y, classes=np.array(["owl", "cat", "dog"])))
    assert named.info.classes == ("owl", "cat", "dog")


def test_pictures_are_pixels_in_any_layout(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (30, 5, 6, 3), dtype=np.uint8)
    last, first, grey = (
        saved_arrays(file=saved(tmp_path / "a.npz", x=x, y=Y))
        for x in (pixels, pixels.transpose(0, 3, 1, 2), pixels[..., 0])
    )
    assert last.info.input_shape == first.info.input_shape == (3, 5, 6)
    assert grey.info.input_shape == (1, 5, 6)
    assert last.train.inputs.dtype == torch.uint8
    assert torch.equal(last.train.inputs, first.train.inputs)
    assert last.train.inputs.is_contiguous(memory_format=torch.channels_last)
    values = last.train.inputs.double() / 255
    assert last.info.mean == pytest.approx(values.mean((0, 2, 3)).tolist())


@pytest.mark.parametrize(
    ("shape", "dtype", "stored"),
    [((7,), "i4", torch.int64), ((3, 7), "f8", torch.float32), ((2, 3, 4, 5), "f4", torch.float32)],
)
def test_tokens_series_and_volumes_keep_their_shape(
    tmp_path: Path, shape: tuple[int, ...], dtype: str, stored: torch.dtype
) -> None:
    source = saved_arrays(file=saved(tmp_path / "a.npz", x=RNG.integers(0, 9, (30, *shape)).astype(dtype), y=Y))
    assert source.info.input_shape == shape
    assert source.train.inputs.dtype == stored
    assert source.info.mean is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X, "y": Y[:20]}, "train has 30 inputs and 20 targets"),
        ({"x": X, "z": Y}, r"should hold x and y, .* and holds x, z"),
        ({"x": np.where(X > 1, np.nan, X), "y": Y}, "the inputs hold NaN or infinite numbers"),
        ({"x": X, "y": np.where(X[:, 0] > 1, np.nan, X[:, 0])}, "the targets hold NaN or infinite numbers"),
        ({"x": X, "y": Y - 1}, "label -1 is below 0"),
        ({"x": X, "y": np.array([{}] * 30)}, "holds Python objects, .* nothing was run"),
        ({"x": X, "y": Y * 0}, "one class only"),
        ({"x": X.astype(str), "y": Y}, "the inputs are text"),
        ({"x_train": X, "y_train": Y, "x_test": X[:, :2], "y_test": Y}, r"test have the shape \[2\], .* train \[4\]"),
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        saved_arrays(file=saved(tmp_path / "a.npz", **arrays))


def test_a_file_that_is_not_there_or_damaged_is_named(tmp_path: Path) -> None:
    saved(tmp_path / "data.npz", x=X, y=Y)
    with pytest.raises(UserError, match=r"dataset\.file=.*date\.npz: no such file; there is data\.npz"):
        saved_arrays(file=tmp_path / "date.npz")
    with pytest.raises(UserError, match=r"type dataset\.file=data\.npz"):
        saved_arrays(file=None)
    (tmp_path / "bad.npz").write_bytes(b"PK nothing")
    with pytest.raises(UserError, match=r"bad\.npz cannot be read as \.npz"):
        saved_arrays(file=tmp_path / "bad.npz")
    torch.save({"x": Path("a"), "y": 1}, tmp_path / "bad.pt")
    with pytest.raises(UserError, match="holds Python objects"):
        saved_arrays(file=tmp_path / "bad.pt")


def test_a_run_trains_on_a_file(train: Train, tmp_path: Path) -> None:
    file = saved(tmp_path / "a.npz", x=RNG.normal(size=(90, 4)), y=np.arange(90) % 3)
    record = train("dataset=arrays", f"dataset.file={file}")
    assert record.data["name"] == "a"
    assert (record.data["train"], record.data["val"], record.data["test"]) == (65, 7, 18)
