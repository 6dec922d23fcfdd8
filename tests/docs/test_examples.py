"""The files under docs/examples do what docs/extend.md says of them."""

import re
import runpy
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from optlab.commands import conformance, report
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


def trained(*words: str, folder: str = "run") -> RunRecord:
    quick = [word for word in QUICK if word.partition("=")[0] not in {each.partition("=")[0] for each in words}]
    result = command(*quick, f"hydra.run.dir={folder}", *words)
    assert result.code == 0, result.err
    return RunRecord.read(Path(folder))


def test_networks() -> None:
    copied("networks")
    first = trained("model=mine")
    assert (first.model, first.config["model"]["width"]) == ("mine", 8)
    assert trained("model._target_=mynet.perceptron", folder="function").model == "perceptron"
    last = Path("run/checkpoints/last.ckpt")
    second = trained("model=mine", f"model.weights={last}", "model.freeze=[features]", folder="second")
    assert second.network["weights"]["new"] == []
    assert second.network["learning"] == 90
    before, after = (torch.load(path, weights_only=True) for path in (last, "second/checkpoints/last.ckpt"))
    for name, value in before["state_dict"].items():
        assert torch.equal(value, after["state_dict"][name]) == (".head." not in name)


def test_optimizers(capsys: pytest.CaptureFixture[str]) -> None:
    copied("optimizers")
    assert conformance.main(["myrule.Signum", "lr=0.001"]) == 0, capsys.readouterr().out
    assert trained("optimizer=signum", "model=linear").optimizer == "signum"
    words = [*QUICK, "-m", "hydra/sweeper=study", "optimizer=signum", "model=linear"]
    small = ["hydra.sweeper.trials=2", "hydra.sweeper.tuning_seeds=1", "hydra.sweeper.confirmation_seeds=1"]
    result = command(*words, *small, "hydra.sweeper.extensions=0", "hydra.sweep.dir=study")
    assert result.code == 0, result.err
    made = [RunRecord.read(path.parent) for path in Path("study").rglob("run.json")]
    assert sorted((each.optimizer, each.phase) for each in made) == [("signum", "confirm"), *2 * [("signum", "tune")]]


def test_callbacks() -> None:
    copied("callbacks")
    assert trained("callbacks=mine", "model=linear").metrics["train/weight_norm"]


def test_a_task_with_a_loss_and_a_metric_of_ones_own() -> None:
    copied("tasks")
    words = ["dataset._target_=mine.shapes", "model=linear", "loss._target_=mine.focal", "+loss.weight=[1.0,2.0]"]
    words += ["+metrics.all_right._target_=mine.AllRight", "metric=val/all_right"]
    result = command(*words, *QUICK[:-1], "batch_size=30")
    assert result.code == 0, result.err
    (record,) = runs()
    assert record.data["metric"] == "val/all_right"
    assert {"test/all_right", "test/auroc", "test/ap", "test/f1"} < record.metrics.keys()


def test_a_lightning_module() -> None:
    copied("lightning_module")
    quick = ("batch_size=32", "trainer.max_epochs=2", "optimizer=own")
    for words in (["module=mine"], ["module._target_=lit.LitNet", "module.hidden=32"]):
        result = command(*words, *QUICK, *quick)
        assert result.code == 0, result.err
    first, second = runs()
    assert {(each.model, each.lr, each.config["module"]["hidden"]) for each in (first, second)} == {
        ("LitNet", 0.01, 32)
    }
    assert first.metrics == second.metrics
    assert first.metrics["train_activation"] > 0
    assert first.metrics["test/acc"] == first.metrics["test_acc"] > 0.5


def test_recipes() -> None:
    copied("recipes")
    runpy.run_path("write.py")
    quick = [*QUICK[:-1], "model=linear", "batch_size=64"]
    photos = ["dataset=image_folder", "dataset.root=photos", "dataset.image_size=8"]
    result = command(*quick, *photos, "hydra.run.dir=run")
    assert result.code == 0, result.err
    shutil.move("run", "copied")  # as on another machine
    result = command("ckpt=copied", "trainer.max_epochs=2", "hydra.run.dir=longer")
    assert result.code == 0, result.err
    assert RunRecord.read(Path("longer")).epochs == 2
    table = ["dataset=table", "dataset.file=houses.csv", "dataset.target=price", "loss=mse", "metric=val/r2"]
    result = command(*quick, *table, "-m", "optimizer=sgd,adam", "seed=0,1", "hydra.sweep.dir=sweep")
    assert result.code == 0, result.err
    assert report.main(["sweep", "--no-figures"]) == 0
    labels = re.findall(r"\\label\{tab:(\w+)\}", Path("sweep/tables.tex").read_text("utf-8"))
    assert labels[:2] == ["standings", "differences"]
