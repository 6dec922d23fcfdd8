"""What typed words change in the composed config: other classes, keys with defaults, keys that are left out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from optlab.config import CONFIG_FOLDER, compose, resolve
from optlab.config.schema import Config
from optlab.errors import UserError
from optlab.record import run_id
from tests.commandline import command

NET = "model._target_=mynet.Net"


def composed(*words: str) -> dict[str, Any]:
    return resolve(compose(words))


@pytest.mark.parametrize(
    ("words", "group", "expected"),
    [
        ((NET,), "model", {"name": "Net", "_target_": "mynet.Net"}),
        ((NET, "model.width=3"), "model", {"name": "Net", "_target_": "mynet.Net", "width": 3}),
        ((NET, "model.name=own"), "model", {"name": "own", "_target_": "mynet.Net"}),
        ((NET, "+model.width=3"), "model", {"name": "Net", "_target_": "mynet.Net", "width": 3}),
        ((NET, "model.sizes={a: [1, 2]}"), "model", {"name": "Net", "_target_": "mynet.Net", "sizes": {"a": [1, 2]}}),
        (("model.activation=tanh", NET), "model", {"name": "Net", "_target_": "mynet.Net", "activation": "tanh"}),
        (("model=mlp", NET), "model", {"name": "Net", "_target_": "mynet.Net"}),
        ((NET, "~model.activation"), "model", {"name": "Net", "_target_": "mynet.Net"}),  # as it was needed before
        (("experiment=notes_cnn", NET), "model", {"name": "Net", "_target_": "mynet.Net"}),
        (
            ("model._target_=optlab.models.CNN",),
            "model",
            {"name": "cnn", "_target_": "optlab.models.CNN", "activation": "relu"},
        ),
        (("loss._target_=mine.Focal", "loss.gamma=2"), "loss", {"name": "Focal", "_target_": "mine.Focal", "gamma": 2}),
        (
            ("lr=plateau", "lr._target_=mine.Schedule", "lr.warmup=3"),
            "lr",
            {"name": "Schedule", "_target_": "mine.Schedule", "warmup": 3},
        ),
    ],
)
def test_another_class_drops_the_arguments_of_the_one_before(
    words: Sequence[str], group: str, expected: dict[str, Any]
) -> None:
    assert composed(*words)[group] == expected


def test_a_data_set_of_ones_own_keeps_how_it_is_split() -> None:
    ours, theirs = composed()["dataset"], composed("dataset._target_=mine.Data", "dataset.file=a.csv")["dataset"]
    split = {key: ours[key] for key in ("val_size", "split_seed", "train_split", "augment")}
    assert theirs == {"name": "Data", "_target_": "mine.Data", "file": "a.csv", **split}


def test_a_callback_of_another_class_has_its_own_arguments() -> None:
    words = (
        "callbacks=early_stopping",
        "callbacks.early_stopping._target_=mine.Stop",
        "callbacks.early_stopping.after=3",
    )
    assert composed(*words)["callbacks"]["early_stopping"] == {"_target_": "mine.Stop", "after": 3}
    with pytest.raises(UserError):
        compose(["callbacks.mine._target_=mine.Stop"])  # a new name may be a mistake; it wants a +


def test_a_class_named_in_a_yaml_is_what_the_yaml_says() -> None:
    Path("conf/model").mkdir(parents=True)
    Path("conf/model/mine.yaml").write_text("defaults: [cnn]\nname: mine\n_target_: mynet.Net\n")
    assert composed("model=mine")["model"] == {"name": "mine", "_target_": "mynet.Net", "activation": "relu"}


def test_an_option_that_waits_for_its_class_keeps_its_arguments() -> None:
    Path("conf/model").mkdir(parents=True)
    Path("conf/model/any.yaml").write_text("name: any\n_target_: ???\ndepth: 3\n")
    model = composed("model=any", NET, "model.width=4")["model"]
    assert model == {"name": "Net", "_target_": "mynet.Net", "depth": 3, "width": 4}


OF_BEFORE = {  # words with a class of their own, and the ids that such runs have on disk
    "optimizer._target_=torch.optim.SGD": "6c570bbb",
    "optimizer=custom optimizer._target_=torch.optim.SGD": "6c570bbb",
    "optimizer._target_=torch.optim.SGD optimizer.momentum=0.5": "0af3b31f",
    "optimizer=adam optimizer._target_=torch.optim.AdamW": "08909314",
}


@pytest.mark.parametrize("words", OF_BEFORE)
def test_the_ids_of_optimizers_named_by_their_class_stay(words: str) -> None:
    assert run_id(composed(*words.split())) == OF_BEFORE[words]


def test_keys_that_the_schema_declares_need_no_plus() -> None:
    Path("conf").mkdir()
    lines = (CONFIG_FOLDER / "train.yaml").read_text().splitlines()
    Path("conf/old.yaml").write_text("\n".join(each for each in lines if not each.startswith(("cpu_kernels", "trust"))))
    assert compose(["cpu_kernels=true", "trust=true"], "old").cpu_kernels is True
    assert "cpu_kernels" not in compose([], "old")
    with pytest.raises(UserError):
        compose(["cpu_kernel=true"], "old")
    assert compose(["logger=wandb", "logger.wandb.system_metrics=true"]).logger.wandb.system_metrics is True
    with pytest.raises(UserError):
        compose(["logger=none", "logger.wandb.tags=[a]"])  # it would switch W&B on


def test_a_key_may_be_left_out_whatever_its_value() -> None:
    cfg = composed("dataset.mean=null", "~dataset.mean", "dataset.std=null")
    assert "mean" in composed("dataset.mean=null")["dataset"]
    assert "std" in cfg["dataset"]
    without = compose(["model=mlp", "dataset=cifar10", "~metric"])
    assert "metric" not in without
    with pytest.raises(UserError):
        compose(["~dataset.nothing"])


def test_a_sweep_over_classes_is_one_run_each() -> None:
    words = ("trainer.max_epochs=1", "logger=none", "callbacks=quiet", "trainer=cpu", "batch_size=512")
    two = "optimizer._target_=torch.optim.SGD,torch.optim.Adam"
    result = command("-m", two, "optimizer.lr=0.01", "model=mlp", "sweep=a", *words)
    assert result.code == 0, result.err
    names = sorted(path.name.rpartition("-seed0")[0] for path in Path("outputs/sweeps/a").iterdir() if path.is_dir())
    assert [name for name in names if name] == ["torch.optim.Adam-lr0.01", "torch.optim.SGD-lr0.01"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["seed=1", "--cfg", "job", "optimizer=sgd"], 0, ""),
        (["seed=1", "-m", "optimizer=sdg"], 1, "did you mean optimizer=sgd?"),
        (["--cfg", "nope"], 1, "invalid choice: 'nope'"),
        (["--cfg", "job", "nope=1"], 1, "nope: there is no such key or group"),
        (["hydra.foo=1"], 1, "hydra.foo: Hydra has no such key here; it has hydra.run.dir,"),
        (["-m", "hydra/launcher=joblib", "hydra.launcher.n_job=1"], 1, "did you mean hydra.launcher.n_jobs?"),
        (["--seed=3"], 1, "type seed=3, without --"),
        (["-x"], 1, "-x: there is no such flag"),
    ],
)
def test_flags_may_stand_anywhere_and_a_wrong_one_is_one_line(words: list[str], code: int, said: str) -> None:
    result = command(*words)
    assert result.code == code
    assert said in result.err
    assert len(result.err.splitlines()) == code


def test_the_schema_still_parses_what_is_dropped() -> None:
    assert Config.parse(composed(NET)).model.name == "Net"
