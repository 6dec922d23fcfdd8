"""The callback by which the bench takes part in a run of `python train.py`: `+callbacks.gate._target_=...`."""

import os
import time
from typing import Any, Literal

import torch
from benchmark.protocol import await_turn, say
from lightning import Callback, LightningModule, Trainer


class Gate(Callback):
    """Lets the bench watch a run.

    Args:
        watch: `epochs` gives each epoch its turn and its time, from the epoch's start to the start of the next, so
            with all that happens in between; `first_step` ends the process behind the first step; `ends` reports
            when training begins and ends, for what a run costs besides.
    """

    every_batch = False  # no obstacle to engines that take many steps between two calls

    def __init__(self, watch: Literal["epochs", "first_step", "ends"] = "epochs") -> None:
        self.watch = watch
        self.began = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        say("training")

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.watch != "epochs":
            return
        settle(trainer.strategy.root_device)
        say("done" if self.began else "ready", seconds=time.perf_counter() - self.began)
        await_turn()
        self.began = time.perf_counter()

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
