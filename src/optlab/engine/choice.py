"""Which engine a run gets, and why."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from lightning import Callback, Trainer
from lightning.pytorch.strategies import SingleDeviceStrategy

from optlab.adapters.lightning import callbacks_of
from optlab.config.schema import Optimizer
from optlab.config.signature import locate
from optlab.errors import UserError
from optlab.optimizers import device_flags

STEPS_A_CHUNK = 50  # replays to one batch of Lightning's: its hooks, the bar and Ctrl-C come between two chunks
SECONDS_A_CHUNK = 0.1  # a chunk of slow steps ends sooner
DEVICES = ("cuda",)  # where steps can be captured
PRECISIONS = ("32-true", "bf16-mixed")  # float16 scales its losses, and reads back whether a step overflowed

# Callbacks that override one of these are called once a batch, and a chunk is one batch. Those that do not mind say so
# with `every_batch = False`; where they have `every_n_steps`, chunks end at multiples of it.
BATCH_HOOKS = (
    "on_train_batch_start",
    "on_train_batch_end",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
)


@dataclass(frozen=True)
class Choice:
    """The engine of a run, and the line that says why (None where there was nothing to choose)."""

    name: Literal["graph", "loop", "eager"]
    line: str | None = None


def choose(config: Mapping[str, Any], trainer: Trainer) -> Choice:
    """The engine for a config on the trainer's device.

    Raises:
        UserError: engine=graph, and the machine or the config does not allow it.
    """
    wanted, device = config["engine"], trainer.strategy.root_device
    if wanted == "eager":
        return Choice("eager")
    can_capture = device.type in DEVICES
    if wanted == "graph" and not can_capture:
        raise UserError(f"engine=graph needs an NVIDIA GPU, and this run is on {device.type}; type engine=auto")
    captures = can_capture and wanted != "loop"
    if reason := obstacle(config, trainer, device, captures):
        if wanted != "auto":
            raise UserError(f"engine={wanted}: not possible, because {reason}; type engine=auto")
        return Choice("eager", f"engine: eager, because {reason}" if captures else None)
    if not captures:
        return Choice("loop")
    return Choice("graph", f"engine: graph (up to {STEPS_A_CHUNK} replays of one captured step between two looks)")


def obstacle(config: Mapping[str, Any], trainer: Trainer, device: torch.device, captures: bool) -> str | None:
    """What stands against taking many steps at once, or against capturing them; None where nothing is known to."""
    settings, optimizer = config["trainer"], config["optimizer"]
    if not isinstance(trainer.strategy, SingleDeviceStrategy):
        return f"{type(trainer.strategy).__name__} is for several processes"
    for key, plain in (("accumulate_grad_batches", 1), ("gradient_clip_val", None)):
        if settings[key] != plain:
            return f"trainer.{key}={settings[key]}"
    if settings["profiler"] is not None:
        return f"trainer.profiler={settings['profiler']} is to see every step"
    if trainer.precision not in PRECISIONS:
        return f"trainer.precision={trainer.precision}"
    cls = locate("optimizer", optimizer["_target_"])
    closure = inspect.signature(cls.step).parameters.get("closure")  # type: ignore[attr-defined]
    if closure is not None and closure.default is closure.empty:
        return f"{cls.__name__} evaluates the loss itself"
    if captures and not device_flags(Optimizer.parse(optimizer), device):
        return f"{cls.__name__} has neither fused nor capturable steps"
    for callback in callbacks_of(trainer):
        if wants_every_batch(callback):
            return f"the callback {type(callback).__name__} looks at every batch"
    return None


def wants_every_batch(callback: Callback) -> bool:
    if hasattr(callback, "every_batch"):
        return bool(callback.every_batch)
    return any(getattr(type(callback), hook) is not getattr(Callback, hook) for hook in BATCH_HOOKS)
