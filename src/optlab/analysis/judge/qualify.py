"""What a headline must not be read without: data that no winner can stand on, as messages for people and programs."""

import math
from collections.abc import Sequence

import numpy as np

from optlab.analysis.judge import tuning
from optlab.analysis.judge.compare import Comparison
from optlab.analysis.judge.contest import Contender, Contest
from optlab.analysis.judge.studies import arm_of
from optlab.analysis.read.plans import Study
from optlab.rules.messages import Message, message, phrase
from optlab.rules.metrics import chance_level
from optlab.rules.words import enumerated

SHOWN = 4  # names in a sentence; above, their number
ABOVE_CHANCE = 3.0  # standard errors of one run's accuracy: below, nothing was learned
TYPICAL = 0.5  # a better optimizer whose runs win less often than this is not the better one typically


def qualifiers(contest: Contest, comparisons: Sequence[Comparison], studies: Sequence[Study] = ()) -> list[Message]:
    """What stands beside the headline, the gravest first.

    Kinds: `unfinished`; `all_diverged` and `at_chance` (nothing to compare); `untuned` and `partly_untuned` (a single
    learning rate); `on_edge` (the winner lies on an edge of what was searched); `typical_run` (means and medians
    disagree about the leader).
    """
    entered = [c for c in contest.contenders if c.values(contest.metric)]
    if not entered:
        return []
    found = unfinished(contest)
    if all_diverged(contest):
        worth = contest.metric.text(contest.metric.floor(entered[0].entered[0].record))
        return [*found, message("all_diverged", score=worth)]
    found += at_chance(contest, entered)
    found += untuned(entered) if len(entered) > 1 else []
    found += on_edge(entered, studies)
    leader = entered[0].name
    odd = [said for said in typical_runs(contest, comparisons) if said.subject == leader]
    return [*found, *odd[:1]]


def unfinished(contest: Contest) -> list[Message]:
    count = contest.unfinished
    return [message("unfinished", n=count, runs=len(contest.runs) + contest.to_come)] if count else []


def all_diverged(contest: Contest) -> bool:
    """Whether every run that enters the verdict and is over diverged."""
    over = [run.record.status for c in contest.contenders for run in c.entered if run.is_over]
    return bool(over) and all(status == "diverged" for status in over)


def at_chance(contest: Contest, entered: Sequence[Contender]) -> list[Message]:
    """Where even the best mean is within three standard errors of guessing, of one run on the samples it is of."""
    metric, data = contest.metric, entered[0].entered[0].record.data
    level, samples = chance_level(metric.name, data.get("outputs"), data.get("task")), data.get(metric.part)
    if level is None or not samples or metric.kind not in ("acc", "top5") or data.get("task") == "dense":
        return []  # of positions nobody knows how many there are, and how alike those of a sample
    best = float(np.mean(list(entered[0].values(metric).values())))
    if best - level > ABOVE_CHANCE * math.sqrt(level * (1 - level) / float(samples)):
        return []  # not of the mean: the samples are the same for every seed, so more seeds guess no surer
    return [message("at_chance", best=metric.text(best), chance=metric.text(level))]


def untuned(entered: Sequence[Contender]) -> list[Message]:
    """Contenders that ran at a single learning rate, which then decides as much as the optimizer does."""
    names = [c.name for c in entered if len({tried.lr for tried in c.tried}) == 1]
    if len(names) == len(entered):
        return [message("untuned")]
    return [message("partly_untuned", names=some(names))] if names else []


def on_edge(entered: Sequence[Contender], studies: Sequence[Study]) -> list[Message]:
    """Contenders whose chosen values lie on an edge of what was searched."""
    names = [c.name for c in entered if tuning.edges_of(c, arm_of(c, studies))]
    return [message("on_edge", names=some(names))] if names else []


def typical_runs(contest: Contest, comparisons: Sequence[Comparison]) -> list[Message]:
    """Pairs whose means and medians disagree: the better mean is the worse typical run, and mostly loses.

    Of the leader's pairs, and of those that are said to differ; the most odd first.
    """
    metric, found = contest.metric, []
    leader = contest.contenders[0].name if contest.contenders else ""
    for c in sorted(comparisons, key=lambda pair: pair.improvement):
        a, b = (float(np.median(list(contest.contender(name).values(metric).values()))) for name in (c.better, c.worse))
        if c.n < 2 or c.improvement >= TYPICAL or metric.sign * a >= metric.sign * b:
            continue
        if c.differ or c.better == leader:
            medians = {"median": metric.text(a), "other": metric.text(b)}
            found.append(message("typical_run", c.better, worse=c.worse, share=c.improvement, **medians))
    return found


def some(names: Sequence[str]) -> str:
    """The names, or where they are many how many."""
    return enumerated(names) if len(names) <= SHOWN else phrase("optimizers", optimizers=len(names))
