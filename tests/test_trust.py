"""A checkpoint is data: whoever wrote it, nothing in it runs code that a person here did not ask for."""

import os
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch

from optlab import checkpoint
from optlab.callbacks import Interruption
from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.data.arrays import Source
from optlab.errors import UserError
from optlab.evaluate import evaluate, predict
from optlab.models import MLP
from optlab.recorded import recorded
from optlab.run import prepare
from tests.altered import WORDS, content_of, made_checkpoint, picture, save
from tests.commandline import command
from tests.conftest import Train

RAN = Path("ran")  # made by a stranger's code, wherever it runs

STRANGERS_MODULE = """
import pathlib, torch
pathlib.Path("ran").mkdir(exist_ok=True)
class Net(torch.nn.Linear):
    def __init__(self, input_shape=(), outputs=0, **_): super().__init__(1, 1)
def net(*_, **__): return Net()
"""

# What a config may name, at a group's own level. Each would run the stranger's code.
CALLS: dict[str, dict[str, Any]] = {
    "class_beside": {"_target_": "stranger.Net"},
    "hub": {"_target_": "torch.hub.load", "repo_or_dir": ".", "model": "net", "source": "local"},
    "torch_load": {"_target_": "torch.load", "f": "evil.pt", "weights_only": False},
    "numpy_load": {"_target_": "numpy.load", "file": "evil.npy", "allow_pickle": True},
    "through_optlab": {"_target_": "optlab.models.cnn.torch.load", "f": "evil.pt", "weights_only": False},
    "through_torch": {"_target_": "torch.nn.modules.module.torch.load", "f": "evil.pt", "weights_only": False},
    "nested": {"_target_": "optlab.models.MLP", "hidden": [{"_target_": "stranger.Net"}]},
    "nested_in_torch": {"_target_": "torch.nn.Sequential", "arg": {"deep": [{"_target_": "stranger.net"}]}},
}
# What runs nothing by itself, and is refused as optlab never writes it.
ODD: dict[str, dict[str, Any]] = {
    "method": {"_target_": "torch.nn.Module.load_state_dict"},
    "function": {"_target_": "torch.nn.init.zeros_"},
    "main": {"_target_": "torch.nn.__main__.Net"},
    "partial": {"_target_": "optlab.models.MLP", "_partial_": True},
    "positional": {"_target_": "optlab.models.MLP", "_args_": ["evil.pt"]},
    "interpolation": {"_target_": "optlab.models.MLP", "activation": "${oc.env:HOME}"},
    "of_another_group": {"_target_": "optlab.data.image_folder", "root": "."},
}
# torch.fx writes the names of layers into the code that it generates, as they are.
CODE = 'a", getattr(__import__("os"), "mkdir")("ran") or "'
IDENTITY = {"_target_": "torch.nn.Identity"}
LAYERS = {
    "_target_": "torchvision.models.segmentation.deeplabv3.IntermediateLayerGetter",
    "model": {"_target_": "torch.nn.ModuleDict", "modules": {CODE: IDENTITY, "b": IDENTITY}},
    "return_layers": {CODE: "o", "b": "p"},
}
GENERATED = {
    "_target_": "torchvision.models.feature_extraction.create_feature_extractor",
    "model": LAYERS,
    "return_nodes": ["b"],
}
CALLS["generated_code"] = {
    "_target_": "torch.nn.Identity",
    "x": {"_target_": "torchvision.models.resnet18", "norm_layer": GENERATED},
}
# Each of the right kind, and too large for a machine, too slow, or fetched from elsewhere.
ODD |= {
    "large": {
        "_target_": "torch.nn.Identity",
        "x": {"_target_": "torch.nn.Linear", "in_features": 1, "out_features": 1},
    },
    "fetched_inside": {"_target_": "torchvision.models.resnet18", "x": {"weights_backbone": "DEFAULT"}},
    "tool": {"_target_": "torchvision.models.get_model", "name": "resnet18"},
    "behind_the_package": {"_target_": "torch.nn.modules.linear.Linear"},
}
GROUPS = ("model", "optimizer", "lr", "dataset", "loss", "callbacks", "logger", "trainer")


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("ran",)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return made_checkpoint(tmp_path_factory.mktemp("good") / "run")


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return resolve(compose([*WORDS, "trainer.max_epochs=3", "ckpt=x.ckpt", "input=digit.png"]))


@pytest.fixture(scope="module")
def sources() -> dict[str, Source]:
    return {}


@pytest.fixture(autouse=True)
def stranger(in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A stranger's module, hub repository and pickles lie in the working folder."""
    picture()
    for name in ("stranger.py", "hubconf.py"):
        Path(name).write_text(STRANGERS_MODULE)
    for name in ("evil.pt", "evil.npy"):
        Path(name).write_bytes(pickle.dumps(Evil()))
    monkeypatch.syspath_prepend(str(in_empty_folder))
    yield
    sys.modules.pop("stranger", None)


def assert_nothing_ran() -> None:
    assert not RAN.exists()
    assert "stranger" not in sys.modules


def use(mode: str, config: Mapping[str, Any], sources: dict[str, Source], **changes: Any) -> Any:
    """Do with x.ckpt what `mode` says, short of training."""
    whole = deepcopy(dict(config)) | changes
    if mode == "predict":
        return predict(whole, Path("out"))
    if mode == "test":
        return evaluate(whole, Path("out"))
    return prepare(Config.parse(whole), Path("out"), [], sources, Interruption())


def one_line(action: Callable[[], Any]) -> str:
    """What the user is told, or nothing."""
    try:
        action()
    except UserError as error:
        line = str(error)
        assert "\n" not in line
        return line
    return ""


def with_group(good: Mapping[str, Any], group: str, options: Mapping[str, Any]) -> dict[str, Any]:
    content = deepcopy(dict(good))
    named = {"name": content["run"]["config"][group].get("name", group)} if group in GROUPS[:5] else {}
    content["run"]["config"][group] = named | (dict(options) if group != "callbacks" else {"theirs": dict(options)})
    return content


# -- the config in a checkpoint


@pytest.mark.parametrize("name", [*CALLS, *ODD])
def test_predict_builds_no_network_of_a_stranger(
    name: str, good: dict[str, Any], config: dict[str, Any], sources: dict[str, Source]
) -> None:
    save(with_group(good, "model", {**CALLS, **ODD}[name]), Path("x.ckpt"))
    with pytest.raises(UserError, match=r"^ckpt=x\.ckpt (names|holds) model\..*(trust=true)$"):
        use("predict", config, sources)
    assert_nothing_ran()


OTHER_WEIGHTS: dict[str, dict[str, Any]] = {
    "fetched": {"_target_": "torchvision.models.mobilenet_v3_small", "weights": "DEFAULT"},
    "fetched_in_the_old_way": {"_target_": "torchvision.models.mobilenet_v3_small", "pretrained": True},
    "out_of_a_file": {"_target_": "optlab.models.MLP", "hidden": [16, 16], "weights": "evil.pt"},
    "frozen": {"_target_": "optlab.models.MLP", "hidden": [16, 16], "freeze": ["nowhere"]},
}


@pytest.mark.parametrize("mode", ["train", "test", "predict"])
@pytest.mark.parametrize("name", OTHER_WEIGHTS)
def test_a_checkpoint_brings_its_weights_and_no_others_are_fetched_or_read(
    name: str,
    mode: str,
    good: dict[str, Any],
    config: dict[str, Any],
    sources: dict[str, Source],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TORCH_HOME", "cache")
    content = with_group(good, "model", OTHER_WEIGHTS[name])
    save(content, Path("x.ckpt"))
    line = one_line(lambda: use(mode, config, sources, model=content["run"]["config"]["model"]))
    assert line.startswith("ckpt=x.ckpt ") or name == "out_of_a_file"
    assert not Path("cache").exists()  # which a download makes first
    assert_nothing_ran()


@pytest.mark.parametrize("name", ["class_beside", "hub", "generated_code"])
def test_the_attacks_are_real(
    name: str, good: dict[str, Any], config: dict[str, Any], sources: dict[str, Source]
) -> None:
    save(with_group(good, "model", CALLS[name]), Path("x.ckpt"))
    assert "damaged" in one_line(lambda: use("predict", config, sources, trust=True))  # no mlp came out of it
    assert RAN.exists()


@pytest.mark.parametrize("mode", ["train", "test", "predict"])
@pytest.mark.parametrize("group", GROUPS)
def test_the_config_of_a_checkpoint_runs_nothing(
    group: str, mode: str, good: dict[str, Any], config: dict[str, Any], sources: dict[str, Source]
) -> None:
    save(with_group(good, group, CALLS["torch_load"]), Path("x.ckpt"))
    line = one_line(lambda: use(mode, config, sources))
    assert line.startswith("ckpt=x.ckpt ") or (not line and group != "model")  # the rest is not taken from the file
    assert_nothing_ran()


# -- its overrides

FOREIGN = {
    **{group: (f"++{group}._target_=torch.load", f"{group}._target_=torch.load") for group in GROUPS[:5]},
    "callback": ("+callbacks.theirs._target_=stranger.Net", "callbacks.theirs._target_=stranger.Net"),
    "callback_as_a_dict": ("+callbacks.theirs={_target_: stranger.Net}", "callbacks.theirs._target_=stranger.Net"),
    "nested": ("++model.hidden=[{_target_: stranger.net}]", "model.hidden[0]._target_=stranger.net"),
    "quoted": ("model._target_='optlab.models.cnn.torch.load'", "model._target_=optlab.models.cnn.torch.load"),
    "in_the_trainer": ("+trainer.plugins={_target_: stranger.Net}", "trainer.plugins._target_=stranger.Net"),
    "partial": ("+optimizer._partial_=true", "for Hydra's own use"),
    "by_reference": ("model._target_=${loss._target_}", "model._target_=${loss._target_}"),
    "path_to_an_option": ("model=../../../evil", "there is no such model"),
    "other_package": ("loss@model=mse", "another part of the config"),
    "writing_callback": (
        "+callbacks.more={_target_: lightning.pytorch.callbacks.ModelCheckpoint, dirpath: elsewhere}",
        "says where to write",
    ),
    "writing_trainer": ("+trainer.default_root_dir=elsewhere", "says where to write"),
    "deleting_callback": (
        "+callbacks.more={_target_: lightning.pytorch.callbacks.ModelCheckpoint}",
        "callbacks.more._target_=lightning.pytorch.callbacks.ModelCheckpoint",
    ),
    "nested_callback": ("+callbacks.more.x={_target_: optlab.callbacks.Progress}", "callbacks.more.x._target_="),
    "by_reference_to_a_whole": ("+model.x=${loss}", "refers to another part"),
    "downloaded": ("+model.x={weights: DEFAULT}", "downloads weights"),
    "mirror_to_others": ("logger.wandb.entity=theirs", "sent to"),
    "mirror_elsewhere": ("+logger.wandb.settings={base_url: http://localhost}", "sent to"),
    "environment": ("sweep_name=${oc.env:HOME}", "names no key"),
    "environment_in_a_value": ("dataset.mean=[${oc.env:HOME}]", "outside the config"),
    "option_of_python": ("--info=all", "its override '--info=all' is none"),
    "several_runs": ("seed=1,2", "several runs"),
    "folder_that_is_not_here": ("dataset.root=/nowhere/at/all", "type dataset.root=FOLDER"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_no_override_of_a_stranger_is_replayed(name: str, good: dict[str, Any]) -> None:
    word, said = FOREIGN[name]
    save(good | {"run": good["run"] | {"overrides": ["shuffle=true", word]}}, Path("x.ckpt"))
    line = one_line(lambda: recorded("x.ckpt", taken=()))
    assert line.startswith("ckpt=x.ckpt")
    assert said in line
    assert_nothing_ran()
    if name != "option_of_python":
        assert recorded("x.ckpt", taken=(), trusts=True) == ["shuffle=true", word]
        key = word.lstrip("+").partition("=")[0].partition("@")[0]
        assert recorded("x.ckpt", taken={key}) == ["shuffle=true"]  # the user's own word counts


def test_what_steers_hydra_or_this_command_stays_behind(good: dict[str, Any]) -> None:
    left = ["hydra.run.dir=elsewhere", "+hydra.searchpath=[.]", "hydra/launcher=joblib", "trust=true", "mode=test"]
    kept = ["optimizer=sgd", "callbacks=quiet", "callbacks.progress=null", "++callbacks.divergence.bound=3", "~debug"]
    save(good | {"run": good["run"] | {"overrides": [*left, *kept[:-1], "debug=fast"]}}, Path("x.ckpt"))
    assert recorded("x.ckpt", taken=()) == kept[:-1]
    assert recorded("x.ckpt", taken=(), mode="test") == ["optimizer=sgd"]  # which has no callbacks


def test_a_stranger_names_no_folder_of_configs_and_only_a_config_that_is_here(good: dict[str, Any]) -> None:
    Path("theirs/model").mkdir(parents=True)
    Path("theirs/model/evil.yaml").write_text("name: evil\n_target_: stranger.Net\n")
    for flag in ("--config-dir=theirs", "hydra.searchpath=[theirs]"):
        save(good | {"run": good["run"] | {"overrides": [flag, "seed=4"]}}, Path("x.ckpt"))
        assert recorded("x.ckpt", taken=()) == ["seed=4"]
        save(good | {"run": good["run"] | {"overrides": [flag, "model=evil"]}}, Path("x.ckpt"))
        line = one_line(lambda: recorded("x.ckpt", taken=()))
        assert "there is no such model" in line
        assert f"started with {flag}" in line
        assert recorded("x.ckpt", taken=(), trusts=True) == [flag, "model=evil"]
    for name in ("own", "../theirs/model/evil", "/etc/passwd"):
        save(good | {"run": good["run"] | {"overrides": [f"--config-name={name}", "seed=4"]}}, Path("x.ckpt"))
        line = one_line(lambda: recorded("x.ckpt", taken=()))
        assert f"started from {name}.yaml, which no config folder here holds" in line
        assert recorded("x.ckpt", taken=(), mode="predict")[0] == "seed=4"
    assert_nothing_ran()


def test_a_class_that_kept_arguments_of_the_option_before_keeps_them(good: dict[str, Any]) -> None:
    typed = "loss._target_=torch.nn.CrossEntropyLoss"
    loss = {"name": "cross_entropy", "_target_": "torch.nn.CrossEntropyLoss", "label_smoothing": 0.1, "weight": None}
    run = good["run"] | {"overrides": [typed], "config": good["run"]["config"] | {"loss": loss}}
    save(good | {"run": run}, Path("x.ckpt"))
    kept = ["++loss.name=cross_entropy", "++loss.label_smoothing=0.1", "++loss.weight=null"]
    assert recorded("x.ckpt", taken=()) == [typed, *kept]
    assert recorded("x.ckpt", taken=("loss._target_", "loss.weight")) == kept[:2]
    assert resolve(compose([typed, *kept]))["loss"] == loss
    run["config"]["loss"] = {"name": "CrossEntropyLoss", "_target_": "torch.nn.CrossEntropyLoss"}  # as of today
    save(good | {"run": run}, Path("x.ckpt"))
    assert recorded("x.ckpt", taken=()) == [typed]


def test_predict_takes_the_device_along_and_nothing_that_it_does_not_need(good: dict[str, Any]) -> None:
    words = ["loss._target_=torch.load", "trainer=cpu", "model=mlp", "experiment=notes_cnn", "seed=4"]
    save(good | {"run": good["run"] | {"overrides": words}}, Path("x.ckpt"))
    assert recorded("x.ckpt", taken=(), mode="predict") == ["trainer=cpu", "seed=4", "optimizer.name=adam"]


@pytest.mark.parametrize("mode", ["train", "test", "predict"])
def test_the_command_line_refuses_a_stranger_in_one_line(mode: str, good: dict[str, Any]) -> None:
    content = with_group(good, "model", CALLS["hub"])
    content["run"]["overrides"] += ["model._target_=torch.hub.load", "+model.source=local"]
    save(content, Path("x.ckpt"))
    result = command(f"mode={mode}", "ckpt=x.ckpt", "input=digit.png")
    assert result.code == 1
    assert len(result.err.splitlines()) == 1, result.err
    assert "model._target_=torch.hub.load" in result.err
    assert "trust=true" in result.err
    assert_nothing_ran()
    assert not list(Path().rglob("run.json"))


# -- in place of the weights


@pytest.mark.parametrize("where", ["weights", "everything", "optimizer"])
@pytest.mark.parametrize("mode", ["train", "test", "predict"])
def test_a_pickle_in_place_of_the_weights_is_not_loaded(
    mode: str, where: str, good: dict[str, Any], config: dict[str, Any], sources: dict[str, Source]
) -> None:
    content: Any = deepcopy(good)
    if where == "weights":
        content["state_dict"]["network.layers.1.weight"] = Evil()
    elif where == "optimizer":
        content["optimizer_states"] = [Evil()]
    save(content, Path("x.ckpt"))
    if where == "everything":
        torch.save(Evil(), "x.ckpt")
    with pytest.raises(UserError, match=r"^ckpt=x\.ckpt .* objects that are no weights, .*nothing was run"):
        use(mode, config, sources)
    assert_nothing_ran()


# -- a class of a user's own


class Mine(MLP):
    """A network that is none of optlab's."""


MINE = "model._target_=tests.test_trust.Mine"


def test_a_class_of_ones_own_is_trusted_when_it_is_typed_or_named_in_conf(train: Train) -> None:
    train(MINE, "trainer.max_epochs=1")
    refused = command("mode=predict", "ckpt=run", "input=digit.png")
    assert refused.code == 1
    assert f"type {MINE}, name it in a file of conf/model, or type trust=true" in refused.err

    path = "run/checkpoints/last.ckpt"
    assert f"{MINE}, which" in one_line(lambda: recorded(path, taken=()))
    assert MINE in recorded(path, taken=(), trusts=True)
    assert command("ckpt=run", "trainer.max_epochs=2", MINE).code == 0

    words = ["mode=predict", f"ckpt={path}", "input=digit.png", "trainer=cpu"]
    for word in (MINE, "trust=true"):
        assert predict(compose([*words, word]), Path("out"))
    Path("conf/model").mkdir(parents=True)
    Path("conf/model/mine.yaml").write_text(f"name: mine\n{MINE.removeprefix('model.').replace('=', ': ')}\n")
    assert predict(compose(words), Path("out"))
    assert MINE in recorded(path, taken=())


def test_a_trusting_run_is_the_same_run(good: dict[str, Any], config: dict[str, Any]) -> None:
    from optlab.record import run_id

    assert run_id(config | {"trust": True}) == run_id(config)
    save(good | {"run": good["run"] | {"overrides": ["trust=true"]}}, Path("x.ckpt"))
    assert recorded("x.ckpt", taken=()) == []
    assert checkpoint.read("x.ckpt").overrides == ["trust=true"]
    assert content_of(Path("x.ckpt"))["run"]["config"]["trust"] is False
