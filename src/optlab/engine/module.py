"""The LightningModules of the graph and the loop engine: one batch of Lightning's is a chunk of training steps."""

import time
from collections.abc import Iterator
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler

from optlab.adapters.lightning import (
    batches_to_validation,
    callbacks_of,
    count_steps,
    load_as_manual,
    save_as_automatic,
)
from optlab.data.batches import DeviceBatches
from optlab.engine.choice import SECONDS_A_CHUNK, STEPS_A_CHUNK
from optlab.engine.graph import StepRunner
from optlab.engine.step import TrainStep
from optlab.module import TrainingModule


class ChunkedBatches(DeviceBatches):
    """The numbers of the batches at which chunks begin; who takes a chunk sets `seen` behind its last batch.

    Its length is the number of batches: Lightning counts steps, and never sees how many of them were one chunk.
    """

    def __iter__(self) -> Iterator[int]:  # type: ignore[override]
        self.seen = self.start
        while self.seen < len(self):
            yield self.seen


class LoopModule(TrainingModule):
    """As `TrainingModule`, taking many steps a call by hand ("manual optimization").

    Lightning's counters of batches and steps are moved on by the steps taken, so that whatever asks them (max_steps,
    validation, checkpoints, loggers, the schedule's horizon) finds what the eager engine would have counted. Its
    checkpoints are written as the eager engine's.
    """

    engine = "loop"
    batches_type = ChunkedBatches

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.automatic_optimization = False
        self._runner: StepRunner | None = None

    def training_step(self, batch: int, batch_idx: int) -> None:  # type: ignore[override]
        batches = self.train_batches
        if self._runner is None:
            self._runner = self.new_runner(batches)
        if batch_idx == batches.start:
            self._runner.step.begin_epoch()
        end = self.chunk_end(batch_idx)
        patience = time.monotonic() + SECONDS_A_CHUNK
        # Lightning's own autocast covers all of this method; the step has one around forward and loss.
        with torch.autocast(self.device.type, enabled=False):
            for index in range(batch_idx, end):
                self._runner.take(index)
                if time.monotonic() > patience:
                    end = index + 1
                    break
        batches.seen = end
        count_steps(self.trainer, end - batch_idx, ends_epoch=end == self.trainer.num_training_batches)

    def new_runner(self, batches: DeviceBatches) -> StepRunner:
        bf16 = self.trainer.precision == "bf16-mixed"
        step = TrainStep(self, batches, self.trainer.optimizers[0], bf16)
        schedule = self.lr_schedulers()
        assert isinstance(schedule, LRScheduler)
        required = self.config["engine"] == "graph"
        return StepRunner(step, schedule, captures=self.engine == "graph", required=required)

    def chunk_end(self, begin: int) -> int:
        """The batch behind the chunk that begins with `begin`: nothing is due within a chunk."""
        trainer = self.trainer
        end = min(begin + STEPS_A_CHUNK, int(trainer.num_training_batches))
        if trainer.max_steps != -1:
            end = min(end, begin + trainer.max_steps - trainer.global_step)
        if (batches := batches_to_validation(trainer, begin)) is not None:
            end = min(end, begin + batches)
        for every in (getattr(callback, "every_n_steps", None) for callback in callbacks_of(trainer)):
            if isinstance(every, int):
                end = min(end, begin + every - begin % every)
        return end

    def configure_optimizers(self) -> Any:
        made, schedules = super().configure_optimizers()
        return made, [each["scheduler"] for each in schedules]  # the runner steps them

    def on_train_end(self) -> None:
        self._runner = None  # the graph writes to memory that is about to be given up

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        save_as_automatic(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        load_as_manual(checkpoint)


class GraphModule(LoopModule):
    """As `LoopModule`, replaying a captured step."""

    engine = "graph"
