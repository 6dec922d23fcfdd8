"""What Lightning does not promise: the counters of its loops, the callbacks of a trainer, its signals and its talk.

Written against Lightning 2.6. `tests/adapters/test_lightning.py` says what each function keeps from breaking.
"""

import logging
import signal
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any, TypeVar, cast

import torch
from lightning import Callback, Trainer
from lightning.fabric.plugins import CheckpointIO
from torch import Tensor
from torch.optim import Optimizer

C = TypeVar("C", bound=Callback)

# Where a checkpoint keeps the number of optimizer steps, counted by hand and by Lightning itself.
_BY_HAND = "epoch_loop.manual_optimization.optim_step_progress"
_BY_ITSELF = "epoch_loop.automatic_optimization.optim_progress"


# -- the process


def quieten() -> None:
    """Leave out what Lightning tells everybody and a run says itself, or does not need to say."""
    # torch.utils._pytree renamed what Lightning 2.6 asks for; nothing of ours is concerned.
    warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated", category=FutureWarning)
    # A data set without a validation split is a choice, and said before the run.
    warnings.filterwarnings("ignore", message="You defined a `validation_step` but have no")
    # Who goes on from a checkpoint without a callback that it knows has typed so.
    warnings.filterwarnings("ignore", message="Be aware that when using `ckpt_path`, callbacks used")
    # Norms in frozen parts are, and a run says how many layers are so.
    warnings.filterwarnings("ignore", message=r"Found \d+ module\(s\) in eval mode at the start of training")
    # One that never returns a loss is refused in a line of our own.
    warnings.filterwarnings("ignore", message="`training_step` returned `None`")
    for chatter in ("lightning.pytorch", "lightning.fabric"):  # they announce devices and give tips
        logging.getLogger(chatter).setLevel(logging.WARNING)


def take_signals_back(numbers: Iterable[int], handler: Callable[[int, FrameType | None], None]) -> None:
    """Handle these signals again, from `on_train_start` on.

    Lightning has put a handler of its own before ours by then, which waits for the other processes within it.
    """
    for number in numbers:
        signal.signal(number, handler)


# -- what a trainer holds


def callbacks_of(trainer: Trainer) -> list[Callback]:
    """The callbacks in their order; Lightning sets the attribute where no type checker finds it."""
    return cast(list[Callback], trainer.callbacks)  # type: ignore[attr-defined]


def callback_of(trainer: Trainer, kind: type[C]) -> C:
    """The callback of this type that every run has."""
    return next(callback for callback in callbacks_of(trainer) if isinstance(callback, kind))


def write_checkpoints_with(trainer: Trainer, writer: CheckpointIO) -> None:
    """Let a callback decide how files are written; the Trainer's own argument for it is the user's."""
    trainer.strategy.checkpoint_io = writer


def publish(trainer: Trainer, metrics: Mapping[str, float]) -> None:
    """Give metrics to callbacks that watch `trainer.callback_metrics`.

    `LightningModule.log` puts them there too, and takes forty times as long: a fortieth of a small network's epoch.
    """
    trainer.callback_metrics.update({name: torch.tensor(value) for name, value in metrics.items()})


def published(trainer: Trainer) -> Mapping[str, Tensor]:
    """What was published or logged so far, by the names that Lightning gives it: an epoch's mean has its own."""
    return trainer.callback_metrics


def evaluation_precision(trainer: Trainer) -> AbstractContextManager[Any]:
    """The precision of validation, for batches that a callback evaluates itself."""
    return cast(AbstractContextManager[Any], trainer.precision_plugin.val_step_context())


def training_precision(trainer: Trainer) -> AbstractContextManager[Any]:
    """The precision of a training step's forward and loss, for batches that a callback evaluates itself."""
    return cast(AbstractContextManager[Any], trainer.precision_plugin.train_step_context())


def let_clip(optimizer: Optimizer) -> None:
    """Let gradients be clipped in bfloat16 with fused steps too.

    Fused optimizers say that they unscale float16 gradients, and Lightning then refuses to clip at all.
    """
    optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]


# -- where a run stands


def load_train_batches(trainer: Trainer) -> None:
    """Let the trainer look at its training batches now.

    Else an open number of epochs (max_epochs=-1) leaves their number unknown to `configure_optimizers`.
    """
    trainer.fit_loop.setup_data()


def batches_done(trainer: Trainer) -> int:
    """The batches of this epoch that are behind, in `on_train_batch_end` with the one it is called for.

    The hook's `batch_idx` is the first of the batches that were taken at once.
    """
    return trainer.fit_loop.epoch_loop.batch_idx + 1


def ends(trainer: Trainer) -> bool:
    """Whether the epoch under way is the last one, by epochs, by steps or because a callback asked for the end.

    Lightning's answer moves `trainer.current_epoch` on in the last epoch, which callbacks and checkpoints still need.
    """
    epochs = trainer.fit_loop.epoch_progress.current
    completed = epochs.completed
    done = bool(trainer.fit_loop.done)
    epochs.completed = completed
    return done


def batches_to_validation(trainer: Trainer, begin: int) -> int | None:
    """The batches from number `begin` of the epoch to the next validation; None where none is due by batches.

    They are counted within the epoch, or over the whole run where `check_val_every_n_epoch` is None.
    """
    every = trainer.val_check_batch
    if not isinstance(every, int):
        return None
    done = trainer.fit_loop.epoch_loop.total_batch_idx if trainer.check_val_every_n_epoch is None else begin
    return every - done % every


# -- many steps within one batch of Lightning's


def count_steps(trainer: Trainer, steps: int, *, ends_epoch: bool) -> None:
    """Move Lightning's counters on by the steps that one `training_step` has taken by hand.

    Whatever asks them (max_steps, validation, checkpoints, loggers) then finds what single steps would have counted.
    """
    loop = trainer.fit_loop.epoch_loop
    loop.manual_optimization.optim_step_progress.increment_by(steps)
    loop.batch_progress.increment_by(steps - 1, is_last_batch=ends_epoch)  # Lightning itself counts one of them


def save_as_automatic(checkpoint: dict[str, Any]) -> None:
    """Write the steps that were counted by hand where a run with automatic optimization looks for them."""
    loops = checkpoint["loops"]["fit_loop"]
    loops[_BY_ITSELF]["optimizer"]["step"] = loops[_BY_HAND]


def load_as_manual(checkpoint: dict[str, Any]) -> None:
    """Read the steps of any run's checkpoint where a run that counts by hand looks for them."""
    loops: Mapping[str, Any] = checkpoint["loops"]["fit_loop"]
    checkpoint["loops"]["fit_loop"] = {**loops, _BY_HAND: loops[_BY_ITSELF]["optimizer"]["step"]}


# -- other processes


def child_processes() -> list["subprocess.Popen[bytes]"]:
    """The processes that Lightning started for a distributed run, which from now on are the caller's to wait for.

    Its observer, which looks every five seconds and kills this process, and so the sweep, when one of them has failed,
    sees none of them any more. Only that thread knows them once the run is over.
    """
    found: list[subprocess.Popen[bytes]] = []
    for thread in threading.enumerate():
        watched = getattr(thread, "_child_processes", None) if thread.name == "child-process-observer" else None
        if watched is not None:
            found += watched
            watched.clear()
    return found
