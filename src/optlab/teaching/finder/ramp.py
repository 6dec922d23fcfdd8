"""The callback of a range test: the lr of each step, the loss behind it, and when there is nothing more to learn."""

import math
from statistics import median
from typing import Any

from lightning import Callback, LightningModule, Trainer

from optlab.errors import UserError
from optlab.run_module import RunState, state_of

LOOKED_AT = 5  # losses whose median is held against the start: one outlier ends no test
FIRST = 10  # steps at the smallest lrs, by which the noise of the loss is known; no test ends within them
GAINS = 2.0  # so many times what was gained, above the start, the loss has diverged
IDLE = 1000  # batches without a step, behind which none is to be waited for
NOISES = 10.0  # or so many standard deviations of it, where next to nothing was gained
SIGMA = 1.4826  # of a normal distribution, in median absolute deviations


class Over(Exception):
    """The range test has seen what it wanted; the text says why: `high`, `diverged` or `not_finite`."""


class Ramp(Callback):
    """Gives step after step its lr, and keeps the loss that it leads to: that of the next batch.

    All groups of all optimizers keep their proportions, as they do under a schedule. What the first batch says, before
    any step, is `start`.

    Args:
        lrs: of each step, of the first group; rising.
    """

    every_batch = True

    def __init__(self, lrs: list[float]) -> None:
        self.lrs = lrs
        self.start = math.nan
        self.losses: list[float] = []  # behind each step
        self._rates: list[tuple[dict[str, Any], float]] = []  # each group, and its lr in units of the first's
        self._taken = 0  # steps of this test
        self._idle = 0  # batches since the last step
        self._seen = 0  # steps as Lightning counts them, of all optimizers

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        groups = [group for optimizer in trainer.optimizers for group in optimizer.param_groups]
        first = base_rate(groups[0])
        trainer.lr_scheduler_configs.clear()  # those of a module's own: the test sets the lr, and has no validation
        self._rates = [(group, base_rate(group) / first) for group in groups]

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        lr = self.lrs[min(self._taken, len(self.lrs) - 1)]
        for group, share in self._rates:
            group["lr"] = lr * share

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step == self._seen:
            self._idle += 1  # gradients are gathered for the next step
            if self._idle >= IDLE * trainer.accumulate_grad_batches:
                raise UserError(
                    f"mode=find_lr: no optimizer took a step in {self._idle} batches; let training_step take them, as "
                    "a range test is made of steps"
                )
            return
        self._idle = 0
        self._seen = trainer.global_step
        loss, weighed = loss_since(state_of(pl_module))
        if not weighed:
            raise UserError(
                "mode=find_lr: training_step returns no loss; let it return the loss, as a range test is made of losses"
            )
        if self._taken == 0:
            self.start = loss
        else:
            self.losses.append(loss)
        self._taken += 1
        if reason := self.ending():
            raise Over(reason)

    def ending(self) -> str | None:
        """Why to stop here; None to go on."""
        seen = [self.start, *self.losses]
        if not math.isfinite(seen[-1]):
            return "not_finite"
        if len(self.losses) == len(self.lrs):
            return "high"
        if len(seen) >= FIRST + LOOKED_AT and has_diverged(seen):
            return "diverged"
        return None


def base_rate(group: dict[str, Any]) -> float:
    """The lr that a group begins with; schedules keep the one before them."""
    return float(group.get("initial_lr", group["lr"]))


def loss_since(state: RunState) -> tuple[float, bool]:
    """The mean training loss of the batches since the last look, before their step, and whether it is known."""
    weighed = state.sums["train"].samples > 0
    value = state.read_sums("train").get("train/loss", math.nan)
    state.open_sums("train")
    return value, weighed


def has_diverged(losses: list[float]) -> bool:
    """Whether the last losses lie above the first by more than twice what was ever gained, and than the noise.

    A difference of losses, not a quotient: a loss may be negative, and its zero means nothing.
    """
    first = losses[:FIRST]
    start = median(first)
    noise = SIGMA * median(abs(loss - start) for loss in first)
    best = min(median(losses[end - LOOKED_AT : end]) for end in range(LOOKED_AT, len(losses) + 1))
    return median(losses[-LOOKED_AT:]) > start + max(GAINS * (start - best), NOISES * noise)
