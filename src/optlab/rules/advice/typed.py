"""What to type: the words of a piece of advice, and the command that repeats a run with them."""

import math
from dataclasses import replace

from optlab.record import RunRecord
from optlab.rules.commands import run_command
from optlab.rules.messages import Message, phrase

STEPS_OF_LR = (1.0, 3.0)  # learning rates are tried half a decade apart


def lr_words(record: RunRecord, factor: float) -> str:
    """`optimizer.lr=0.03`: about so many times the run's; "" where the module sets its own."""
    if not record.lr > 0 or not record.config["optimizer"].get("lr"):
        return ""
    return f"optimizer.lr={half_decade(record.lr * factor):g}"


def half_decade(value: float) -> float:
    """The nearest of ..., 0.01, 0.03, 0.1, 0.3, ..., on a log scale."""
    exponent = math.floor(math.log10(value))
    near = [step * 10.0**power for power in (exponent, exponent + 1) for step in STEPS_OF_LR]
    return float(f"{min(near, key=lambda each: abs(math.log(each / value))):g}")


def longer_words(record: RunRecord, times: int = 2) -> str:
    """`trainer.max_epochs=60`, or the steps where these are the run's end."""
    trainer = record.config["trainer"]
    if (steps := trainer.get("max_steps") or -1) > 0:
        return f"trainer.max_steps={times * steps}"
    return f"trainer.max_epochs={times * (trainer.get('max_epochs') or record.epochs)}"


def remedy(words: str, otherwise: str) -> str:
    """What to type, or what else to do where no word does it."""
    return phrase("type", words=words) if words else otherwise


def with_words(advice: Message, words: str) -> Message:
    """The message with the words to type among its fields, for programs."""
    return replace(advice, fields={**advice.fields, "words": words})


def command(record: RunRecord, advice: Message) -> str:
    """What repeats a run with the words of a piece of advice in place of its own; "" where it has none.

    The run begins anew: a checkpoint's run cannot go on under another learning rate.
    """
    words = str(advice.fields.get("words", "")).split()
    keys = {word.partition("=")[0] for word in words} | {"ckpt"}
    below = tuple(f"{key}." for key in keys if "." not in key)  # what an option of a group had, another has not
    typed = {word: word.partition("=")[0].lstrip("+") for word in record.overrides}
    kept = [word for word, key in typed.items() if key not in keys and not key.startswith(below)]
    return run_command([*kept, *words]) if words else ""
