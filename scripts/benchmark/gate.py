"""Turns, as a contestant takes them, and the callback that takes them in a run of `python train.py`."""

import os
import time
from collections.abc import Iterator
from typing import Any, Literal

import torch
from lightning import Callback, LightningModule, Trainer

from benchmark.protocol import EPOCHS, await_turn, say


class Turns:
    """Called at the start of each epoch: says how long those of the last turn took, and waits for the next."""

    def __init__(self) -> None:
        self.epochs = int(os.environ.get(EPOCHS, 1))
        self.left = 0
        self.began = 0.0

    def next(self, device: torch.device) -> None:
        self.left -= 1
        if self.left > 0:
            return
        settle(device)
        say("done" if self.began else "ready", seconds=(time.perf_counter() - self.began) / self.epochs)
        await_turn()
        self.left, self.began = self.epochs, time.perf_counter()

    def epochs_of(self, device: torch.device) -> Iterator[None]:
        while True:
            self.next(device)
            yield


class Gate(Callback):
    """Lets the bench watch a run.

    Args:
        watch: `epochs` takes turns and their time, from an epoch's start to the start of the next turn's first, so
            with all that happens in between; `first_step` ends the process behind the first step; `ends` reports
            when training begins and ends, for what a run costs besides.
    """

    every_batch = False  # no obstacle to engines that take many steps between two calls

    def __init__(self, watch: Literal["epochs", "first_step", "ends"] = "epochs") -> None:
        self.watch = watch
        self.turns = Turns()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        say("training")

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.watch == "epochs":
            self.turns.next(trainer.strategy.root_device)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.watch == "first_step":
            say("step")
            os._exit(0)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        say("trained")


def settle(device: torch.device) -> None:
    """Wait for what the device has still to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
