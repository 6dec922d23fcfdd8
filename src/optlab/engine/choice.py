"""Which engine a run gets, and why."""

import inspect
from dataclasses import dataclass
from typing import Literal

import torch
from lightning import Callback, Trainer
from lightning.pytorch.strategies import SingleDeviceStrategy

from optlab import rates
from optlab.adapters.lightning import callbacks_of
from optlab.callbacks.contract import terms
from optlab.config.schema import Config
from optlab.config.signature import locate
from optlab.errors import UserError
from optlab.optimizers import device_flags

STEPS_A_CHUNK = 50  # replays to one batch of Lightning's: its hooks, the bar and Ctrl-C come between two chunks
SECONDS_A_CHUNK = 0.1  # a chunk of slow steps ends sooner
PRECISIONS = ("32-true", "bf16-mixed")  # float16 scales its losses, and reads back whether a step overflowed

Engine = Literal["eager", "loop", "graph"]


@dataclass(frozen=True)
class Choice:
    """The engine of a run, and the line that says why (None where there was nothing to choose)."""

    name: Engine
    line: str | None = None


def choose(config: Config, trainer: Trainer) -> Choice:
    """The engine for a config on the trainer's device.

    Raises:
        UserError: engine=graph, and the machine or the config does not allow it.
    """
    wanted, device = config.engine, trainer.strategy.root_device
    if wanted == "eager" or config.module is not None:
        return Choice("eager")
    can_capture = device.type in rates.DEVICES
    if wanted == "graph" and not can_capture:
        raise UserError(f"engine=graph needs an NVIDIA GPU, and this run is on {device.type}; type engine=auto")
    captures = can_capture and wanted != "loop"
    in_chunks = obstacle(config, trainer)
    if reason := in_chunks or (not_captured(config, device) if captures else None):
        if wanted != "auto":
            raise UserError(f"engine={wanted}: not possible, because {reason}; type engine=auto")
        engine: Engine = "eager" if in_chunks else "loop"
        return Choice(engine, f"engine: {engine}, because {reason}" if captures else None)
    if not captures:
        return Choice("loop")
    return Choice("graph", f"engine: graph (up to {STEPS_A_CHUNK} replays of one captured step between two looks)")


def without_arrays(choice: Choice, config: Config) -> Choice:
    """The engine for data that are read while a run trains, and do not lie on the device.

    Raises:
        UserError: another engine than eager is asked for.
    """
    if config.engine in ("loop", "graph"):
        raise UserError(f"engine={config.engine}: not possible, because the data are streamed; type engine=auto")
    return choice if choice.name == "eager" else Choice("eager", "engine: eager, because the data are streamed")


def obstacle(config: Config, trainer: Trainer) -> str | None:
    """What stands against taking many steps at once; None where nothing is known to."""
    settings, optimizer = config.trainer, config.optimizer
    if not isinstance(trainer.strategy, SingleDeviceStrategy):
        return f"{type(trainer.strategy).__name__} is for several processes"
    if settings.accumulate_grad_batches != 1:
        return f"trainer.accumulate_grad_batches={settings.accumulate_grad_batches}"
    if settings.profiler is not None:
        return f"trainer.profiler={settings.profiler} is to see every step"
    if trainer.precision not in PRECISIONS:
        return f"trainer.precision={trainer.precision}"
    cls = locate("optimizer", optimizer.target)
    closure = inspect.signature(cls.step).parameters.get("closure")  # type: ignore[attr-defined]
    if closure is not None and closure.default is closure.empty:
        return f"{cls.__name__} evaluates the loss itself"
    for callback in callbacks_of(trainer):
        if terms(callback).every_batch:
            return f"the callback {type(callback).__name__} looks at every batch"
        looks = type(callback).on_before_optimizer_step is not Callback.on_before_optimizer_step
        if looks and settings.gradient_clip_val is not None:
            return f"the callback {type(callback).__name__} counts the steps that trainer.gradient_clip_val clips"
    return None


def not_captured(config: Config, device: torch.device) -> str | None:
    """What stands against capturing a step that can be taken many times at once; None where nothing is known to."""
    if device_flags(config.optimizer, device):
        return None
    return f"{locate('optimizer', config.optimizer.target).__name__} has neither fused nor capturable steps"
