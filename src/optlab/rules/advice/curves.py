"""Advice that the learning curves alone give."""

import numpy as np

from optlab.rules.advice import typed
from optlab.rules.advice.evidence import LATE, Evidence, FloatArray, guessing_loss
from optlab.rules.messages import Message, message, phrase

LEAST_EPOCHS = 6  # of a curve that says how it goes on

# Overfitting. A validation loss creeps up in good runs too, as a network grows surer of its few mistakes, and accuracy
# stays: by less than 4 % of the loss of guessing in 24 runs on the digits.
RISEN = 1.25  # times its lowest
RISEN_OF_START = 0.1  # of the loss at the start
FALLEN = 0.9  # of what the training loss was then

# A loss that falls in a straight line loses a fifth of its whole fall in the last fifth of the run; one that has
# settled, next to nothing.
STILL_FALLING = 0.05  # of its whole fall, in the last fifth of the epochs ...
WORTH_IT = 0.1  # ... and of what is left of it

LR_IS_OVER = 0.01  # of its peak: at 1 % of the learning rate a step does 1 % as much
OVER_SINCE = 0.25  # of the epochs: a cosine is below 1 % for the last 6 % of its run, which is meant
STOPPED = 0.1  # of the speed at which the loss fell before
BEGUN = 0.995, 0.5  # of the loss of guessing: between these a run has begun to learn, and little more


def validation_rises(run: Evidence) -> Message | None:
    """The validation loss rises while the training loss falls."""
    val, train = run.curve("val/loss"), run.curve("train/loss")
    if len(val) < LEAST_EPOCHS or len(train) != len(val) or run.start is None:
        return None
    best = int(val.argmin())
    lowest, end = float(val[best]), float(np.median(val[-LATE:]))
    if len(val) - 1 - best < max(LATE, len(val) // 10):
        return None
    if end < RISEN * lowest or end - lowest < RISEN_OF_START * run.start or train[-1] > FALLEN * train[best]:
        return None
    tests_best = run.record.config.get("test_weights") == "best"
    return message(
        "validation_rises",
        epoch=run.epoch(best),
        lowest=lowest,
        end=end,
        train_then=float(train[best]),
        train_end=float(train[-1]),
        words=f"trainer.max_epochs={run.epoch(best)}" if tests_best else "test_weights=best",
    )


def still_falls(run: Evidence) -> Message | None:
    """The loss still falls at the last epoch, by as much as more epochs are worth."""
    name = "val/loss" if len(run.curve("val/loss")) else "train/loss"
    loss = run.curve(name)
    if len(loss) < LEAST_EPOCHS or run.diverged or ended_early(run):
        return None
    since = len(loss) - 1 - max(LATE, len(loss) // 5)
    fall, late = float(loss[0] - loss.min()), float(loss[since] - loss[-1])
    share_of_run = (len(loss) - 1 - since) / (len(loss) - 1)
    if int(loss.argmin()) < len(loss) - 2 or late < WORTH_IT * loss[-1]:
        return None
    if late < max(STILL_FALLING, 0.25 * share_of_run) * fall:  # a quarter of a straight line's
        return None
    return message(
        "still_falls",
        metric=name,
        since=run.epoch(since),
        epoch=run.epoch(-1),
        before=float(loss[since]),
        end=float(loss[-1]),
        words=typed.longer_words(run.record),
    )


def ended_early(run: Evidence) -> bool:
    """Whether something else than its planned length ended the run, such as early stopping."""
    planned = run.record.config["trainer"].get("max_epochs")
    return isinstance(planned, int) and 0 < len(run.epochs.get("epoch", ())) < planned


def schedule_ended(run: Evidence) -> Message | None:
    """The schedule was over long before the run, and with it the fall of the loss, which was not done."""
    lr, loss = run.curve("lr"), run.curve("train/loss")
    if len(loss) < LEAST_EPOCHS or len(lr) != len(loss) or run.diverged:
        return None
    over = np.flatnonzero(lr >= LR_IS_OVER * lr.max())[-1] + 1  # the first row from which on it stays below
    left = len(lr) - over
    if left < max(LATE, OVER_SINCE * len(lr)) or over < 2 or lr.max() <= 0:
        return None
    window = min(over - 1, max(LATE, len(loss) // 5))
    if not stopped_falling(loss, over, window, guessing_loss(run.record)):
        return None
    schedule = run.record.lr_schedule
    own = schedule == "constant"  # so it was the module that lowered its lr
    words = "" if own else "lr=cosine" if schedule != "cosine" else "lr=linear"
    said = message(
        "schedule_ended",
        "the module's own" if own else schedule,
        epoch=run.epoch(over),
        last=run.epoch(-1),
        share=100 * LR_IS_OVER,
        before=float(loss[over - 1 - window]),
        window=window,
        then=float(loss[over - 1]),
        end=float(loss[-1]),
        remedy=typed.remedy(words, phrase("remedy_longer_schedule")),
    )
    return typed.with_words(said, words)


def stopped_falling(loss: FloatArray, over: int, window: int, guessing: float | None) -> bool:
    """Whether the loss still fell in so many epochs up to row `over`, and from there on hardly."""
    fall = float(loss[0] - loss.min())
    before, after = float(loss[over - 1 - window] - loss[over - 1]), float(loss[over - 1] - loss[-1])
    speed, speed_after = before / window, after / (len(loss) - over)
    begun = guessing is not None and BEGUN[1] * guessing <= loss[-1] < BEGUN[0] * guessing
    worth_it = begun or before >= WORTH_IT * loss[-1]  # under an lr that dies at once little falls
    return worth_it and before >= STILL_FALLING * fall and speed_after < STOPPED * speed
