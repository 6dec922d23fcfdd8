"""A LightningModule of a user's own: trained by its own steps, recorded, continued, tested and compared as ours."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from optlab.config import compose
from optlab.errors import UserError
from optlab.evaluate import evaluate, predict
from optlab.record import RunRecord
from optlab.rules.metrics import objective
from optlab.run import run
from tests.commandline import command
from tests.conftest import Train, words_of
from tests.metrics import read_metrics

PICTURES = (
    "dataset=fake",
    "dataset.channels=1",
    "dataset.image_size=28",
    "dataset.samples=200",
    "trainer.max_epochs=1",
)
AUTO_ENCODER = """
_target_: tests.lit.LitAutoEncoder
encoder:
  _target_: torch.nn.Sequential
  _args_: [{_target_: torch.nn.Linear, in_features: 784, out_features: 3}, {_target_: torch.nn.ReLU}]
decoder: {_target_: torch.nn.Linear, in_features: 3, out_features: 784}
"""


def lit(name: str) -> tuple[str, str]:
    return "module=custom", f"module._target_=tests.lit.{name}"


def weights(folder: str) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(f"{folder}/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    return state


def test_it_is_trained_as_it_says_and_recorded_as_any_run(train: Train) -> None:
    record = train(*lit("LitDigits"), "optimizer.lr=0.01", "trainer.max_epochs=4")
    assert (record.status, record.model, record.optimizer) == ("finished", "LitDigits", "adam")
    rows = read_metrics(Path("run/metrics.csv"))
    assert [row["epoch_of_mine"] for row in rows] == [0, 1, 2, 3]
    assert all(row["train/loss"] == pytest.approx(row["train_loss_epoch"], rel=1e-5) for row in rows)
    assert all(row["val_acc"] == row["val/acc"] for row in rows)
    assert record.best["metric"] == "val/acc"
    assert objective(record) == record.metrics["val_acc"] > 0.8
    assert record.metrics["test/acc"] == record.metrics["test_acc"] > 0.8  # by its val step
    assert torch.load("run/checkpoints/last.ckpt", weights_only=True)["hyper_parameters"]["lr"] == 0.01


def test_one_seed_gives_the_weights_that_its_constructor_gives_alone(train: Train) -> None:
    record = train(*lit("LitDigits"), "optimizer=sgd", "optimizer.lr=0.0", "trainer.max_epochs=1")
    again = train(*lit("LitDigits"), "optimizer=adam", "optimizer.lr=0.0", "trainer.max_epochs=1", folder="again")
    assert all(torch.equal(value, weights("again")[name]) for name, value in weights("run").items())
    assert record.metrics["val/loss"] == again.metrics["val/loss"]


def test_the_tutorial_autoencoder_runs_unchanged(train: Train, caplog: pytest.LogCaptureFixture) -> None:
    Path("conf/module").mkdir(parents=True)
    Path("conf/module/auto.yaml").write_text(AUTO_ENCODER)
    with caplog.at_level(logging.INFO):
        record = train("module=auto", *PICTURES)
    assert (record.status, record.model, record.data["metric"]) == ("finished", "LitAutoEncoder", "train/loss")
    assert record.metrics["train_loss"] == pytest.approx(record.metrics["train/loss"], rel=1e-5)
    assert "neither test_step nor validation_step" in caplog.text


def test_the_tutorial_classifier_runs_unchanged_with_its_own_optimizer(train: Train) -> None:
    record = train(*lit("LitMNIST"), *PICTURES, "optimizer=own")
    assert (record.status, record.optimizer, record.lr) == ("finished", "own", 2e-4)
    assert {"val_acc", "val/acc", "test_acc", "test/acc", "test_loss", "train/loss"} <= record.metrics.keys()


@pytest.mark.parametrize("options", [("optimizer=momentum", "lr=cosine"), ("optimizer=own",)])
@pytest.mark.parametrize("name", ["LitDigits", "Plateau"])
def test_it_continues_bit_for_bit(train: Train, name: str, options: tuple[str, ...]) -> None:
    if name == "Plateau" and options != ("optimizer=own",):
        options = ("optimizer=momentum", "lr=plateau", "lr.patience=0", "lr.threshold=0.9")
    whole = train(*lit(name), *options, "trainer.max_epochs=4", folder="whole")

    stop = ("+callbacks.stop._target_=tests.engine.test_engines.Stop", "+callbacks.stop.steps=48")
    words = words_of(*lit(name), *options, "trainer.max_epochs=4", *stop)
    half = run(compose(words), Path("half"), overrides=words)
    assert half.status == "interrupted"
    continued = train(
        *lit(name), *options, "trainer.max_epochs=4", "ckpt=half/checkpoints/last.ckpt", folder="continued"
    )
    assert all(torch.equal(value, weights("continued")[key]) for key, value in weights("whole").items())
    same = [key for key in whole.metrics if "train_loss" not in key]  # whose mean begins anew within an epoch
    assert {key: continued.metrics[key] for key in same} == {key: whole.metrics[key] for key in same}


def test_manual_optimization_takes_its_own_optimizer(train: Train) -> None:
    record = train(*lit("ByHand"), "optimizer=own")
    assert record.status == "finished"
    assert record.metrics["train/loss"] == record.metrics["train_loss"] < 2
    with pytest.raises(UserError, match="module=ByHand: steps its optimizers itself; type optimizer=own"):
        train(*lit("ByHand"))


def test_what_is_not_used_or_not_there_is_said(train: Train, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        train(*lit("FixedRate"), "optimizer=own", "optimizer.lr=0.5", "trainer.max_epochs=1")
    assert "optimizer.lr=0.5 is not used: optimizer=own, and the constructor of FixedRate takes no lr" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO):
        quiet = train(
            *lit("NoLossByHand"), "optimizer=own", "trainer.max_epochs=1", "dataset.val_size=0", folder="quiet"
        )
    assert "judged by nothing, as no loss is returned; type metric=NAME, one of: d_loss" in caplog.text
    assert (quiet.status, quiet.best) == ("finished", {})


def test_it_is_judged_by_what_it_logs_under_its_own_name_too(train: Train) -> None:
    record = train(*lit("LitDigits"), "metric=val_loss")
    assert (record.best["metric"], record.data["metric"]) == ("val/loss", "val/loss")
    with pytest.raises(UserError, match=r"metric=val/f2: this run logs .*val_loss, val/loss"):
        train(*lit("LitDigits"), "metric=val_f2", folder="other")


def test_a_checkpoint_of_it_is_tested_and_its_class_is_not_taken_from_the_file(train: Train) -> None:
    words = lit("LitDigits")
    record = train(*words)
    tested = command("ckpt=run", "mode=test", *words, "trainer=cpu", "hydra.run.dir=tested")
    assert tested.code == 0, tested.err
    assert f"{record.metrics['test/acc']:.4f}" in tested.out
    refused = command("ckpt=run", "mode=test", "hydra.run.dir=refused")
    assert "module._target_=tests.lit.LitDigits" in refused.err
    assert "type trust=true" in refused.err
    other = command("ckpt=run", "mode=test", *lit("Plateau"), "trainer=cpu", "hydra.run.dir=other")
    assert "holds module._target_=tests.lit.LitDigits" in other.err
    config = compose(words_of(*words, "mode=predict", "ckpt=run/checkpoints/last.ckpt", "input=x.png"))
    with pytest.raises(UserError, match="says itself how it predicts"):
        predict(config, Path("predicted"))
    assert evaluate(compose(words_of(*words, "mode=test", "ckpt=run/checkpoints/last.ckpt")), Path("t")) is not None


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("module=custom", "module._target_=torch.nn.ReLU"), "is no lightning.LightningModule; a network is model."),
        (("module=custom", "module._target_=os.getcwd"), "is no class"),
        (("module=custom", "module._target_=tests.nothing.Here"), "tests has no .nothing"),
        (lit("NoSteps"), "has no training_step"),
        (
            (*lit("LitDigits"), "model.freeze=[head]"),
            r"model.freeze=\['head'\]: is .* builds its network itself; leave",
        ),
        ((*lit("LitDigits"), "+metrics.f1._target_=torchmetrics.F1Score"), "metrics.f1: .* logs its metrics itself"),
        ((*lit("LitDigits"), "dataset.class_weights=balanced"), "dataset.class_weights: .* weighs its loss itself"),
        (lit("LitAutoEncoder"), "module.encoder is missing; type module.encoder=VALUE"),
        ((*lit("LitDigits"), "+module.hiden=3"), "takes no 'hiden'.*did you mean module.hidden"),
        (lit("Unmade"), "module=Unmade cannot be built: ValueError: no such thing .lit.py, line"),
        (lit("NoWeights"), "has no weights to train"),
        (lit("NoLoss"), "training_step returned no loss for any batch"),
        ((*lit("NoOptimizer"), "optimizer=own"), "configure_optimizers of module=NoOptimizer gives no optimizer"),
        ((*lit("LitDigits"), "engine=loop"), "engine=loop: is for optlab's own module"),
        ((*lit("LitDigits"), "optimizer=own", "lr=cosine"), "optimizer=own brings its schedule along"),
        ((*lit("LitDigits"), "callbacks=test_curve"), "callbacks.test_curve: looks into optlab's own module"),
        (("optimizer=own",), "optimizer=own: stands for the configure_optimizers of a LightningModule"),
    ],
)
def test_what_cannot_work_costs_one_line(train: Train, words: tuple[str, ...], line: str) -> None:
    with pytest.raises(UserError, match=line) as caught:
        train(*words)
    assert "\n" not in str(caught.value)


def test_a_study_compares_its_own_optimizer_with_ours() -> None:
    study = ("-m", "hydra/sweeper=study", "optimizer=own,sgd", "hydra.sweeper.trials=2", "sweep=s")
    seeds = ("hydra.sweeper.tuning_seeds=[0]", "hydra.sweeper.confirmation_seeds=[5,6]")
    quick = (
        "hydra.sweeper.extensions=0",
        "logger=none",
        "callbacks=quiet",
        "trainer=cpu",
        "trainer.max_epochs=1",
        "batch_size=128",
    )
    done = command(*study, *seeds, *lit("LitDigits"), *quick)
    assert done.code == 0, done.err
    records = [RunRecord.read(path.parent) for path in Path("outputs/sweeps/s").glob("*/run.json")]
    confirmed = [(each.optimizer, each.seed) for each in records if each.phase == "confirm"]
    assert sorted(confirmed) == [("own", 5), ("own", 6), ("sgd", 5), ("sgd", 6)]
    assert {each.data["metric"] for each in records} == {"val/acc"}
    assert "Unequal tuning budgets" in done.out
