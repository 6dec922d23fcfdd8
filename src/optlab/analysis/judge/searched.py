"""What a contender searched: its trials, their hyperparameters as numbers or words, and the scale of each."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np

from optlab.analysis.judge.contest import Configuration, Contender
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.tuning import tuning_mean
from optlab.rules.space import parts
from optlab.rules.words import natural

Value = float | str
Kind = Literal["log", "one_minus_log", "linear", "words"]

DECADE = 10.0  # less than this from the lowest to the highest says nothing for a log scale
MOST_ROUND = 5
FEW = 6  # values that are all written at an axis; of more, round numbers
APART = 0.07  # of an axis, between two ticks that can both be read


@dataclass(frozen=True)
class Trial:
    """A configuration that could be chosen, its mean over the runs it was judged by, and its hyperparameters."""

    configuration: Configuration
    mean: float
    settings: Mapping[str, Value]

    @property
    def diverged(self) -> int:
        """How many of the runs that it was judged by diverged; each counts in its mean."""
        return sum(run.record.status == "diverged" for run in self.configuration.tuning)


def trials(contender: Contender, metric: Metric) -> list[Trial]:
    """The trials of a contender that are over; those with a failed run are left out, as in the choice."""
    found = ((c, tuning_mean(c, metric)) for c in contender.judged)
    return [Trial(c, mean, settings_of(c)) for c, mean in found if mean is not None]


def settings_of(configuration: Configuration) -> dict[str, Value]:
    """What a configuration sets of everything that its contender varied, by the names that a search space has.

    A list of betas is beta1 and beta2; keys of the schedule have a dot (`lr.step_size`); what is no number is a word.
    """
    settings: dict[str, Value] = {"lr": configuration.lr}
    for name, text in configuration.varied.items():
        of_list = parts(name, configuration.optimizer.get(name))
        if of_list != [name]:
            settings |= {part: configuration.hyperparameters[part] for part in of_list}
        else:
            settings[name] = value_of(text)
    return settings


def value_of(text: str) -> Value:
    """A value of a config, written as JSON or as a word, as a number where it is a finite one."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else text


def word(value: Value) -> str:
    """`0.001`, or the word itself."""
    return value if isinstance(value, str) else f"{value:.6g}"


def searched(found: Sequence[Trial]) -> list[str]:
    """The hyperparameters of which the trials have two values or more; the learning rate first."""
    names = dict.fromkeys(name for trial in found for name in trial.settings)
    return [name for name in names if len({trial.settings.get(name) for trial in found}) > 1]


def without(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != name}


# -- scales


@dataclass(frozen=True)
class Scale:
    """An axis of values from 0 to 1: logarithmic, of 1 - value (0.9, 0.99, 0.999 evenly), linear, or of words."""

    kind: Kind
    values: tuple[Value, ...]  # every one once, in the order of the axis

    @classmethod
    def of(cls, given: Iterable[Value], kinds: Sequence[Kind] = ("log", "one_minus_log", "linear")) -> Self:
        """The scale on which the values stand most evenly; of words as soon as one is no number."""
        values = set(given)
        if any(isinstance(value, str) for value in values):
            words: list[str] = sorted({word(value) for value in values}, key=natural)
            return cls("words", tuple(words))
        ordered = tuple(sorted(float(value) for value in values))
        able = [kind for kind in kinds if fits(kind, ordered[0], ordered[-1])]
        return cls(min(able, key=lambda kind: unevenness(kind, ordered)), ordered)

    def position(self, value: Value) -> float:
        """Where a value stands: 0 at the lowest, 1 at the highest; the only one in the middle."""
        if self.kind == "words":
            place, low, high = float(self.values.index(word(value))), 0.0, len(self.values) - 1.0
        else:
            place, low, high = (scaled(self.kind, float(v)) for v in (value, self.values[0], self.values[-1]))
        return (place - low) / (high - low) if high > low else 0.5

    def marked(self) -> list[tuple[float, str]]:
        """The numbers to write at an axis: the values themselves where there are few, else round ones."""
        given = [float(value) for value in self.values]
        found: list[float] = []
        for value in given if len(given) <= FEW else self._round_numbers():
            if not found or self.position(value) - self.position(found[-1]) >= APART:
                found.append(value)
        return [(value, word(value)) for value in found]

    def ticks(self) -> dict[float, str]:
        """What to write at which positions: every word, and some numbers."""
        if self.kind == "words":
            return {self.position(value): word(value) for value in self.values}
        return {self.position(value): text for value, text in self.marked()}

    def _round_numbers(self) -> Sequence[float]:
        """Round numbers between the lowest and the highest; these two where there are not two of them."""
        low, high = (float(self.values[i]) for i in (0, -1))
        if self.kind == "linear":
            rough = (high - low) / MOST_ROUND
            size = 10 ** math.floor(math.log10(rough))
            step = size * next(each for each in (1, 2, 5, 10) if each * size >= rough)
            found = [round(i * step, 12) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
        else:
            firsts = (1,) if scaled(self.kind, high) - scaled(self.kind, low) > math.log(100) else (1, 2, 5)
            tens = [first * 10.0**i for i in range(-30, 31) for first in firsts]
            found = tens if self.kind == "log" else [round(1 - part, 15) for part in reversed(tens) if part <= 1]
            found = [value for value in found if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
            found = found[:: math.ceil(len(found) / MOST_ROUND) or 1]
        return found if len(found) > 1 else [low, high]


def fits(kind: Kind, low: float, high: float) -> bool:
    if kind == "log":
        return low > 0 and high / low >= DECADE
    return kind == "linear" or (low >= 0 and high < 1 and (1 - low) / (1 - high) >= DECADE)


def scaled(kind: Kind, value: float) -> float:
    return {"log": math.log, "one_minus_log": lambda v: -math.log1p(-v)}.get(kind, float)(value)


def unevenness(kind: Kind, ordered: Sequence[float]) -> float:
    """The spread of the gaps between neighbours, where all of them together are 1."""
    gaps = np.diff([scaled(kind, value) for value in ordered])
    return float(np.round(np.std(gaps / gaps.sum()), 9)) if len(gaps) else 0.0
