"""What the plans of studies say of a contest and of its contenders."""

from collections.abc import Sequence

from optlab.analysis.judge.contest import Contender, Contest, selection_metric
from optlab.analysis.read.plans import Study, StudyArm
from optlab.rules.messages import Message


def arm_of(contender: Contender, found: Sequence[Study]) -> StudyArm | None:
    """The arm of a contender in the first study that has one; None where none has."""
    return next((arm for study in found if (arm := study.arm(contender.typed)) is not None), None)


def warnings_of(contest: Contest, found: Sequence[Study]) -> list[Message]:
    """What the studies themselves say of the arms of a contest, each once."""
    said = []
    for study in found:
        ours = [arm.name for c in contest.contenders if (arm := study.arm(c.typed)) is not None]
        said += study.warnings(ours)
    return list(dict.fromkeys(said))


def still_tuning(contest: Contest, found: Sequence[Study]) -> bool:
    """Whether a contest is that of a study whose confirmation has not begun: nothing can be concluded from it."""
    confirmed = any(run.is_over and run.record.phase == "confirm" for run in contest.runs)
    return not confirmed and any(study.tunes for study in found)


def target_of(contest: Contest, found: Sequence[Study]) -> float | None:
    """The target that the plans behind a contest give for the metric it selects by; None where they disagree."""
    own = selection_metric(contest.runs, None)
    given = [s.plan.get("target") for s in found if (s.plan.get("metric") or own) == contest.selection.name]
    targets = {float(value) for value in given if isinstance(value, (int, float))}
    return targets.pop() if len(targets) == 1 else None
