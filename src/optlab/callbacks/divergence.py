"""The divergence guard: a loss that is no longer a number ends the run, as a result."""

import math
from typing import Annotated

from lightning import Callback, LightningModule, Trainer
from pydantic import Field

from optlab.adapters.lightning import batches_done
from optlab.run_module import state_of


class Diverged(Exception):
    """The loss became non-finite or passed the bound: a result, not a failure."""

    def __init__(self, metric: str, value: float, epoch: int, step: int) -> None:
        self.metric = metric
        self.value = value
        self.epoch = epoch
        self.step = step
        super().__init__(f"{metric} became {value:g} in epoch {epoch} (step {step})")


class DivergenceGuard(Callback):
    """Looks at the running mean of the training loss every few steps, and at val/loss after each epoch.

    A sum that once took up a non-finite loss stays non-finite, so nothing is missed between two looks; each look
    reads one number back from the device.

    Args:
        every_n_steps: steps between two looks.
        bound: end the run also when the running mean of the loss passes this value.
    """

    every_batch = False  # the engine may take several steps between two calls, up to the next look

    def __init__(
        self, every_n_steps: Annotated[int, Field(ge=1)] = 50, bound: Annotated[float, Field(gt=0)] | None = None
    ) -> None:
        self.every_n_steps = every_n_steps
        self.bound = math.inf if bound is None else bound

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        if batches_done(trainer) % self.every_n_steps == 0:
            running = state_of(pl_module).read_sums("train")
            if "train/loss" in running:  # a user's module may not tell
                self.check(trainer, "train/loss", running["train/loss"])

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        metrics = state_of(pl_module).metrics
        for name in ("train/loss", "val/loss"):
            if name in metrics:
                self.check(trainer, name, metrics[name])

    def check(self, trainer: Trainer, name: str, value: float) -> None:
        """Raise Diverged when the value is not finite or above the bound."""
        if not math.isfinite(value) or value > self.bound:
            raise Diverged(name, value, trainer.current_epoch + 1, trainer.global_step)
