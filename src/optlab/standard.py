"""Lightning's own callbacks and Trainer keys in a run of optlab: what they are given, and which cannot work there.

What is refused is refused before anything is loaded or written, with what to type instead.
"""

import logging
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from lightning import Callback
from lightning.pytorch import callbacks as lightnings
from lightning.pytorch.callbacks.progress import ProgressBar
from lightning.pytorch.callbacks.weight_averaging import EMAWeightAveraging
from lightning.pytorch.loggers.logger import DummyLogger, Logger

from optlab.config.mistakes import REPLACED
from optlab.config.schema import Callback as CallbackConfig
from optlab.config.schema import Trainer
from optlab.config.signature import locate
from optlab.create import create
from optlab.errors import UserError
from optlab.record import CHECKPOINT_FOLDER
from optlab.rules.metrics import higher_is_better

log = logging.getLogger(__name__)

# Callbacks that change behind a run's back what it records, or ask of its parts what they do not have.
NOT_HERE: dict[type, str] = {
    lightnings.GradientAccumulationScheduler: "its changes of the number of batches a step have no place in a "
    "schedule's length; type trainer.accumulate_grad_batches=4",
    lightnings.LearningRateFinder: "it would train before the run, on weights that the run then keeps; "
    "type several rates, as in -m optimizer.lr=0.1,0.01,0.001",
    lightnings.BatchSizeFinder: "the batch size is part of what is compared; type batch_size=64",
    lightnings.StochasticWeightAveraging: "it replaces the schedule, and tests weights that are in no checkpoint; "
    f"type {EMAWeightAveraging.__module__}.{EMAWeightAveraging.__name__}",
    lightnings.BackboneFinetuning: "the network is no backbone with a head here; type model.freeze=[NAME]",
}
WANTS_LOGGER = (lightnings.LearningRateMonitor, lightnings.DeviceStatsMonitor, lightnings.ThroughputMonitor)
DURATION = re.compile(r"(\d+):(\d\d):(\d\d):(\d\d)")
MODES = {True: "max", False: "min"}  # of what watches a metric, by whether higher is better


# -- before anything is loaded


def check_callbacks(callbacks: Mapping[str, CallbackConfig | None]) -> None:
    """Raise UserError for one of Lightning's callbacks that cannot work in a run."""
    there = {name: config for name, config in callbacks.items() if config is not None}
    for name, config in there.items():
        kind = locate(f"callbacks.{name}", config.target)
        if not isinstance(kind, type):
            continue
        for refused, instead in NOT_HERE.items():
            if issubclass(kind, refused):
                raise UserError(f"callbacks.{name}: {kind.__name__} does not work here: {instead}")
        if issubclass(kind, ProgressBar) and "progress" in there:
            raise UserError(
                f"callbacks.{name}: {kind.__name__} beside optlab's own bar, and there is room for one; "
                "add callbacks.progress=null"
            )


def check_trainer(trainer: Trainer, callbacks: Mapping[str, CallbackConfig | None]) -> None:
    """Raise UserError for a key of the Trainer that would replace what a run needs, or a time that is none."""
    for key, instead in REPLACED.items():
        if trainer.plain.get(key) is not None:
            raise UserError(f"trainer.{key}={shown(trainer.plain[key])}: {instead}")
    if trainer.plain.get("enable_progress_bar") and callbacks.get("progress") is not None:
        raise UserError(
            "trainer.enable_progress_bar=true: Lightning's bar beside optlab's own, and there is room for one; "
            "add callbacks.progress=null"
        )
    if (wanted := trainer.plain.get("max_time")) is not None and not seconds_of(wanted):
        raise UserError(
            f"trainer.max_time={shown(wanted)}: must be days:hours:minutes:seconds and more than none; "
            "type trainer.max_time=00:00:20:00 for 20 minutes"
        )


def seconds_of(duration: Any) -> float | None:
    """The seconds of a `trainer.max_time`, as text or as keys of `datetime.timedelta`; None for what is neither."""
    if isinstance(duration, str) and (found := DURATION.fullmatch(duration.strip())):
        days, hours, minutes, seconds = map(int, found.groups())
        duration = {"days": days, "hours": hours, "minutes": minutes, "seconds": seconds}
    if not isinstance(duration, Mapping):
        return None
    try:
        return max(0.0, timedelta(**duration).total_seconds())
    except (TypeError, OverflowError):
        return None


def shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def stops_early(config: CallbackConfig | None) -> bool:
    """Whether this is Lightning's early stopping."""
    kind = None if config is None else locate("callbacks", config.target)
    return isinstance(kind, type) and issubclass(kind, lightnings.EarlyStopping)


# -- building them


def build_callbacks(callbacks: Mapping[str, CallbackConfig | None], folder: Path) -> list[Callback]:
    """The callbacks of a config, with what Lightning's own get from the run where the user did not say it."""
    present = {name: config for name, config in callbacks.items() if config is not None}
    return [create(config.plain | given(name, config, present, folder)) for name, config in present.items()]


def given(name: str, config: CallbackConfig, all_: Collection[str], folder: Path) -> dict[str, Any]:
    """Arguments that are added: the way a watched metric gets better, when it is there, and where checkpoints go."""
    kind = locate(f"callbacks.{name}", config.target)
    added: dict[str, Any] = {}
    if not isinstance(kind, type):
        return added
    monitor, typed = config.arguments.get("monitor"), config.arguments
    if monitor is not None and issubclass(kind, lightnings.EarlyStopping | lightnings.ModelCheckpoint):
        added["mode"] = mode_of(name, str(monitor), typed.get("mode"))
    if issubclass(kind, lightnings.EarlyStopping) and str(monitor).startswith("train/"):
        added["check_on_train_epoch_end"] = typed.get("check_on_train_epoch_end", True)  # it is there at no other time
    if issubclass(kind, lightnings.ModelCheckpoint) and typed.get("dirpath") is None:
        # Beside those of `callbacks.checkpoint`, whose names it may use too.
        below = () if name == "checkpoint" or "checkpoint" not in all_ else (name,)
        added["dirpath"] = str(folder.joinpath(CHECKPOINT_FOLDER, *below))
    return added


def mode_of(name: str, monitor: str, typed: Any) -> Any:
    """Whether a watched metric is to be "max" or "min": what was typed, or what its name says."""
    natural = MODES[higher_is_better(monitor)]
    if typed is None:
        return natural
    if typed != natural and typed in MODES.values():
        better = "higher" if natural == "max" else "lower"
        log.warning(
            "callbacks.%s.mode=%s takes the worst %s for the best, as %s is better; leave it out",
            name, typed, monitor, better,
        )  # fmt: skip
    return typed


def stand_in(callbacks: Iterable[Callback]) -> list[Logger]:
    """A logger that keeps nothing, where there is none and a callback would not start without."""
    wants = [type(each).__name__ for each in callbacks if isinstance(each, WANTS_LOGGER)]
    if not wants:
        return []
    log.info("%s: no logger takes what it logs; lr and losses stand in metrics.csv", ", ".join(wants))
    return [DummyLogger()]


def check_monitors(callbacks: Mapping[str, CallbackConfig | None], known: Sequence[str]) -> None:
    """Raise UserError for a callback that watches a metric which the run does not have.

    Args:
        known: the metrics that the run has while it trains.
    """
    for name, config in callbacks.items():
        monitor = None if config is None else config.arguments.get("monitor")
        if monitor is not None and monitor not in known:
            raise UserError(f"callbacks.{name}.monitor={monitor}: this run has {', '.join(known)}")


def build_settings(trainer: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of the Trainer, with objects where a `_target_` names one: a strategy, a plugin, a profiler."""
    return {key: built(value) for key, value in trainer.items()}


def built(value: Any) -> Any:
    if isinstance(value, Mapping) and "_target_" in value:
        return create(value)
    return [built(each) for each in value] if isinstance(value, list) else value
