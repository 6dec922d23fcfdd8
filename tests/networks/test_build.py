"""Any class or function is a network: what it is given, and what is said where it does not fit."""

import logging
from typing import Any

import pytest
import torch

from optlab import networks
from optlab.config.schema import Model
from optlab.data.arrays import DataInfo
from optlab.errors import UserError
from tests.conftest import Train
from tests.networks.nets import Hidden, Net

NETS = "tests.networks.nets"
DIGITS = DataInfo("digits", "classification", (1, 8, 8), tuple("0123456789"), 10, None, None)
LINE = DataInfo("line", "regression", (3,), (), 2, None, None)
PHOTOS = DataInfo("photos", "classification", (3, 32, 24), ("a", "b"), 2, None, None)


def options(target: str, **arguments: Any) -> dict[str, Any]:
    path = target if "." in target else f"{NETS}.{target}"
    return {"name": "mine", "_target_": path, **arguments}


@pytest.mark.parametrize(
    ("target", "info", "expected"),
    [
        ("optlab.models.CNN", DIGITS, {"input_shape": (1, 8, 8), "outputs": 10}),
        ("Net", DIGITS, {"in_channels": 1, "num_classes": 10}),
        ("Net", LINE, {"num_classes": 2}),  # vectors have no channels
        ("Wide", DIGITS, {"in_channels": 1, "num_classes": 10}),  # through its **kwargs
        ("Fixed", DIGITS, {}),
        ("Hidden", DIGITS, {"img_size": 8, "n_classes": 10}),
        ("Hidden", PHOTOS, {"img_size": (32, 24), "n_classes": 2}),
        ("of_vectors", DIGITS, {"in_features": 64, "out_features": 10}),
        ("needs_features", LINE, {"input_size": 3, "output_size": 2}),
        ("torch.nn.Linear", LINE, {"in_features": 3, "out_features": 2}),
        ("torchvision.models.resnet18", PHOTOS, {"num_classes": 2}),
        ("torchvision.models.vit_b_16", DIGITS, {"image_size": 8, "num_classes": 10}),
        ("timm.models.resnet18", DIGITS, {"in_chans": 1, "num_classes": 10}),
    ],
)
def test_it_is_given_what_its_signature_takes(target: str, info: DataInfo, expected: dict[str, Any]) -> None:
    assert networks.given(options(target), info) == expected
    networks.check(Model.parse(options(target)))


def test_timms_networks_are_found_by_their_names() -> None:
    by_name = options("timm.create_model", model_name="vit_tiny_patch16_224.augreg_in21k")
    assert networks.given(by_name, DIGITS) == {"img_size": 8, "in_chans": 1, "num_classes": 10}
    with pytest.raises(UserError, match=r"model.model_name=resnet19: timm has no such network; did you mean resnet1"):
        networks.check(Model.parse(options("timm.create_model", model_name="resnet19")))


def test_what_is_typed_counts() -> None:
    network = networks.build(options("Hidden", img_size=5, num_features=6), DIGITS)
    assert isinstance(network, Hidden)
    assert network.sizes == (6, 5, 10)
    networks.check(Model.parse(options("Net", num_classes=10)))


@pytest.mark.filterwarnings("ignore:Lazy modules")  # which older versions of torch call new
def test_lazy_layers_get_their_sizes_from_the_data() -> None:
    network = networks.build(options("lazy"), DIGITS)
    assert [tuple(p.shape) for p in network.parameters()] == [(3, 1, 3, 3), (3,), (3,), (3,), (10, 108), (10,)]
    assert network.training
    assert network.state_dict()["1.num_batches_tracked"] == 0


def test_it_is_said_in_a_line() -> None:
    assert networks.described(options("Net"), DIGITS) == "Net(in_channels=1, num_classes=10)"
    assert networks.described(options("optlab.models.CNN"), DIGITS) is None  # as all of optlab's


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (options("Net", widht=3), r"model.widht: Net takes no 'widht'; it takes width; did you mean model.width\?"),
        (options("made"), r"model._target_=tests.networks.nets.made: is a network already"),
        (options("Nett"), r"model._target_=tests.networks.nets.Nett"),
    ],
)
def test_what_cannot_be_called_is_refused_before_the_data(chosen: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        networks.check(Model.parse(chosen))


@pytest.mark.parametrize(
    ("chosen", "info", "words"),
    [
        (options("no_network"), DIGITS, r"gives dict, and a network is a torch.nn.Module"),
        (options("Raises"), DIGITS, r"^model=mine cannot be built: ValueError: too small \(nets.py, line \d+\)$"),
        (
            options("Net", num_classes=7),
            DIGITS,
            r"gives \[2, 7\] .* need \[2, 10\]; type model.num_classes=10",
        ),
        (options("Net"), LINE, r"cannot take inputs of the shape \[3\], as line has: .*\(nets.py, line \d+\)$"),
        (options("Fixed"), PHOTOS, r"cannot take inputs .*: RuntimeError: mat1 and mat2 .*\(nets.py, line \d+\)$"),
        (options("Fixed"), DataInfo("d", "regression", (64,), (), 3, None, None), r"3 outputs need \[2, 3\]; let its"),
        (options("Pair"), DIGITS, r"gives tuple in training, and one tensor \[2, 10\] is needed"),
        (options("of_two_images"), DIGITS, r"gives \[10\] for 2 inputs, and 10 classes need \[2, 10\]"),
        (
            options("torchvision.models.mobilenet_v3_small"),
            DIGITS,
            r"it wants 3 channels and the images have 1: choose a network that takes in_channels",
        ),
    ],
)
def test_what_does_not_fit_the_data_is_one_line(chosen: dict[str, Any], info: DataInfo, words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        networks.try_out(networks.build(chosen, info), chosen, info, wanted=(info.outputs,))
    assert "\n" not in str(error.value)


def test_trying_leaves_no_trace() -> None:
    network = networks.build(options("Net"), DIGITS)
    assert isinstance(network, Net)
    state = torch.get_rng_state()
    networks.try_out(network, options("Net"), DIGITS, wanted=(10,))
    assert torch.equal(state, torch.get_rng_state())
    assert network.state_dict()["features.1.num_batches_tracked"] == 0
    assert network.training


def test_a_class_of_ones_own_trains(train: Train, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        record = train("model=linear", f"model._target_={NETS}.Net", "+model.width=6", "trainer.max_epochs=1")
    assert record.status == "finished"
    assert record.config["model"]["width"] == 6
    assert "model: Net(in_channels=1, num_classes=10)" in caplog.messages
