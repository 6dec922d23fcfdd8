"""A step as a GPU would take it, on tensors that know their device and hold nothing: is all of it on the same device?

What this cannot show: the backward pass and the optimizer, which ask CUDA itself; `test_gpu.py` takes them.
"""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from optlab.building import build_module
from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.data.arrays import Arrays, Subset
from optlab.data.augment import augmentation
from optlab.data.batches import DeviceBatches
from optlab.engine import MODULES, Choice
from optlab.engine import buffers as engine_buffers
from optlab.engine.step import loss_of
from optlab.inputs import load_data
from tests.conftest import words_of

GPU = torch.device("cuda", 0)
IMAGES = ("dataset=fake", "dataset.samples=40", "dataset.test_samples=20", "dataset.image_size=8", "batch_size=16")


def drawn(self: DeviceBatches) -> dict[str, Tensor]:
    """As a GPU draws them; its generators need it."""
    draws = self.augmentation.draw(len(self.arrays), torch.Generator())
    return {name: draw.to(self.arrays.device) for name, draw in draws.items()}


def learned(module: Any, batch: Any, optimizer: Any, precision: Any) -> None:
    """The first half of a step."""
    with precision:
        loss = loss_of(module, batch)
    assert loss.device == GPU


def move(module: torch.nn.Module, fake: FakeTensorMode) -> None:
    """`module.to(GPU)`, which cannot turn tensors into others that hold nothing."""
    for part in module.modules():
        if hasattr(part, "_device"):  # Lightning's modules, and metrics, remember where they are
            part._device = GPU  # type: ignore[assignment]
        for name, parameter in part._parameters.items():
            if parameter is not None:
                part._parameters[name] = torch.nn.Parameter(fake.from_tensor(parameter.detach()).to(GPU))
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = fake.from_tensor(buffer).to(GPU)


@pytest.mark.filterwarnings("ignore:CUDA is not available")  # says autocast, which is left out
@pytest.mark.parametrize(
    "words",
    [
        ("model=cnn",),
        (*IMAGES, "model=resnet18"),
        (*IMAGES, "model=cnn", "dataset.augment=crop_flip"),
        (*IMAGES, "model=linear", "dataset.augment=deepobs"),
        ("dataset=line", "model=linear", "loss=mse", "batch_size=2"),
        ("dataset.class_weights=balanced",),
        ("model=cnn_3c3d", *IMAGES, "dataset.image_size=32"),
    ],
    ids=" ".join,
)
def test_nothing_of_a_step_lies_on_another_device(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config.parse(resolve(compose(words_of(*words))))
    data = load_data(config)
    monkeypatch.setattr(DeviceBatches, "draw_epoch", drawn)
    monkeypatch.setattr(MODULES["graph"], "trainer", SimpleNamespace(world_size=1, sanity_checking=False))
    monkeypatch.setattr(engine_buffers, "learn", learned)
    module: Any = build_module(config, data, (), Choice("graph"))
    with FakeTensorMode(allow_non_fake_inputs=True) as fake:
        move(module, fake)
        train = data.train
        rows = train.rows if isinstance(train, Subset) else torch.arange(len(train))
        of = train.of if isinstance(train, Subset) else train
        whole = Arrays(fake.from_tensor(of.inputs), fake.from_tensor(of.targets))
        options: dict[str, Any] = {"batch_size": config.batch_size, "train": True, "shuffle": True}
        uploaded = whole.subset(fake.from_tensor(rows)).to(GPU)
        batches = DeviceBatches(uploaded, augmentation(config.dataset.augment, data.info), **options)
        module.run_state.open_sums("train")
        step = engine_buffers.BufferedStep(module, batches, torch.optim.SGD(module.parameters()), False)
        step.begin_epoch()
        step.aim(1)
        step()
        step.plain(0)
        step.plain(len(batches) - 1)
        assert {each.device for each in module.sums["train"].tensors} == {GPU}
        assert {each.device for each in step.draws.values()} <= {GPU}
        batches.train = batches.shuffle = False
        module.begin("val")
        for index in range(len(batches)):
            assert module.measure("val", batches.batch(None, index)).device == GPU
        assert module.sums["val"].tensor().device == GPU
