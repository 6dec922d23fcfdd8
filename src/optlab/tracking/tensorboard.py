"""TensorBoard's event files in the run folder."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, TensorBoardLogger

from optlab.record import RunRecord, shortest
from optlab.tracking.guard import Guard

log = logging.getLogger(__name__)


class MirrorToTensorBoard(TensorBoardLogger):
    """Lightning's logger; a disk that is full ends the event files and not the run."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, name="tensorboard", version="", default_hp_metric=False)
        self.guard = Guard("TensorBoard")

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.guard(lambda: super(MirrorToTensorBoard, self).log_metrics(metrics, step))

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        self.guard(lambda: super(MirrorToTensorBoard, self).log_hyperparams(*args, **kwargs))

    def save(self) -> None:
        self.guard(lambda: super(MirrorToTensorBoard, self).save())

    def finalize(self, status: str) -> None:
        self.guard(lambda: super(MirrorToTensorBoard, self).finalize(status))

    def finish(self, record: RunRecord) -> None:
        """Write what is left, and close the files."""
        self.finalize("success" if record.status in ("finished", "diverged", "stopped") else "failed")


def tensorboard_logger(folder: Path) -> list[Logger]:
    """A logger that writes into the folder `tensorboard` of the run folder."""
    log.info("TensorBoard: tensorboard --logdir %s", shortest(folder / "tensorboard"))
    return [MirrorToTensorBoard(folder)]
