"""Which steps are measured: the run's first, and then each `every`-th of the run or one at the end of each epoch."""

import math
from collections.abc import Sequence

from lightning import Trainer

from optlab.data.batches import DeviceBatches


class Chosen:
    """The batches of the steps that are measured; a step has several where gradients are accumulated.

    Args:
        every: measure each step of the run whose number it divides; None: the last of an epoch over full batches (the
            first of one whose length nobody knows).
    """

    def __init__(self, every: int | None) -> None:
        self.every = every
        self._last = 0  # of the epoch under way: the group of batches that is measured at its end

    def begin_epoch(self, trainer: Trainer, batches: DeviceBatches) -> None:
        """Take up how long the epoch under way will be."""
        together, count = trainer.accumulate_grad_batches, trainer.num_training_batches
        if trainer.max_steps != -1:
            count = min(count, batches.start + (trainer.max_steps - trainer.global_step) * together)
        if count == math.inf or count == 0:
            self._last = 0
            return
        full = int(count) - int(batches.size(int(count) - 1) < batches.batch_size)
        self._last = max(0, full // together - 1)

    def batches(self, trainer: Trainer, batch: int) -> Sequence[int]:
        """Those of the next step that is measured, at or behind a batch of the epoch; empty where there is none."""
        together, step = trainer.accumulate_grad_batches, trainer.global_step + 1  # the step that the batch is of
        group = batch // together
        if step > 1 and self.every is None:
            if self._last < group:
                return ()
            group = self._last
        elif step > 1 and self.every is not None:
            group += -step % self.every
        return range(group * together, (group + 1) * together)
