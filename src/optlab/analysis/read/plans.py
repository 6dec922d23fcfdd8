"""What studies wrote beside their runs: the plan (protocol.yaml) and what was chosen by it (study.json)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optlab.analysis.judge.contest import Contender, Contest, selection_metric
from optlab.analysis.read.runs import Run, read_yaml
from optlab.errors import UserError

GROUPS = ("dataset", "model", "optimizer", "lr")  # what an arm of a study may be told apart by


@dataclass(frozen=True)
class Study:
    """The content of protocol.yaml and of study.json; the latter is empty before the first round is over."""

    plan: Mapping[str, Any]
    result: Mapping[str, Any]

    def arm(self, contender: Contender) -> Mapping[str, Any]:
        """The plan of a contender, and over it what came of it; empty where it is none of this study's."""
        planned, done = (find_arm(content.get("arms"), contender) for content in (self.plan, self.result))
        return {"trials": self.plan.get("trials"), **planned, **done}

    @property
    def tunes(self) -> bool:
        """Whether tuning is planned, and by what stands in study.json the study is not over."""
        return bool(self.plan.get("trials")) and not self.result.get("complete")

    def arms(self, contest: Contest) -> list[Mapping[str, Any]]:
        """The planned arms of one contest: those of its model and data set, where the study compares several."""
        typed = {word for run in contest.runs for word in run.record.overrides}
        arms = [arm for arm in self.plan.get("arms") or [] if isinstance(arm, Mapping)]
        return [arm for arm in arms if {f"{key}={arm[key]}" for key in ("dataset", "model") if key in arm} <= typed]

    def planned_runs(self, contest: Contest) -> int | None:
        """How many runs a contest takes, with the extensions made so far; None where the plan does not say."""
        trials, phases = self.plan.get("trials"), ("tuning_seeds", "confirmation_seeds")
        tuning, confirmation = (self.plan.get(name) for name in phases)
        arms = self.arms(contest)
        if not (isinstance(trials, int) and isinstance(tuning, list) and isinstance(confirmation, list) and arms):
            return None
        done = {arm_name(arm): arm.get("trials") for arm in self.result.get("arms") or [] if isinstance(arm, Mapping)}
        tried = [max(trials, done.get(arm_name(arm)) or 0) for arm in arms]
        return sum(n * len(tuning) + len(confirmation) for n in tried)

    def warnings(self, contest: Contest) -> list[str]:
        """What the study itself says that a reader of this contest must know."""
        said = self.result.get("warnings")
        all_arms = {arm_name(arm) for arm in self.result.get("arms") or [] if isinstance(arm, Mapping)}
        elsewhere = all_arms - {arm_name(self.arm(c)) for c in contest.contenders}
        lines = [str(line) for line in said] if isinstance(said, list) else []
        return [line for line in lines if not any(begins(line, name) for name in elsewhere)]


def studies(runs: Iterable[Run]) -> list[Study]:
    """The studies that some runs belong to, in the order of the runs.

    Raises:
        UserError: a file is damaged.
    """
    found = []
    for folder in dict.fromkeys(folder for run in runs for folder in (run.folder.parent, run.sweep)):
        if plan := read_yaml(folder / "protocol.yaml"):
            found.append(Study(plan, read_result(folder / "study.json")))
    return found


def still_tuning(contest: Contest, found: Sequence[Study]) -> bool:
    """Whether a contest is that of a study whose confirmation has not begun: nothing can be concluded from it."""
    confirmed = any(run.is_over and run.record.phase == "confirm" for run in contest.runs)
    return not confirmed and any(study.tunes for study in found)


def read_result(path: Path) -> Mapping[str, Any]:
    """The content of a study.json; empty where there is none yet."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); the study's command writes it again") from error
    return content if isinstance(content, dict) else {}


def find_arm(arms: Any, contender: Contender) -> Mapping[str, Any]:
    """The arm whose factors stand in the commands of a contender's runs."""
    typed = set(contender.runs[0].record.overrides)
    for arm in arms if isinstance(arms, list) else []:
        words = {f"{group}={arm[group]}" for group in GROUPS if group in arm} if isinstance(arm, Mapping) else set()
        if words and words <= typed:
            return arm  # type: ignore[no-any-return]
    return {}


def arm_name(arm: Mapping[str, Any]) -> str:
    """`adam`, or `adam, cosine` where schedules are compared too: as the study's own sentences begin."""
    return ", ".join(str(arm[group]) for group in GROUPS if group in arm)


def begins(line: str, name: str) -> bool:
    """Whether a sentence of a study is about the arm of this name."""
    return line.startswith((f"{name} ", f"{name}:"))


def arm_of(contender: Contender, found: Sequence[Study]) -> Mapping[str, Any]:
    """The arm of a contender in the first study that has one; empty where none has."""
    return next((arm for s in found if arm_name(arm := s.arm(contender))), {})


def target_of(contest: Contest, found: Sequence[Study]) -> float | None:
    """The target that the plans behind a contest give for the metric it selects by; None where they disagree."""
    own = selection_metric(contest.runs, None)
    given = [s.plan.get("target") for s in found if (s.plan.get("metric") or own) == contest.selection.name]
    targets = {float(value) for value in given if isinstance(value, (int, float))}
    return targets.pop() if len(targets) == 1 else None


def default_lrs(found: Sequence[Study]) -> dict[str, float]:
    """Each optimizer's default learning rate, as far as the plans say it."""
    said = [s.plan["default_lr"] for s in found if isinstance(s.plan.get("default_lr"), Mapping)]
    return {str(name): float(lr) for lrs in reversed(said) for name, lr in lrs.items() if isinstance(lr, (int, float))}


def reference_of(found: Sequence[Study]) -> str | None:
    """The published curves that the first plan with some names."""
    return next((str(name) for s in found if (name := s.plan.get("reference")) is not None), None)
