"""Instruments: the run is the one without them, and what they write is what a plain loop computes."""

import logging
import random
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from optlab.building import build_module
from optlab.callbacks import Instruments
from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.data.batches import DeviceBatches
from optlab.engine import EngineModule
from optlab.errors import UserError
from optlab.inputs import augmentation, load_data
from optlab.rules.instruments import ALL, QUANTITIES, Row, of_layer, read
from optlab.seeds import derive
from tests.conftest import Train, words_of
from tests.test_resume import END_OF_EPOCH, WITHIN_EPOCH, assert_continues, interrupted, weights, without_time

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
                each = len(inputs) // (4 * micro_batches)
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


# -- which steps, and what a run that goes on keeps


def test_one_at_the_end_of_each_epoch_and_the_first_and_fast_engines_take_them_alone(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optlab.engine.module.SECONDS_A_CHUNK", 60.0)
    calls: list[int] = []
    look = Instruments.on_train_batch_end

    def counted(self: Instruments, trainer: Any, *others: Any) -> None:
        calls.append(trainer.global_step)
        look(self, trainer, *others)

    monkeypatch.setattr(Instruments, "on_train_batch_end", counted)
    train(*PLAIN, ON)
    assert calls == [1, 19, 20, 21, 40, 41, 42]  # chunks end before and behind a measured step
    assert [(row.epoch, row.step) for row in of_layer(rows_of())] == [(1, 1), (1, 20), (2, 41)]
    train(*PLAIN, ON, f"{EVERY}10", folder="tenth")
    assert [row.step for row in of_layer(rows_of("tenth"))] == [1, 10, 20, 30, 40]
    train(*PLAIN, ON, "trainer.max_steps=30", "trainer.accumulate_grad_batches=3", folder="short")
    assert [row.step for row in of_layer(rows_of("short"))] == [1, 6, 13]


@pytest.mark.parametrize("loaded", [False, True], ids=["drawn", "loaded"])
def test_a_run_that_goes_on_keeps_its_rows_and_its_initial_weights(loaded: bool, tmp_path: Path, train: Train) -> None:
    words = [ON, f"{EVERY}7", "model=linear", "trainer.gradient_clip_val=1.4"]
    if loaded:
        torch.save({"weight": torch.ones(10, 64), "bias": torch.ones(10)}, "mine.pt")
        words += ["model._target_=tests.callbacks.test_instruments.line", "model.weights=mine.pt"]
    assert_continues(tmp_path, train, (END_OF_EPOCH, WITHIN_EPOCH), *words)
    whole = rows_of("whole")
    assert rows_of(f"continued{END_OF_EPOCH}") == rows_of(f"continued{WITHIN_EPOCH}") == whole
    assert [row.step for row in of_layer(whole)] == [1, *range(7, 64, 7)]
    assert min(row["distance"] or 0.0 for row in whole) > 0
    assert {row["clipped"] for row in of_layer(whole)} - {0.0, 1.0}  # of some of the steps between two looks


def line(input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    class Flat(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.flatten(1))

    return Flat(torch.Size(input_shape).numel(), outputs)


def test_damaged_rows_in_a_checkpoint_are_left_out_with_a_line(
    tmp_path: Path, train: Train, caplog: pytest.LogCaptureFixture
) -> None:
    words = ("trainer.max_epochs=3", ON)
    interrupted(tmp_path / "stopped", 21, *words)
    path = tmp_path / "stopped" / "checkpoints" / "last.ckpt"
    content = torch.load(path, weights_only=True)
    content["callbacks"]["Instruments"]["rows"] = "epoch,step,layer\n1,many,all\n"
    torch.save(content, path)
    record = train(*words, f"ckpt={path}", folder="continued")
    assert record.status == "finished"
    assert [row.epoch for row in of_layer(rows_of("continued"))] == [2, 3]
    assert "instruments: those of the epochs before are left out, the checkpoint's are damaged" in caplog.text


def test_a_run_that_diverges_keeps_the_rows_until_then(train: Train) -> None:
    words = ("optimizer=sgd", "optimizer.lr=1e25", "batch_size=16", "callbacks.divergence.every_n_steps=7")
    record = train(*words, "callbacks=instruments", "callbacks.progress=null", "callbacks.instruments.every=1")
    assert record.status == "diverged"
    first = of_layer(rows_of())[0]
    assert first["update_ratio"] > 1e20
    assert first["loss_change"] is None  # no number any more


# -- what a network shows


class Dying(nn.Module):
    """Sixteen of its twenty hidden units never fire."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.all = nn.Linear(torch.Size(input_shape).numel(), 20)
        self.head = nn.Linear(20, outputs)
        with torch.no_grad():
            self.all.bias[:16] = -1e6

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.head(torch.relu(self.all(x.flatten(1))))
        return output


def test_dead_units_are_counted_and_a_layer_named_all_is_not_all(train: Train) -> None:
    train(*PLAIN, ON, "model=linear", "model._target_=tests.callbacks.test_instruments.Dying")
    for together, hidden, head in zip(*(of_layer(rows_of(), name) for name in (ALL, "all_", "head")), strict=True):
        assert 0.8 <= (hidden["dead_units"] or 0) < 1  # others may be idle for a batch
        assert head["dead_units"] == 0.0
        assert together["dead_units"] == pytest.approx((hidden["dead_units"] or 0) * 20 / 30)


def test_the_share_of_clipped_steps_is_of_those_since_the_last_look(train: Train) -> None:
    for limit, share in (("1e-9", 1.0), ("1e9", 0.0)):
        train(*PLAIN, ON, f"trainer.gradient_clip_val={limit}", folder=limit)
        assert [row["clipped"] for row in of_layer(rows_of(limit))] == [share] * 3
    tight, loose = of_layer(rows_of("1e-9")), of_layer(rows_of("1e9"))
    assert tight[0]["gradient_norm"] == loose[0]["gradient_norm"]  # as it was before clipping


def test_accumulated_gradients_are_measured_as_those_of_the_whole_batch(train: Train) -> None:
    train("batch_size=96", ON, "optimizer=sgd", "optimizer.lr=0.1", "trainer.max_epochs=1", folder="whole")
    words = ("batch_size=32", "trainer.accumulate_grad_batches=3")
    train(*words, ON, "optimizer=sgd", "optimizer.lr=0.1", "trainer.max_epochs=1", folder="parts")
    for whole, parts in zip(rows_of("whole"), rows_of("parts"), strict=True):
        assert (whole.step, whole.layer) == (parts.step, parts.layer)
        for quantity in {q.name for q in QUANTITIES} - {"snr", "noise_scale", "clipped"}:  # of other micro-batches
            wanted = whole[quantity] if whole[quantity] is None else pytest.approx(whole[quantity], rel=1e-3, abs=1e-6)
            assert parts[quantity] == wanted, quantity


@pytest.mark.parametrize("name", ["LitDigits", "ByHand"])
def test_a_users_module_is_measured_as_far_as_it_can_be(
    name: str, train: Train, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    words = ("module=custom", f"module._target_=tests.lit.{name}", "trainer.max_epochs=1")
    own = ["optimizer=own"] if name == "ByHand" else []
    train(*words, *own, folder="without")
    train(*words, *own, ON, folder="with")
    mine, theirs = weights(Path("with")), weights(Path("without"))
    assert all(torch.equal(mine[key], theirs[key]) for key in theirs)
    last = of_layer(rows_of("with"))[-1]
    measured = {quantity for quantity, value in last.values.items() if value is not None}
    assert {"weight_norm", "update_norm", "update_ratio", "distance"} <= measured
    assert ("gradient_norm" in measured) == ("predicted_change" in measured) == (name == "LitDigits")
    assert not {"loss_change", "snr", "noise_scale"} & measured
    assert caplog.text.count("instruments: cells stay empty: ") == 1


@pytest.mark.parametrize("word", [f"{EVERY}0", f"{EVERY}often", f"{PARTS}-1"])
def test_numbers_that_are_none_cost_one_line_before_the_run(word: str, train: Train) -> None:
    with pytest.raises(UserError, match=r"callbacks\.instruments"):
        train(ON, word)
    assert not Path("run").exists()
