"""The clock of a measurement: a callback that takes the time of steps, validation and epochs, and ends it in time."""

import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from optlab.adapters.lightning import batches_done

EPOCHS = 3  # short ones; the first warms up
SECONDS = 0.15  # behind which no further short epoch begins
PATIENCE = 3.0  # seconds, behind which slow steps are not waited for: those that are over have to do


class Enough(Exception):
    """What was to be measured is."""


class Clock(Callback):
    """Takes the time of a run whose epochs are a few batches long, and ends it with `Enough`.

    Args:
        batches: of a short epoch.
        checkpoint: where to save one, if the end comes before the first epoch's; None: the run keeps none.
    """

    every_batch = False  # the engine may take several steps between two calls

    def __init__(self, batches: int, checkpoint: Path | None = None) -> None:
        self.batches = batches
        self.checkpoint = checkpoint
        self._steps: list[float] = []  # seconds of one, by epoch
        self._besides: list[float] = []  # seconds of an epoch without its batches and its validation
        self._validations: list[float] = []  # seconds of each
        self._began = self._epoch = self._validation = self._inside = 0.0
        self._mark: tuple[float, int] | None = None  # when so many batches of the epoch were done
        self._last: tuple[float, int] | None = None  # the same of the last batch that is not counted yet

    @property
    def step_seconds(self) -> float:
        """Of a training step; the first one of all is left out where there is another."""
        return median(self._steps[1:] or self._steps) if self._steps else 0.0

    @property
    def epoch_seconds(self) -> float:
        """Of an epoch, besides its steps and its validation."""
        return median(self._besides[1:] or self._besides) if self._besides else 0.0

    @property
    def validation_seconds(self) -> float | None:
        """Of a short validation; None where there was none."""
        return median(self._validations[1:] or self._validations) if self._validations else None

    # -- Lightning's hooks

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        now = self.now(pl_module)
        self._began = self._began or now
        self.end_epoch(now)
        if len(self._besides) >= EPOCHS and now - self._began > SECONDS:
            raise Enough
        self._epoch, self._inside, self._mark, self._last = now, 0.0, None, None

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if batch_idx == 0 and self._besides:  # the very first step makes what the others find
            self._mark = self.now(pl_module), 0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now, done = self.now(pl_module), batches_done(trainer)
        if self._mark is None:
            self._mark = now, done
            return
        self._last = now, done
        waited = now - self._began > PATIENCE
        if waited or done >= self.batches:
            self.count()
        if self._steps and waited:
            if self.checkpoint is not None and not self.checkpoint.exists():
                trainer.save_checkpoint(self.checkpoint)
            raise Enough

    def count(self) -> None:
        """Take the time of the steps since the mark."""
        if self._mark is None or self._last is None or self._last[1] <= self._mark[1]:
            return
        seconds = self._last[0] - self._mark[0]
        self._steps.append(seconds / (self._last[1] - self._mark[1]))
        self._inside += seconds
        self._last = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.count()  # data that do not say how many samples they have may end before the short epoch does

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._validation = self.now(pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        seconds = self.now(pl_module) - self._validation
        self._validations.append(seconds)
        self._inside += seconds

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.end_epoch(self.now(pl_module))

    def end_epoch(self, now: float) -> None:
        if self._epoch:
            self._besides.append(max(0.0, now - self._epoch - self._inside))
        self._epoch = 0.0

    def now(self, module: LightningModule) -> float:
        """The time at which the device is done with what it was given."""
        if module.device.type == "cuda":
            torch.cuda.synchronize(module.device)
        return time.perf_counter()
