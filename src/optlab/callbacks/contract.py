"""What a run asks of its callbacks and what it gives them: the contract, read here and nowhere else.

A callback is any `lightning.Callback`, named in the config by its `_target_`. Lightning calls its hooks as it documents
them. Besides, a run reads what these protocols describe; a callback has what it needs of it, and inherits nothing:

| a callback with | says |
|---|---|
| `every_batch = False` | `WatchesBatches`: its hooks of batches need not be called for each batch |
| `every_n_steps = 50` | `LooksEveryNSteps`: they have to be called behind each 50th batch of an epoch |
| `next_alone(trainer, batch)` | `TakesStepsAlone`: which of the epoch's batches ahead has a step to itself |
| `measures = True` | `Measures`: it adds to the epoch's row, so it comes before the recorder |
| `check_data(info)` | `FitsData`: it is called before anything is written, and refuses data that it cannot use |
| `begin_run(run)` | `BeginsRun`: it is called once before the first step, with the run's folder and test batches |

**Fast engines.** The loop and graph engines take up to 50 steps between two calls of the hooks of batches. A callback
that overrides one of `BATCH_HOOKS` and does not say `every_batch = False` is taken at its word: the run gets the eager
engine. Between two calls the steps have moved on by more than one, so such a callback asks `trainer.global_step` and
not `batch_idx`, which is the first of the batches taken since; `outputs` is None, and `batch` holds no samples.
The step over a batch that `next_alone` names is taken alone: `on_train_batch_start` and `on_train_batch_end` are called
right before and right behind it, and there each weight's `.grad` is the gradient that it was taken with.

**Ending a run.** `optlab.callbacks.Diverged`, raised from a hook, ends it as a result; other exceptions as a failure.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from lightning import Callback, Trainer

from optlab.data.arrays import DataInfo
from optlab.data.batches import DeviceBatches
from optlab.errors import UserError

# Hooks that Lightning calls once a batch, and a fast engine once for many.
BATCH_HOOKS = (
    "on_train_batch_start",
    "on_train_batch_end",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
)


@dataclass(frozen=True)
class RunContext:
    """What a run gives its callbacks before the first step."""

    folder: Path  # of the run
    # Makes batches of the test split on the device; None in a tuning run, which does not look at that split.
    test_batches: Callable[[], DeviceBatches] | None


@runtime_checkable
class WatchesBatches(Protocol):
    """Whether the hooks of batches have to be called for each single batch, which rules the fast engines out."""

    every_batch: bool


@runtime_checkable
class LooksEveryNSteps(Protocol):
    """Steps between two calls that the callback relies on, counted within the epoch; None: it relies on none."""

    every_n_steps: int | None


@runtime_checkable
class TakesStepsAlone(Protocol):
    """Looks right before and right behind certain steps, whose numbers it knows beforehand."""

    def next_alone(self, trainer: Trainer, batch: int) -> int | None:
        """The first batch of the epoch, from number `batch` on, whose step is to be taken alone; None: there is none.

        Called before each batch of Lightning's, so it must cost next to nothing.
        """


@runtime_checkable
class Measures(Protocol):
    """Whether the callback adds metrics to the epoch's row, in `on_train_epoch_end`, with `module.publish`."""

    measures: bool


@runtime_checkable
class FitsData(Protocol):
    """Refuses data that it cannot use."""

    def check_data(self, info: DataInfo) -> None:
        """Called when the data is loaded and nothing is written yet; raises UserError."""


@runtime_checkable
class BeginsRun(Protocol):
    """Takes what the run gives."""

    def begin_run(self, run: RunContext) -> None:
        """Called once, when nothing can be refused any more and before Lightning's `setup`."""


@dataclass(frozen=True)
class Terms:
    """What a callback asks for, with what holds where it does not say."""

    every_batch: bool
    every_n_steps: int | None
    measures: bool


def terms(callback: Callback) -> Terms:
    """The callback's side of the contract.

    Raises:
        UserError: `every_n_steps` is no whole number of 1 or more.
    """
    every = callback.every_n_steps if isinstance(callback, LooksEveryNSteps) else None
    if every is not None and (not isinstance(every, int) or every < 1):
        raise UserError(f"{type(callback).__name__}.every_n_steps={every}: must be a whole number of 1 or more")
    return Terms(
        every_batch=callback.every_batch if isinstance(callback, WatchesBatches) else overrides_batch_hooks(callback),
        every_n_steps=every,
        measures=isinstance(callback, Measures) and callback.measures,
    )


def adds_metrics(callback: Callback) -> bool:
    """Whether it may add metrics that nobody knows before it does: it says so, or is a user's own and may `log`."""
    return terms(callback).measures or not type(callback).__module__.startswith(("optlab.", "lightning."))


def overrides_batch_hooks(callback: Callback) -> bool:
    return any(getattr(type(callback), hook) is not getattr(Callback, hook) for hook in BATCH_HOOKS)


def in_order(callbacks: Iterable[Callback]) -> list[Callback]:
    """What measures comes before the recorder, which the others read; else as they came."""
    return sorted(callbacks, key=lambda callback: not terms(callback).measures)


def check_data(callbacks: Iterable[Callback], info: DataInfo) -> None:
    """Raise UserError where a callback cannot use the data."""
    for callback in callbacks:
        if isinstance(callback, FitsData):
            callback.check_data(info)


def begin_run(callbacks: Iterable[Callback], run: RunContext) -> None:
    """Give the callbacks what they ask for."""
    for callback in callbacks:
        if isinstance(callback, BeginsRun):
            callback.begin_run(run)
