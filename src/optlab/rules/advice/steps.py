"""Advice that the measured steps give, together with what came of them."""

import math

import numpy as np

from optlab.record import RunRecord
from optlab.rules.advice import typed
from optlab.rules.advice.evidence import LATE, Evidence, FloatArray
from optlab.rules.messages import Message, message, phrase
from optlab.rules.words import enumerated

LEAST_MEASURED = 3  # steps

# An update of about a thousandth of the weights is usual (Karpathy, cs231n, "Ratio of weights:updates"); the runs of
# four optimizers at good learning rates on the digits have medians of 5e-5, where nothing is left to learn, to 5e-3.
USUAL_RATIO = 1e-3
SMALL_RATIO = 3e-4  # half a decade below
LARGE_RATIO = 0.01  # a decade above, in the median
LARGEST_RATIO = 0.1  # of a single step: the first of a run is the largest in good runs too, and comes near
MOST_FASTER = 100.0  # times the lr, at most: what a ratio promises further away is a guess

FALLS_IN = 0.8  # of the epochs of its second half, for a loss that falls
AS_FAST = 0.5  # of the fall of the quarter before: a loss that settles loses more of its speed
FAR_FROM_DONE = 0.25  # of the loss at the start

LATE_SHARE = 0.5  # the second half of a run: how it began is warm-up
RISES_IN = 0.3  # of these epochs: a loss that falls steadily rises in none, noise around a level in half of them
SWING = 0.05  # of the loss at the start, that it rises by each time: small batches alone do less, however long a run is
AGAINST = 0.5  # of the measured steps

CLIP = 1.0  # what the advice types, the usual bound on a gradient's norm
EXPLODED = 100.0  # times that: clipping then changes what happens, and not just its last digits
SPIKE = 100.0  # times the median of the layer's steps before (Pascanu et al. 2013 clip at up to 10 times the average)

DEAD = 0.5  # of a layer's units. "As much as 40 %" is what cs231n calls typical of a learning rate that is too high
FITTED = 0.01  # of the loss at the start: a network that makes no mistake any more has gradients of 0 everywhere


def lr_too_small(run: Evidence) -> Message | None:
    """Updates are small beside the weights, and the loss still falls in a straight line."""
    ratios, loss = run.known("update_ratio"), run.curve("train/loss")
    half = loss[len(loss) // 2 - 1 :]
    if len(ratios) < LEAST_MEASURED or len(half) < LATE + 1 or run.diverged or run.start is None:
        return None
    ratio = float(np.median(ratios))
    if not 0 < ratio < SMALL_RATIO or not falls_evenly(half) or loss[-1] < FAR_FROM_DONE * run.start:
        return None
    words = typed.lr_words(run.record, min(USUAL_RATIO / ratio, MOST_FASTER))
    said = message(
        "lr_too_small",
        ratio=ratio,
        usual=USUAL_RATIO,
        steps=len(ratios),
        since=run.epoch(len(loss) - len(half)),
        epoch=run.epoch(-1),
        before=float(half[0]),
        end=float(half[-1]),
        remedy=typed.remedy(words, phrase("remedy_larger_lr")),
    )
    return typed.with_words(said, words)


def falls_evenly(loss: FloatArray) -> bool:
    """Whether a loss falls in nearly every epoch, and in the second half of these about as much as in the first."""
    falls = -np.diff(loss)
    middle = len(falls) // 2
    before, after = float(falls[:middle].mean()), float(falls[middle:].mean())
    return bool((falls > 0).mean() >= FALLS_IN and before > 0 and after >= AS_FAST * before)


def lr_too_large(run: Evidence) -> Message | None:
    """The run came to nothing, or its units died, and its steps themselves are seen to be too long."""
    outcome = [words for words in (came_to_nothing(run), units_died(run)) if words]
    why = too_long(run)
    if not outcome or not (why or run.diverged or len(outcome) > 1):
        return None
    words = typed.lr_words(run.record, 0.1)
    evidence, how = enumerated([*outcome, *why]), typed.remedy(words, phrase("remedy_smaller_lr"))
    return typed.with_words(message("lr_too_large", evidence=evidence, remedy=how), words)


def came_to_nothing(run: Evidence) -> str:
    """How the training loss shows that the run went wrong, in words; "" where it does not."""
    if run.diverged:
        return phrase("run_diverged", epoch=(run.record.diverged or {}).get("epoch"))
    loss = run.curve("train/loss")
    if len(loss) < LATE + 1 or run.start is None:
        return ""
    late = loss[int(len(loss) * LATE_SHARE) :]
    rises = np.diff(late).clip(min=0)
    count = int((rises > 0).sum())
    by, level = float(rises.sum()) / max(1, count), float(np.median(late))
    # A run that got most of its way learned in spite of its noise, and a smaller lr costs it speed.
    if count >= RISES_IN * len(rises) and by >= SWING * run.start and level >= FAR_FROM_DONE * run.start:
        return phrase("loss_oscillates", rises=count, epochs=len(rises), by=by)
    if not run.learned:
        return phrase("loss_stays", end=float(np.median(loss[-LATE:])), start=run.start)
    return ""


def too_long(run: Evidence) -> list[str]:
    """What the measured steps show of being too long, in words."""
    found = []
    changes, cosines, ratios = run.known("loss_change"), run.known("cosine"), run.known("update_ratio")
    if len(changes) >= LEAST_MEASURED and (share := float((changes > 0).mean())) >= AGAINST:
        found.append(phrase("steps_raise_loss", share=100 * share, steps=len(changes)))
    if len(cosines) >= LEAST_MEASURED and (share := float((cosines < 0).mean())) >= AGAINST:
        found.append(phrase("steps_against_gradient", share=100 * share, steps=len(cosines)))
    if len(ratios) >= LEAST_MEASURED and (typical := float(np.median(ratios))) >= LARGE_RATIO:
        found.append(phrase("steps_are_large", ratio=typical, usual=USUAL_RATIO))
    elif len(ratios) and (largest := float(ratios.max())) >= LARGEST_RATIO:
        found.append(phrase("step_was_large", ratio=largest, usual=USUAL_RATIO))
    return found


def units_died(run: Evidence) -> str:
    """What died while the run trained, in words; "" for nothing."""
    if run.diverged or is_fitted(run) or (found := largest_dead(run)) is None or found[2] >= DEAD:
        return ""
    layer, share, first = found
    return phrase("units_died", share=100 * share, layer=layer, first=100 * first)


def gradients_explode(run: Evidence) -> Message | None:
    """Gradients are far above what is clipped at, from the first step on or at once, and the run came to nothing."""
    bad = came_to_nothing(run)
    if not bad or run.record.config["trainer"].get("gradient_clip_val"):
        return None
    exploding = [each for layer in run.layers if (each := exploded(run, layer)) is not None]
    if not exploding:
        return None
    norm, at, before, layer = max(exploding)
    when = run.steps[layer][at]
    how = phrase("norm_before", norm=before) if at else phrase("norm_at_first")
    words = f"trainer.gradient_clip_val={CLIP:g}"
    found = {"norm": norm, "epoch": when.epoch, "step": when.step, "how": how, "bad": bad}
    return message("gradients_explode", layer, words=words, **found)


def exploded(run: Evidence, layer: str) -> tuple[float, int, float, str] | None:
    """The largest gradient norm of a layer, at which measurement, and the median before; None for a usual one.

    A norm that grows with updates that are themselves too long is the learning rate's doing. One that is large from the
    first step on, and takes no long step, is large by the units of the loss: those of targets in the hundreds are.
    """
    norms, ratios = run.of_layer("gradient_norm", layer), run.of_layer("update_ratio")
    for at, norm in enumerate(norms):
        if not norm >= EXPLODED * CLIP:
            continue
        before = norms[:at][np.isfinite(norms[:at])]
        usual = float(np.median(before)) if len(before) else math.nan
        quiet = not (ratios[:at] >= LARGEST_RATIO).any()
        harmed = run.diverged or not ratios[0] < LARGEST_RATIO  # what is not finite did too
        if harmed if at == 0 else quiet and norm >= SPIKE * usual:
            return float(norm), at, usual, layer
        return None  # it came with what was before
    return None


def dead_units(run: Evidence) -> Message | None:
    """Many units of a layer had no gradient in any of the last measurements, and there was something left to learn."""
    if run.diverged or is_fitted(run) or (found := largest_dead(run)) is None:
        return None
    layer, share, first = found
    from_start = first >= DEAD
    if from_start:
        words, otherwise = other_activation(run.record), phrase("remedy_dead_from_start")
    else:
        words, otherwise = typed.lr_words(run.record, 0.1), phrase("remedy_smaller_lr")
    said = message(
        "dead_units",
        layer,
        share=100 * share,
        measurements=LATE,
        first=100 * first,
        remedy=typed.remedy(words, otherwise),
    )
    return typed.with_words(said, words)


def is_fitted(run: Evidence) -> bool:
    """Whether nothing is left to learn, or nobody knows: then a gradient of 0 means nothing."""
    loss = run.curve("train/loss")
    return run.start is None or not len(loss) or float(np.median(loss[-LATE:])) < FITTED * run.start


def largest_dead(run: Evidence) -> tuple[str, float, float] | None:
    """The layer with most dead units: its share in each of the last steps, and in the first; None below `DEAD`."""
    shares = {layer: run.known("dead_units", layer) for layer in run.layers}
    late = {layer: float(each[-LATE:].min()) for layer, each in shares.items() if len(each) >= LEAST_MEASURED}
    layer = max(late, key=lambda name: late[name], default="")
    return (layer, late[layer], float(shares[layer][0])) if layer and late[layer] >= DEAD else None


def other_activation(record: RunRecord) -> str:
    """`model.activation=leaky_relu` where the network has such a key and it is a ReLU."""
    is_relu = record.config.get("model", {}).get("activation") == "relu"
    return "model.activation=leaky_relu" if is_relu and not record.config.get("module") else ""
