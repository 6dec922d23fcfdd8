"""The LightningModules of the engines: one batch of Lightning's is a step (eager), or a chunk of many."""

import logging
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from lightning import Callback
from torch import Tensor

from optlab.adapters.lightning import (
    batches_to_validation,
    callbacks_of,
    count_steps,
    load_as_manual,
    save_as_automatic,
)
from optlab.callbacks.contract import TakesStepsAlone, overrides_batch_hooks, terms
from optlab.data.batches import Batch, DeviceBatches
from optlab.engine.buffers import BufferedStep
from optlab.engine.choice import SECONDS_A_CHUNK, STEPS_A_CHUNK, Engine
from optlab.engine.graph import ReplayedSteps, Uncapturable
from optlab.engine.step import loss_of
from optlab.engine.steps import PlainSteps
from optlab.errors import UserError
from optlab.module import TrainingModule

log = logging.getLogger(__name__)


class ChunkedBatches(DeviceBatches):
    """The numbers of the batches at which chunks begin; who takes a chunk sets `seen` behind its last batch.

    Its length is the number of batches: Lightning counts steps, and never sees how many of them were one chunk.
    """

    def __iter__(self) -> Iterator[int]:  # type: ignore[override]
        self.seen = self.start
        while self.seen < len(self):
            yield self.seen


class EngineModule(TrainingModule):
    """A training module that takes steps, and says how."""

    engine: ClassVar[Engine]  # as the config names it
    batches_type: ClassVar[type[DeviceBatches]] = DeviceBatches  # of the training split

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.run_state.engine = self.engine
        self.run_state.batches_type = self.batches_type


class EagerModule(EngineModule):
    """Lightning takes one batch a step, and does all but forward and loss itself ("automatic optimization")."""

    engine = "eager"
    _at = -1  # the batch whose loss was counted

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        # LBFGS calls this several times a step; the first call is at the weights before the step, as for the others.
        again, self._at = batch_idx == self._at, batch_idx
        return loss_of(self, batch, counts=not again)

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        self._at = -1


class LoopModule(EngineModule):
    """Takes many steps a call by hand ("manual optimization").

    Lightning's counters of batches and steps are moved on by the steps taken, so that whatever asks them (max_steps,
    validation, checkpoints, loggers, the schedule's horizon) finds what the eager engine would have counted. Its
    checkpoints are written as the eager engine's.
    """

    engine: ClassVar[Engine] = "loop"
    batches_type = ChunkedBatches

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._steps: PlainSteps | None = None
        self._looks: list[int] = []  # the callbacks' every_n_steps
        self._changing = False  # whether somebody else's callback is called between two chunks
        self._watching: list[TakesStepsAlone] = []  # those that look before and behind certain steps

    def setup(self, stage: str) -> None:
        super().setup(stage)
        # Not before: Lightning refuses to clip for a module that takes its steps by hand, and here the steps clip.
        self.automatic_optimization = False

    def training_step(self, batch: int, batch_idx: int) -> None:
        batches = self.run_state.train_batches
        if self._steps is None:
            bf16 = self.trainer.precision == "bf16-mixed"
            self._steps = self.new_steps(BufferedStep(self, batches, self.trainer.optimizers[0], bf16))
            callbacks = callbacks_of(self.trainer)
            asked = [terms(callback).every_n_steps for callback in callbacks]
            self._looks = [every for every in asked if every is not None]
            self._changing = any(may_change_the_network(callback) for callback in callbacks)
            self._watching = [callback for callback in callbacks if isinstance(callback, TakesStepsAlone)]
        if batch_idx == batches.start:
            self._steps.begin_epoch()
        if batch_idx == batches.start or self._changing:
            self._steps.notice()
        end = self.chunk_end(batch_idx)
        patience = time.monotonic() + SECONDS_A_CHUNK
        # Lightning's own autocast covers all of this method; the step has one around forward and loss.
        with torch.autocast(self.device.type, enabled=False):
            for index in range(batch_idx, end):
                self.take(self._steps, index)
                if time.monotonic() > patience:
                    end = index + 1
                    break
        if end == batch_idx + 1 and self._watching:
            self._steps.show_gradients()
        batches.seen = end
        count_steps(self.trainer, end - batch_idx, ends_epoch=end == self.trainer.num_training_batches)

    def new_steps(self, step: BufferedStep) -> PlainSteps:
        return PlainSteps(step, self.lr_schedulers())

    def take(self, steps: PlainSteps, index: int) -> None:
        steps.take(index)

    def chunk_end(self, begin: int) -> int:
        """The batch behind the chunk that begins with `begin`: nothing is due within a chunk."""
        trainer = self.trainer
        end = min(begin + STEPS_A_CHUNK, int(trainer.num_training_batches))
        if trainer.max_steps != -1:
            end = min(end, begin + trainer.max_steps - trainer.global_step)
        if (batches := batches_to_validation(trainer, begin)) is not None:
            end = min(end, begin + batches)
        for every in self._looks:
            end = min(end, begin + every - begin % every)
        for watching in self._watching:
            if (alone := watching.next_alone(trainer, begin)) is not None:
                end = min(end, max(alone, begin + 1))
        return end

    def configure_optimizers(self) -> Any:
        made, schedules = super().configure_optimizers()
        return made, [each["scheduler"] for each in schedules]  # the steps step them

    def on_train_end(self) -> None:
        self._steps = None  # a graph writes to memory that is about to be given up

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        save_as_automatic(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        load_as_manual(checkpoint)


class GraphModule(LoopModule):
    """As `LoopModule`, replaying a captured step; where that cannot be, it goes on as the loop engine."""

    engine: ClassVar[Engine] = "graph"
    counts_at_once = True  # a captured step counts its own

    def new_steps(self, step: BufferedStep) -> PlainSteps:
        replays = self.run_state.engine == "graph"
        return ReplayedSteps(step, self.lr_schedulers()) if replays else super().new_steps(step)

    def take(self, steps: PlainSteps, index: int) -> None:
        try:
            steps.take(index)
            return
        except Uncapturable as error:
            reason = str(error)
        # Not before the exception is gone: it holds the tensors of what was tried.
        if self.config.engine == "graph":
            raise UserError(f"engine=graph: not possible, because {reason}; type engine=auto")
        self.run_state.engine = "loop"
        log.info("engine: loop, because %s", reason)
        self._steps = self.new_steps(steps.step)
        self._steps.take(index)


def may_change_the_network(callback: Callback) -> bool:
    """Whether it is a user's own, and has hooks of batches, which come between two chunks of an epoch."""
    return overrides_batch_hooks(callback) and not type(callback).__module__.startswith(("optlab.", "lightning."))


MODULES: dict[Engine, type[EngineModule]] = {"eager": EagerModule, "loop": LoopModule, "graph": GraphModule}
