"""The files under docs/examples do what docs/extend.md says of them."""

import runpy
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from optlab.record import RunRecord
from tests.commandline import ROOT, command

QUICK = ("logger=none", "callbacks=quiet", "trainer=cpu", "trainer.max_epochs=1", "batch_size=512")


@pytest.fixture(autouse=True)
def modules_of_one_test(in_empty_folder: Path) -> Iterator[None]:
    """Examples may give their modules the same names."""
    before = set(sys.modules)
    yield
    for name in sys.modules.keys() - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(in_empty_folder)):
            del sys.modules[name]


def copied(topic: str) -> None:
    """The files of a topic where the test stands, as a user has them."""
    shutil.copytree(ROOT / "docs" / "examples" / topic, ".", dirs_exist_ok=True)


def runs() -> list[RunRecord]:
    return [RunRecord.read(path.parent) for path in sorted(Path("outputs").glob("*/**/run.json"))]


def test_a_folder_of_ones_own() -> None:
    copied("folder")
    for words in (
        ["model=mine", "model.width=8"],
        ["model._target_=mynet.Net", "model.width=8"],
        ["experiment=quick"],
        ["--config-name", "first"],
    ):
        result = command(*words, *QUICK)
        assert result.code == 0, result.err
    models = [run.config["model"] for run in runs()]
    assert {model["_target_"] for model in models} == {"mynet.Net"}
    assert sorted((model["name"], model.get("width")) for model in models) == [
        ("Net", 8),
        ("mine", 8),
        ("mine", 32),
        ("mine", 32),
    ]


def test_data_of_ones_own() -> None:
    copied("data")
    runpy.run_path("write.py")
    for words in (
        ["dataset=arrays", "dataset.file=arrays.npz"],
        ["dataset=table", "dataset.file=houses.csv", "dataset.target=price", "loss=mse"],
        ["dataset=image_folder", "dataset.root=photos", "dataset.memory=false", "dataset.workers=0"],
        ["dataset=torch", "dataset._target_=mydata.Rings"],
        ["dataset=rings"],
        ["dataset._target_=mydata.NoisyRings", "dataset.workers=1"],
    ):
        result = command(*words, *QUICK, "model=mlp", "batch_size=32")
        assert result.code == 0, result.err
    found = {run.data["name"]: run.data for run in runs()}
    assert found.keys() == {"arrays", "houses", "image_folder", "Rings", "NoisyRings"}
    assert found["houses"]["task"] == "regression"
    assert found["NoisyRings"]["streamed"] is True
    assert found["Rings"]["classes"] == ["inner", "outer"]
