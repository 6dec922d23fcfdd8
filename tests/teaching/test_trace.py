"""mode=trace: the numbers of trace.json against NumPy, and against the run that was watched."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import Callback, LightningModule, Trainer

from optlab.adapters.lightning import callbacks_of
from optlab.callbacks import Interruption
from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.errors import UserError
from optlab.run import carry_out, prepare, run
from optlab.teaching.trace.command import alone, trace
from optlab.teaching.words import WORDS
from tests.commandline import command
from tests.conftest import words_of

LINEAR = ("model=linear", "batch_size=48")


def traced(*words: str, folder: str = "trace") -> dict[str, Any]:
    """trace.json of a quick run with these words."""
    words = ("mode=trace", *words_of(*words))
    trace(compose(words), Path(folder), words)
    return json.loads((Path(folder) / "trace.json").read_text())  # type: ignore[no-any-return]


class Weights(Callback):
    """Keeps the weights, and inputs and targets, of each step of an ordinary run."""

    def __init__(self) -> None:
        self.weights: list[dict[str, np.ndarray]] = []
        self.batches: list[tuple[np.ndarray, np.ndarray]] = []

    def keep(self, module: LightningModule) -> None:
        self.weights.append({name: p.detach().double().numpy().copy() for name, p in module.network.named_parameters()})

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.keep(pl_module)
        self.batches.append((batch.inputs.double().numpy().copy(), batch.targets.numpy().copy()))


def ordinary(*words: str) -> Weights:
    """An ordinary run with these words, with its weights before each of its steps and those behind its last."""
    config = alone(Config.parse(resolve(compose(words_of(*words)))))
    prepared = prepare(config, Path("ordinary"), [], None, Interruption())
    kept = Weights()
    callbacks_of(prepared.trainer).append(kept)
    carry_out(prepared)
    kept.keep(prepared.module)
    return kept


# -- a linear network with cross-entropy, by hand


def log_softmax(x: np.ndarray) -> np.ndarray:
    x = x - x.max(1, keepdims=True)
    return np.asarray(x - np.log(np.exp(x).sum(1, keepdims=True)))


def by_hand(weights: dict[str, np.ndarray], inputs: np.ndarray, targets: np.ndarray) -> tuple[Any, Any, Any]:
    """Outputs, losses and gradients of the linear network."""
    [weight, bias] = weights.values()
    x = inputs.reshape(len(inputs), -1)
    outputs = x @ weight.T + bias
    log_p = log_softmax(outputs)
    losses = -log_p[np.arange(len(x)), targets]
    slope = np.exp(log_p)
    slope[np.arange(len(x)), targets] -= 1
    slope /= len(x)
    return outputs, losses, dict(zip(weights, (slope.T @ x, slope.sum(0)), strict=True))


def flat(named: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([each.reshape(-1) for each in named.values()])


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_every_number_of_a_step_is_that_of_numpy_and_of_the_run(optimizer: str) -> None:
    words = (f"optimizer={optimizer}", *LINEAR, "trainer.max_steps=4")
    shown = traced(*words, "trace.steps=3", "trace.samples=5")
    plain = ordinary(*words)
    assert [step["step"] for step in shown["steps"]] == [0, 1, 2]
    for number, step in enumerate(shown["steps"]):
        before, after = plain.weights[number], plain.weights[number + 1]
        outputs, losses, gradients = by_hand(before, *plain.batches[number])
        near = lambda value, rel=1e-5: pytest.approx(value, rel=rel, abs=1e-7)  # noqa: E731
        forward = step["forward"]
        assert len(forward["samples"]) == 5
        for index, sample in enumerate(forward["samples"]):
            np.testing.assert_allclose(sample["output"], outputs[index], rtol=1e-4, atol=1e-6)
            assert sample["target"] == plain.batches[number][1][index]
            assert sample["label"] == str(sample["target"])
            assert sample["loss"] == near(losses[index])
        np.testing.assert_allclose(forward["losses"], losses, rtol=1e-4, atol=1e-6)
        assert forward["loss"] == near(losses.mean()) == near(forward["mean"])
        assert (forward["weighted"], forward["evaluations"], step["samples"]) == (False, 1, len(losses))

        assert step["zero_grad"]["after"] is None
        assert step["zero_grad"]["before"] == (None if number == 0 else shown["steps"][number - 1]["backward"]["norm"])

        backward = step["backward"]
        assert [row["name"] for row in backward["parameters"]] == [*gradients]
        for row in backward["parameters"]:
            gradient = gradients[row["name"]]
            assert row["shape"] == list(gradient.shape)
            assert row["norm"] == near(np.linalg.norm(gradient))
            assert row["largest"] == near(np.abs(gradient).max())
            assert row["smallest"] == near(np.abs(gradient).min())
        assert backward["norm"] == near(np.linalg.norm(flat(gradients))) == near(backward["clipped_norm"])
        assert not backward["clipped"]

        changes = {name: after[name] - before[name] for name in before}
        for row in step["update"]["parameters"]:
            change, weight = changes[row["name"]], before[row["name"]]
            assert row["norm"] == pytest.approx(np.linalg.norm(change), rel=1e-12)  # bit for bit the run's weights
            assert row["largest"] == np.abs(change).max()
            assert row["weight_norm"] == pytest.approx(np.linalg.norm(weight), rel=1e-12)
            assert row["ratio"] == pytest.approx(np.linalg.norm(change) / np.linalg.norm(weight), rel=1e-12)
            assert row["dot"] == near((gradients[row["name"]] * change).sum())
        dw, g = flat(changes), flat(gradients)
        assert step["update"]["norm"] == pytest.approx(np.linalg.norm(dw), rel=1e-12)
        cosine = -g @ dw / np.linalg.norm(g) / np.linalg.norm(dw)
        assert step["update"]["cosine"] == near(cosine)
        assert step["update"]["angle"] == pytest.approx(np.degrees(np.arccos(min(1.0, cosine))), abs=0.05)

        loss_after = by_hand(after, *plain.batches[number])[1].mean()
        assert step["after"]["loss"] == near(loss_after)
        assert step["after"]["actual_fall"] == pytest.approx(losses.mean() - loss_after, abs=2e-6)
        assert step["after"]["predicted_fall"] == near(-g @ dw)
        assert step["next"]["loss"] == near(by_hand(after, *plain.batches[number + 1])[1].mean())

        name, at = shown["followed"]["parameter"], tuple(shown["followed"]["index"])
        weight = step["weight"]
        assert (weight["before"], weight["after"]) == (before[name][at], after[name][at])
        assert weight["change"] == weight["after"] - weight["before"]
        assert weight["gradient"] == near(gradients[name][at]) == near(weight["clipped_gradient"])
        assert weight["effective_step"] == pytest.approx(-weight["change"] / weight["gradient"], rel=1e-12)
        counts, edges = np.histogram(changes[name], bins=20)
        assert weight["histogram"]["counts"] == [*counts]
        np.testing.assert_allclose(weight["histogram"]["edges"], edges, rtol=1e-12)
        here = weight["histogram"]["here"]
        assert edges[here] <= weight["change"] <= edges[here + 1]
    moved = {name: np.abs(plain.weights[1][name] - plain.weights[0][name]).max() for name in plain.weights[0]}
    assert abs(shown["steps"][0]["weight"]["change"]) == max(moved.values())
    assert shown["followed"]["chosen"] == "moved_most"


def test_the_state_of_adam_is_shown_before_and_after() -> None:
    shown = traced("optimizer=adam", *LINEAR, "trace.weight=layers.1.weight[3, 20]")
    first, second = (step["weight"] for step in shown["steps"])
    assert shown["followed"] | {"shape": None} == {
        "parameter": "layers.1.weight",
        "index": [3, 20],
        "chosen": "typed",
        "shape": None,
    }
    assert first["state_before"] == {}
    assert second["state_before"] == first["state_after"]
    m, v = 0.1 * first["gradient"], 0.001 * first["gradient"] ** 2
    assert first["state_after"] == pytest.approx({"step": 1, "exp_avg": m, "exp_avg_sq": v}, rel=1e-5)
    assert first["hyperparameters"]["betas"] == [0.9, 0.999]
    assert "fused" not in first["hyperparameters"]


def test_the_formula_of_adam_is_worked_with_this_runs_numbers_beside_torchs() -> None:
    """Every number of the lines again, in float64, from what stands in the JSON."""
    shown = traced("optimizer=adam", *LINEAR, "trace.steps=3", "trace.weight=layers.1.weight[3,20]")
    for t, weight in enumerate((step["weight"] for step in shown["steps"]), start=1):
        formula, g = weight["formula"], weight["clipped_gradient"]
        before = weight["state_before"] or {"exp_avg": 0.0, "exp_avg_sq": 0.0}
        lr, eps = (weight["hyperparameters"][key] for key in ("lr", "eps"))
        m, v = 0.9 * before["exp_avg"] + 0.1 * g, 0.999 * before["exp_avg_sq"] + 0.001 * g * g
        step = lr * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + eps)
        lines = {line["torch_state"]: line for line in formula["lines"] if line["torch_state"]}
        for key, value in {"step": t, "exp_avg": m, "exp_avg_sq": v, "w": weight["before"] - step}.items():
            assert lines[key]["value"] == pytest.approx(value, rel=1e-6)
            assert lines[key]["torch"] == (weight["after"] if key == "w" else weight["state_after"][key])
            apart = abs(np.float32(lines[key]["value"]).view(np.int32) - np.float32(lines[key]["torch"]).view(np.int32))
            assert lines[key]["ulps"] == apart <= lines[key]["all"]["most"]
        assert formula["values"]["g"] == g
        assert formula["effective"] == pytest.approx(lr / (np.sqrt(v / (1 - 0.999**t)) + eps), rel=1e-5)
        assert all(line["symbols"] and line["numbers"] and line["mathml"] for line in formula["lines"])


def test_without_a_formula_on_file_all_the_rest_is_shown() -> None:
    shown = traced("optimizer._target_=torch.optim.Rprop", "optimizer.lr=0.01", *LINEAR, "trace.steps=1")
    [step] = shown["steps"]
    assert step["weight"]["formula"] is None
    assert step["weight"]["state_after"].keys() == {"step", "prev", "step_size"}
    assert step["update"]["norm"] > 0


# -- which steps


def test_a_step_that_training_reaches_first_is_that_of_the_run() -> None:
    words = ("optimizer=momentum", *LINEAR, "trainer.max_steps=35")
    shown = traced(*words, "trace.at=[0,30]", "trace.weight=layers.1.bias[2]")
    plain = ordinary(*words)
    assert [(step["step"], step["epoch"], step["batch"]) for step in shown["steps"]] == [(0, 1, 1), (30, 2, 4)]
    for step in shown["steps"]:
        before, after = (plain.weights[step["step"] + more]["layers.1.bias"][2] for more in (0, 1))
        assert (step["weight"]["before"], step["weight"]["after"]) == (before, after)


def test_tracing_leaves_random_streams_and_other_folders_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    traced(*LINEAR, folder="here/there")
    assert torch.equal(torch.get_rng_state(), before)
    assert {path.name for path in Path("here/there").iterdir()} == {"trace.json", "trace.html"}
    assert {path.name for path in Path().iterdir()} == {"here"}


# -- what is typed wrong


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["trace.weight=layers.9.weight"],
            r"no such parameter; known: layers.1.weight \[10, 64\], layers.1.bias \[10\]",
        ),
        (["trace.weight=layers.1.bias[10]"], r"has the shape \[10\], so its weights are .*\[0\] to layers.1.bias\[9\]"),
        (["trace.weight=layers.1.bias"], r"type one of these"),
        (["trace.weight=layers.1.bias[a]"], r"type one of these"),
        (["trace.at=[70]", "trainer.max_epochs=2"], r"54 steps, 0 to 53, and no step 70"),
        (["trace.at=[]"], r"trace.at=\[\]: names no step"),
        (["trace.steps=0"], r"trace.steps=0: must be 1 or more"),
        (["trace.at=[-1]"], r"numbers of steps, from 0, as in trace.at"),
        (["trace.demo=no_step_at_all"], r"must be one of no_zero_grad, no_step, two_backwards, accumulate"),
        (["trace.stpes=3"], r"did you mean trace.steps"),
        (["lang=fr"], r"lang=fr: must be one of en, zh"),
    ],
)
def test_what_cannot_be_shown_is_one_line_and_leaves_nothing(words: list[str], said: str) -> None:
    result = command("mode=trace", *words_of(*LINEAR, *words))
    assert result.code == 1
    [line] = [each for each in result.err.splitlines() if each.strip()]
    assert not line.startswith("Traceback")
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(line)
    assert not list(Path("outputs").glob("traces/*")) if Path("outputs").exists() else True


def test_the_terminal_speaks_chinese_alone() -> None:
    result = command("mode=trace", "lang=zh", *words_of(*LINEAR, "trace.steps=1"))
    assert result.code == 0
    assert "梯度范数" in result.out
    [folder] = Path("outputs/traces").iterdir()
    assert {path.name for path in folder.iterdir()} >= {"trace.json", "trace.html"}
    said = {text.say("en") for text in WORDS.values() if not text.fields and text.say("en") != text.say("zh")}
    sentences = {each for each in said if len(each) > 12}
    assert len(sentences) > 20
    assert not [each for each in sentences if each in " ".join(result.out.split())]


def test_a_step_behind_the_checkpoint_is_refused_in_a_line(tmp_path: Path) -> None:
    words = words_of(*LINEAR, "callbacks.checkpoint.best=false")
    run(compose([*words, "trainer.max_epochs=1"]), tmp_path / "run")
    with pytest.raises(UserError, match=r"step 0 is behind, ckpt= goes on at step 27"):
        traced(*LINEAR, f"ckpt={tmp_path}/run/checkpoints/last.ckpt", "trace.at=[0]")
