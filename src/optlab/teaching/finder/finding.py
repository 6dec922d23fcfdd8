"""What a range test came to: its curve, a suggestion or the reason why there is none, and find_lr.json."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from optlab.errors import UserError
from optlab.record import finite, shortest, write_whole
from optlab.rules.messages import Message, message
from optlab.teaching.finder.curve import Curve, RangeTest, Suggestion, curve_of, suggestion_of

SCHEMA = 1
FILE = "find_lr.json"
FEW_DECADES = 2.0  # from the lowest lr to divergence: no test has seen anything within them


@dataclass(frozen=True)
class Finding:
    """What the tests of one setting say.

    Attributes:
        facts: of the setting: optimizer, class, model, dataset, loss, batch_size, device, precision, parameters ...
        options: low, high and steps of the tests.
        tests: one a seed.
        scaled: the keys of the config that say the lrs, each with its share of the suggested one; {} for none.
        typed: the words of a run of this setting, without these keys.
    """

    facts: Mapping[str, Any]
    options: Mapping[str, Any]
    tests: Sequence[RangeTest]
    scaled: Mapping[str, float] = field(default_factory=dict)
    typed: Sequence[str] = ()

    @property
    def optimizer(self) -> str:
        return str(self.facts["optimizer"])

    @property
    def name(self) -> str:
        """What tells it apart from those beside it: the optimizer, and what else was varied."""
        return str(self.facts.get("name", self.optimizer))

    @cached_property
    def curve(self) -> Curve | None:
        """The median curve of the tests; None where they ended at once."""
        return curve_of(self.tests)

    @cached_property
    def suggestion(self) -> Suggestion | None:
        """None where there is none; `said` says why."""
        if self.curve is None or self.facts.get("first_step_only"):
            return None
        return suggestion_of(self.curve)

    @property
    def lr(self) -> float | None:
        """The suggested lr, with two digits."""
        return None if self.suggestion is None else two_digits(self.suggestion.lr)

    @property
    def low(self) -> float | None:
        """The lower end of the range around it."""
        return None if self.suggestion is None else two_digits(self.suggestion.low)

    @property
    def high(self) -> float | None:
        """The upper end of the range around it."""
        return None if self.suggestion is None else two_digits(self.suggestion.high)

    @property
    def words(self) -> list[str] | None:
        """What follows `python train.py` to use the suggestion; None without one, or where no key sets it."""
        if self.lr is None or not self.scaled:
            return None
        return [*self.typed, *(f"{key}={two_digits(self.lr * share):g}" for key, share in self.scaled.items())]

    @property
    def last(self) -> float:
        """The highest lr that at least half of the tests came to."""
        ends = sorted(float(test.lrs[-1]) if len(test.lrs) else float(self.options["low"]) for test in self.tests)
        return ends[len(ends) // 2]

    @cached_property
    def said(self) -> list[Message]:
        """Why nothing is suggested, or what must be known of the suggestion, each with what to type."""
        low, high = float(self.options["low"]), float(self.options["high"])
        if self.facts.get("first_step_only"):
            return [message("find_lr_first_step", self.optimizer)]
        diverged = all(test.ended != "high" for test in self.tests)
        if self.suggestion is not None:
            edge = message("find_lr_edge", self.optimizer, high=high, higher=high * 100)
            return [edge] if self.suggestion.edge else []
        if diverged and math.log10(self.last / low) < FEW_DECADES:
            return [message("find_lr_at_once", self.optimizer, last=self.last, lower=low / 1e4)]
        if diverged:
            around = {"last": self.last, "low": self.last / 1e4, "high": self.last * 10, "steps": self.options["steps"]}
            return [message("find_lr_no_fall", self.optimizer, **around)]
        return [message("find_lr_flat", self.optimizer, low=low, high=high, steps=2 * int(self.options["steps"]))]

    def together_with(self, others: Sequence[Self]) -> Self:
        """One finding of the tests of several that differ in their seeds alone."""
        tests = {test.seed: test for each in (self, *others) for test in each.tests}
        return replace(self, tests=[tests[seed] for seed in sorted(tests)])

    # -- find_lr.json

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; all that follows from the tests stands in it too."""
        curve, found = self.curve, self.suggestion
        return {
            "schema": SCHEMA,
            "run": dict(self.facts),
            "range": dict(self.options),
            "scaled": dict(self.scaled),
            "typed": list(self.typed),
            "suggestion": None
            if found is None
            else {"lr": self.lr, "low": self.low, "high": self.high, "steepest": found.steepest, "edge": found.edge},
            "said": [{"kind": each.kind, "text": each.text, "fields": dict(each.fields)} for each in self.said],
            "curve": None
            if curve is None
            else {
                "lr": curve.lrs.tolist(),
                "loss": curve.losses.tolist(),
                "smooth": curve.smooth.tolist(),
                "low": curve.low.tolist(),
                "high": curve.high.tolist(),
                "start": curve.start,
                "noise": curve.noise,
            },
            "tests": [
                {
                    "seed": test.seed,
                    "start": test.start,
                    "ended": test.ended,
                    "lr": test.lrs.tolist(),
                    "loss": test.losses.tolist(),
                }
                for test in self.tests
            ],
        }

    def write(self, folder: Path) -> Path:
        path = folder / FILE
        write_whole(path, json.dumps(finite(self.to_dict()), indent=1) + "\n")
        return path

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The finding of a folder.

        Raises:
            UserError: there is none, or it is damaged or of another version.
        """
        path = folder / FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["schema"] != SCHEMA:
                raise UserError(f"{shortest(path)}: schema {content['schema']}, and this version reads {SCHEMA}")
            tests = [read_test(test) for test in content["tests"]]
            return cls(content["run"], content["range"], tests, content["scaled"], content["typed"])
        except FileNotFoundError as error:
            raise UserError(f"{shortest(path)}: no such file; mode=find_lr writes it") from error
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise UserError(f"{shortest(path)}: damaged ({error}); delete its folder and make it again") from error


def read_test(content: Mapping[str, Any]) -> RangeTest:
    lrs, losses, start = (
        np.array([math.nan if value is None else value for value in values], dtype=float)
        for values in (content["lr"], content["loss"], [content["start"]])
    )
    return RangeTest(int(content["seed"]), lrs, losses, float(start[0]), str(content["ended"]))


def two_digits(value: float) -> float:
    return float(f"{value:.2g}")
