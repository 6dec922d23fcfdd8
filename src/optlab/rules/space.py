"""What an optimizer's trials range over: the ranges of a track, and the way between a sampler's unit cube and values.

A range stands in conf/optimizer/*.yaml as `{low, high, scale}`. Positions are numbers on the range's own scale: 0 is
`low`, 1 is `high`, and what lies outside continues the range at the same ratio, up to what its parameter can be.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, get_args

from optlab.errors import UserError

Scale = Literal["log", "uniform", "one_minus_log"]
DIGITS = 3  # significant digits of a value: finer than any lr matters, and folder names stay readable
KEYS = ("low", "high", "scale")
EXAMPLE = "{low: 1.0e-3, high: 1.0, scale: log}"

# Rates of forgetting end below 1 on every scale: at 1 nothing is ever forgotten.
BELOW_ONE = re.compile(r"\w*beta[123]?|momentum|rho|alpha|dampening")
ABOVE_ZERO = re.compile(r"(\w*_)?lr")

BETA, BETAS = re.compile(r"(\w*?)beta([1-3])"), re.compile(r"\w*?betas")  # a part of a list, and the list
NO_HYPERPARAMETERS = ("name", "search", "_target_")


@dataclass(frozen=True)
class Range:
    """One hyperparameter's range, both ends included.

    `one_minus_log` spreads 1 - value on a log scale, so that 0.9, 0.99 and 0.999 are evenly spaced.
    """

    low: float
    high: float
    scale: Scale = "log"
    whole: bool = False  # whole numbers only
    name: str = ""

    @classmethod
    def parse(cls, path: str, given: Any, default: Any = None) -> Self:
        """The range that a config describes.

        Args:
            path: where it stands, for messages.
            default: the hyperparameter's value without tuning; a range between whole numbers around a whole
                number takes whole numbers only.

        Raises:
            UserError: a key or number is missing or of no use, or the range is empty.
        """
        if not isinstance(given, Mapping) or not {"low", "high"} <= set(given):
            raise UserError(f"{path}={given}: a range needs low, high and scale, as in {EXAMPLE}")
        if unknown := [str(key) for key in given if key not in KEYS]:
            raise UserError(f"{path}.{unknown[0]}: a range has no such key; it takes {', '.join(KEYS)}")
        low, high, scale = given["low"], given["high"], given.get("scale", "log")
        if scale not in get_args(Scale):
            raise UserError(f"{path}.scale={scale}: must be one of {', '.join(get_args(Scale))}")
        for key, value in (("low", low), ("high", high)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                raise UserError(f"{path}.{key}={value}: must be a finite number")
        if low >= high:
            raise UserError(f"{path}: from {low:g} to {high:g} the space is empty; low must be below high")
        if scale == "log" and low <= 0:
            raise UserError(f"{path}.low={low:g}: must be above 0 on a log scale; or type scale: uniform")
        if scale == "one_minus_log" and high >= 1:
            raise UserError(f"{path}.high={high:g}: must be below 1 with scale one_minus_log")
        whole = all(isinstance(value, int) and not isinstance(value, bool) for value in (low, high, default))
        return cls(float(low), float(high), scale, whole, path.rpartition(".")[2])

    def value(self, position: float) -> float | int:
        """The value at a position, to three significant digits (of 1 - value on the scale one_minus_log)."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        raw = low + position * (high - low)
        if self.scale == "log":
            value = _rounded(math.exp(raw))
        elif self.scale == "one_minus_log":
            value = round(1 - _rounded(math.exp(-raw)), 15)
        else:
            digits = DIGITS - math.ceil(math.log10(self.high - self.low))
            value = round(raw, max(digits, 0)) + 0.0  # no negative zero
        return round(value) if self.whole else value

    def position(self, value: float) -> float:
        """Where a value stands: 0 at `low`, 1 at `high`; infinite for what a logarithm never reaches."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        never = value <= 0 if self.scale == "log" else value >= 1 and self.scale == "one_minus_log"
        return math.inf if never else (self._scaled(value) - low) / (high - low)

    def beyond(self, position: float, step: float) -> float | None:
        """The position a step further out, at most at the limit of the parameter; None where nothing is left.

        A limit that the parameter may have (a momentum of 0) is taken itself; towards one that it may not have (a
        momentum of 1, a learning rate of 0) half of the way is gone.
        """
        further = position + step
        if self.allows(further):
            return further
        limit = self.position(1.0 if step > 0 or self.whole else 0.0)
        if self.allows(limit):
            return limit if (limit - position) * step > 1e-9 else None
        halfway = (position + limit) / 2
        return halfway if self.allows(halfway) and self.value(halfway) != self.value(position) else None

    def allows(self, position: float) -> bool:
        """Whether the parameter may have the value at this position; a range that is not negative stays so."""
        if not math.isfinite(position):
            return False
        value = self.value(position)
        ends_below_one = self.scale == "one_minus_log" or (BELOW_ONE.fullmatch(self.name) and self.high < 1)
        if ends_below_one and value >= 1:
            return False
        if self.whole or self.scale == "log" or ABOVE_ZERO.fullmatch(self.name):
            return value > 0
        return value >= 0 or self.low < 0

    def reaching(self, values: Sequence[float]) -> "Range":
        """The range, widened to hold these values."""
        return replace(self, low=min(self.low, *values), high=max(self.high, *values))

    def _scaled(self, value: float) -> float:
        if self.scale == "log":
            return math.log(value)
        return -math.log1p(-value) if self.scale == "one_minus_log" else value

    def to_dict(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, "scale": self.scale}

    def __str__(self) -> str:
        how = {"log": "log", "uniform": "uniform", "one_minus_log": "1 - value log"}[self.scale]
        return f"{self.low:g} to {self.high:g} ({how})"


Settings = dict[str, Any]  # an optimizer's hyperparameters by name; beta1 is betas[0]


@dataclass(frozen=True)
class Space:
    """The hyperparameters of one optimizer: those that are tuned, and those that the study sets to one value."""

    ranges: Mapping[str, Range]
    fixed: Mapping[str, Any]

    @classmethod
    def parse(cls, path: str, given: Mapping[str, Any], optimizer: Mapping[str, Any]) -> Self:
        """The space that a config describes: a range, or a single value, for each name.

        Args:
            path: where it stands, for messages.
            optimizer: the optimizer's config, which must have every name.

        Raises:
            UserError: an empty space, a name that the optimizer lacks, a range that cannot be used.
        """
        if not given:
            raise UserError(f"{path}: the space is empty; give it a range, as in lr: {EXAMPLE}")
        ranges: dict[str, Range] = {}
        fixed: dict[str, Any] = {}
        for name, entry in given.items():
            default = current(str(name), optimizer, path)
            if isinstance(entry, Mapping):
                ranges[str(name)] = Range.parse(f"{path}.{name}", entry, default)
            else:
                fixed[str(name)] = entry
        return cls(ranges, fixed)

    def reaching(self, tried: Sequence[Settings]) -> "Space":
        """The space with every range widened to hold what was tried of it."""
        wider = {name: each.reaching([settings[name] for settings in tried]) for name, each in self.ranges.items()}
        return Space(wider, self.fixed)

    def settings(self, point: Sequence[float]) -> Settings:
        """The hyperparameters at a point: one position a range, in the order of `ranges`."""
        tuned = {name: each.value(at) for (name, each), at in zip(self.ranges.items(), point, strict=True)}
        return {**self.fixed, **tuned}

    def to_dict(self) -> dict[str, Any]:
        return {**self.fixed, **{name: each.to_dict() for name, each in self.ranges.items()}}


# -- hyperparameters in an optimizer's config


def current(name: str, optimizer: Mapping[str, Any], path: str) -> Any:
    """The value that an optimizer's config has for a name; beta1 and beta2 stand for the parts of betas.

    Raises:
        UserError: the config has no such key.
    """
    list_name, index = beta(name, optimizer)
    if list_name is not None:
        return optimizer[list_name][index]
    if name not in optimizer or name in NO_HYPERPARAMETERS:
        known = ", ".join(key for key in optimizer if key not in NO_HYPERPARAMETERS)
        raise UserError(f"{path}.{name}: {optimizer.get('name')} has no {name!r}; it has {known}")
    return optimizer[name]


def number(name: str, optimizer: Mapping[str, Any]) -> float | None:
    """The value of a hyperparameter as a number; None where the config has none of that name, or no number."""
    list_name, index = beta(name, optimizer)
    value = optimizer.get(name) if list_name is None else optimizer[list_name][index]
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def numbers(optimizer: Mapping[str, Any]) -> dict[str, float]:
    """Every hyperparameter of a config that is a number, by the name that a space gives it, in the order of names."""
    names = [part for key, value in optimizer.items() for part in parts(key, value)]
    return {name: value for name in sorted(names) if (value := number(name, optimizer)) is not None}


def parts(name: str, value: Any) -> list[str]:
    """The names that a space has for a key: `betas` of two numbers is beta1 and beta2."""
    if BETAS.fullmatch(name) and isinstance(value, Sequence) and not isinstance(value, str):
        return [f"{name[:-1]}{index}" for index in range(1, min(len(value), 3) + 1)]
    return [name]


def beta(name: str, optimizer: Mapping[str, Any]) -> tuple[str | None, int]:
    """`beta1` is ("betas", 0) where the optimizer has betas and no key of that name, else (None, 0)."""
    match = BETA.fullmatch(name)
    if match is None or name in optimizer:
        return None, 0
    values, index = optimizer.get(f"{match[1]}betas"), int(match[2]) - 1
    found = isinstance(values, Sequence) and index < len(values)
    return (f"{match[1]}betas", index) if found else (None, 0)


def changes(settings: Settings, optimizer: Mapping[str, Any]) -> Settings:
    """The keys of an optimizer's config that settings change, with their new values: beta1 gives `betas` anew."""
    values: Settings = {}
    for name, value in settings.items():
        list_name, index = beta(name, optimizer)
        if list_name is None:
            values[name] = value
            continue
        values.setdefault(list_name, list(optimizer[list_name]))[index] = value
    return values


def overrides(settings: Settings, optimizer: Mapping[str, Any]) -> list[str]:
    """The command-line words for an optimizer's hyperparameters: `optimizer.lr=0.01`, `optimizer.betas=[0.8,0.999]`."""
    return [f"optimizer.{name}={word(value)}" for name, value in changes(settings, optimizer).items()]


def word(value: Any) -> str:
    """A value as Hydra's grammar writes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (list, tuple)):
        return f"[{','.join(word(item) for item in value)}]"
    return str(value)


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
