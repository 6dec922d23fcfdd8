"""What an upgrade of Lightning may take away: each test says in words what breaks in a run where it fails."""

import io
import logging
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.fabric.strategies.launchers.subprocess_script import _ChildProcessObserver
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor, nn

from optlab.adapters import lightning as adapter

BATCHES = 6


class Line(LightningModule):
    """One weight; many steps are taken within one `training_step` where `at_once` says so."""

    def __init__(self, at_once: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.automatic_optimization = not at_once
        self.at_once = at_once
        self.asked: dict[str, Any] = {}

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor | None:
        if not self.at_once:
            self.asked.setdefault("due", []).append(adapter.batches_to_validation(self.trainer, batch_idx))
            return (self.weight - batch).square().mean()
        end = min(batch_idx + self.at_once, BATCHES)
        adapter.count_steps(self.trainer, end - batch_idx, ends_epoch=end == BATCHES)
        return None

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        self.asked.setdefault("validations", []).append(self.trainer.global_step)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        adapter.load_train_batches(self.trainer)
        self.asked["batches"] = self.trainer.num_training_batches
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.at_once:
            adapter.save_as_automatic(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.at_once:
            adapter.load_as_manual(checkpoint)


class Ones:
    """So many batches, of which a module may take several at once."""

    def __init__(self, batches: int, at_once: int = 1) -> None:
        self.batches = batches
        self.at_once = at_once

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[Tensor]:
        for _ in range(0, self.batches, self.at_once):
            yield torch.ones(1)


class Ask(Callback):
    """Calls a function at the end of each batch and keeps its answers."""

    def __init__(self, question: Callable[[Trainer, int], Any]) -> None:
        self.question = question
        self.answers: list[Any] = []

    def on_train_batch_end(self, trainer: Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.answers.append(self.question(trainer, batch_idx))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        adapter.quieten()
        yield


def fit(module: Line, *callbacks: Callback, ckpt: Path | None = None, **settings: Any) -> Trainer:
    off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    quick: dict[str, Any] = dict.fromkeys(off, False) | {"accelerator": "cpu", "max_epochs": 2}
    trainer = Trainer(**(quick | settings), num_sanity_val_steps=0, callbacks=list(callbacks))
    trainer.fit(module, Ones(BATCHES, module.at_once or 1), Ones(1), ckpt_path=ckpt, weights_only=True)
    return trainer


def test_lightning_does_not_talk_over_a_run(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.INFO)
    adapter.quieten()
    fit(Line(), max_epochs=1)
    told = [r.message for r in caplog.records if r.name.startswith("lightning") and r.levelno < logging.WARNING]
    assert told == [], "Lightning's loggers have other names now: each run tells of devices and gives tips"


def test_frozen_norms_are_no_surprise() -> None:
    module = Line()
    module.norm = torch.nn.BatchNorm1d(1).eval()
    adapter.quieten()
    fit(module, max_epochs=1)  # a warning is an error here
    assert not module.norm.training, "Lightning puts frozen norms into training mode, and they lose their statistics"


def test_signals_come_back_from_lightning() -> None:
    got: list[int] = []
    handler = lambda number, frame: got.append(number)  # noqa: E731
    before = signal.signal(signal.SIGTERM, handler)
    seen: list[Any] = []

    class TakesBack(Callback):
        def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            seen.append(signal.getsignal(signal.SIGTERM))
            adapter.take_signals_back([signal.SIGTERM], handler)
            signal.raise_signal(signal.SIGTERM)

    try:
        trainer = fit(Line(), TakesBack(), max_epochs=1)
        after = signal.getsignal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen != [handler], "Lightning no longer takes SIGTERM: take_signals_back can go"
    assert (got, trainer.global_step) == ([signal.SIGTERM], BATCHES), "SIGTERM ends training between two steps unsaved"
    assert after is handler, "Lightning leaves its own handler behind: a sweep's next run cannot be stopped"


def test_callbacks_are_found() -> None:
    first, second = Ask(lambda *_: None), EarlyStopping("train/loss")
    trainer = Trainer(callbacks=[first, second], logger=False, enable_checkpointing=False, accelerator="cpu")
    assert first in adapter.callbacks_of(trainer), "no run finds its recorder, and no engine what looks at batches"
    assert adapter.callback_of(trainer, EarlyStopping) is second


def test_a_callback_may_say_how_checkpoints_are_written(tmp_path: Path) -> None:
    class Counts(TorchCheckpointIO):
        written = 0

        def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
            self.written += 1
            torch.save(checkpoint, io.BytesIO())

    writer = Counts()
    trainer = fit(Line(), max_epochs=1)
    adapter.write_checkpoints_with(trainer, writer)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    assert writer.written == 1, "checkpoints are written by Lightning's own writer, which takes a fifth longer"


def test_what_is_published_is_what_callbacks_watch() -> None:
    class Publishes(Line):
        def on_train_epoch_end(self) -> None:
            adapter.publish(self.trainer, {"train/loss": 1.0})
            self.asked["published"] = dict(adapter.published(self.trainer))

    stopping = EarlyStopping("train/loss", patience=1)
    module = Publishes()
    trainer = fit(module, stopping, max_epochs=9)
    assert trainer.current_epoch == 2, "EarlyStopping and other callbacks see no metric of a run"
    assert module.asked["published"] == {"train/loss": 1.0}, "what a module logs is no metric of its run"


def test_a_callback_evaluates_in_the_precision_of_validation() -> None:
    def kind(trainer: Trainer, batch_idx: int) -> torch.dtype:
        with adapter.evaluation_precision(trainer):
            return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype

    ask = Ask(kind)
    fit(Line(), ask, max_epochs=1, precision="bf16-mixed")
    assert set(ask.answers) == {torch.bfloat16}, "the test curve is computed in another precision than the test"


def test_a_callback_computes_a_step_again_in_its_precision() -> None:
    def kind(trainer: Trainer, batch_idx: int) -> torch.dtype:
        with adapter.training_precision(trainer):
            return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype

    ask = Ask(kind)
    fit(Line(), ask, max_epochs=1, precision="bf16-mixed")
    assert set(ask.answers) == {torch.bfloat16}, "the loss after a step is of another precision than that before it"


class FusedLine(Line):
    clips = True

    def configure_optimizers(self) -> torch.optim.Optimizer:
        optimizer = torch.optim.Adam(self.parameters(), fused=True)
        if self.clips:
            adapter.let_clip(optimizer)
        return optimizer


def test_fused_steps_are_clipped() -> None:
    settings: dict[str, Any] = {"max_epochs": 1, "precision": "bf16-mixed", "gradient_clip_val": 0.1}
    assert fit(FusedLine(), **settings).global_step == BATCHES, "fused optimizers cannot be clipped in bf16-mixed"
    plain = FusedLine()
    plain.clips = False
    with pytest.raises(RuntimeError, match="does not allow for gradient clipping"):
        fit(plain, **settings)  # once this passes, let_clip can go


def test_the_number_of_batches_is_known_to_an_open_run() -> None:
    module = Line()
    fit(module, max_epochs=-1, max_steps=3)
    assert module.asked["batches"] == BATCHES, "schedules of a run by steps do not know how long an epoch is"


# -- where a run stands


@pytest.mark.parametrize(("at_once", "done"), [(0, [1, 2, 3, 4, 5, 6]), (4, [4, 6])])
def test_batches_are_counted(at_once: int, done: list[int]) -> None:
    ask = Ask(lambda trainer, _: adapter.batches_done(trainer))
    fit(Line(at_once), ask)
    assert ask.answers == [*done, *done], "the guard looks at the loss at other batches"


@pytest.mark.parametrize("settings", [{"max_epochs": 2}, {"max_epochs": 9, "max_steps": 2 * BATCHES - 1}])
def test_the_last_epoch_is_known_at_its_end(settings: dict[str, Any]) -> None:
    answers: list[tuple[bool, int]] = []

    class AtEpoch(Callback):
        def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            answers.append((adapter.ends(trainer), trainer.current_epoch))

    fit(Line(), AtEpoch(), **settings)
    assert [last for last, _ in answers] == [False, True], "the last epoch has no line in the table and no last.ckpt"
    assert [epoch for _, epoch in answers] == [0, 1], "callbacks that come later take the last epoch for one more"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"val_check_interval": 4}, [4, 3, 2, 1, 4, 3] * 2),  # counted within the epoch
        ({"val_check_interval": 4, "check_val_every_n_epoch": None}, [4, 3, 2, 1] * 3),
    ],
)
def test_the_next_validation_is_known(settings: dict[str, Any], expected: list[int]) -> None:
    module = Line()
    fit(module, **settings)
    assert module.asked["due"] == expected, "many steps are taken at once beyond a validation that was due among them"


@pytest.mark.parametrize("settings", [{"val_check_interval": 2}, {"max_steps": 8, "max_epochs": 3}, {}])
def test_steps_taken_at_once_are_counted_as_single_ones(settings: dict[str, Any]) -> None:
    single, chunked = Line(), Line(at_once=2)
    expected, found = fit(single, **settings), fit(chunked, **settings)
    assert found.global_step == expected.global_step, "max_steps and the schedule count chunks and not steps"
    assert found.current_epoch == expected.current_epoch
    assert chunked.asked["validations"] == single.asked["validations"], "validation comes at other steps in loop"


@pytest.mark.parametrize(("first", "then"), [(0, 2), (2, 0), (2, 2)])
def test_a_checkpoint_goes_on_whichever_way_steps_are_counted(first: int, then: int, tmp_path: Path) -> None:
    fit(Line(first)).save_checkpoint(tmp_path / "a.ckpt")
    trainer = fit(Line(then), ckpt=tmp_path / "a.ckpt", max_epochs=3)
    assert trainer.global_step == 3 * BATCHES, "a run that is continued in another engine forgets its steps"


def test_the_processes_of_a_distributed_run_are_taken_from_their_observer_else_a_failed_one_kills_the_sweep() -> None:
    child = subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"])
    observer = _ChildProcessObserver(main_pid=0, child_processes=[child], sleep_period=1)
    observer.start()
    assert adapter.child_processes() == [child]
    assert adapter.child_processes() == []
    assert child.wait(60) == 1
    observer.join(60)
    assert not observer.is_alive()  # it looked, and had nobody to end
