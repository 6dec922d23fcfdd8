"""Why a run ended: as long as planned, or earlier because a callback asked for the end."""

from collections.abc import Iterable
from typing import TypedDict

from lightning import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, Timer
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason

from optlab.adapters.lightning import callbacks_of
from optlab.callbacks.until import Until
from optlab.rules.ends import EARLY, End


class Ended(TypedDict):
    """`ended` in run.json: the reason (see `optlab.rules.ends`), the last epoch, and the reason in words."""

    reason: End
    epoch: int
    text: str


def ending_of(trainer: Trainer, epochs: int) -> Ended:
    """Why a trainer that has come back from `fit` ended.

    A run that got all its epochs or steps ended by plan, whatever asked for its end besides.
    """
    most, steps = trainer.max_epochs or -1, trainer.max_steps
    if 0 < steps <= trainer.global_step:
        return Ended(reason="max_steps", epoch=epochs, text=f"trainer.max_steps={steps}")
    if 0 < most <= epochs:
        return Ended(reason="max_epochs", epoch=epochs, text=f"trainer.max_epochs={most}")
    reason, text = who_stopped(callbacks_of(trainer))
    return Ended(reason=reason, epoch=epochs, text=text)


def who_stopped(callbacks: Iterable[Callback]) -> tuple[End, str]:
    """The callback that asked for the end, and why, as far as it says."""
    for callback in callbacks:
        if isinstance(callback, Until) and callback.stopped:
            return "until", f"until={callback.epoch}"
        if isinstance(callback, EarlyStopping) and callback.stopping_reason != EarlyStoppingReason.NOT_STOPPED:
            return "early_stopping", why(callback)
        remaining = callback.time_remaining() if isinstance(callback, Timer) else None
        if remaining is not None and remaining <= 0:
            return "max_time", "the time that it was given to train is over"
    return "callback", "a callback set trainer.should_stop"


def why(stopping: EarlyStopping) -> str:
    metric, best = stopping.monitor, float(stopping.best_score)
    match stopping.stopping_reason:
        case EarlyStoppingReason.STOPPING_THRESHOLD:
            return f"{metric} had reached stopping_threshold={stopping.stopping_threshold:g}"
        case EarlyStoppingReason.DIVERGENCE_THRESHOLD:
            return f"{metric} had passed divergence_threshold={stopping.divergence_threshold:g}"
        case EarlyStoppingReason.NON_FINITE_METRIC:
            return f"{metric} was no finite number"
    way = "risen" if stopping.mode == "max" else "fallen"
    least = f" by more than {abs(stopping.min_delta):g}" if stopping.min_delta else ""
    looks = "at the last look" if stopping.wait_count <= 1 else f"at the last {stopping.wait_count} looks"
    return f"{metric} had not {way}{least} {looks} (best {best:.4f})"


def line(ended: Ended, planned: int) -> str | None:
    """What a person is told of an early end; None where a run got what was planned."""
    if ended["reason"] not in EARLY:
        return None
    whole = f" of {planned}" if planned > 0 else ""
    return f"ended early, after epoch {ended['epoch']}{whole}: {ended['text']}"
