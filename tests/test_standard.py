"""Lightning's own callbacks and Trainer keys: each works in a run, or is refused before it with what to type."""

from pathlib import Path
from typing import Any

import pytest
from lightning import Callback

from optlab.errors import UserError
from optlab.record import RunRecord
from tests.commandline import command
from tests.conftest import Train, words_of

LIGHTNING = "lightning.pytorch.callbacks"


def with_callback(name: str, *options: str, package: str = LIGHTNING) -> list[str]:
    return [f"+callbacks.mine._target_={package}.{name}", *(f"+callbacks.mine.{option}" for option in options)]


class Stop(Callback):
    """Asks for the end of training in the first epoch."""

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        trainer.should_stop = True


# -- early stopping


@pytest.mark.parametrize("typed", [[], ["callbacks.early_stopping.mode=max"]])
def test_early_stopping_goes_on_while_accuracy_rises(typed: list[str], train: Train) -> None:
    words = ["callbacks=early_stopping", "callbacks.early_stopping.monitor=val/acc"]
    words += ["callbacks.early_stopping.patience=2", "trainer.max_epochs=6", "callbacks.progress=null"]
    record = train(*words, *[f"+{word}" for word in typed])
    assert (record.epochs, (record.ended or {})["reason"]) == (6, "max_epochs")


def test_a_mode_against_the_metrics_name_counts_and_is_said(train: Train, caplog: pytest.LogCaptureFixture) -> None:
    words = with_callback("EarlyStopping", "monitor=val/acc", "mode=min", "patience=1")
    record = train(*words, "trainer.max_epochs=9", "optimizer.lr=0.01")
    assert (record.ended or {})["reason"] == "early_stopping"
    assert "callbacks.mine.mode=min takes the worst val/acc for the best, as higher is better" in caplog.text


@pytest.mark.parametrize(
    ("words", "reason", "text"),
    [
        (["trainer.max_steps=30"], "max_steps", "trainer.max_steps=30"),
        (with_callback("Stop", package="tests.test_standard"), "callback", "a callback set trainer.should_stop"),
        (
            with_callback("EarlyStopping", "monitor=train/acc", "stopping_threshold=0.01"),
            "early_stopping",
            "train/acc had reached stopping_threshold=0.01",
        ),
        (
            ["+trainer.max_time={microseconds:1}", "trainer.max_epochs=9"],
            "max_time",
            "the time that it was given to train is over",
        ),
    ],
)
def test_the_record_says_why_training_ended(words: list[str], reason: str, text: str, train: Train) -> None:
    record = train(*words)
    assert record.ended == {"reason": reason, "epoch": record.epochs, "text": text}
    assert RunRecord.read(Path("run")).ended == record.ended


def test_a_run_that_stopped_early_says_so_and_is_not_trained_on_by_accident() -> None:
    words = words_of("callbacks=early_stopping", "callbacks.early_stopping.patience=1", "optimizer.lr=0")
    stopped = command(*words, "trainer.max_epochs=9", "hydra.run.dir=run")
    assert stopped.code == 0
    assert "ended early, after epoch 2 of 9: val/loss had not fallen at the last look (best" in stopped.out
    again = command("ckpt=run", "hydra.run.dir=again")
    assert (again.code, again.err.count("\n")) == (1, 1)
    assert "complete (after 2 epochs: val/loss had not" in again.err
    assert "type callbacks.early_stopping=null to train on" in again.err
    assert command("ckpt=run", "callbacks.early_stopping=null", "hydra.run.dir=again").code == 0
    assert RunRecord.read(Path("again")).epochs == 9


def test_time_that_is_over_is_given_anew_by_a_longer_one(train: Train) -> None:
    train("+trainer.max_time={microseconds:1}")
    assert "type a longer trainer.max_time to train on" in command("ckpt=run", "hydra.run.dir=on").err
    assert command("ckpt=run", "+trainer.max_time=00:00:20:00", "hydra.run.dir=on").code == 0
    assert (RunRecord.read(Path("on")).ended or {})["reason"] == "max_epochs"


# -- others of Lightning's


@pytest.mark.parametrize(
    "words",
    [
        with_callback("LearningRateMonitor"),
        [*with_callback("LearningRateMonitor"), "logger=csv"],
        with_callback("Timer", "duration=00:01:00:00"),
        with_callback("ModelSummary"),
        with_callback("RichProgressBar"),
        with_callback("EMAWeightAveraging", package=f"{LIGHTNING}.weight_averaging"),
        with_callback("ModelPruning", "pruning_fn=l1_unstructured", "amount=0.1"),
        ["+trainer.strategy._target_=lightning.pytorch.strategies.SingleDeviceStrategy"],
        ["+trainer.enable_model_summary=true"],
    ],
    ids=" ".join,
)
def test_what_works_trains_the_run_to_its_end(words: list[str], train: Train) -> None:
    record = train(*words)
    assert (record.status, record.epochs) == ("finished", 2)


def test_lightnings_checkpoints_lie_beside_ours_and_keep_the_best(train: Train) -> None:
    record = train(*with_callback("ModelCheckpoint", "monitor=val/acc", "filename=top", "save_last=true"))
    assert (record.status, record.epochs) == ("finished", 2)
    assert sorted(path.name for path in Path("run/checkpoints/mine").iterdir()) == ["last.ckpt", "top.ckpt"]
    assert command("mode=test", "ckpt=run/checkpoints/mine/top.ckpt").code == 0


REFUSED = {
    "GradientAccumulationScheduler": (["scheduling={0:1,1:2}"], "trainer.accumulate_grad_batches=4"),
    "StochasticWeightAveraging": (["swa_lrs=0.1"], "EMAWeightAveraging"),
    "LearningRateFinder": ([], "-m optimizer.lr=0.1,0.01"),
    "BatchSizeFinder": ([], "batch_size=64"),
    "BackboneFinetuning": ([], "model.freeze"),
    "EarlyStopping": (
        ["monitor=val_acc"],
        "callbacks.mine.monitor=val_acc: this run has val/loss, val/acc",
    ),
    "ModelCheckpoint": (["monitor=val_acc"], "callbacks.mine.monitor=val_acc: this run has val/loss"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_work_is_refused_before_the_start(name: str, train: Train) -> None:
    options, instead = REFUSED[name]
    with pytest.raises(UserError) as refusal:
        train(*with_callback(name, *options))
    assert instead in str(refusal.value)
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("word", "instead"),
    [
        ("callbacks=[]", "+callbacks.NAME._target_="),
        ("logger=true", "logger=csv"),
        ("enable_checkpointing=false", "callbacks=no_checkpoints"),
        ("default_root_dir=x", "hydra.run.dir=FOLDER"),
        ("barebones=true", "leave it out"),
        ("fast_dev_run=true", "debug=fast"),
        ("max_time=abc", "00:00:20:00"),
        ("max_time=00:00:00:00", "00:00:20:00"),
        ("max_time={secs:1}", "00:00:20:00"),
    ],
)
def test_a_key_that_would_replace_what_a_run_needs_says_what_to_type(word: str, instead: str, train: Train) -> None:
    with pytest.raises(UserError) as refusal:
        train(f"+trainer.{word}")
    assert str(refusal.value).startswith(f"trainer.{word.partition('=')[0]}=")
    assert instead in str(refusal.value)
    if not word.startswith("max_time"):  # which is no mistake, but for its value
        result = command(f"trainer.{word}")  # without +, as one types at first
        assert instead in result.err
        assert "+trainer" not in result.err


@pytest.mark.parametrize("bar", [with_callback("RichProgressBar"), ["+trainer.enable_progress_bar=true"]])
def test_two_bars_are_refused(bar: list[str], train: Train) -> None:
    with pytest.raises(UserError, match=r"room for one; add callbacks\.progress=null"):
        train(*bar, "callbacks=default")


def test_a_profile_says_where_it_lies() -> None:
    printed = command(*words_of("debug=profile", "hydra.run.dir=run", "trainer.max_epochs=1")).out
    assert "profile     run/fit-profile.txt" in printed
