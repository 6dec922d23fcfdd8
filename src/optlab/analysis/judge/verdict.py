"""The verdict: who is ahead, by how much, how sure that is, and what it would take to be sure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optlab.analysis.judge import statistics, tuning
from optlab.analysis.judge.cautions import cautions, label, settle
from optlab.analysis.judge.compare import Comparison, compare, find, letters
from optlab.analysis.judge.contest import Contender, Contest
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.statistics import ALPHA, Interval, Spread, spread
from optlab.analysis.judge.studies import still_tuning, target_of
from optlab.analysis.judge.target import TimeToTarget, default_target, times_to_target
from optlab.analysis.judge.tuning import Budget, Gain, Plateau
from optlab.analysis.read.plans import Study, default_lrs
from optlab.rules.messages import Message
from optlab.rules.words import enumerated, plural

SHOWN = 4  # names in a sentence; above, their number


@dataclass(frozen=True)
class Standing:
    """One contender's line: its chosen configuration and what it scored, diverged runs at chance level."""

    name: str
    optimizer: str
    schedule: str
    lr: float | None
    configuration: str
    letters: str
    final: Spread
    interval: Interval | None
    best: Spread
    diverged: int
    tried_diverged: int
    tuning: Budget
    spent: Budget
    plateau: Plateau | None
    gain: Gain | None
    target: Mapping[str, TimeToTarget]
    folders: Sequence[str]


@dataclass(frozen=True)
class Verdict:
    """The verdict of one contest; `target` is what time-to-target means, on `target_metric`."""

    label: str
    facts: Mapping[str, str]
    metric: Metric
    selection: Metric
    headline: str
    sentences: list[str]
    warnings: list[Message]
    standings: list[Standing]
    comparisons: list[Comparison]
    groups: list[list[str]]
    target: float | None
    target_given: bool

    def leading_comparisons(self, most: int) -> list[Comparison]:
        """All comparisons, or where there are more than `most`, those with the leader."""
        if len(self.comparisons) <= most:
            return self.comparisons
        leader = self.standings[0].name
        return [c for c in self.comparisons if leader in (c.better, c.worse)]


def judge(contest: Contest, target: float | None = None, studies: Sequence[Study] = ()) -> Verdict:
    """The verdict of a contest.

    Args:
        contest: from `contests`.
        target: the value of the selection metric that time-to-target asks for; without one, that of the studies' plans
            or else `default_target`.
        studies: those that the runs belong to; they also know default learning rates and search spaces.
    """
    comparisons = compare(contest)
    compared = [c.name for c in contest.contenders if c.values(contest.metric)]
    shown = letters(compared, comparisons)
    given = target_of(contest, studies) if target is None else target
    aim = default_target(contest, contest.selection) if given is None else given
    defaults = default_lrs(studies)
    reached = {} if aim is None else times_to_target(contest, contest.selection, aim)
    standings = [
        standing(contest, c, shown.get(c.name, ""), reached.get(c.name, {}), defaults) for c in contest.contenders
    ]
    tuning_on = still_tuning(contest, studies)
    return Verdict(
        label=contest.label,
        facts=contest.facts,
        metric=contest.metric,
        selection=contest.selection,
        headline=progress(contest, studies) if tuning_on else headline(contest, standings, comparisons, studies),
        sentences=[] if tuning_on else sentences(contest, standings, comparisons),
        warnings=cautions(contest, comparisons, studies),
        standings=standings,
        comparisons=comparisons,
        groups=statistics.groups(compared, {(c.better, c.worse): c.differ for c in comparisons}),
        target=aim,
        target_given=given is not None,
    )


def standing(
    contest: Contest,
    contender: Contender,
    letter: str,
    target: Mapping[str, TimeToTarget],
    defaults: Mapping[str, float],
) -> Standing:
    values = list(contender.values(contest.metric).values())
    by_epoch = contest.metric if contest.metric.part != "test" else contest.selection
    tuned, spent = tuning.spent(contender)
    return Standing(
        name=contender.name,
        optimizer=contender.optimizer,
        schedule=contender.schedule,
        lr=contender.chosen.lr if contender.chosen else None,
        configuration=label(contender),
        letters=letter,
        final=spread(values),
        interval=contest.metric.clip(statistics.mean_interval(values)),
        best=spread(list(contender.best_values(by_epoch).values())),
        diverged=sum(run.record.status == "diverged" for run in contender.entered),
        tried_diverged=sum(run.record.status == "diverged" for run in contender.runs),
        tuning=tuned,
        spent=spent,
        plateau=tuning.plateau(contender, contest.selection),
        gain=tuning.gain(contender, contest.selection, defaults),
        target=target,
        folders=[str(run.folder) for run in contender.entered],
    )


# -- in words


def progress(contest: Contest, studies: Sequence[Study]) -> str:
    """The headline of a study before its confirmation."""
    done = sum(run.is_over for run in contest.runs)
    planned = [study.planned_runs(contest.typed) for study in studies]
    total = sum(n for n in planned if n is not None)
    runs = f"{done} of {plural(total, 'run')}" if None not in planned and total >= done else plural(done, "run")
    return f"Still tuning: {runs} done; no verdict before confirmation"


def headline(
    contest: Contest, standings: Sequence[Standing], comparisons: Sequence[Comparison], studies: Sequence[Study] = ()
) -> str:
    """One sentence that answers the question."""
    ranked = [s for s in standings if s.final.n]
    metric = contest.metric
    if not ranked:
        return "No verdict yet: no run has finished."
    first = ranked[0]
    score = f"{metric.text(first.final.mean)} {metric.label}"
    if len(ranked) == 1:
        others = len(contest.contenders) > 1 or any(len(study.arms(contest.typed)) > 1 for study in studies)
        if not others and not contest.unfinished:
            return f"{first.name} alone: {score} at {first.configuration}"
        return f"Only {first.name} has finished: {score} at {first.configuration}. Nothing to compare it with."
    alike = indistinguishable(first, ranked, comparisons)
    if not alike:
        lead = find(comparisons, first.name, ranked[1].name)
        assert lead is not None
        return f"{first.name} is best: {score}, {margin(metric, lead)} {_ahead(metric)} {ranked[1].name}, the next."
    n = min(c.n for s in alike if (c := find(comparisons, first.name, s.name)))
    begin = "No winner: " if len(alike) == len(ranked) - 1 else ""
    level = [s for s in alike if metric.text(s.final.mean) == metric.text(first.final.mean)]
    behind = [s for s in alike if s not in level]
    names = enumerated(s.name for s in behind) if 0 < len(behind) <= SHOWN else f"{len(behind)} others"
    told = f"cannot be told apart{f' from {names}' if behind else ''} with {plural(n, 'seed')}"
    if not level:
        return f"{begin}{first.name} has the best mean ({score}), but {told}."
    leaders = enumerated(s.name for s in [first, *level]) if len(level) < SHOWN else f"{len(level) + 1} optimizers"
    return f"{begin}{leaders} lead with {score}, {'but' if behind else 'and'} {told}."


def indistinguishable(first: Standing, ranked: Sequence[Standing], comparisons: Sequence[Comparison]) -> list[Standing]:
    """Those that cannot be told apart from the first."""
    return [s for s in ranked[1:] if (c := find(comparisons, first.name, s.name)) is not None and not c.differ]


def sentences(contest: Contest, standings: Sequence[Standing], comparisons: Sequence[Comparison]) -> list[str]:
    """What stands beside the headline: who is behind, by how much, and how many seeds would settle the rest."""
    ranked = [s for s in standings if s.final.n]
    if len(ranked) < 2:
        return []
    first, metric = ranked[0], contest.metric
    found = []
    behind = [c for s in ranked[1:] if (c := find(comparisons, first.name, s.name)) is not None and c.differ]
    if len(behind) > SHOWN:
        found.append(f"{first.name} is ahead of {len(behind)} others, by at least {margin(metric, behind[0])}.")
    elif behind and (len(behind) < len(ranked) - 1 or len(behind) > 1):
        parts = enumerated(f"{c.worse} by {margin(metric, c)}" for c in behind)
        found.append(f"{first.name} is ahead of {parts}.")
    alike = indistinguishable(first, ranked, comparisons)
    for s in alike[:SHOWN]:
        if (c := find(comparisons, first.name, s.name)) is not None:
            found.append(f"{c.better} against {c.worse}: {margin(metric, c, ' apart')}; {settle(c)}")
    if len(alike) > SHOWN:
        found.append(f"The table of differences has the other {len(alike) - SHOWN}.")
    if len(ranked) <= 2 * SHOWN:
        lrs = enumerated(f"{s.name} {s.lr:g}" for s in ranked if s.lr is not None)
        searched = any(len(c.tried) > 1 for c in contest.contenders)
        found.append(f"Learning rates{f' chosen on {contest.selection.label}' if searched else ''}: {lrs}.")
    return found


def margin(metric: Metric, comparison: Comparison, what: str = "") -> str:
    """`0.42 points apart [0.12, 0.71]`: difference and 95 % interval, and why another decision than its was made."""
    interval = f" {metric.interval(comparison.interval)}" if comparison.interval else ""
    return f"{metric.gap(comparison.difference)}{what}{interval}{uncorrected(comparison)}"


def uncorrected(comparison: Comparison) -> str:
    """What to say where the interval alone, which is corrected for nothing, would decide otherwise."""
    c = comparison
    if c.interval is None or c.excludes_zero == c.differ:
        return ""
    does = "reaches 0" if c.differ else "leaves out 0"
    if c.family > 1 and (c.t_p <= ALPHA or c.differ):
        return f" (the interval {does}, but the t-test has p {c.t_p_holm:.2g} after correcting for {c.family} pairs)"
    return f" (the interval {does}, but the t-test that decides has p {c.t_p:.2g})"


def _ahead(metric: Metric) -> str:
    return "above" if metric.higher_is_better else "below"
