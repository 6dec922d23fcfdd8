"""mode=trace for runs of other kinds: gathered and clipped gradients, other targets, classes of the user's, L-BFGS."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import LightningModule
from rich.cells import cell_len
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from optlab.config import compose
from optlab.run import run
from optlab.teaching.trace.follow import histogram
from optlab.teaching.trace.terminal import wrapped
from optlab.teaching.words import WORDS
from tests.commandline import command
from tests.conftest import words_of
from tests.teaching.test_trace import LINEAR, by_hand, flat, ordinary, traced

near = pytest.approx


def test_gathered_gradients_are_those_of_all_their_batches() -> None:
    words = ("optimizer=sgd", *LINEAR, "trainer.accumulate_grad_batches=3")
    [step] = traced(*words, "trace.steps=1")["steps"]
    plain = ordinary(*words, "trainer.max_steps=1")
    three = [by_hand(plain.weights[0], *batch) for batch in plain.batches[:3]]
    gathered = [sum(flat(each[2]) for each in three[:n]) / 3 for n in (1, 2, 3)]
    assert step["samples"] == 144
    assert step["forward"]["loss"] == near(np.mean([each[1].mean() for each in three]), rel=1e-6)
    assert len(step["forward"]["losses"]) == 144
    assert step["backward"]["micro_batches"] == [near(np.linalg.norm(each), rel=1e-5) for each in gathered]
    assert step["backward"]["norm"] == near(np.linalg.norm(gathered[-1]), rel=1e-5)
    after = {name: plain.weights[0][name] - 0.1 * each for name, each in unflat(gathered[-1], plain.weights[0]).items()}
    losses = [by_hand(after, *batch)[1].mean() for batch in plain.batches[:3]]
    assert step["after"]["loss"] == near(np.mean(losses), rel=1e-5)


def unflat(values: Any, like: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    ends = np.cumsum([each.size for each in like.values()])[:-1]
    return {name: part.reshape(like[name].shape) for name, part in zip(like, np.split(values, ends), strict=True)}


def test_the_optimizer_reads_the_clipped_gradient_and_the_prediction_the_whole_one() -> None:
    [step] = traced("optimizer=sgd", *LINEAR, "trainer.gradient_clip_val=0.1", "trace.steps=1")["steps"]
    backward, weight = step["backward"], step["weight"]
    assert backward["clipped"]
    assert backward["clipped_norm"] == near(0.1, rel=1e-5)
    assert backward["norm"] > 1
    assert weight["clipped_gradient"] == near(weight["gradient"] * 0.1 / backward["norm"], rel=1e-4)
    assert weight["change"] == near(-0.1 * weight["clipped_gradient"], rel=1e-4)
    assert weight["formula"]["values"]["g"] == weight["clipped_gradient"]
    assert step["after"]["predicted_fall"] == near(0.1 * 0.1 * backward["norm"], rel=1e-4)  # lr, clipped norm, norm


@pytest.mark.parametrize(
    "words",
    [
        ("experiment=notes_line", "model=linear", "batch_size=3"),
        ("dataset._target_=tests.tasks.made.binary", "loss=bce"),
        ("dataset._target_=tests.tasks.made.multilabel", "loss=bce"),
        ("dataset._target_=tests.tasks.made.regression", "loss=huber"),
        ("loss=mse", "trainer.precision=bf16-mixed"),
    ],
)
def test_any_loss_is_the_mean_over_its_samples(words: tuple[str, ...]) -> None:
    [step] = traced(*words, "trace.steps=1")["steps"]
    forward = step["forward"]
    assert not forward["weighted"]
    assert len(forward["losses"]) == step["samples"]
    assert forward["loss"] == near(np.mean(forward["losses"]), rel=1e-5)
    assert step["after"]["actual_fall"] == near(step["after"]["predicted_fall"], rel=0.5)
    assert step["next"]["loss"] is not None


def test_where_samples_weigh_differently_it_is_said() -> None:
    [step] = traced(*LINEAR, "dataset.class_weights=balanced", "trace.steps=1")["steps"]
    assert step["forward"]["weighted"]
    dense = ("model=linear", "dataset._target_=tests.tasks.made.dense", "model._target_=tests.tasks.made.EachPosition")
    [step] = traced(*dense, "trace.steps=1", folder="dense")["steps"]
    assert step["forward"]["weighted"]  # positions without a class do not count
    assert np.shape(step["forward"]["samples"][0]["output"])[1:] == np.shape(step["forward"]["samples"][0]["target"])


def test_lbfgs_looks_several_times_and_the_first_is_shown() -> None:
    first, second = traced("optimizer=lbfgs", *LINEAR)["steps"]
    plain = ordinary("optimizer=lbfgs", *LINEAR, "trainer.max_steps=2")
    assert min(first["forward"]["evaluations"], second["forward"]["evaluations"]) > 1
    assert second["forward"]["loss"] == near(by_hand(plain.weights[1], *plain.batches[1])[1].mean(), rel=1e-5)
    assert second["weight"]["formula"] is None


def test_dropout_draws_in_the_second_evaluation_what_it_drew_in_the_first() -> None:
    shown = traced("model=linear", f"model._target_={__name__}.Dropping", "optimizer=sgd", "optimizer.lr=0")
    for step in shown["steps"]:
        assert step["after"]["loss"] == step["forward"]["loss"]  # no weight moved
        assert step["update"]["cosine"] is None


class Dropping(nn.Module):
    """Half of the inputs dropped, and batch norm, whose buffers change with each forward pass."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Dropout(0.5), nn.Linear(64, outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.layers(inputs)
        return out


class Theirs(LightningModule):
    """A module of a user's own."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        inputs, targets = batch
        return cross_entropy(self.net(inputs), targets)


class ByHand(Theirs):
    """Steps two optimizers itself."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        for optimizer in self.optimizers():
            optimizer.zero_grad()
            loss = super().training_step(batch, batch_idx)
            self.manual_backward(loss)
            optimizer.step()
        return loss

    def configure_optimizers(self) -> Any:
        weight, bias = self.net.parameters()
        return torch.optim.Adam([weight], lr=0.01), torch.optim.SGD([bias], lr=0.1)


def test_of_a_module_of_ones_own_what_can_be_known_is_shown() -> None:
    first, second = traced("module._target_=tests.teaching.test_trace_kinds.Theirs", "optimizer=momentum")["steps"]
    assert first["forward"]["samples"] == []
    assert first["forward"]["losses"] is None
    assert first["after"]["loss"] is None
    assert first["after"]["predicted_fall"] > 0
    assert first["next"]["loss"] == second["forward"]["loss"]
    assert first["unknown"] == ["trace.unknown.forward", "trace.unknown.after"]
    assert second["weight"]["formula"]["lines"][-1]["torch"] == second["weight"]["after"]


class Idle(nn.Module):
    """Weights that no output depends on."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.net, self.idle = nn.Sequential(nn.Flatten(), nn.Linear(64, outputs)), nn.Linear(2, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.net(inputs)
        return out


def test_why_a_weight_has_no_formula_is_said() -> None:
    words = ("model=linear", f"model._target_={__name__}.Idle", "trace.steps=1", "optimizer=momentum")
    weight = traced(*words, "trace.weight=idle.weight[0,0]")["steps"][0]["weight"]
    assert (weight["formula"], weight["no_formula"]) == (None, "trace.untouched")
    assert "No formula is on file" not in Path("trace/trace.html").read_text()
    other = traced("optimizer=asgd", *LINEAR, "trace.steps=1")["steps"][0]["weight"]
    assert (other["formula"], other["no_formula"]) == (None, "trace.no_formula")
    assert "No formula is on file for torch.optim.asgd.ASGD" in Path("trace/trace.html").read_text()


def test_updates_that_are_all_the_same_have_one_bin() -> None:
    [step] = traced("dataset=line", "model=linear", "loss=mse", "batch_size=3", "trace.steps=1")["steps"]
    weight = step["weight"]
    assert weight["histogram"] == {"edges": [weight["change"]] * 2, "counts": [1], "here": 0}
    near_each_other = histogram(torch.tensor([1.0, 1.0 + 2**-52], dtype=torch.float64), 1.0)
    assert (near_each_other.counts, near_each_other.here) == ([2], 0)


def test_optimizers_that_a_module_steps_itself_are_watched_too() -> None:
    shown = traced("module._target_=tests.teaching.test_trace_kinds.ByHand", "optimizer=own", "trace.steps=3")
    assert [step["batch"] for step in shown["steps"]] == [1, 2, 3]
    assert {row["name"] for row in shown["steps"][0]["update"]["parameters"]} == {"net.1.weight", "net.1.bias"}
    assert "trace.unknown.zero_grad" in shown["steps"][0]["unknown"]


def test_a_checkpoint_is_gone_on_from(tmp_path: Path) -> None:
    words = words_of("optimizer=adam", *LINEAR)
    words.append("trainer.max_epochs=1")
    run(compose(words), tmp_path / "run", overrides=words)
    checkpoint = tmp_path / "run/checkpoints/last.ckpt"
    before = checkpoint.read_bytes()
    result = command("mode=trace", f"ckpt={tmp_path}/run", "trainer.max_epochs=2", "trace.weight=layers.1.bias[2]")
    assert result.code == 0, result.err
    assert checkpoint.read_bytes() == before
    shown = traced("optimizer=adam", *LINEAR, f"ckpt={checkpoint}", "trace.weight=layers.1.bias[2]")
    plain = ordinary("optimizer=adam", *LINEAR)
    assert [step["step"] for step in shown["steps"]] == [27, 28]
    for step in shown["steps"]:
        assert step["weight"]["after"] == plain.weights[step["step"] + 1]["layers.1.bias"][2]
        assert step["weight"]["state_before"]["step"] == step["step"]


def test_chinese_fills_its_lines() -> None:
    text = "  ⚑ " + WORDS["departure.adam_eps"].say("zh")
    *full, last = wrapped(text, 60).splitlines()
    assert len(full) > 2
    assert all(45 < cell_len(line) <= 60 for line in full)
    assert not any(line[0] in "，。；：、）" for line in [*full, last])
    assert "".join([*full, last]).replace(" ", "") == text.replace(" ", "")
    english = WORDS["departure.adam_eps"].say("en")
    assert wrapped(english, 60).replace("\n", " ") == english


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_terminal_shows_numbers_whole_at_any_width(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    result = command("mode=trace", *words_of("trace.steps=1", "trace.compare=[sgd,momentum,rmsprop]"))
    assert result.code == 0
    assert max(cell_len(line) for line in result.out.splitlines()) <= width
    assert "…" not in result.out
