"""The verdict: who is ahead, by how much, how sure that is, and what it would take to be sure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from optlab.analysis.judge import statistics, stopped, tuning
from optlab.analysis.judge.alone import how_sure
from optlab.analysis.judge.cautions import cautions, label, settle
from optlab.analysis.judge.compare import Comparison, compare, find, letters
from optlab.analysis.judge.contest import Contender, Contest
from optlab.analysis.judge.costs import Cost, cost
from optlab.analysis.judge.importance import Importances, importances
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.qualify import SHOWN, all_diverged, at_chance, qualifiers
from optlab.analysis.judge.seconds import StepTime, step_time
from optlab.analysis.judge.statistics import ALPHA, Interval, Spread, spread
from optlab.analysis.judge.studies import still_tuning, target_of
from optlab.analysis.judge.target import TimeToTarget, default_target, times_to_target
from optlab.analysis.judge.tuning import Budget, Gain, Plateau
from optlab.analysis.read.plans import Study, default_lrs
from optlab.rules.messages import Message, merged, phrase
from optlab.rules.words import enumerated, plural

IN_SENTENCES = ("few_seeds",)  # kinds of warnings that say what `sentences` say of the same pair


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
    step_time: StepTime | None
    cost: Cost | None


@dataclass(frozen=True)
class Verdict:
    """The verdict of one contest; `target` is what time-to-target means, on the selection metric.

    `importance` has those contenders that searched several hyperparameters.

    `conclusion` is one sentence that answers the question, `qualifiers` what it must not be read without (see
    `judge.qualify` for their kinds), and `headline` both as a text.
    """

    label: str
    facts: Mapping[str, str]
    metric: Metric
    selection: Metric
    conclusion: str
    qualifiers: list[Message]
    sentences: list[str]
    warnings: list[Message]
    standings: list[Standing]
    comparisons: list[Comparison]
    groups: list[list[str]]
    target: float | None
    target_given: bool
    importance: list[Importances]

    @property
    def headline(self) -> str:
        """The conclusion and its qualifiers in one text."""
        return " ".join([self.conclusion, *(said.text for said in self.qualifiers)])

    @property
    def said_once(self) -> list[Message]:
        """The warnings that people read: those that say the same in one, and none that headline or sentences say."""
        said = (each for each in self.warnings if each not in self.qualifiers and each.kind not in IN_SENTENCES)
        return merged(said)


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
        conclusion=progress(contest, studies) if tuning_on else conclusion(contest, standings, comparisons, studies),
        qualifiers=[] if tuning_on else qualifiers(contest, comparisons, studies),
        sentences=[] if tuning_on else [*sentences(contest, standings, comparisons), *stopped.in_words(contest)],
        warnings=cautions(contest, comparisons, studies),
        standings=standings,
        comparisons=comparisons,
        groups=statistics.groups(compared, {(c.better, c.worse): c.differ for c in comparisons}),
        target=aim,
        target_given=given is not None,
        importance=[told for c in contest.contenders if (told := importances(c, contest.selection)) is not None],
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
        step_time=step_time(contender),
        cost=cost(contender),
    )


# -- in words


def progress(contest: Contest, studies: Sequence[Study]) -> str:
    """The headline of a study before its confirmation."""
    done = sum(run.is_over or run.record.status == "stopped" for run in contest.runs)
    planned = [study.planned_runs(contest.typed) for study in studies]
    total = sum(n for n in planned if n is not None)
    known = None not in planned and total >= done
    runs = phrase("runs_of", done=done, runs=plural(total, "run")) if known else plural(done, "run")
    return phrase("still_tuning", runs=runs)


def conclusion(
    contest: Contest, standings: Sequence[Standing], comparisons: Sequence[Comparison], studies: Sequence[Study] = ()
) -> str:
    """One sentence that answers the question."""
    ranked = [s for s in standings if s.final.n]
    metric = contest.metric
    if not ranked:
        return phrase("no_verdict")
    first = ranked[0]
    score = f"{metric.text(first.final.mean)} {metric.label}"
    if all_diverged(contest) and (len(ranked) > 1 or len(contest.contenders) > 1):
        return phrase("every_run_diverged_so_far" if contest.unfinished else "every_run_diverged")
    if len(ranked) == 1:
        others = len(contest.contenders) > 1 or any(len(study.arms(contest.typed)) > 1 for study in studies)
        if others or contest.unfinished:
            return phrase("only_one", name=first.name, score=score, configuration=first.configuration)
        return alone(contest, first, score)
    if at_chance(contest, [contest.contender(s.name) for s in ranked]):
        return phrase("nothing_learned")
    if all(s.final.n == 1 for s in ranked):
        return of_one_seed(metric, ranked, score)
    alike = indistinguishable(first, ranked, comparisons)
    if not alike:
        lead = find(comparisons, first.name, ranked[1].name)
        assert lead is not None
        key = "best_above" if metric.higher_is_better else "best_below"
        return phrase(key, name=first.name, score=score, margin=margin(metric, lead), next=ranked[1].name)
    n = min(c.n for s in alike if (c := find(comparisons, first.name, s.name)))
    level = [s for s in alike if metric.text(s.final.mean) == metric.text(first.final.mean)]
    behind = [s for s in alike if s not in level]
    seeds = plural(n, "seed")
    if behind:
        many = len(behind) > SHOWN
        names = phrase("others", others=len(behind)) if many else enumerated(s.name for s in behind)
        told = phrase("not_told_apart_from", names=names, seeds=seeds)
    else:
        told = phrase("not_told_apart_with", seeds=seeds)
    if not level:
        said = phrase("best_mean", name=first.name, score=score, told=told)
    else:
        leaders = [s.name for s in [first, *level]]
        names = enumerated(leaders) if len(level) < SHOWN else phrase("optimizers", optimizers=len(leaders))
        said = phrase("lead_but" if behind else "lead_and", names=names, score=score, told=told)
    return phrase("no_winner", said=said) if len(alike) == len(ranked) - 1 else said


def alone(contest: Contest, first: Standing, score: str) -> str:
    """The conclusion on one optimizer without a rival: its best configuration, and how sure that is."""
    named = {"name": first.name, "configuration": first.configuration}
    if all_diverged(contest):
        return phrase("alone_diverged", **named)
    contender = contest.contender(first.name)
    sure = how_sure(contender, contest.selection)
    if not sure:
        return phrase("alone", score=score, **named)
    return phrase("alone_of", score=score, tried=len(tuning.compared(contender)), sure=sure, **named)


def of_one_seed(metric: Metric, ranked: Sequence[Standing], score: str) -> str:
    """The conclusion where each has a single run, so that nothing can be said of chance."""
    level = [s.name for s in ranked if metric.text(s.final.mean) == metric.text(ranked[0].final.mean)]
    if len(level) > 1:
        names = enumerated(level) if len(level) <= SHOWN else phrase("optimizers", optimizers=len(level))
        return phrase("one_seed_level", names=names, score=score)
    other = metric.text(ranked[1].final.mean)
    return phrase("one_seed", name=ranked[0].name, score=score, next=ranked[1].name, other=other)


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
    level = all_diverged(contest) or at_chance(contest, [contest.contender(s.name) for s in ranked])
    beaten = [] if level else ranked[1:]
    behind = [c for s in beaten if (c := find(comparisons, first.name, s.name)) is not None and c.differ]
    if len(behind) > SHOWN:
        least = margin(metric, behind[0])
        found.append(phrase("ahead_of_many", name=first.name, others=len(behind), margin=least))
    elif behind and (len(behind) < len(ranked) - 1 or len(behind) > 1):
        parts = enumerated(phrase("ahead_by", name=c.worse, margin=margin(metric, c)) for c in behind)
        found.append(phrase("ahead_of", name=first.name, others=parts))
    silent = level or all(s.final.n == 1 for s in ranked)  # there is nothing to say of a difference
    alike = [] if silent else indistinguishable(first, ranked, comparisons)
    for s in alike[:SHOWN]:
        if (c := find(comparisons, first.name, s.name)) is not None:
            apart = margin(metric, c, "apart")
            found.append(phrase("against", better=c.better, worse=c.worse, margin=apart, settle=settle(c)))
    if len(alike) > SHOWN:
        found.append(phrase("others_in_table", others=len(alike) - SHOWN))
    if len(ranked) <= 2 * SHOWN:
        lrs = enumerated(f"{s.name} {s.lr:g}" for s in ranked if s.lr is not None)
        searched = any(len(c.tried) > 1 for c in contest.contenders)
        chosen_on = contest.selection.label
        found.append(phrase("rates_chosen", metric=chosen_on, rates=lrs) if searched else phrase("rates", rates=lrs))
    return found


def margin(metric: Metric, comparison: Comparison, words: Literal["apart", "gap"] = "gap") -> str:
    """`0.42 points apart [0.12, 0.71]`: difference and 95 % interval, and why another decision than its was made."""
    gap = metric.gap(comparison.difference)
    interval = f" {metric.interval(comparison.interval)}" if comparison.interval else ""
    return f"{phrase('apart', gap=gap) if words == 'apart' else gap}{interval}{uncorrected(comparison)}"


def uncorrected(comparison: Comparison) -> str:
    """What to say where the interval alone, which is corrected for nothing, would decide otherwise."""
    c = comparison
    if c.interval is None or c.excludes_zero == c.differ:
        return ""
    interval = phrase("reaches_zero" if c.differ else "leaves_out_zero")
    if c.family > 1 and (c.t_p <= ALPHA or c.differ):
        return phrase("corrected", interval=interval, p=c.t_p_holm, pairs=c.family)
    return phrase("uncorrected", interval=interval, p=c.t_p)
