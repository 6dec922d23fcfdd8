"""Weights & Biases and other trackers: mirrors of the record on disk, never its source, and never a reason to fail.

The loggers are Lightning's, so that a user's own callbacks find them under `trainer.loggers`. Each goes through
`guard`; `wandb` and `tensorboard` know what is particular to one of them.
"""

from importlib.util import find_spec
from pathlib import Path

from lightning.pytorch.loggers import Logger

from optlab.config.schema import Loggers
from optlab.errors import UserError
from optlab.record import RunRecord
from optlab.tracking.tensorboard import MirrorToTensorBoard, tensorboard_logger
from optlab.tracking.wandb import MirrorToWandb, wandb_logger


def check(config: Loggers) -> None:
    """Raise UserError for a logger whose package is not installed."""
    if config.tensorboard is not None and find_spec("tensorboard") is None:
        raise UserError("logger=tensorboard needs a package: pip install -e '.[tensorboard]'")


def build(config: Loggers, record: RunRecord, folder: Path) -> list[Logger]:
    """The loggers that the config group `logger` names; `csv` is the record's own metrics.csv and needs none."""
    loggers: list[Logger] = []
    if config.tensorboard is not None:
        loggers += tensorboard_logger(folder)
    if config.wandb is not None:
        loggers += wandb_logger(config.wandb, record, folder)
    return loggers


def finish(loggers: list[Logger], record: RunRecord) -> None:
    """Close every logger with the run's summary and exit state: W&B shows finished, failed or interrupted."""
    for logger in loggers:
        if isinstance(logger, MirrorToWandb | MirrorToTensorBoard):
            logger.finish(record)
