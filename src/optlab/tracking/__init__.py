"""Weights & Biases and other trackers: mirrors of the record on disk, never its source, and never a reason to fail.

The loggers are Lightning's, so that a user's own callbacks find them under `trainer.loggers`. Each goes through
`guard`; `wandb`, `tensorboard` and `known` know what is particular to one of them, `mirror` takes any other.
"""

import inspect
import logging
from importlib.util import find_spec
from pathlib import Path

from lightning.pytorch.loggers import Logger

from optlab.config.schema import Loggers
from optlab.config.signature import locate
from optlab.errors import UserError
from optlab.record import RunRecord
from optlab.rules.commands import install
from optlab.tracking.guard import one_line, without_password
from optlab.tracking.known import tracker_of
from optlab.tracking.mirror import Mirror, Tracker
from optlab.tracking.tensorboard import MirrorToTensorBoard, tensorboard_logger
from optlab.tracking.wandb import MirrorToWandb, wandb_logger

log = logging.getLogger(__name__)


def check(config: Loggers) -> None:
    """Raise UserError for a logger whose package is not installed, or that does not take its arguments."""
    if config.tensorboard is not None and find_spec("tensorboard") is None:
        raise UserError(f"logger=tensorboard needs a package: {install('tensorboard')}")
    for name, call in config.others.items():
        tracker = tracker_of(name, call)
        if tracker.package and find_spec(tracker.package) is None:
            raise UserError(f"logger.{name} needs a package: {install(tracker.package)}")
        made = locate(f"logger.{name}", call.target)
        if not inspect.isclass(made) or not hasattr(made, "log_metrics"):
            raise UserError(
                f"logger.{name}._target_={call.target}: no logger, it has no log_metrics; "
                "type a class like lightning.pytorch.loggers.CSVLogger"
            )
        tracker.check()


def build(config: Loggers, record: RunRecord, folder: Path) -> list[Logger]:
    """The loggers that the config group `logger` names; `csv` is the record's own metrics.csv and needs none."""
    loggers: list[Logger] = []
    if config.tensorboard is not None:
        loggers += tensorboard_logger(folder)
    if config.wandb is not None:
        loggers += wandb_logger(config.wandb, record, folder)
    for name, call in config.others.items():
        loggers += mirrored(tracker_of(name, call), record, folder)
    return loggers


def mirrored(tracker: Tracker, record: RunRecord, folder: Path) -> list[Logger]:
    """The logger for a tracker, or nothing (and one line that says why) where it cannot start."""
    title = tracker.words or f"logger.{tracker.name}"
    try:
        made = Mirror(tracker, record, folder)
        log.info("%s: %s", title, without_password(tracker.where(record, folder)))
    except Exception as error:  # whatever it is: a tracker is a mirror, and the run goes on
        what = f"{type(error).__name__}: {one_line(error)}"
        log.warning("%s could not start (%s); the run folder has everything", title, what)
        return []
    return [made]


def finish(loggers: list[Logger], record: RunRecord) -> None:
    """Close every logger with the run's summary and exit state: W&B shows finished, failed or interrupted."""
    for logger in loggers:
        if isinstance(logger, MirrorToWandb | MirrorToTensorBoard | Mirror):
            logger.finish(record)
