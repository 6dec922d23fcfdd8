"""The record: what other programs read must be whole, valid and stable."""

import copy
import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from optlab.config import compose, resolve
from optlab.errors import UserError
from optlab.record import Row, RunRecord, append_metrics, job_name, run_id
from tests.metrics import read_metrics


def config(*overrides: str) -> dict[str, Any]:
    return resolve(compose(list(overrides)))


def test_id_ignores_what_cannot_change_the_result_and_nothing_else() -> None:
    base = run_id(config("sweep=a"))
    same = [
        "sweep=b",
        "logger=none",
        "callbacks.progress.bar=false",
        "phase=tune",
        "eval_batch_size=10",
        "debug=traceback",
    ]
    different = [
        "seed=1",
        "optimizer.lr=0.01",
        "batch_size=128",
        "trainer.max_epochs=3",
        "dataset.split_seed=1",
        "lr=cosine",
    ]
    assert {run_id(config(word, *([] if word.startswith("sweep") else ["sweep=a"]))) for word in same} == {base}
    assert base not in {run_id(config(word)) for word in different}
    assert len(base) == 8
    assert int(base, 16) >= 0


@pytest.mark.parametrize(
    ("words", "name"),
    {
        "": "adam-lr0.001-seed0-170791e5",
        "optimizer=sgd lr=cosine lr.warmup_fraction=0.05 seed=3": "sgd-lr0.1-seed3-646cb18a",
        "optimizer=muon dataset=cifar10 dataset.augment=crop_flip model=resnet18": "muon-lr0.02-seed0-b3dac8ea",
        "optimizer=custom optimizer._target_=torch.optim.Adafactor": "torch.optim.Adafactor-lr0.001-seed0-c5a5a620",
        "optimizer=lbfgs callbacks=early_stopping": "lbfgs-lr0.1-seed0-5616d864",
        "dataset=image_folder dataset.root=photos trainer.precision=bf16-mixed": "adam-lr0.001-seed0-fd6f8953",
        "experiment=notes_line": "sgd-lr0.01-seed3-8c644f00",
        "experiment=deepobs_3c3d": "adam-lr0.001-seed0-64fc2594",
    }.items(),
)
def test_the_ids_of_runs_on_disk_stay(words: str, name: str) -> None:
    assert job_name(config(*words.split())) == name


def test_job_names_are_readable_and_unique() -> None:
    first, second = config("optimizer=sgd", "seed=3"), config("optimizer=sgd", "seed=3", "batch_size=128")
    assert job_name(first).startswith("sgd-lr0.1-seed3-")
    assert job_name(first) != job_name(second)


def test_record_goes_to_disk_and_back_with_null_for_nan(tmp_path: Path) -> None:
    record = RunRecord.begin(config("optimizer=adam"), ["optimizer=adam"])
    record.metrics = {"val/loss": math.nan, "val/acc": 0.5}
    record.write(tmp_path)
    content = json.loads((tmp_path / "run.json").read_text(), parse_constant=pytest.fail)
    contract = {
        "schema", "id", "status", "optimizer", "model", "dataset", "lr_schedule", "lr", "seed", "overrides", "config",
        "phase",
        "metrics", "best", "epochs", "steps", "timing", "environment", "data", "error",
    }  # fmt: skip
    assert contract <= set(content)
    assert content["schema"] == 1
    assert content["metrics"] == {"val/loss": None, "val/acc": 0.5}
    expected = copy.deepcopy(record)
    expected.metrics = {"val/loss": None, "val/acc": 0.5}
    assert RunRecord.read(tmp_path) == expected
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]  # no temporary file stays behind


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "damaged"),
        ('{"schema": 99}', "schema 99"),
        ("[]", "no JSON object"),
        ('{"schema": 1, "id": "1"}', "missing"),
    ],
)
def test_damaged_and_unknown_records_are_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UserError, match=words) as error:
        RunRecord.read(tmp_path)
    assert str(tmp_path / "run.json") in str(error.value)


def test_metrics_csv_keeps_its_columns_when_a_later_row_has_more(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    rows: list[Row] = [{"epoch": 1, "step": 5, "train/loss": 0.1 + 0.2}]
    append_metrics(file, rows)
    rows.append({"epoch": 2, "step": 10, "train/loss": math.nan, "val/loss": 2.5})
    append_metrics(file, rows)
    rows.append({"epoch": 3, "step": 15, "train/loss": 1.0})
    append_metrics(file, rows)
    assert read_metrics(file) == [
        {"epoch": 1, "step": 5, "train/loss": 0.1 + 0.2, "val/loss": None},
        {"epoch": 2, "step": 10, "train/loss": None, "val/loss": 2.5},
        {"epoch": 3, "step": 15, "train/loss": 1.0, "val/loss": None},
    ]


def test_a_full_disk_is_one_line_and_leaves_the_old_record(tmp_path: Path) -> None:
    rows: list[Row] = [{"epoch": 1}, {"epoch": 2}]
    (tmp_path / "metrics.csv").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"cannot write .*metrics.csv: No space left on device"):
        append_metrics(tmp_path / "metrics.csv", rows)


@pytest.mark.parametrize("name", [field.name for field in fields(RunRecord)])
def test_a_field_of_another_kind_is_damage_that_is_named(name: str, tmp_path: Path) -> None:
    RunRecord.begin(config()).write(tmp_path)
    content = json.loads((tmp_path / "run.json").read_text())
    may_be_null = name in ("error", "diverged", "ended", "continued_from", "advice")
    for value in (True, [1.5], *(() if may_be_null else (None,))):
        (tmp_path / "run.json").write_text(json.dumps(content | {name: value}))
        with pytest.raises(UserError, match=f"damaged, {name} is"):
            RunRecord.read(tmp_path)


def test_a_number_of_another_kind_within_a_field_is_damage_too(tmp_path: Path) -> None:
    RunRecord.begin(config()).write(tmp_path)
    content = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(content | {"timing": {"fit_seconds": "long"}}))
    with pytest.raises(UserError, match="damaged, timing is"):
        RunRecord.read(tmp_path)
