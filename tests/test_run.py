"""One run from config to record: what it promises whatever the optimizer."""

import io
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback
from rich.console import Console

from optlab.callbacks import Recorder, progress
from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.errors import UserError
from optlab.inputs import load_data
from optlab.module import TrainingModule
from optlab.record import RunRecord
from optlab.rules.metrics import objective
from optlab.run import run
from optlab.sums import Sums
from tests.conftest import QUICK, Train, words_of
from tests.metrics import read_metrics
from tests.test_resume import OPTIMIZERS, weights


class Recorded(Callback):
    """Keeps the first weights and every batch of a run, for tests; `seen` holds the runs of one test."""

    seen: list[dict[str, Any]] = []  # noqa: RUF012

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        initial = {name: value.clone() for name, value in pl_module.state_dict().items()}
        self.seen.append({"initial": initial, "batches": []})

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.seen[-1]["batches"].append((batch.inputs.clone(), batch.targets.clone()))


RECORDED = "+callbacks.recorded._target_=tests.test_run.Recorded"


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_reduces_the_loss_on_digits(optimizer: str, train: Train) -> None:
    record = train(f"optimizer={optimizer}", "trainer.max_epochs=8")
    rows = read_metrics(Path("run/metrics.csv"))
    assert record.status == "finished"
    assert rows[-1]["train/loss"] < rows[0]["train/loss"] - 0.1
    assert rows[-1]["val/loss"] < math.log(10)  # better than a guess


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_repeats_bit_for_bit_under_one_seed(optimizer: str, train: Train) -> None:
    first = train(f"optimizer={optimizer}", folder="first")
    torch.rand(7)  # what else happens in a process is no part of a run
    second = train(f"optimizer={optimizer}", folder="second")
    assert first.metrics == second.metrics
    a, b = weights(Path("first")), weights(Path("second"))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_one_seed_gives_all_optimizers_the_same_start_and_the_same_batches(train: Train) -> None:
    Recorded.seen.clear()
    for optimizer in ("sgd", "adam", "lbfgs", "muon"):
        train(f"optimizer={optimizer}", RECORDED, "model=cnn", "trainer.max_epochs=2", folder=optimizer)
    train("optimizer=sgd", RECORDED, "seed=1", folder="other")
    first, *others, other_seed = Recorded.seen
    for run_ in others:
        assert all(torch.equal(run_["initial"][name], value) for name, value in first["initial"].items())
        assert len(run_["batches"]) == len(first["batches"]) == 42
        for (x, y), (a, b) in zip(run_["batches"], first["batches"], strict=True):
            assert torch.equal(x, a)
            assert torch.equal(y, b)
    assert not torch.equal(other_seed["batches"][0][1], first["batches"][0][1])
    assert not torch.equal(first["batches"][0][1], first["batches"][21][1])  # each epoch has its own order


def test_augmentation_is_the_same_for_all_optimizers_and_new_in_each_epoch(train: Train) -> None:
    Recorded.seen.clear()
    fake = ("dataset=fake", "dataset.augment=crop_flip", "dataset.samples=128", "model=linear", RECORDED)
    for optimizer in ("sgd", "adam"):
        train(f"optimizer={optimizer}", *fake, folder=optimizer)
    a, b = Recorded.seen
    assert all(torch.equal(x, y) for (x, _), (y, _) in zip(a["batches"], b["batches"], strict=True))


def test_metrics_are_means_over_samples_of_the_weights_on_disk(train: Train) -> None:
    record = train("eval_batch_size=100")  # 144 validation samples: batches of 100 and 44
    config = Config.parse(resolve(compose(words_of())))
    data = load_data(config)
    module = TrainingModule(config, data.info)
    module.load_state_dict(weights(Path("run")))
    assert data.val is not None
    for part, arrays in {"val": data.val, "test": data.test}.items():
        x = (arrays.inputs.float() / 16 - 0.3055) / 0.3761
        outputs = module(x)
        loss = torch.nn.functional.cross_entropy(outputs, arrays.targets).item()
        accuracy = (outputs.argmax(1) == arrays.targets).float().mean().item()
        assert record.metrics[f"{part}/loss"] == pytest.approx(loss, rel=1e-5)
        assert record.metrics[f"{part}/acc"] == pytest.approx(accuracy)


def test_the_sums_are_those_of_all_batches_whenever_they_are_read() -> None:
    outputs = torch.randn(9000, 10, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(9000) % 10
    sums, at_once = (Sums(torch.device("cpu"), "one", at_once=each) for each in (False, True))
    read = []
    for part in torch.arange(9000).split(70):
        for each in (sums, at_once):
            each.add(outputs[part].square().mean(), outputs[part], targets[part])
        if len(part) != 70 or part[0] == 700:
            assert torch.equal(sums.tensor(), at_once.tensor())
            read.append(sums.tensor()[2].item())
    assert read == [(outputs.argmax(1) == targets)[:end].sum() for end in (770, 9000)]
    again = Sums(torch.device("cpu"), "one", at_once=False)
    sums.add(torch.tensor(1.0), outputs[:5], targets[:5])
    again.restore(sums.state())
    assert torch.equal(again.tensor(), sums.tensor())
    sums.add(torch.tensor(1.0), outputs[:5], targets[:5])
    sums.reset()
    assert sums.tensor().tolist() == [0, 0, 0]


def test_the_record_tells_the_whole_run(train: Train) -> None:
    record = train("optimizer=momentum", "optimizer.lr=0.03", "seed=4")
    content = json.loads(Path("run/run.json").read_text())
    assert RunRecord.read(Path("run")) == record
    assert (content["status"], content["optimizer"], content["lr"], content["seed"]) == (
        "finished",
        "momentum",
        0.03,
        4,
    )
    assert (content["epochs"], content["steps"]) == (2, 42)
    assert content["data"]["train"] + content["data"]["val"] == 1437
    assert content["data"]["test"] == 360
    assert set(content["best"]) == {"metric", "value", "epoch"}
    assert content["timing"]["samples_per_second"] > 0
    assert content["environment"]["torch"] == torch.__version__
    assert sum(map(sum, content["test"]["confusion"])) == 360
    assert content["test"]["classes"]["3"]["samples"] == 37
    assert {"test/acc", "test/top5", "test/f1", "test/ece"} <= set(content["metrics"])
    header = Path("run/metrics.csv").read_text().splitlines()[0]
    assert header == "epoch,step,seconds,lr,train/loss,train/acc,val/loss,val/acc"
    assert objective(record) == record.metrics["val/acc"]


def test_the_first_command_of_the_readme_reaches_97_percent() -> None:
    record = run(compose(["optimizer=adam", "logger=none", "callbacks=quiet", "trainer=cpu"]), Path("run"))
    assert record.metrics["test/acc"] is not None
    assert record.metrics["test/acc"] >= 0.97


def test_quality_agrees_with_scikit_learn(train: Train) -> None:
    from sklearn.metrics import confusion_matrix, f1_score

    record = train()
    config = Config.parse(resolve(compose(words_of())))
    data = load_data(config)
    module = TrainingModule(config, data.info)
    module.load_state_dict(weights(Path("run")))
    predicted = module((data.test.inputs.float() / 16 - 0.3055) / 0.3761).argmax(1)
    assert record.test["confusion"] == confusion_matrix(data.test.targets, predicted).tolist()
    assert record.metrics["test/f1"] == pytest.approx(f1_score(data.test.targets, predicted, average="macro"), abs=1e-6)


def test_a_diverged_run_is_a_result_with_its_epoch(train: Train) -> None:
    record = train("optimizer=sgd", "optimizer.lr=1e18", "loss=mse", "trainer.max_epochs=3")
    assert record.status == "diverged"
    assert record.diverged is not None
    assert record.diverged["epoch"] == 1
    assert objective(record) == pytest.approx(0.1)  # chance level
    content = json.loads(Path("run/run.json").read_text())
    assert content["status"] == "diverged"
    assert content["metrics"]["train/loss"] is None
    assert content["error"]["type"] == "Diverged"
    assert read_metrics(Path("run/metrics.csv"))[-1]["train/loss"] is None


def test_divergence_is_seen_within_a_long_epoch(train: Train) -> None:
    words = ("optimizer=sgd", "optimizer.lr=1e18", "loss=mse", "callbacks.divergence.every_n_steps=5")
    record = train(*words)
    assert record.status == "diverged"
    assert record.steps == 5


def test_tuning_never_looks_at_the_test_split(train: Train) -> None:
    record = train("phase=tune")
    assert record.status == "finished"
    assert not [name for name in record.metrics if name.startswith("test/")]
    assert record.test == {}


def test_lbfgs_counts_each_sample_once_at_the_weights_before_its_step(train: Train) -> None:
    one = ("trainer.max_epochs=1", "trainer.limit_train_batches=1")
    losses = [train(f"optimizer={name}", *one, folder=name).metrics["train/loss"] for name in ("sgd", "lbfgs")]
    assert losses[0] == losses[1]


def test_the_best_epoch_is_one_with_a_number() -> None:
    recorder = Recorder()
    recorder.aim("val/loss", "min", None)
    recorder.rows = [{"epoch": 1, "val/loss": math.nan}, {"epoch": 2, "val/loss": 2.0}, {"epoch": 3, "val/loss": 2.0}]
    assert recorder.best() == {"metric": "val/loss", "value": 2.0, "epoch": 2}


def test_the_bar_shows_epoch_loss_and_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LOOKS", 0.0)
    monkeypatch.setattr(progress, "Console", lambda **_: Console(file=screen, force_terminal=True, width=100))
    words = [word for word in words_of() if word != "callbacks=quiet"]
    run(compose(words), Path("run"))
    shown = re.findall(r"epoch (\d)/2.*loss \d\.\d{4}  acc (0\.\d{4})", screen.getvalue())
    # The answers of a batch are counted later, together with others'; whoever looks must not see that.
    assert [epoch for epoch, acc in shown if float(acc) > 0.05][-1:] == ["2"]
    assert ("2", "0.0000") not in shown


def test_a_loss_above_the_bound_counts_as_diverged(train: Train) -> None:
    record = train("optimizer.lr=0", "callbacks.divergence.bound=0.5")
    assert record.status == "diverged"
    assert "train/loss became 2." in str(record.error)


class Broken(torch.nn.Module):
    """A network that fails in its third step."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(math.prod(input_shape), outputs))
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.calls == 3:
            raise RuntimeError("a bug in a user's network")
        output: torch.Tensor = self.layers(x)
        return output


def test_a_failing_run_is_recorded_as_failed_and_raises(train: Train) -> None:
    with pytest.raises(RuntimeError, match="a bug in a user's network"):
        train("model=linear", "model._target_=tests.test_run.Broken")
    content = json.loads(Path("run/run.json").read_text())
    assert content["status"] == "failed"
    assert content["error"] == {"type": "RuntimeError", "message": "a bug in a user's network"}


def test_best_weights_are_tested_when_asked_for(train: Train) -> None:
    # A one-cycle schedule whose peak is far too high spoils the weights of the later epochs.
    words = ("optimizer=sgd", "optimizer.lr=30", "lr=onecycle", "lr.warmup_fraction=0.9", "trainer.max_epochs=6")
    record = train(*words, "test_weights=best")
    state = torch.load("run/checkpoints/best.ckpt", weights_only=True)
    assert state["epoch"] + 1 == record.best["epoch"] < 6
    expected = loss_on_test(state["state_dict"])
    assert record.metrics["test/loss"] == pytest.approx(expected, rel=1e-5)
    assert loss_on_test(weights(Path("run"))) != pytest.approx(expected, rel=1e-5)


def loss_on_test(state: dict[str, torch.Tensor]) -> float:
    """The test loss of these weights, computed without Lightning."""
    config = Config.parse(resolve(compose(words_of())))
    data = load_data(config)
    module = TrainingModule(config, data.info)
    module.load_state_dict(state)
    outputs = module((data.test.inputs.float() / 16 - 0.3055) / 0.3761)
    return torch.nn.functional.cross_entropy(outputs, data.test.targets).item()


def test_refusals_leave_no_folder(train: Train) -> None:
    for word in ("test_weights=best", "metric=val/acc"):
        with pytest.raises(UserError, match=word.split("=")[0]):
            train(word, "dataset.val_size=0")
    with pytest.raises(UserError, match="cross_entropy needs classes"):
        train("dataset=line", "batch_size=3", "model=linear")
    assert not Path("run").exists()


@pytest.mark.parametrize("loss", ["cross_entropy", "mse", "l1", "huber"])
def test_every_loss_trains(loss: str, train: Train) -> None:
    record = train(f"loss={loss}", "trainer.max_epochs=8", "optimizer.lr=0.01", "model=linear")
    assert record.metrics["val/acc"] > 0.5


@pytest.mark.parametrize("model", ["cnn", "mlp", "linear", "cnn_3c3d", "resnet18"])
def test_every_model_trains(model: str, train: Train) -> None:
    size = "dataset.image_size=16" if model in ("cnn_3c3d", "resnet18") else "dataset.image_size=8"
    words = ["logger=none", "callbacks=quiet", "trainer=cpu", "trainer.max_epochs=1", "dataset=fake", size]
    words += ["dataset.samples=80", "dataset.test_samples=20", "batch_size=16", f"model={model}"]
    record = run(compose(words), Path("run"))
    assert record.status == "finished"
    assert record.metrics["train/loss"] is not None


def test_channels_last_changes_nothing_but_rounding() -> None:
    words = [
        "logger=none",
        "callbacks=quiet",
        "trainer=cpu",
        "trainer.max_epochs=1",
        "dataset=fake",
        "dataset.samples=64",
    ]
    words += ["dataset.image_size=16", "batch_size=16", "optimizer=sgd"]
    losses = [
        run(compose([*words, f"channels_last={flag}"]), Path(flag)).metrics["train/loss"] for flag in ("true", "false")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize("debug", ["fast", "overfit", "profile"])
def test_debug_options_do_what_they_say(debug: str, train: Train) -> None:
    words = [word for word in QUICK if "max_epochs" not in word]
    record = run(compose([*words, "optimizer.lr=0.01", f"debug={debug}"]), Path("run"))
    if debug == "fast":
        assert (record.epochs, record.steps) == (1, 2)
    elif debug == "overfit":
        assert record.steps == 100
        assert record.metrics["train/acc"] > 0.99
        assert record.metrics["val/acc"] < 0.9  # one batch teaches no more
    else:
        assert "run_training_batch" in Path("run/fit-profile.txt").read_text()


@pytest.mark.parametrize("words", [["trainer.max_steps=30"], ["trainer.max_steps=30", "trainer.max_epochs=-1"]])
def test_a_run_of_steps_ends_within_an_epoch_with_its_weights_judged(words: list[str], train: Train) -> None:
    record = train(*words, "lr=linear", "optimizer.lr=0.01")
    rows = read_metrics(Path("run/metrics.csv"))
    assert (record.steps, len(rows)) == (30, 2)
    assert rows[1]["lr"] == pytest.approx(0, abs=1e-9)  # the schedule ends where the run does
    assert rows[1]["val/loss"] != rows[0]["val/loss"]
    assert record.metrics["val/loss"] == rows[1]["val/loss"]
    assert torch.load("run/checkpoints/last.ckpt", weights_only=True)["global_step"] == 30


def test_an_epoch_without_validation_shows_none(train: Train) -> None:
    record = train("trainer.check_val_every_n_epoch=2", "trainer.max_epochs=3")
    losses = [row["val/loss"] for row in read_metrics(Path("run/metrics.csv"))]
    assert losses[0] is None
    assert None not in losses[1:]
    assert losses[1] != losses[2] == record.metrics["val/loss"]


def test_early_stopping_is_there_for_who_wants_it(train: Train) -> None:
    record = train(
        "callbacks=early_stopping", "callbacks.early_stopping.patience=1", "optimizer.lr=0", "trainer.max_epochs=9"
    )
    assert record.status == "finished"
    assert record.epochs == 2
    assert record.ended == {
        "reason": "early_stopping",
        "epoch": 2,
        "text": f"val/loss had not fallen at the last look (best {record.metrics['val/loss']:.4f})",
    }


def test_gradient_accumulation_equals_the_larger_batch(train: Train) -> None:
    # 1,293 = 20 x 64 + 13: without the short batch, two halves are one whole.
    whole = train("optimizer=sgd", "trainer.limit_train_batches=10", "batch_size=128", "shuffle=false", folder="whole")
    halves = train(
        "optimizer=sgd",
        "trainer.limit_train_batches=20",
        "trainer.accumulate_grad_batches=2",
        "shuffle=false",
        folder="halves",
    )
    assert halves.steps == whole.steps
    assert halves.metrics["val/loss"] == pytest.approx(whole.metrics["val/loss"], rel=1e-5)
