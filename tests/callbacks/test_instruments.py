"""Instruments: the run is the one without them, and what they write is what a plain loop computes."""

import random
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from optlab.building import build_module
from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.data.batches import DeviceBatches
from optlab.engine import EngineModule
from optlab.inputs import augmentation, load_data
from optlab.rules.instruments import ALL, QUANTITIES, Row, of_layer, read
from optlab.seeds import derive
from tests.conftest import Train, words_of
from tests.test_resume import weights, without_time

ON = "+callbacks.instruments._target_=optlab.callbacks.Instruments"
EVERY = "+callbacks.instruments.every="
PARTS = "+callbacks.instruments.micro_batches="
PLAIN = ("batch_size=64", "trainer.max_epochs=2")  # 1,293 samples: 20 full batches and one of 13


class Restless(nn.Module):
    """Statistics that each step changes, a buffer that is replaced, and draws from every generator there is."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        size = torch.Size(input_shape).numel()
        self.norm, self.drop = nn.BatchNorm1d(size), nn.Dropout(0.3)
        self.hidden, self.head = nn.Linear(size, 20), nn.Linear(20, outputs)
        self.mean: Tensor
        self.register_buffer("mean", torch.zeros(20))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.hidden(self.drop(self.norm(x.flatten(1)))))
        if self.training:
            x = x * (0.9 + 0.1 * random.random() + 0.1 * float(np.random.rand()) + 0.1 * torch.rand(()))
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
        output: Tensor = self.head(x - self.mean)
        return output


RESTLESS = ("model=linear", "model._target_=tests.callbacks.test_instruments.Restless")


def rows_of(folder: str = "run") -> list[Row]:
    return read(Path(folder))


def assert_same_run(a: str, b: str) -> None:
    assert without_time(Path(a)) == without_time(Path(b))
    expected, actual = weights(Path(a)), weights(Path(b))
    assert all(torch.equal(actual[name], expected[name]) for name in expected)  # batch norm's buffers too


# -- the run stays what it is


@pytest.mark.parametrize("engine", ["eager", "loop"])
def test_weights_buffers_and_random_streams_are_those_of_the_run_without(engine: str, train: Train) -> None:
    words = (*PLAIN, *RESTLESS, f"engine={engine}", "optimizer=momentum")
    without = with_seeds(train, *words, folder="without")
    record = with_seeds(train, *words, ON, f"{EVERY}3", folder="with")
    assert (record.environment["engine"], record.id) == (engine, without.id)
    assert_same_run("without", "with")
    assert len(of_layer(rows_of("with"))) == 1 + 42 // 3


def with_seeds(train: Train, *words: str, folder: str) -> Any:
    """A run of a network that draws from Python's and NumPy's generators, which nobody seeds for it."""
    random.seed(3)
    np.random.seed(3)
    return train(*words, folder=folder)


@pytest.mark.parametrize(
    "words",
    {
        "accumulated": ["trainer.accumulate_grad_batches=3"],
        "clipped": ["trainer.gradient_clip_val=0.5"],
        "bf16": ["trainer.precision=bf16-mixed"],
        "lbfgs": ["optimizer=lbfgs"],
        "muon": ["optimizer=muon"],
        "images": [
            "dataset=fake",
            "dataset.samples=120",
            "dataset.image_size=8",
            "dataset.augment=crop_flip",
            "model=cnn",
        ],
    }.values(),
    ids=lambda words: words[0],
)
def test_every_way_to_train_stays_as_it_is_and_is_measured(words: list[str], train: Train) -> None:
    words = ["batch_size=32", "trainer.max_epochs=1", *words]
    train(*words, folder="without")
    train(*words, ON, f"{EVERY}2", folder="with")
    assert_same_run("without", "with")
    measured = of_layer(rows_of("with"))
    assert len(measured) > 1
    may_miss = {"clipped", "noise_scale", "dead_units"}
    for row in measured:
        assert {name for name, value in row.values.items() if value is None} <= may_miss
        assert (row["clipped"] is not None) == ("clip" in words[2])


# -- what is written is what a plain loop computes


OPTIMIZERS: dict[str, tuple[list[str], Any]] = {
    "sgd": (["optimizer=sgd", "optimizer.lr=0.1"], lambda ps: torch.optim.SGD(ps, lr=0.1)),
    "adam": (["optimizer=adam", "optimizer.lr=0.01"], lambda ps: torch.optim.Adam(ps, lr=0.01)),
    "momentum": (
        ["optimizer=momentum", "optimizer.lr=0.05", *RESTLESS],
        lambda ps: torch.optim.SGD(ps, lr=0.05, momentum=0.9),
    ),
}


@pytest.mark.parametrize("engine", ["eager", "loop"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_number_is_that_of_a_plain_loop(name: str, engine: str, train: Train) -> None:
    words, optimizer = OPTIMIZERS[name]
    words = [*PLAIN, *words]
    random.seed(3)
    np.random.seed(3)
    train(*words, ON, f"{PARTS}3", f"engine={engine}")
    random.seed(3)
    np.random.seed(3)
    expected = plain_loop(words, optimizer, steps={1, 20, 41}, micro_batches=3)
    found = {(row.step, row.layer): row for row in rows_of()}
    assert found.keys() == expected.keys()
    for place, values in expected.items():
        for quantity, value in values.items():
            wanted = None if value is None else pytest.approx(value, rel=2e-3, abs=2e-6)
            assert found[place][quantity] == wanted, (place, quantity)
    assert {quantity for values in expected.values() for quantity in values} == {q.name for q in QUANTITIES} - {
        "clipped"
    }


def plain_loop(words: list[str], optimizer: Any, steps: set[int], micro_batches: int) -> dict[tuple[int, str], Any]:
    """The quantities at these steps, by step and layer, as anyone would write them down."""
    config = Config.parse(resolve(compose(words_of(*words))))
    data = load_data(config, None)
    module = build_module(config, data)
    assert isinstance(module, EngineModule)
    network, loss = module.network, module.loss
    trained = optimizer(network.parameters())
    batches = DeviceBatches(
        data.train, augmentation(config.dataset.augment, data.info), batch_size=64, seed=0, train=True, shuffle=True
    )
    first = {name: p.detach().clone() for name, p in network.named_parameters()}
    found: dict[tuple[int, str], Any] = {}
    step = 0
    for epoch in range(2):
        torch.manual_seed(derive(0, "dropout", epoch))
        batches.begin_epoch(epoch)
        for inputs, targets, _ in batches:
            step += 1
            started = generators()
            same = deepcopy(network)
            before = {name: p.detach().clone() for name, p in network.named_parameters()}
            trained.zero_grad()
            value = loss(network(inputs), targets)
            value.backward()
            gradient = {name: p.grad.detach().clone() for name, p in network.named_parameters()}
            trained.step()
            after = {name: p.detach().clone() for name, p in network.named_parameters()}
            if step not in steps:
                continue
            ended = generators()
            parts = []
            for k in range(micro_batches):
                each = len(inputs) // (2 * micro_batches)
                copy, where = deepcopy(same), slice(k * each, (k + 1) * each)
                put(started)
                loss(copy(inputs[where]), targets[where]).backward()
                parts.append((each, {name: p.grad for name, p in copy.named_parameters()}))
            with torch.no_grad():
                for name, p in same.named_parameters():
                    p.copy_(after[name])
                put(started)
                change = loss(same(inputs), targets).item() - value.item()
            put(ended)
            layers = dict.fromkeys(name.rpartition(".")[0] for name in before)
            for layer in (*layers, ALL):
                names = [name for name in before if layer in (ALL, name.rpartition(".")[0])]
                found[step, layer] = quantities(names, before, after, gradient, first, parts, len(inputs))
                found[step, layer] |= {"loss": value.item(), "loss_change": change} if layer == ALL else {}
    return found


def quantities(
    names: list[str], before: Any, after: Any, gradient: Any, first: Any, parts: Any, samples: int
) -> dict[str, float | None]:
    def vector(of: Any) -> Any:
        return np.concatenate([of[name].double().numpy().ravel() for name in names])

    g, w, w1, w0 = vector(gradient), vector(before), vector(after), vector(first)
    dw = w1 - w
    norm = np.linalg.norm
    noise = np.mean([norm(vector(part) - g) ** 2 / (1 / size - 1 / samples) for size, part in parts])
    signal = norm(g) ** 2 - noise / samples
    idle = units = 0
    for name in names:
        if name.endswith("weight") and gradient[name].ndim == 2:
            rows = gradient[name].abs().sum(1) + gradient[name.replace("weight", "bias")].abs()
            idle, units = idle + int((rows == 0).sum()), units + len(rows)
    return {
        "gradient_norm": norm(g),
        "weight_norm": norm(w),
        "update_norm": norm(dw),
        "update_ratio": norm(dw) / norm(w) if norm(w) else None,
        "cosine": -g @ dw / norm(g) / norm(dw),
        "distance": norm(w1 - w0),
        "effective_lr": norm(dw) / norm(g),
        "scale_free_lr": norm(dw) / norm(g) / norm(w) ** 2,
        "snr": samples * signal / noise,
        "noise_scale": noise / signal if signal > 0 else None,
        "predicted_change": g @ dw,
        "dead_units": idle / units if units else None,
    }


def generators() -> tuple[Any, Any, Any]:
    return random.getstate(), np.random.get_state(), torch.get_rng_state()


def put(states: tuple[Any, Any, Any]) -> None:
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
