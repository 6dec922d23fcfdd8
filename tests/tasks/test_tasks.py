"""Every task is trained, tested, recorded and judged by its own metrics; each number against another way to it."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn import metrics as sk
from torch import Tensor

from optlab.adapters.torch import keeping_random_state
from optlab.building import build_module
from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.errors import UserError
from optlab.evaluate import shares
from optlab.inputs import load_data
from optlab.module import TrainingModule
from optlab.record import RunRecord
from optlab.rules.metrics import objective
from optlab.rules.tasks import IGNORED, TASKS
from tests.conftest import Train
from tests.metrics import read_metrics
from tests.tasks import made

HERE = "tests.tasks.made"
MODELS = {"dense": (f"model._target_={HERE}.EachPosition",)}
LOSSES = {"binary": "bce", "multilabel": "bce", "regression": "mse", "dense": "cross_entropy"}


def on(task: str, *words: str) -> list[str]:
    """The words of a quick run on the data of a task."""
    return [
        "dataset=line",
        f"dataset._target_={HERE}.{task}",
        f"dataset.name=made_{task}",
        "dataset.val_size=0.25",
        "model=linear",
        *MODELS.get(task, ()),
        f"loss={LOSSES[task]}",
        "optimizer.lr=0.05",
        "batch_size=16",
        "trainer.max_epochs=3",
        *words,
    ]


@pytest.fixture(autouse=True)
def keep_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the outputs of the test pass in a file."""
    inner = TrainingModule.test_step

    def test_step(self: TrainingModule, batch: object, batch_idx: int) -> Tensor:
        outputs = inner(self, batch, batch_idx)  # type: ignore[arg-type]
        before = [torch.load("outputs.pt", weights_only=True)] if batch_idx else []
        torch.save(torch.cat([*before, outputs.detach().cpu()]), "outputs.pt")
        return outputs

    monkeypatch.setattr(TrainingModule, "test_step", test_step)


@pytest.mark.parametrize("engine", ["loop", "eager"])
@pytest.mark.parametrize("task", LOSSES)
def test_a_task_is_trained_tested_and_recorded_by_its_own_metrics(task: str, engine: str, train: Train) -> None:
    record = train(*on(task, f"engine={engine}"))
    known = TASKS[task]
    assert record.status == "finished"
    assert record.data["task"] == task
    names = [f"{part}/{kind}" for part in ("train", "val") for kind in known.sums]
    assert {*names, *(f"test/{kind}" for kind in (*known.sums, *known.tested))} == set(record.metrics)
    assert list(read_metrics(Path("run/metrics.csv"))[0])[4:] == names
    assert record.data["metric"] == f"val/{known.judged_by}"
    assert objective(record) == record.metrics[f"val/{known.judged_by}"]
    assert all(value is not None and math.isfinite(value) for value in record.metrics.values())
    losses = [row["train/loss"] for row in read_metrics(Path("run/metrics.csv"))]
    assert losses[-1] < 0.8 * losses[0]


def result_of(task: str, train: Train) -> tuple[RunRecord, NDArray[Any], NDArray[Any]]:
    """A run, and the outputs and targets of its test part."""
    record = train(*on(task))
    outputs = torch.load("outputs.pt", weights_only=True)
    return record, outputs.double().numpy(), getattr(made, task)().test.targets.numpy()


def test_yes_or_no_is_measured_as_scikit_learn_does(train: Train) -> None:
    record, logits, targets = result_of("binary", train)
    truth, p = targets[:, 0], 1 / (1 + np.exp(-logits[:, 0]))
    expected = {
        "acc": sk.accuracy_score(truth, p > 0.5),
        "f1": sk.f1_score(truth, p > 0.5),
        "auroc": sk.roc_auc_score(truth, p),
        "ap": sk.average_precision_score(truth, p),
        "loss": sk.log_loss(truth, p),
    }
    assert {kind: record.metrics[f"test/{kind}"] for kind in expected} == pytest.approx(expected, rel=1e-4)
    assert record.test["confusion"] == sk.confusion_matrix(truth, p > 0.5).tolist()
    assert list(record.test["classes"]) == ["small", "large"]


def test_labels_are_measured_each_and_averaged(train: Train) -> None:
    record, logits, truth = result_of("multilabel", train)
    p = 1 / (1 + np.exp(-logits))
    expected = {
        "acc": ((p > 0.5) == truth).mean(),
        "f1": sk.f1_score(truth, p > 0.5, average="macro"),
        "auroc": sk.roc_auc_score(truth, p, average="macro"),
        "ap": sk.average_precision_score(truth, p, average="macro"),
    }
    assert {kind: record.metrics[f"test/{kind}"] for kind in expected} == pytest.approx(expected, rel=1e-4)
    b = record.test["classes"]["b"]
    assert b["auroc"] == pytest.approx(sk.roc_auc_score(truth[:, 1], p[:, 1]), rel=1e-4)
    assert (b["samples"], b["recall"]) == (truth[:, 1].sum(), sk.recall_score(truth[:, 1], p[:, 1] > 0.5))


def test_several_numbers_are_measured_each_and_averaged(train: Train) -> None:
    record, output, truth = result_of("regression", train)
    expected = {
        "r2": sk.r2_score(truth, output),
        "mae": sk.mean_absolute_error(truth, output),
        "rmse": np.mean(np.sqrt(((truth - output) ** 2).mean(0))),
    }
    assert {kind: record.metrics[f"test/{kind}"] for kind in expected} == pytest.approx(expected, rel=1e-5)
    second = record.test["outputs"]["output 1"]
    assert second["r2"] == pytest.approx(sk.r2_score(truth[:, 1], output[:, 1]), rel=1e-4)


def test_positions_are_measured_where_they_count(train: Train) -> None:
    record, logits, targets = result_of("dense", train)
    counts = targets != IGNORED
    assert (~counts).sum() > 0
    truth, said = targets[counts], logits.argmax(1)[counts]
    expected = {
        "acc": (truth == said).mean(),
        "f1": sk.f1_score(truth, said, average="macro"),
        "iou": sk.jaccard_score(truth, said, average="macro"),
    }
    assert {kind: record.metrics[f"test/{kind}"] for kind in expected} == pytest.approx(expected, rel=1e-6)
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    losses = -np.take_along_axis(logs, np.maximum(targets, 0)[:, None], 1)[:, 0][counts]
    assert record.metrics["test/loss"] == pytest.approx(losses.mean(), rel=1e-5)  # of positions, whatever the batches
    assert record.test["classes"]["above"]["samples"] == (truth == 1).sum()


@pytest.mark.parametrize("task", ["dense", "binary"])
def test_batches_of_the_evaluation_change_nothing(task: str, train: Train) -> None:
    one, other = (train(*on(task, f"eval_batch_size={n}"), folder=str(n)) for n in (7, 64))
    assert one.metrics == pytest.approx(other.metrics, rel=1e-5)


@pytest.mark.parametrize(
    ("task", "metric"),
    [("binary", "val/f1"), ("multilabel", "val/auroc"), ("regression", "val/r2"), ("dense", "val/iou")],
)
def test_any_metric_of_the_task_may_be_chosen_by(task: str, metric: str, train: Train) -> None:
    record = train(*on(task, f"metric={metric}"))
    column = [row[metric] or math.nan for row in read_metrics(Path("run/metrics.csv"))]
    assert record.best == {"metric": metric, "value": max(column), "epoch": column.index(max(column)) + 1}
    assert objective(record) == column[-1]


def test_what_a_callback_watches_is_measured_on_validation(train: Train) -> None:
    stop = "lightning.pytorch.callbacks.EarlyStopping"
    train(*on("binary", f"+callbacks.stop._target_={stop}", "+callbacks.stop.monitor=val/auroc"))
    row = read_metrics(Path("run/metrics.csv"))[0]
    assert "val/auroc" in row
    assert "val/f1" not in row


def test_a_ranking_of_one_kind_of_answer_is_no_number(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    source = made.binary()
    source.test.targets.zero_()
    monkeypatch.setattr(made, "binary", lambda: source)
    record = train(*on("binary"))
    assert record.status == "finished"
    assert math.isnan(record.metrics["test/auroc"] or 0.0)
    assert json.loads(Path("run/run.json").read_text())["metrics"]["test/auroc"] is None


# -- metrics and losses of a user's own

KAPPA = "+metrics.kappa._target_=torchmetrics.classification.BinaryCohenKappa"


def test_a_metric_by_its_class_is_measured_and_may_be_chosen_by(train: Train) -> None:
    record = train(*on("binary", KAPPA, "metric=val/kappa"))
    outputs, source = torch.load("outputs.pt", weights_only=True), made.binary()
    expected = sk.cohen_kappa_score(source.test.targets[:, 0], outputs[:, 0] > 0)
    assert record.metrics["test/kappa"] == pytest.approx(expected, rel=1e-5)
    assert record.data["directions"] == {"kappa": "max"}
    assert record.best["metric"] == "val/kappa"
    assert "kappa" not in json.dumps(train(*on("binary"), folder="without").metrics)


def test_a_metric_is_told_how_many_classes_there_are(train: Train) -> None:
    words = ["+metrics.kappa._target_=torchmetrics.classification.MulticlassCohenKappa"]
    words += ["+metrics.top._target_=torchmetrics.Accuracy", "+metrics.top.top_k=3", "trainer.max_epochs=1"]
    record = train(*words)
    assert 0 < (record.metrics["test/kappa"] or 0) < 1
    assert (record.metrics["test/top"] or 0) >= (record.metrics["test/acc"] or 1)


def test_a_function_is_a_loss_and_lists_become_tensors(train: Train) -> None:
    words = [f"loss._target_={HERE}.away", "loss.name=away", "+loss.weight=[1.0,10.0]", "+loss.power=1.0"]
    record = train(*on("regression", *words))
    outputs, truth = torch.load("outputs.pt", weights_only=True), made.regression().test.targets
    expected = ((outputs - truth).abs() * torch.tensor([1.0, 10.0])).mean().item()
    assert record.metrics["test/loss"] == pytest.approx(expected, rel=1e-5)


def test_torchs_own_loss_takes_weights(train: Train) -> None:
    weight = [1.0] * 9 + [5.0]
    words = ["loss._target_=torch.nn.CrossEntropyLoss", "loss.name=torchs", f"+loss.weight={weight}".replace(" ", "")]
    record = train("trainer.max_epochs=1", *words)
    data = load_data(Config.parse(resolve(compose(["dataset=digits"]))))
    loss = torch.nn.functional.cross_entropy(
        torch.load("outputs.pt", weights_only=True), data.test.targets, torch.tensor(weight)
    )
    assert record.metrics["test/loss"] == pytest.approx(loss.item(), rel=0.05)  # a mean of the batches' weighted means


def test_class_weights_balance_what_the_classes_count(train: Train) -> None:
    words = on("dense", "+dataset.class_weights=balanced")
    record = train(*words)
    config = Config.parse(resolve(compose(words)))
    data = load_data(config)
    with keeping_random_state():
        module = build_module(config, data)
    targets = data.train.targets
    counts = torch.tensor([(targets == label).sum() for label in (0, 1)])
    weights = counts.sum() / (2 * counts)
    assert record.data["class_weights"] == pytest.approx(weights.tolist(), rel=1e-4)
    assert module.loss.weight.tolist() == pytest.approx(weights.tolist(), rel=1e-4)
    assert (weights * counts).tolist() == pytest.approx([counts.sum().item() / 2] * 2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (on("binary", "loss=cross_entropy"), r"loss=cross_entropy needs classes.*type loss=bce"),
        (on("dense", "loss=mse"), r"loss=mse needs numbers.*type loss=cross_entropy"),
        (on("multilabel", "loss.pos_weight=[1,2]"), r"loss.pos_weight=\[1, 2\]: 2 numbers, and .* 3 outputs"),
        (["loss.weight=[1,2]"], r"loss.weight=\[1, 2\]: 2 numbers, and digits has 10 classes"),
        (on("binary", "+dataset.class_weights=balanced"), r"class_weights is for classes"),
        (["+dataset.class_weights=balanced", "loss=mse"], r"loss=mse takes no weights; type loss=cross_entropy"),
        (on("regression", f"loss._target_={HERE}.each_sample"), r"gives \[4, 2\].*one number"),
        (on("regression", f"loss._target_={HERE}.away", "+loss.weight=[a]"), r"loss.weight=.*a list of numbers"),
        (on("regression", f"loss._target_={HERE}.away"), r"loss.weight is missing"),
        (on("regression", "metric=val/acc"), r"this run has val/loss, val/r2"),
        (on("binary", "+metrics.f1._target_=torchmetrics.F1Score"), r"metrics.f1: there is a metric of this name"),
        (on("binary", "+metrics.x._target_=torch.nn.Linear"), r"not a torchmetrics.Metric"),
        (
            on("binary", "+metrics.x._target_=torchmetrics.classification.BinaryConfusionMatrix"),
            r"metrics.x gives \[2, 2\], and a metric is one number",
        ),
        (
            on("binary", f"+metrics.x._target_={HERE}.Undecided", "metric=val/x"),
            r"metric=val/x: its class has no higher_is_better",
        ),
        (
            on("dense", "callbacks=predictions"),
            r"callbacks=predictions needs classes, and .* a class for each position",
        ),
    ],
)
def test_what_does_not_fit_the_task_is_refused_in_one_line(words: list[str], said: str, train: Train) -> None:
    with pytest.raises(UserError, match=said) as error:
        train(*words)
    assert "\n" not in str(error.value)
    assert not Path("run").exists()


def test_an_interrupted_epoch_of_positions_goes_on_where_it_was(train: Train) -> None:
    whole = train(*on("dense", "callbacks=default", "callbacks.progress=null"), folder="whole")
    train(*on("dense", "callbacks=default", "callbacks.progress=null", "trainer.max_epochs=2"), folder="first")
    rest = train(*on("dense", "callbacks=default", "callbacks.progress=null", "ckpt=first/checkpoints/last.ckpt"))
    assert rest.metrics == whole.metrics


def test_probabilities_are_those_of_the_task() -> None:
    outputs = torch.tensor([[0.0], [2.0]])
    p = torch.sigmoid(outputs)
    assert torch.equal(shares(outputs, made.binary().info), torch.cat([1 - p, p], dim=1))
    assert torch.equal(shares(outputs.repeat(1, 3), made.multilabel().info), p.repeat(1, 3))
