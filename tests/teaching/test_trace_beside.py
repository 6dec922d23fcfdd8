"""trace.compare and trace.demo, recomputed with NumPy for a linear network."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.commandline import command
from tests.conftest import words_of
from tests.teaching.test_trace import LINEAR, by_hand, flat, ordinary, traced

Named = dict[str, np.ndarray]


def descend(weights: Named, gradients: Named, lr: float) -> Named:
    return {name: weights[name] - lr * gradients[name] for name in weights}


def near(value: Any) -> Any:
    return pytest.approx(value, rel=2e-5, abs=1e-6)


def test_each_optimizer_begins_with_the_same_weights_and_takes_the_same_batches() -> None:
    shown = traced("optimizer=adam", "optimizer.lr=0.02", *LINEAR, "trace.compare=[sgd,momentum:0.05,adam]")
    plain = ordinary("optimizer=adam", "optimizer.lr=0.02", *LINEAR, "trainer.max_steps=2")
    start, batches = plain.weights[0], plain.batches
    sgd, momentum, adam = shown["compare"]["optimizers"]
    assert [each["name"] for each in shown["compare"]["optimizers"]] == ["sgd", "momentum:0.05", "adam"]
    assert [each["lr"] for each in shown["compare"]["optimizers"]] == [0.1, 0.05, 0.02]

    for entrant, decay in ((sgd, 0.0), (momentum, 0.9)):
        weights, velocity = start, {name: np.zeros_like(each) for name, each in start.items()}
        for step, (inputs, targets) in zip(entrant["steps"], batches[:2], strict=True):
            _, losses, gradients = by_hand(weights, inputs, targets)
            velocity = {name: decay * velocity[name] + gradients[name] for name in weights}
            after = descend(weights, velocity, entrant["lr"])
            dw, g = flat(after) - flat(weights), flat(gradients)
            cosine = -dw @ g / np.linalg.norm(dw) / np.linalg.norm(g)
            assert step["loss"] == near(losses.mean())
            assert step["after"] == near(by_hand(after, inputs, targets)[1].mean())
            assert step["fall"] == pytest.approx(step["loss"] - step["after"])
            assert step["gradient_norm"] == near(np.linalg.norm(g))
            assert step["update_norm"] == near(np.linalg.norm(dw))
            assert step["cosine"] == near(cosine)
            assert step["angle"] == pytest.approx(np.degrees(np.arccos(min(cosine, 1.0))), abs=0.2)
            assert step["predicted_fall"] == near(-dw @ g)
            weights = after

    for step, own in zip(adam["steps"], shown["steps"], strict=True):  # from its beginning it is the run itself
        assert step["loss"] == own["forward"]["loss"]
        assert step["after"] == own["after"]["loss"]
        assert step["update_norm"] == own["update"]["norm"]


def test_a_schedule_scales_all_alike_and_lbfgs_says_how_often_it_looked() -> None:
    words = ("optimizer=sgd", "lr=cosine", "lr.warmup_fraction=0.5", *LINEAR, "trace.compare=[sgd,lbfgs]")
    shown = traced(*words, "trace.steps=3")
    sgd, lbfgs = shown["compare"]["optimizers"]
    assert [step["lr"] for step in sgd["steps"]] == [step["lr"] for step in shown["steps"]]
    assert sgd["steps"][0]["lr"] < sgd["steps"][1]["lr"] < sgd["steps"][2]["lr"] < 0.1
    assert [a["lr"] for a in lbfgs["steps"]] == pytest.approx(
        [a["lr"] for a in sgd["steps"]]
    )  # both 0.1 in their files
    assert min(step["evaluations"] for step in lbfgs["steps"]) > 1
    assert {step["evaluations"] for step in sgd["steps"]} == {1}


@pytest.mark.parametrize(
    "schedule",
    [("lr=cosine", "lr.warmup_fraction=0.5", "optimizer=momentum"), ("lr=onecycle", "optimizer=adam")],
)
def test_beside_a_run_with_a_schedule_the_runs_own_steps_are_those_of_the_run(schedule: tuple[str, ...]) -> None:
    own = schedule[-1].removeprefix("optimizer=")
    words = (*schedule, *LINEAR, "trainer.max_epochs=2", "trace.steps=3", "trace.demo=no_step")
    shown = traced(*words, f"trace.compare=[{own}]")
    [entrant] = shown["compare"]["optimizers"]
    assert len({step["lr"] for step in shown["steps"]}) == 3
    for step, compared, correct in zip(shown["steps"], entrant["steps"], shown["demo"]["correct"], strict=True):
        assert compared["lr"] == step["lr"]
        assert compared["update_norm"] == correct["update_norm"] == step["update"]["norm"]
        assert compared["after"] == correct["after"] == step["after"]["loss"]


@pytest.mark.parametrize("optimizer", ["momentum", "muon"])
def test_a_demo_behind_the_first_steps_goes_on_with_the_optimizers_state(optimizer: str) -> None:
    words = (f"optimizer={optimizer}", "model=mlp", "model.hidden=[8,8]", "trace.at=[3,4]", "trace.demo=no_step")
    shown = traced(*words)
    for step, correct in zip(shown["steps"], shown["demo"]["correct"], strict=True):
        assert (correct["update_norm"], correct["after"]) == (step["update"]["norm"], step["after"]["loss"])


def test_a_class_whose_step_leaves_its_closure_is_traced_and_compared_by_its_name() -> None:
    words = ("optimizer._target_=tests.test_optimizers.Handmade", "optimizer.lr=0.1", *LINEAR)
    shown = traced(*words, "trace.steps=1", "trace.compare=[handmade,sgd:0.1]")
    theirs, sgd = (each["steps"][0] for each in shown["compare"]["optimizers"])
    assert theirs["update_norm"] == near(sgd["update_norm"])
    assert shown["steps"][0]["update"]["norm"] == near(sgd["update_norm"])
    assert shown["steps"][0]["next"]["loss"] is not None


def test_rates_are_compared_to_that_of_the_run_whichever_weight_is_followed() -> None:
    """AdamW's part of Muon has a rate of its own, which says nothing of a schedule."""
    words = ("optimizer=muon", "model=mlp", "model.hidden=[8,8]", "trace.steps=1", "trace.weight=layers.1.bias[0]")
    shown = traced(*words, "trace.compare=[sgd,muon]")
    assert [each["steps"][0]["lr"] for each in shown["compare"]["optimizers"]] == [0.1, 0.02]
    assert shown["compare"]["optimizers"][1]["steps"][0]["update_norm"] == shown["steps"][0]["update"]["norm"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("model=linear", "model._target_=tests.teaching.test_trace_kinds.Dropping"), {"batch_norm", "draws"}),
        (("loss.weight=[1,2,3,4,5,6,7,8,9,10]", *LINEAR), {"weighted"}),
        (LINEAR, set()),
    ],
)
def test_why_parts_differ_from_the_whole_by_more_than_rounding_is_said(words: tuple[str, ...], why: set[str]) -> None:
    facts = traced(*words, "trace.demo=accumulate", "trace.steps=1")["demo"]["facts"]
    assert {key for key in ("batch_norm", "draws", "weighted") if facts[key]} == why
    assert (facts["relative"] > 1e-5) == bool(why)
    page = Path("trace/trace.html").read_text()
    assert [f'"page.demo.{key}"' in page for key in ("batch_norm", "draws", "weighted")] == [
        key in why for key in ("batch_norm", "draws", "weighted")
    ]


def demo_of(name: str, *words: str) -> tuple[dict[str, Any], Any]:
    words = ("optimizer=sgd", *LINEAR, *words)
    shown = traced(*words, f"trace.demo={name}", "trace.steps=3", "trace.weight=layers.1.weight[4,30]")
    assert shown["demo"]["name"] == name
    return shown, ordinary(*words, "trainer.max_steps=3")


@pytest.mark.parametrize("name", ["no_zero_grad", "no_step", "two_backwards", "accumulate"])
def test_a_demo_shows_the_correct_run_and_the_other(name: str) -> None:
    shown, plain = demo_of(name)
    correct, other = shown["demo"]["correct"], shown["demo"]["other"]
    for ours, own in zip(correct, shown["steps"], strict=True):
        assert (ours["loss"], ours["weight"]) == (own["forward"]["loss"], own["weight"]["after"])
        assert ours["gradient_norm"] == own["backward"]["norm"]
    weights, gathered = plain.weights[0], {name: np.zeros_like(each) for name, each in plain.weights[0].items()}
    for row, (inputs, targets) in zip(other, plain.batches, strict=False):
        _, losses, gradients = by_hand(weights, inputs, targets)
        gathered = {key: gathered[key] + gradients[key] for key in gradients}
        read = {
            "no_zero_grad": gathered,
            "two_backwards": {key: 2 * each for key, each in gradients.items()},
        }.get(name, gradients)
        weights = weights if name == "no_step" else descend(weights, read, 0.1)
        assert row["loss"] == near(losses.mean())
        assert row["gradient_norm"] == near(np.linalg.norm(flat(read)))
        assert row["weight"] == near(weights["layers.1.weight"][4, 30])
        assert row["after"] == near(by_hand(weights, inputs, targets)[1].mean())


def test_torch_refuses_a_second_backward_and_with_retain_graph_doubles_the_gradient() -> None:
    # A linear network keeps nothing that a second backward would miss but its inputs; one with a hidden layer does.
    facts = traced("optimizer=sgd", "trace.demo=two_backwards", "trace.steps=1")["demo"]["facts"]
    assert facts["error"].startswith("RuntimeError: Trying to backward through the graph a second time")
    assert facts["ratio"] == facts["twice"] / facts["once"] == pytest.approx(2)
    assert facts["difference"] < 1e-6


def test_parts_give_the_gradient_of_the_whole_batch() -> None:
    shown, plain = demo_of("accumulate")
    facts = shown["demo"]["facts"]
    inputs, targets = plain.batches[0]
    gathered, norms = np.zeros_like(flat(plain.weights[0])), []
    for part in np.array_split(np.arange(48), 4):
        gathered = gathered + 0.25 * flat(by_hand(plain.weights[0], inputs[part], targets[part])[2])
        norms.append(np.linalg.norm(gathered))
    assert (facts["parts"], facts["sizes"]) == (4, [12] * 4)
    assert facts["norms"] == [near(each) for each in norms]
    assert facts["whole"] == near(np.linalg.norm(flat(by_hand(plain.weights[0], inputs, targets)[2])))
    assert facts["relative"] < 1e-6
    assert not facts["batch_norm"]


def test_beside_the_run_nothing_of_it_changes() -> None:
    """Dropout draws what the run draws; the run's own numbers are those without a comparison."""
    torch.manual_seed(3)
    before = torch.get_rng_state()
    words = ("optimizer=adam", *LINEAR, "trace.steps=2")
    alone, beside = traced(*words), traced(*words, "trace.compare=[sgd]", "trace.demo=no_step", folder="other")
    assert torch.equal(torch.get_rng_state(), before)
    assert beside["steps"] == alone["steps"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trace.compare=[sgd,adan]"], "there is no such optimizer; known: "),
        (["trace.compare=[sgd,sgd]"], "sgd stands there twice"),
        (["trace.compare=[sgd:fast]"], "behind the colon stands an lr; type sgd:0.1"),
        (["trace.compare=[own]"], "own cannot be compared"),
        (["trace.compare=[mine.Signed,adam]"], "mine.Signed is a class, and options are compared"),
        (["trace.compare=[]"], "names no optimizer"),
        (["trace.compare=sgd"], "trace.compare=sgd: must be a list"),
        (["trace.compare=[muon]"], "optimizer=muon needs a hidden layer"),
        (["optimizer=lbfgs", "trace.demo=no_step"], "trace.demo=no_step: LBFGS computes the loss several times"),
    ],
)
def test_what_cannot_be_compared_is_one_line(words: list[str], said: str) -> None:
    result = command("mode=trace", *words_of(*LINEAR, *words))
    assert result.code == 1
    [line] = [each for each in result.err.splitlines() if each.strip()]
    assert said in line
    assert not list(Path().rglob("trace.json"))
