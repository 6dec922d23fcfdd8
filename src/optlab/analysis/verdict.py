"""The verdict: who is ahead, by how much, how sure that is, and what it would take to be sure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optlab.analysis import statistics, tuning
from optlab.analysis.cautions import cautions, enumerated, label, plural
from optlab.analysis.compare import Comparison, compare, find, letters
from optlab.analysis.contest import Contender, Contest
from optlab.analysis.metric import Metric
from optlab.analysis.statistics import MOST_SEEDS, Interval, Spread, spread
from optlab.analysis.target import TimeToTarget, default_target, times_to_target
from optlab.analysis.tuning import Budget, Gain, Plateau

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
    warnings: list[str]
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


def judge(contest: Contest, target: float | None = None, defaults: Mapping[str, Any] | None = None) -> Verdict:
    """The verdict of a contest.

    Args:
        contest: from `contests`.
        target: the value of the selection metric that time-to-target asks for; without one, `default_target`.
        defaults: each optimizer's default learning rate, where the runs do not show it.
    """
    comparisons = compare(contest)
    compared = [c.name for c in contest.contenders if c.values(contest.metric)]
    shown = letters(compared, comparisons)
    aim = default_target(contest, contest.selection) if target is None else target
    reached = {} if aim is None else times_to_target(contest, contest.selection, aim)
    standings = [
        standing(contest, c, shown.get(c.name, ""), reached.get(c.name, {}), defaults) for c in contest.contenders
    ]
    return Verdict(
        label=contest.label,
        facts=contest.facts,
        metric=contest.metric,
        selection=contest.selection,
        headline=headline(contest, standings, comparisons),
        sentences=sentences(contest, standings, comparisons),
        warnings=cautions(contest, comparisons),
        standings=standings,
        comparisons=comparisons,
        groups=statistics.groups(compared, {(c.better, c.worse): c.differ for c in comparisons}),
        target=aim,
        target_given=target is not None,
    )


def standing(
    contest: Contest,
    contender: Contender,
    letter: str,
    target: Mapping[str, TimeToTarget],
    defaults: Mapping[str, Any] | None,
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


def headline(contest: Contest, standings: Sequence[Standing], comparisons: Sequence[Comparison]) -> str:
    """One sentence that answers the question."""
    ranked = [s for s in standings if s.final.n]
    metric = contest.metric
    if not ranked:
        return "No verdict yet: no run has finished."
    first = ranked[0]
    score = f"{metric.text(first.final.mean)} {metric.label}"
    if len(ranked) == 1:
        return f"Only {first.name} has finished: {score} at {first.configuration}. Nothing to compare it with."
    alike = indistinguishable(first, ranked, comparisons)
    if not alike:
        lead = find(comparisons, first.name, ranked[1].name)
        assert lead is not None
        return f"{first.name} is best: {score}, {margin(metric, lead)} {_ahead(metric)} {ranked[1].name}, the next."
    n = min(c.n for s in alike if (c := find(comparisons, first.name, s.name)))
    names = enumerated(s.name for s in alike) if len(alike) <= SHOWN else f"{len(alike)} others"
    begin = "No winner: " if len(alike) == len(ranked) - 1 else ""
    told = f"but cannot be told apart from {names} with {plural(n, 'seed')}"
    return f"{begin}{first.name} has the best mean ({score}), {told}."


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
            found.append(f"{c.better} against {c.worse}: {margin(metric, c)} apart; {settle(c)}")
    if len(alike) > SHOWN:
        found.append(f"The table of differences has the other {len(alike) - SHOWN}.")
    if len(ranked) <= 2 * SHOWN:
        lrs = enumerated(f"{s.name} {s.lr:g}" for s in ranked if s.lr is not None)
        found.append(f"Learning rates chosen on {contest.selection.label}: {lrs}.")
    return found


def margin(metric: Metric, comparison: Comparison) -> str:
    """`0.42 points [0.12, 0.71]`: the difference and its 95 % interval."""
    interval = f" {metric.interval(comparison.interval)}" if comparison.interval else ""
    return f"{metric.gap(comparison.difference)}{interval}"


def settle(comparison: Comparison) -> str:
    """How many seeds would tell a pair apart."""
    if comparison.sd is None:
        return "more seeds are needed to say anything."
    if comparison.seeds_needed is None:
        return f"if the true gap is this small, even {MOST_SEEDS:,} seeds would not settle it."
    if comparison.seeds_needed <= comparison.n:
        return "a few more seeds would probably settle it."
    return f"about {comparison.seeds_needed:,} seeds would settle it if the true gap is this large."


def _ahead(metric: Metric) -> str:
    return "above" if metric.higher_is_better else "below"
