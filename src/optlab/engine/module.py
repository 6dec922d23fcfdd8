"""The LightningModules of the graph and the loop engine: one batch of Lightning's is a chunk of training steps."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from optlab.data.batches import DeviceBatches
from optlab.engine.choice import SECONDS_A_CHUNK, STEPS_A_CHUNK
from optlab.engine.graph import StepRunner
from optlab.engine.step import TrainStep
from optlab.module import TrainingModule

# Where the state of Lightning's loops keeps the number of steps, by hand and by itself.
BY_HAND = "epoch_loop.manual_optimization.optim_step_progress"
BY_ITSELF = "epoch_loop.automatic_optimization.optim_progress"


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
        batches, loop = self.train_batches, self.trainer.fit_loop.epoch_loop
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
        steps = end - batch_idx
        loop.manual_optimization.optim_step_progress.increment_by(steps)
        # Lightning itself counts one of them.
        loop.batch_progress.increment_by(steps - 1, is_last_batch=end == self.trainer.num_training_batches)

    def new_runner(self, batches: DeviceBatches) -> StepRunner:
        bf16 = self.trainer.precision == "bf16-mixed"
        step = TrainStep(self, batches, self.trainer.optimizers[0], bf16)
        schedule = self.trainer.lr_scheduler_configs[0].scheduler
        required = self.config["engine"] == "graph"
        return StepRunner(step, schedule, captures=self.engine == "graph", required=required)

    def chunk_end(self, begin: int) -> int:
        """The batch behind the chunk that begins with `begin`: nothing is due within a chunk."""
        trainer, loop = self.trainer, self.trainer.fit_loop.epoch_loop
        end = min(begin + STEPS_A_CHUNK, int(trainer.num_training_batches))
        if trainer.max_steps != -1:
            end = min(end, begin + trainer.max_steps - trainer.global_step)
        callbacks = trainer.callbacks  # type: ignore[attr-defined]
        dues = [(begin, getattr(callback, "every_n_steps", None)) for callback in callbacks]
        # Validations are counted within the epoch, or over the whole run where it asks for none after an epoch.
        done = loop.total_batch_idx if trainer.check_val_every_n_epoch is None else begin
        for steps, every in [*dues, (done, trainer.val_check_batch)]:
            if isinstance(every, int):
                end = min(end, begin + every - steps % every)
        return end

    def configure_optimizers(self) -> Any:
        made, schedules = super().configure_optimizers()
        return made, [each["scheduler"] for each in schedules]  # the runner steps them

    def on_train_end(self) -> None:
        self._runner = None  # the graph writes to memory that is about to be given up

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        loops = checkpoint["loops"]["fit_loop"]
        loops[BY_ITSELF]["optimizer"]["step"] = loops[BY_HAND]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        loops: Mapping[str, Any] = checkpoint["loops"]["fit_loop"]
        checkpoint["loops"]["fit_loop"] = {**loops, BY_HAND: loops[BY_ITSELF]["optimizer"]["step"]}


class GraphModule(LoopModule):
    """As `LoopModule`, replaying a captured step."""

    engine = "graph"
