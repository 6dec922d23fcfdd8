from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from optlab.data import table
from optlab.data.split import split
from optlab.errors import UserError


def houses(n: int = 40, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"rooms": rng.integers(1, 9, n), "size": rng.normal(80, 20, n), "city": list("ABCB" * (n // 4))}
    )
    frame["price"] = frame["rooms"] * 10.0 + frame["size"]
    frame["kind"] = np.where(frame["price"] > 120, "dear", "cheap")
    return frame


def written(path: Path, frame: pd.DataFrame | None = None) -> Path:
    frame = houses() if frame is None else frame
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    return path


def test_inputs_are_standardised_by_the_training_part_alone(tmp_path: Path) -> None:
    source = table(file=written(tmp_path / "houses.csv"), target="price", ignore=["kind"], val_size=0.25)
    assert source.val is not None
    assert source.info.input_shape == (5,)
    numbers = source.train.inputs[:, :2].double()
    assert torch.allclose(numbers.mean(0), torch.zeros(2, dtype=torch.float64), atol=1e-6)
    assert torch.allclose(numbers.std(0, correction=0), torch.ones(2, dtype=torch.float64), atol=1e-6)
    assert not torch.allclose(source.test.inputs[:, :2].mean(0), torch.zeros(2), atol=1e-3)
    # Nothing of validation or test can be in it: other values there leave the inputs of training as they are.
    frame = houses()
    elsewhere = ~frame["price"].astype("f4").isin(source.train.targets[:, 0].tolist())
    assert 5 < elsewhere.sum() < 40
    frame.loc[elsewhere, "size"] += 1000
    again = table(file=written(tmp_path / "b.csv", frame), target="price", ignore=["kind"], val_size=0.25)
    assert torch.equal(again.train.inputs, source.train.inputs)
    assert not torch.equal(again.test.inputs, source.test.inputs)
    splits = split(source, val_size=0.25, split_seed=0)
    assert splits.val is source.val


def test_targets_that_are_numbers_keep_their_unit(tmp_path: Path) -> None:
    frame = houses()
    one = table(file=written(tmp_path / "a.csv"), target="price", ignore=["kind"], val_size=0)
    assert (one.info.task, one.info.outputs) == ("regression", 1)
    everything = sorted(one.train.targets[:, 0].tolist() + one.test.targets[:, 0].tolist())
    assert everything == pytest.approx(sorted(frame["price"]), rel=1e-6)
    several = table(file=tmp_path / "a.csv", target=["price", "size"], ignore=["kind"], val_size=0)
    assert (several.info.task, several.info.outputs) == ("regression", 2)


@pytest.mark.parametrize(
    ("target", "task", "expected"),
    [
        ("kind", None, ("classification", ("cheap", "dear"), 2)),
        ("kind", "binary", ("binary", ("cheap", "dear"), 1)),
        ("rooms", None, ("regression", (), 1)),  # 1 to 8: no classes counted from 0
        ("rooms", "classification", ("classification", tuple("12345678"), 8)),
    ],
)
def test_the_target_decides_the_task(
    tmp_path: Path, target: str, task: Any, expected: tuple[str, tuple[str, ...], int]
) -> None:
    source = table(file=written(tmp_path / "a.parquet"), target=target, task=task, val_size=0, test_size=0.2)
    assert (source.info.task, source.info.classes, source.info.outputs) == expected


def test_categories_are_one_hot_with_the_levels_of_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    frame = houses().drop(columns="kind")
    test = frame.head(4).assign(city=list("AZ?C"), size=[1.0, 2.0, 3.0, np.nan]).replace("?", np.nan)
    source = table(
        file=written(tmp_path / "train.csv", frame),
        test_file=written(tmp_path / "test.csv", test),
        target="price",
        val_size=0,
    )
    assert source.test.inputs[:, 2:].tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1]]
    median, mean, std = frame["size"].median(), frame["size"].mean(), frame["size"].std(ddof=0)
    assert source.test.inputs[3, 1].item() == pytest.approx((median - mean) / std, rel=1e-5)
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert "city of test: all zeros for what training does not hold: Z" in said
    assert "city is missing in 1 rows of test: all zeros" in said
    assert f"size is missing in 1 rows of test: the median of training, {median:g}" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "prise"}, r"dataset\.target: .*has no column prise; did you mean price\?"),
        ({"target": "Price"}, r"did you mean price\?"),
        ({"target": "price", "ignore": ["kin"]}, r"dataset\.ignore: .* did you mean kind\?"),
        ({"target": None}, r"type dataset\.target=COLUMN"),
        ({"target": ["price", "kind"]}, "target=kind holds text"),
        ({"target": "price", "separator": ";"}, r"one column only .*; type dataset\.separator=','"),
        ({"target": "hole"}, r"dataset\.target=hole is missing in 1 rows; take them out"),
        ({"target": "price"}, r"column name holds 1\d\d different texts .*; type dataset\.ignore=\[name\]"),
        ({"target": "price", "task": "multilabel"}, r"dataset\.task=multilabel needs 0 or 1"),
    ],
)
def test_a_wrong_table_is_one_clear_line(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    frame = houses(240).assign(name=[f"house {i}" for i in range(240)], hole=1.0)
    frame.loc[3, "hole"] = np.nan
    with pytest.raises(UserError, match=message):
        table(file=written(tmp_path / "a.csv", frame), **options)


def test_whole_numbers_that_may_be_classes_are_said_how(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frame = houses(80)
    frame["stars"] = np.tile([1, 2, 3, 4, 5], 16)
    file = written(tmp_path / "a.csv", frame)
    with caplog.at_level("INFO"):
        assert table(file=file, target="stars").info.task == "regression"
        assert "dataset.task=classification takes each number as a class" in caplog.text
        caplog.clear()
        table(file=file, target="price")
        assert table(file=file, target="stars", task="classification").info.classes == ("1", "2", "3", "4", "5")
    assert "takes each number" not in caplog.text


def test_a_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"no table")
    with pytest.raises(UserError, match=r"a\.parquet cannot be read as a table"):
        table(file=tmp_path / "a.parquet", target="x")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(UserError, match=r"empty\.csv cannot be read as a table"):
        table(file=tmp_path / "empty.csv", target="x")
    (tmp_path / "latin.csv").write_bytes("a,b\n1,Zürich\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"latin\.csv is not in UTF-8, .*; save it as CSV in UTF-8"):
        table(file=tmp_path / "latin.csv", target="a")
    (tmp_path / "header.csv").write_text("a,b\n")
    with pytest.raises(UserError, match="has no rows"):
        table(file=tmp_path / "header.csv", target="a")


def test_a_column_of_one_number_is_not_divided_by_the_rounding_of_its_mean(tmp_path: Path) -> None:
    frame = pd.DataFrame({"same": [0.1] * 40, "x": np.arange(40.0), "y": np.linspace(0.0, 1.0, 40)})
    test = pd.DataFrame({"same": [0.1, 0.3], "x": [1.0, 2.0], "y": [0.2, 0.4]})
    files = [written(tmp_path / name, each) for name, each in (("all.csv", frame), ("test.csv", test))]
    source = table(file=files[0], test_file=files[1], target="y", val_size=0)
    assert source.train.inputs[:, 0].abs().max() < 1e-6
    assert source.test.inputs[:, 0].tolist() == pytest.approx([0.0, 0.2], abs=1e-6)
