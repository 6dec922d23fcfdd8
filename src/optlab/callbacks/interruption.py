"""Ctrl-C, SIGTERM, and a closed terminal: the run stops between two steps, saves, and can go on from there."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from lightning import Callback, LightningModule, Trainer

from optlab.adapters import process
from optlab.adapters.lightning import batches_done, ends, take_signals_back
from optlab.errors import Interrupted

log = logging.getLogger(__name__)

BATCHES_BETWEEN_AGREEMENTS = 10  # of several processes: to agree they exchange a number and read it back


class Interruption(Callback):
    """Turns a signal into a stop at the next point where the run can be saved and continued bit for bit.

    A second signal stops at once; the last completed epoch is then the one to continue from.
    """

    every_batch = False  # the engine may take several steps between two calls

    def __init__(self) -> None:
        self.signum: int | None = None
        self.training = False
        self.listens = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle SIGINT, SIGTERM and SIGHUP here; signals reach the main thread only, elsewhere this does nothing."""
        with process.handling(process.STOPS, self.handle) as self.listens:
            try:
                yield
            finally:
                self.listens = False

    def handle(self, signum: int, frame: FrameType | None) -> None:
        first, again = self.signum is None, signum in process.HANG_UP and self.signum in process.HANG_UP
        self.signum = signum
        if again:  # each stream that leads to a closed terminal says so
            return
        if not first or not self.training:
            raise Interrupted(signum)
        log.info("stopping after this step and saving; press Ctrl-C again to stop at once")

    def requested(self, trainer: Trainer) -> bool:
        """Whether any process of the run was asked to stop; all agree on the answer."""
        if trainer.world_size == 1:
            return self.signum is not None
        return trainer.strategy.reduce_boolean_decision(self.signum is not None, all=False)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.training = True
        if self.listens:
            take_signals_back((signal.SIGINT, signal.SIGTERM), self.handle)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.training = False

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self.training = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        batches = batches_done(trainer)
        if batches % trainer.accumulate_grad_batches:
            return  # gradients that were gathered for the next step are in no checkpoint
        if trainer.world_size > 1 and batches % BATCHES_BETWEEN_AGREEMENTS:
            return
        # The last step of an epoch waits for the end of the epoch, where the checkpoint is written anyway.
        if batches < trainer.num_training_batches and not ends(trainer) and self.requested(trainer):
            raise Interrupted(self.signum or signal.SIGINT, between_steps=True)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.signum is not None:
            log.info("finishing the validation of this epoch first")
