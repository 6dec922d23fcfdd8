"""The divergence guard: a loss that is no longer a number ends the run, as a result."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Annotated

from lightning import Callback, LightningModule, Trainer
from pydantic import Field

from optlab.adapters.lightning import batches_done
from optlab.run_module import RunState, state_of
from optlab.sums import Sent


class Diverged(Exception):
    """The loss became non-finite or passed the bound: a result, not a failure."""

    def __init__(self, metric: str, value: float, epoch: int, step: int) -> None:
        self.metric = metric
        self.value = value
        self.epoch = epoch
        self.step = step
        super().__init__(f"{metric} became {value:g} in epoch {epoch} (step {step})")


@dataclass
class Look:
    """The sums of an epoch so far, on their way to the host, and when they were that."""

    sums: Sent
    epoch: int
    step: int


class DivergenceGuard(Callback):
    """Looks at the running mean of the training loss every few steps, and at val/loss after each epoch.

    A sum that once took up a non-finite loss stays non-finite, so nothing is missed between two looks. A GPU is not
    waited for: it sends its sums, and they are read at the next look, or at the end of the epoch. What is recorded is
    the look at which the loss was too large; the run has then taken some steps more.

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
        self._looks: deque[Look] = deque()  # not yet read

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._looks.clear()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        if batches_done(trainer) % self.every_n_steps == 0:
            state = state_of(pl_module)
            self._looks.append(Look(state.send_sums("train"), trainer.current_epoch + 1, trainer.global_step))
            while len(self._looks) > 1 or (self._looks and self._looks[0].sums.is_here):
                self.read(self._looks.popleft(), state)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        state = state_of(pl_module)
        while self._looks:
            self.read(self._looks.popleft(), state)
        for name in ("train/loss", "val/loss"):
            if name in state.metrics:
                self.check(name, state.metrics[name], trainer.current_epoch + 1, trainer.global_step)

    def read(self, look: Look, state: RunState) -> None:
        running = state.means("train", look.sums.read())
        if "train/loss" in running:  # a user's module may not tell
            self.check("train/loss", running["train/loss"], look.epoch, look.step)

    def check(self, name: str, value: float, epoch: int, step: int) -> None:
        """Raise Diverged when the value is not finite or above the bound."""
        if not math.isfinite(value) or value > self.bound:
            raise Diverged(name, value, epoch, step)
