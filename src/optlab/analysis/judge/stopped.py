"""What stopping trials early saved, and whether it may have cost the winner."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from typing import Any

from optlab.analysis.judge.contest import Configuration, Contender, Contest
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.studies import arm_of
from optlab.analysis.read.plans import Study
from optlab.errors import UserError
from optlab.record import METRICS_FILE, read_metrics
from optlab.rules.choice import Candidate
from optlab.rules.messages import Message, message, phrase
from optlab.rules.stopping import Halving, score_at
from optlab.rules.words import plural


@dataclass(frozen=True)
class Saved:
    """The epochs that a study did not train, of those that its trials would have had."""

    trials: int  # that were stopped
    epochs: int
    whole: int


def saved(contest: Contest) -> Saved | None:
    """What stopping saved in a contest; None where nothing was stopped."""
    tuning = [run for c in contest.contenders for run in c.tuning if run.horizon is not None]
    stopped = [run for run in tuning if run.record.status == "stopped"]
    if not stopped:
        return None
    spared = sum((run.horizon or 0) - run.record.epochs for run in stopped)
    trials = len({(run.contender, run.configuration) for run in stopped})
    return Saved(trials, spared, sum(run.horizon or 0 for run in tuning))


def in_words(contest: Contest) -> list[str]:
    """What a verdict says of that, and which figure it takes."""
    found = saved(contest)
    if found is None:
        return []
    tried = plural(found.trials, "trial")
    share = 100 * found.epochs / found.whole
    said = [phrase("epochs_saved", trials=tried, epochs=found.epochs, whole=found.whole, share=share)]
    everywhere = all(any(each.count("stopped") for each in c.tried) for c in contest.contenders)
    return [*said, phrase("no_budget_figure")] if everywhere else said


def crossed(contest: Contest, found: Sequence[Study]) -> list[Message]:
    """Arms whose winner was behind another survivor at a rung: one that was stopped there might have come up, too."""
    return [said for c in contest.contenders if (said := crossing(c, contest.selection, found)) is not None]


def crossing(contender: Contender, selection: Metric, found: Sequence[Study]) -> Message | None:
    """The rung at which the winner of an arm stood lowest among those that went on; None where it led at each."""
    rule, winner, field = rule_of(contender, found), contender.chosen, planned(contender, found)
    if rule is None or winner not in field or not any(run.record.status == "stopped" for run in contender.tuning):
        return None
    places = []
    for rung, keep in zip(rule.rungs, rule.kept, strict=True):
        survivors = [c for c in field if c is not winner and all(run.record.epochs > rung for run in c.tuning)]
        ours, others = at(winner, rung, selection), [at(c, rung, selection) for c in survivors]
        if ours is not None:
            ahead = sum(score is not None and score > ours for score in others)
            places.append((ahead + 1, rung, keep))
    place, rung, keep = max(places, default=(1, 0, 0), key=lambda each: each[0])
    if place == 1:
        return None
    fields = {"configuration": winner.label, "place": place, "kept": keep, "rung": rung}
    return message("curves_crossed", contender.name, **fields)


def rule_of(contender: Contender, found: Sequence[Study]) -> Halving | None:
    """The rule of the first study that the contender is an arm of."""
    plans = [study.plan for study in found if arm_of(contender, [study]) is not None]
    return next((rule for plan in plans if (rule := Halving.read(plan.get("stopping"))) is not None), None)


def planned(contender: Contender, found: Sequence[Study]) -> list[Configuration]:
    """The configurations that a study planned to try, without extensions; all where no plan says which these are."""
    arm = arm_of(contender, found)
    settings = None if arm is None else arm.planned.get("settings")
    if not isinstance(settings, list) or not settings:
        return [c for c in contender.tried if c.tuning]
    return [c for c in contender.tried if any(isinstance(each, Mapping) and is_of(c, each) for each in settings)]


def is_of(configuration: Configuration, settings: Mapping[str, Any]) -> bool:
    """Whether a configuration is the one with these settings of a plan."""
    values = {name: value for name, value in settings.items() if isinstance(value, (int, float))}
    ours = configuration.hyperparameters
    return all(name in ours and isclose(ours[name], value, rel_tol=1e-9) for name, value in values.items())


def at(configuration: Configuration, rung: int, selection: Metric) -> float | None:
    """The mean over the tuning seeds behind a rung, where larger is better; None where a run has none."""
    try:
        scores = [
            score_at(run.record, read_metrics(run.folder / METRICS_FILE), rung, selection.name)
            for run in configuration.tuning
        ]
    except UserError:  # its history is not whole, which has a warning of its own
        return None
    mean = Candidate(configuration, scores, configuration.optimizer).mean
    return None if mean is None else mean[0]
