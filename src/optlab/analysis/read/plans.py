"""What studies wrote beside their runs: the plan (protocol.yaml) and what was chosen by it (study.json)."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optlab.analysis.read.runs import Run, read_yaml
from optlab.errors import UserError
from optlab.rules.arms import arm_name, arm_words, factors_of, has_run
from optlab.rules.edges import Edge, half_a_step
from optlab.rules.files import PLAN_FILE, RESULT_FILE
from optlab.rules.messages import Message
from optlab.rules.seeds import more_seeds
from optlab.rules.space import Range
from optlab.rules.warnings import FIELDS, study_warnings


@dataclass(frozen=True)
class StudyArm:
    """One arm of a study: what was planned for it, and what came of that so far."""

    factors: Mapping[str, str]
    planned: Mapping[str, Any]  # its part of protocol.yaml
    done: Mapping[str, Any]  # its part of study.json; empty before the first round is over
    trials: int | None  # planned, before extensions

    @property
    def name(self) -> str:
        return arm_name(self.factors)

    @property
    def ranges(self) -> dict[str, Range] | None:
        """What was to be searched, before extensions; None where no plan says it.

        Raises:
            UserError: a range of the plan was edited and is of no use.
        """
        space = self.planned.get("space")
        if not isinstance(space, Mapping) or self.trials is None:
            return None
        ranged = {str(name): entry for name, entry in space.items() if isinstance(entry, Mapping)}
        return {name: Range.parse(f"{PLAN_FILE}: {self.name}.{name}", entry) for name, entry in ranged.items()}

    @property
    def near(self) -> float:
        """How near to an edge of its ranges still lies on it."""
        return half_a_step(self.trials or 0, len(self.ranges or {}))

    @property
    def edges(self) -> Mapping[str, Edge] | None:
        """The edges of what was tried on which the study's winner lies; None before it has chosen one."""
        found = self.done.get("edges")
        return found if self.done.get("winner") is not None and isinstance(found, Mapping) else None


@dataclass(frozen=True)
class Study:
    """The content of protocol.yaml and of study.json; the latter is empty before the first round is over."""

    plan: Mapping[str, Any]
    result: Mapping[str, Any]

    def arm(self, typed: Collection[str]) -> StudyArm | None:
        """The arm that runs of these overrides are of; None where it is none of this study's."""
        planned, done = (find_arm(content, typed) for content in (self.plan, self.result))
        trials = self.plan.get("trials")
        factors = factors_of({**planned, **done})
        return StudyArm(factors, planned, done, trials if isinstance(trials, int) else None) if factors else None

    @property
    def versions(self) -> list[Mapping[str, Any]]:
        """The plan as it was before each extension, oldest first, and as it is."""
        before = self.plan.get("earlier")
        return [*(each for each in before if isinstance(each, Mapping)), self.plan] if before else [self.plan]

    @property
    def hashes(self) -> set[str]:
        """What its runs carry: the hash of the plan as it was when they were made."""
        return {str(version.get("hash")) for version in self.versions}

    @property
    def seeds(self) -> list[int]:
        """The numbers of confirmation seeds of its versions, each larger than the one before."""
        counts = [len(each) for v in self.versions if isinstance(each := v.get("confirmation_seeds"), list)]
        return sorted(set(counts))

    def with_seeds(self, n: int) -> str | None:
        """The override that extends it to `n` confirmation seeds; None where the plan does not say its seeds."""
        known = (self.plan.get(name) for name in ("tuning_seeds", "confirmation_seeds"))
        tuning, confirmation = ([int(each) for each in seeds] if isinstance(seeds, list) else None for seeds in known)
        if not confirmation or tuning is None:
            return None
        more = more_seeds(tuning, confirmation, n)
        return f"hydra.sweeper.confirmation_seeds={more if isinstance(more, int) else quoted(more)}"

    @property
    def tunes(self) -> bool:
        """Whether tuning is planned, and by what stands in study.json the study is not over."""
        return bool(self.plan.get("trials")) and not self.result.get("complete")

    def arms(self, typed: Collection[str]) -> list[Mapping[str, Any]]:
        """The planned arms of one contest: those of its model and data set, where the study compares several.

        Args:
            typed: the overrides of all its runs.
        """
        settings = [{key: value for key, value in factors_of(arm).items() if key in SETTING} for arm in arms(self.plan)]
        pairs = zip(arms(self.plan), settings, strict=True)
        return [arm for arm, setting in pairs if set(arm_words(setting)) <= set(typed)]

    def planned_runs(self, typed: Collection[str]) -> int | None:
        """How many runs a contest takes, with the extensions made so far; None where the plan does not say."""
        trials, phases = self.plan.get("trials"), ("tuning_seeds", "confirmation_seeds")
        tuning, confirmation = (self.plan.get(name) for name in phases)
        ours = self.arms(typed)
        if not (isinstance(trials, int) and isinstance(tuning, list) and isinstance(confirmation, list) and ours):
            return None
        done = {arm_name(factors_of(arm)): arm.get("trials") for arm in arms(self.result)}
        tried = [max(trials, done.get(arm_name(factors_of(arm))) or 0) for arm in ours]
        return sum(n * len(tuning) + len(confirmation) for n in tried)

    def warnings(self, names: Collection[str]) -> list[Message]:
        """What the study itself says that a reader of a contest of these arms must know."""
        elsewhere = {arm_name(factors_of(arm)) for arm in arms(self.result)} - set(names)
        return [said for said in self.said() if said.subject not in elsewhere]

    def said(self) -> list[Message]:
        """All its warnings. Files of before hold plain texts; what these say stands in their arms too."""
        given = self.result.get("warnings")
        lines = given if isinstance(given, list) else []
        if all(isinstance(line, Mapping) for line in lines):
            return [Message.read(line) for line in lines]
        if all(set(FIELDS) <= arm.keys() for arm in arms(self.result)):
            return [warning for arm in arms(self.result) for warning in study_warnings(arm)]
        return [
            Message.read(line if isinstance(line, Mapping) else f"{str(line).removesuffix('.')}.") for line in lines
        ]


SETTING = ("dataset", "model")  # factors that make another contest


def quoted(seeds: Sequence[int]) -> str:
    return f"[{','.join(map(str, seeds))}]"


def studies(runs: Iterable[Run]) -> list[Study]:
    """The studies that some runs belong to, in the order of the runs.

    Raises:
        UserError: a file is damaged.
    """
    found = []
    for folder in dict.fromkeys(folder for run in runs for folder in (run.folder.parent, run.sweep)):
        if plan := read_yaml(folder / PLAN_FILE):
            found.append(Study(plan, read_result(folder / RESULT_FILE)))
    return found


def read_result(path: Path) -> Mapping[str, Any]:
    """The content of a study.json; empty where there is none yet."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); the study's command writes it again") from error
    return content if isinstance(content, dict) else {}


def arms(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The arms in a protocol.yaml or study.json."""
    found = content.get("arms")
    return [arm for arm in found if isinstance(arm, Mapping)] if isinstance(found, list) else []


def find_arm(content: Mapping[str, Any], typed: Collection[str]) -> Mapping[str, Any]:
    """The arm whose factors stand in the overrides of a run; empty where none has."""
    return next((arm for arm in arms(content) if has_run(factors_of(arm), typed)), {})


def default_lrs(found: Sequence[Study]) -> dict[str, float]:
    """Each optimizer's default learning rate, as far as the plans say it."""
    said = [s.plan["default_lr"] for s in found if isinstance(s.plan.get("default_lr"), Mapping)]
    return {str(name): float(lr) for lrs in reversed(said) for name, lr in lrs.items() if isinstance(lr, (int, float))}


def reference_of(found: Sequence[Study]) -> str | None:
    """The published curves that the first plan with some names."""
    return next((str(name) for s in found if (name := s.plan.get("reference")) is not None), None)
