"""Checkpoints: `last.ckpt` after each epoch and at an interruption, `best.ckpt` at the best validation."""

import io
import os
import shutil
import signal
from pathlib import Path
from typing import Annotated, Any

import torch
from lightning import LightningModule, Trainer
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint
from pydantic import Field

from optlab.adapters.lightning import callback_of, ends, write_checkpoints_with
from optlab.callbacks.contract import RunContext
from optlab.callbacks.interruption import Interruption
from optlab.callbacks.recorder import Recorder
from optlab.errors import Interrupted
from optlab.record import CHECKPOINT_FOLDER, cannot_write


class OneFile(TorchCheckpointIO):
    """Writes into the file that is named: `Checkpoints` sees to it that nobody finds half of one.

    Lightning itself writes another file first and renames it, which takes a fifth of the time of a small checkpoint.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        content = io.BytesIO()  # torch's own writer would not say why it cannot write
        torch.save(checkpoint, content)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(content.getbuffer())


class Checkpoints(Checkpoint):
    """Writes each checkpoint to a temporary file and renames it, so a kill never leaves half of one.

    Lightning runs callbacks of the type Checkpoint last, when the epoch is recorded and the schedule has stepped.

    Args:
        every_n_epochs: epochs between two `last.ckpt`; the last epoch is always saved.
        best: keep `best.ckpt` too.
    """

    def __init__(self, every_n_epochs: Annotated[int, Field(ge=1)] = 1, best: bool = True) -> None:
        self.folder = Path(CHECKPOINT_FOLDER)
        self.every_n_epochs = every_n_epochs
        self.best = best

    def begin_run(self, run: RunContext) -> None:
        """Write below the run's folder."""
        self.folder = run.folder / CHECKPOINT_FOLDER

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        write_checkpoints_with(trainer, OneFile())

    @property
    def last_path(self) -> Path:
        return self.folder / "last.ckpt"

    @property
    def best_path(self) -> Path:
        return self.folder / "best.ckpt"

    def save_last(self, trainer: Trainer) -> None:
        """Replace `last.ckpt` by the present state.

        Raises:
            UserError: the folder cannot be written (full, read-only).
        """
        temporary = self.folder / ".last.ckpt.tmp"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            trainer.save_checkpoint(temporary)
            if trainer.is_global_zero:
                temporary.replace(self.last_path)
        except OSError as error:
            if trainer.is_global_zero:
                temporary.unlink(missing_ok=True)
            raise cannot_write(self.last_path, error) from error

    def keep_best(self) -> None:
        """Make `best.ckpt` the file that `last.ckpt` is now; the next `last.ckpt` is a new file."""
        temporary = self.folder / ".best.ckpt.tmp"
        temporary.unlink(missing_ok=True)
        try:
            os.link(self.last_path, temporary)
        except OSError:  # a file system without hard links
            shutil.copyfile(self.last_path, temporary)
        temporary.replace(self.best_path)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        recorder, interruption = callback_of(trainer, Recorder), callback_of(trainer, Interruption)
        epoch = trainer.current_epoch + 1
        is_best = self.best and recorder.best().get("epoch") == epoch
        stops = interruption.requested(trainer)
        last = ends(trainer)
        due = epoch % self.every_n_epochs == 0 or last
        if due or is_best or stops:
            self.save_last(trainer)
            if is_best and trainer.is_global_zero:
                self.keep_best()
        if stops and not last:
            raise Interrupted(interruption.signum or signal.SIGINT)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if isinstance(exception, Interrupted) and exception.between_steps:
            self.save_last(trainer)
