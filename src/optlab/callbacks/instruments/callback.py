"""The callback: looks before and behind certain steps of a run, and writes what they did."""

import logging
import math
from collections.abc import Sequence
from typing import Annotated, Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer

from optlab.adapters.lightning import callback_of
from optlab.callbacks.contract import RunContext
from optlab.callbacks.instruments.layers import Layers
from optlab.callbacks.instruments.look import Before, Look
from optlab.callbacks.instruments.steps import Chosen
from optlab.callbacks.instruments.writing import Pages, show
from optlab.callbacks.recorder import Recorder
from optlab.run_module import state_of

log = logging.getLogger(__name__)


class Instruments(Callback):
    """Writes `instruments.csv`: norms of gradient, weights and update, their angle, signal-to-noise and more, by layer.

    The run is the one without it, bit for bit, in its weights, buffers and random streams, and its clock stands still
    meanwhile. A measured step is taken alone by the fast engines, which stay on; it costs a forward pass and a quarter
    of a training step more. The columns stand in `optlab.rules.instruments`, their formulas in `measures`.

    Args:
        every: measure each step whose number in the run it divides; null: one at the end of each epoch, the last over a
            full batch. The run's first step is measured too.
        micro_batches: parts of the batch, a quarter of it together, whose gradients tell how noisy the batch's is: more
            are more sure and cost more; 0 leaves signal-to-noise out.
    """

    every_batch = False  # the engine may take several steps between two calls, but for those of `next_alone`

    def __init__(
        self, every: Annotated[int, Field(ge=1)] | None = None, micro_batches: Annotated[int, Field(ge=0)] = 1
    ) -> None:
        self.micro_batches = micro_batches
        self.chosen = Chosen(every)
        self.pages = Pages()
        self.initial: list[Tensor] | None = None  # the weights that the run began with, as `Layers` has them
        self._carries = False  # whether checkpoints hold these, as nothing else tells them
        self._look: Look | None = None
        self._before: Before | None = None  # of the step under way, where it is measured
        self._clipped: Tensor | None = None  # steps whose gradients were clipped since the last look
        self._steps = 0  # of how many

    # -- the run

    def begin_run(self, run: RunContext) -> None:
        """Write below the run's folder."""
        self.pages.folder = run.folder

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Keep the initial weights: Lightning loads those of a checkpoint behind this."""
        state = state_of(pl_module)
        # Drawn weights are drawn from the seed again; those that were loaded, checkpoints carry along.
        self._carries = bool(state.weights)
        if stage == "fit" and not (self._carries and state.config.ckpt is not None):
            self.initial = [p.detach().clone() for p in Layers(state.network).parameters]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            self.pages.folder = None
        self.pages.begin()
        self._look = None
        if not isinstance(trainer.strategy, (SingleDeviceStrategy, DDPStrategy)):
            log.info("instruments: nothing is measured, as %s spreads the weights", type(trainer.strategy).__name__)
            return
        layers = Layers(state_of(pl_module).network)
        initial = fitting(self.initial, layers)
        self._look = Look(trainer, pl_module, layers, initial, self.micro_batches)
        if missing := self._look.missing():
            log.info("instruments: cells stay empty: %s", missing)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._before = None
        self.chosen.begin_epoch(trainer, state_of(pl_module).train_batches)

    def state_dict(self) -> dict[str, Any]:
        clipped = None if self._clipped is None else [float(self._clipped), self._steps]
        return {"rows": self.pages.text, "initial": self.initial if self._carries else None, "clipped": clipped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.pages.take_over(state_dict["rows"])
        match state_dict.get("clipped"):  # a checkpoint may hold anything
            case [float(clipped), int(steps)] if 0 <= clipped <= steps:
                self._clipped, self._steps = torch.tensor(clipped), steps
        if self._carries:
            self.initial = state_dict["initial"]

    # -- its steps

    def next_alone(self, trainer: Trainer, batch: int) -> int | None:
        """The batch whose step is measured next; the fast engines take it alone."""
        batches = self.chosen.batches(trainer, batch)
        return batches[0] if batches and self._look is not None else None

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if self._look is None:
            return
        if self._before is not None:
            self._look.begin_batch(self._before, batch, batch_idx)
        elif self.next_alone(trainer, batch_idx) == batch_idx:
            with callback_of(trainer, Recorder).clock_stopped(trainer):
                self._before = self._look.before(batch, batch_idx)

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Lightning calls it before it clips, and of an optimizer that asks for the loss again each time."""
        if self._look is None or not self._look.sees_gradients:
            return
        parameters = self._look.layers.parameters
        if trainer.gradient_clip_val is not None:
            self._steps += 1
            clipped = is_clipped(parameters, float(trainer.gradient_clip_val), str(trainer.gradient_clip_algorithm))
            self._clipped = clipped if self._clipped is None else self._clipped + clipped
        if self._before is not None and self._before.gradient is None:
            self._before.keep(self._look.layers)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._look is None or self._before is None:
            return
        self._look.end_batch(self._before)
        if trainer.global_step == self._before.step:  # gradients are being accumulated
            return
        before, self._before = self._before, None
        with callback_of(trainer, Recorder).clock_stopped(trainer):
            rows = self._look.rows(before, self.share_clipped())
            if trainer.is_global_zero:
                self.pages.add(rows)
                show(trainer.loggers, rows)

    def share_clipped(self) -> float:
        """Of the steps since the last look, with this one; NaN where gradients are not clipped."""
        if self._clipped is None:
            return math.nan
        share = float(self._clipped) / self._steps
        self._clipped, self._steps = None, 0
        return share


def is_clipped(parameters: Sequence[nn.Parameter], limit: float, algorithm: str) -> Tensor:
    """Whether clipping changes these gradients, by their norm together or by the largest of their values; float []."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    kind = 2.0 if algorithm.rpartition(".")[2].lower() == "norm" else math.inf
    return (torch.nn.utils.get_total_norm(gradients, kind) > limit).float()


def fitting(initial: Any, layers: Layers) -> list[Tensor] | None:
    """The initial weights where these are the parameters', on their device; a checkpoint may hold anything."""
    parameters = layers.parameters
    if not isinstance(initial, list) or len(initial) != len(parameters):
        return None
    if not all(isinstance(t, Tensor) and t.shape == p.shape for t, p in zip(initial, parameters, strict=True)):
        return None
    return [t.to(p.device) for t, p in zip(initial, parameters, strict=True)]
