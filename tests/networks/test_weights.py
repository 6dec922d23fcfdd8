"""Weights of before and frozen parts: what is loaded, what learns, and that a checkpoint needs no file."""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from optlab import networks
from optlab.adapters.torch import seeded
from optlab.errors import UserError
from optlab.record import RunRecord, run_id
from tests.commandline import command
from tests.conftest import Train
from tests.networks.nets import Net, same, weights_of
from tests.networks.test_build import DIGITS, NETS, PHOTOS, options
from tests.test_trust import Evil

FILE = Path("net.pt")


def net(seed: int, **arguments: Any) -> Net:
    with seeded(seed):
        return Net(**({"in_channels": 1, "num_classes": 10} | arguments))


def load(network: nn.Module, weights: object = FILE, target: str = "Net") -> networks.Loaded:
    loaded = networks.load(network, options(target, weights=str(weights)), DIGITS)
    assert loaded is not None
    return loaded


def prefixed(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in state.items()}


CONTENTS: dict[str, Callable[[dict[str, Tensor]], Any]] = {
    "state_dict": lambda state: state,
    "lightning": lambda state: {"epoch": 3, "state_dict": prefixed(state, "model.") | {"loss.weight": torch.ones(3)}},
    "several_processes": lambda state: {"model_state_dict": prefixed(state, "module."), "optimizer": {}},
    "compiled": lambda state: {"model": prefixed(state, "_orig_mod.")},
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_weights_are_found_however_they_were_saved(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    torch.save(CONTENTS[kind](weights_of(net(1))), FILE)
    network = net(2)
    with caplog.at_level(logging.INFO):
        loaded = load(network)
    assert same(weights_of(network), weights_of(net(1)))
    assert loaded.new == {}
    assert caplog.messages == ["weights: all 9 tensors from net.pt"]


def test_safetensors_are_read() -> None:
    save_file(weights_of(net(1)), "net.safetensors")
    network = net(2)
    load(network, "net.safetensors")
    assert same(weights_of(network), weights_of(net(1)))


def test_weights_of_a_part_are_found_in_a_whole_that_holds_it() -> None:
    torch.save(weights_of(net(1)), FILE)
    whole = nn.Module()
    whole.network = net(2)
    load(whole)
    assert same(weights_of(whole.network), weights_of(net(1)))


def test_a_last_layer_of_another_size_stays_new(caplog: pytest.LogCaptureFixture) -> None:
    torch.save(weights_of(net(1, num_classes=1000)), FILE)
    network, untouched = net(2), net(2)
    with caplog.at_level(logging.INFO):
        loaded = load(network)
    assert list(loaded.new) == ["head.weight", "head.bias"]
    assert same(weights_of(network.head), weights_of(untouched.head))
    assert same(weights_of(network.features), weights_of(net(1).features))
    assert caplog.messages == [
        "weights: from net.pt; 2 of 9 tensors do not fit and stay new: "
        "head.weight ([1000, 4] there, [10, 4] here), head.bias ([1000] there, [10] here)"
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            {"a": torch.ones(2), "b": torch.ones(3)},
            r"nothing in it fits the network: it has a ",
        ),
        (
            {"state_dict": {"features.0.weight": Evil()}},
            "holds objects whose code would run",
        ),
        ([1, 2], "holds no tensors by name"),
        ({"features.0.bias": torch.full((4,), float("nan"))}, r"NaN or infinite \(features.0.bias\)"),
    ],
)
def test_what_are_no_weights_of_the_network_is_refused(content: Any, words: str) -> None:
    torch.save(content, FILE)
    with pytest.raises(UserError, match=f"^model.weights=net.pt: .*{words}"):
        load(net(2))
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("weights", "target", "words"),
    [
        ("away.pt", "Net", "model.weights=away.pt: there is no such file$"),
        (".", "Net", "model.weights=.: is a folder; name a file of weights in it"),
        ("DEFAULT", "Net", "there is no such file, and Net has no weights of its own"),
        ("text.pt", "Net", "model.weights=text.pt: is no file of weights alone"),
        ("cut.safetensors", "Net", "model.weights=cut.safetensors: not a readable file of weights"),
        ("NONE_SUCH", "torchvision.models.resnet18", "model.weights=NONE_SUCH: model=mine cannot get them: "),
    ],
)
def test_what_cannot_be_read_is_one_line(weights: str, target: str, words: str) -> None:
    for name in ("text.pt", "cut.safetensors"):
        Path(name).write_text("no weights")
    with pytest.raises(UserError, match=words) as error:
        load(net(2), weights, target)
    assert "\n" not in str(error.value)


def test_torchvisions_own_weights_serve_other_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its function refuses them with `num_classes`; what it would download lies in its cache here."""
    from torchvision.models import mobilenet_v3_small as builder

    monkeypatch.setenv("TORCH_HOME", "cache")
    with seeded(1):
        theirs = builder()
    path = Path("cache/hub/checkpoints/mobilenet_v3_small-047dcff4.pth")
    path.parent.mkdir(parents=True)
    torch.save(theirs.state_dict(), path)
    chosen = options("torchvision.models.mobilenet_v3_small", weights="IMAGENET1K_V1")
    network = networks.build(chosen, PHOTOS)
    loaded = networks.load(network, chosen, PHOTOS)
    assert loaded is not None
    assert list(loaded.new) == ["classifier.3.weight", "classifier.3.bias"]
    assert torch.equal(network.get_parameter("features.0.0.weight"), theirs.features[0][0].weight)
    assert network(torch.zeros(2, 3, 32, 24)).shape == (2, 2)


# -- frozen parts


def frozen(network: nn.Module) -> list[str]:
    return [name for name, parameter in network.named_parameters() if not parameter.requires_grad]


def test_frozen_parts_take_no_gradient_and_their_norms_stay_as_they_are() -> None:
    network = networks.build(options("Net", freeze=["features"]), DIGITS)
    assert frozen(network) == [f"features.{name}" for name in ("0.weight", "0.bias", "1.weight", "1.bias")]
    assert [name for name, layer in network.named_modules() if not layer.training] == ["features.1"]
    assert networks.frozen_line(network) == "48 of 98 parameters are frozen; layers that stay in eval mode: 1"
    assert frozen(networks.build(options("Net", freeze="features.1.weight"), DIGITS)) == ["features.1.weight"]
    by_parameters = networks.build(options("Net", freeze=["features.1.weight", "features.1.bias"]), DIGITS)
    assert [name for name, layer in by_parameters.named_modules() if not layer.training] == ["features.1"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (
            ["feature"],
            r"model.freeze=feature: .* it has features, head; did you mean features\?",
        ),
        (["features", "head"], "model.freeze=features, head: freezes all of the network"),
    ],
)
def test_what_cannot_be_frozen_is_refused(names: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        networks.build(options("Net", freeze=names), DIGITS)


WORDS = ("model=linear", f"model._target_={NETS}.Net", "++model.freeze=[features]", "optimizer=adamw")


@pytest.mark.parametrize("engine", ["eager", "loop"])
def test_a_run_moves_what_is_not_frozen_and_nothing_else(train: Train, engine: str) -> None:
    torch.save(weights_of(net(1)), FILE)
    record = train(*WORDS, "++model.weights=net.pt", "optimizer.weight_decay=0.1", f"engine={engine}")
    saved = torch.load("run/checkpoints/last.ckpt", weights_only=True)
    after = {name.removeprefix("network."): value for name, value in saved["state_dict"].items()}
    before = weights_of(net(1))
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"head.weight", "head.bias"}
    assert len(saved["optimizer_states"][0]["param_groups"][0]["params"]) == 2
    assert record.network["learning"] == 50
    assert record.network["weights"]["source"] == "net.pt"
    assert len(record.network["weights"]["sha256"]) == 64


def test_a_checkpoint_is_used_without_the_file(train: Train) -> None:
    torch.save(weights_of(net(1)), FILE)
    whole = train(*WORDS, "++model.weights=net.pt", folder="whole")
    train(*WORDS, "++model.weights=net.pt", "trainer.max_epochs=1")
    FILE.unlink()
    target = f"model._target_={NETS}.Net"
    for words in (["trainer.max_epochs=2", "hydra.run.dir=run"], ["mode=test", "hydra.run.dir=tested"]):
        result = command("ckpt=run/checkpoints/last.ckpt", target, *words)
        assert result.code == 0, result.err
    continued = RunRecord.read(Path("run"))
    assert continued.metrics == whole.metrics
    assert continued.network == whole.network
    assert json.loads(Path("tested/test.json").read_text())["metrics"]["test/loss"] == whole.metrics["test/loss"]
    missing = command(*WORDS, "++model.weights=net.pt", "hydra.run.dir=other", "logger=none")
    assert missing.err == "optlab: model.weights=net.pt: there is no such file\n"
    assert not Path("other").exists()


def test_runs_with_other_weights_are_other_runs_and_those_without_keep_their_ids() -> None:
    plain = {"model": {"name": "cnn"}, "seed": 0}

    def with_(**changes: Any) -> str:
        return run_id({"model": {"name": "cnn", **changes}, "seed": 0})

    assert with_(weights=None, freeze=[]) == run_id(plain)
    assert len({run_id(plain), with_(weights="a.pt"), with_(weights="b.pt"), with_(freeze=["features"])}) == 4
