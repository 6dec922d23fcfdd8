"""`cpu_kernels=true` changes speed and nothing else, and is no error where there is nothing to be had from it."""

import json
import logging
import sys
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import nn

from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.hardware import use_cpu_kernels
from optlab.models import CNN, CNN3C3D
from pooled_convolutions import accelerate
from pooled_convolutions.convolution import CompiledConv2d
from pooled_convolutions.max_pool import CompiledMaxPool2d
from tests.conftest import Train
from tests.pooled_convolutions.helpers import HALF, known, needs_kernels

SHORT = ("batch_size=431", "trainer.max_epochs=2", "callbacks=default", "callbacks.progress=null")


@needs_kernels
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_they_learn_the_same_and_say_that_they_are_used(
    train: Train, precision: str, caplog: pytest.LogCaptureFixture
) -> None:
    words = ("model=cnn", *SHORT, f"trainer.precision={precision}")
    plain = train(*words, folder="plain")
    with caplog.at_level(logging.INFO):
        fast = train(*words, "cpu_kernels=true", folder="fast")
    half = precision == "bf16-mixed"
    for name in ("train/loss", "val/loss", "test/loss"):
        assert fast.metrics[name] == pytest.approx(plain.metrics[name], rel=1e-2 if half else 1e-5)
    assert fast.id == plain.id
    taken = {"max-pooling": 3} | ({"convolution": 3} if known(HALF if half else torch.float32) else {})
    assert (plain.numerics["kernels"], fast.numerics["kernels"]) == ({}, taken)
    said = " and ".join(f"3 x {kind}" for kind in taken)
    assert f"cpu_kernels: {said}, with the ReLU behind a pooling, by kernels" in caplog.text
    state, expected = (
        torch.load(f"{folder}/checkpoints/last.ckpt", weights_only=True)["state_dict"] for folder in ("fast", "plain")
    )
    assert list(state) == list(expected)


@needs_kernels
def test_a_run_may_take_them_up_and_lay_them_down_when_it_is_continued(train: Train) -> None:
    words = ("model=cnn", *SHORT)
    train(*words, folder="plain")
    longer = (*words, "trainer.max_epochs=3", "ckpt=plain/checkpoints/last.ckpt", "cpu_kernels=true")
    assert train(*longer, folder="on").numerics["kernels"]["max-pooling"] == 3
    back = train(*words, "trainer.max_epochs=4", "ckpt=on/checkpoints/last.ckpt", folder="back")
    assert (back.epochs, back.numerics["kernels"]) == (4, {})


def test_a_checkpoint_from_before_there_was_this_switch_goes_on(train: Train) -> None:
    path = Path("old/checkpoints/last.ckpt")
    train("model=linear", *SHORT, folder="old")
    content = torch.load(path, weights_only=True)
    facts = json.loads(content["optlab"]["run"])
    del facts["config"]["cpu_kernels"]
    facts["config"]["trainer"]["compile"] = True
    content["optlab"]["run"] = json.dumps(facts)
    torch.save(content, path)
    assert train("model=linear", *SHORT, "trainer.max_epochs=3", f"ckpt={path}", folder="on").epochs == 3


@pytest.mark.parametrize("missing", ["compiler", "cache", "poolings"])
def test_what_stands_against_them_is_one_line_and_the_run_goes_on(
    missing: str, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from pooled_convolutions import build

    monkeypatch.setattr("pooled_convolutions.network.library", build.library.__wrapped__)  # as in a new process
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ("file" if missing == "cache" else "empty")))
    if missing == "compiler":
        monkeypatch.setenv("CXX", "no-such-compiler")
    model = "model=linear" if missing == "poolings" else "model=cnn"
    with caplog.at_level(logging.INFO):
        record = train(model, "cpu_kernels=true", "trainer.max_epochs=1", "batch_size=431")
    assert (record.status, record.numerics["kernels"]) == ("finished", {})
    (line,) = [message for message in caplog.messages if message.startswith("cpu_kernels: ")]
    why = {
        "compiler": "the kernels need a C++ compiler, and CXX=no-such-compiler is none",
        "cache": "cannot be written",
        "poolings": "the network has no max-pooling that the kernels know",
    }
    assert line.startswith("cpu_kernels: not used: ")
    assert (why[missing] if sys.platform == "linux" or missing == "poolings" else "for Linux") in line
    assert "\n" not in line


def test_elsewhere_and_beside_torch_compile_they_stay_out(monkeypatch: pytest.MonkeyPatch) -> None:
    network = CNN((3, 32, 32), 10)
    trainer = Config.parse(resolve(compose(["trainer=cpu", "trainer.compile=true"]))).trainer
    report = use_cpu_kernels(network, trainer)
    assert str(report) == "not used: trainer.compile=true compiles the whole network"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    report = use_cpu_kernels(network, trainer.with_(accelerator="auto", compile=False))
    assert str(report) == "not used: this run is not on a CPU"
    assert not any(isinstance(layer, CompiledMaxPool2d) for layer in network.modules())


@needs_kernels
@pytest.mark.parametrize(
    ("network", "joined"),
    [
        (CNN((3, 32, 32), 10), True),
        (CNN((3, 32, 32), 10, activation="gelu"), False),
        (CNN3C3D((3, 32, 32), 10), True),
    ],
    ids=["cnn", "cnn with gelu", "cnn_3c3d"],
)
def test_the_networks_of_optlab_stay_what_they_were(network: nn.Module, joined: bool) -> None:
    network.to(memory_format=torch.channels_last)
    pixels = torch.rand(4, 3, 32, 32).to(memory_format=torch.channels_last)
    layers, names, expected = list(network.modules()), list(network.state_dict()), network(pixels)
    convolutions = sum(type(first) is nn.Conv2d for first in layers) if joined and known(torch.float32) else 0
    found = accelerate(network, torch.float32).layers
    assert found == {"max-pooling": 3} | ({"convolution": convolutions} if convolutions else {})
    assert sum(isinstance(layer, CompiledMaxPool2d) for layer in network.modules()) == 3
    assert sum(isinstance(layer, CompiledConv2d) for layer in network.modules()) == convolutions
    assert list(network.modules()) == layers
    assert list(network.state_dict()) == names
    torch.testing.assert_close(network(pixels), expected)
    torch.testing.assert_close(deepcopy(network)(pixels), expected)
