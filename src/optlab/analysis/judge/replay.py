"""Successive halving replayed on a finished full sweep: how often it would have lost the winner, and what it saves.

Every trial was trained to its end, so both are known: which trial wins when all of them run to their end, and which one
wins under the rule. A replay takes some of the seeds, judges by their mean at each rung as a study would, and looks at
who is left. The seeds that it left out say what the lost winner was worth: those that it was chosen by flatter it.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from math import comb, fsum, inf, isfinite

from optlab.analysis.judge.contest import Configuration, Contender, Contest
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.stopped import planned
from optlab.analysis.read.plans import Study
from optlab.analysis.read.runs import Run
from optlab.errors import UserError
from optlab.record import METRICS_FILE, Row, read_metrics
from optlab.rules.choice import Candidate, Score, best, score_of
from optlab.rules.stopping import Halving, left, score_at

MOST = 500  # replays of an arm for a number of seeds; of more combinations, so many are drawn

Rule = Callable[[int, int], Halving]  # for a number of trials and a horizon


@dataclass(frozen=True)
class Trial:
    """A configuration and the runs that it was tuned on, by seed."""

    configuration: Configuration
    runs: Mapping[int, Run]
    rows: Mapping[int, Sequence[Row]]

    def at(self, seed: int, epoch: int, metric: str) -> Score | None:
        run = self.runs[seed]
        try:
            return score_at(run.record, self.rows[seed], epoch, metric)
        except UserError as error:
            raise UserError(f"{run.folder.name}: {error}") from error

    def end(self, seed: int, metric: str) -> Score | None:
        return score_of(self.runs[seed].record, metric)


@dataclass(frozen=True)
class Lost:
    """A replay in which the rule chose another trial than full training does.

    Attributes:
        cost: by how much the lost winner is better, on the seeds that both were chosen by; in the metric's unit.
        elsewhere: the same on the other seeds, negative where the rule's choice is better; None without other seeds.
    """

    seeds: tuple[int, ...]
    winner: Configuration
    instead: Configuration | None
    cost: float
    elsewhere: float | None


@dataclass
class Replayed:
    """All replays of an arm with one number of seeds."""

    contender: str
    trials: int
    seeds: int
    rule: Halving
    replays: int = 0
    lost: list[Lost] = field(default_factory=list)
    epochs: int = 0  # trained under the rule, over all replays
    whole: int = 0  # without it

    @property
    def cost(self) -> float:
        """The mean over all replays of what the rule cost, those without a loss counted as none."""
        return fsum(each.cost for each in self.lost) / self.replays

    @property
    def elsewhere(self) -> float | None:
        """The same on the seeds that nothing was chosen by."""
        known = [each.elsewhere for each in self.lost]
        return None if None in known else fsum(each for each in known if each is not None) / self.replays

    @property
    def saved(self) -> float:
        """The share of epochs that is not trained."""
        return 1 - self.epochs / self.whole


def replay(contest: Contest, found: Sequence[Study], rule: Rule) -> list[Replayed]:
    """Replays of each arm of a contest, for each number of seeds.

    Raises:
        UserError: no arm has two trials whose runs are all over, with a history.
    """
    done = []
    for contender in contest.contenders:
        trials = trials_of(contender, found)
        if len(trials) < 2:
            continue
        seeds = sorted(set.intersection(*(set(trial.runs) for trial in trials)))
        halving = rule(len(trials), horizon_of(contender))
        done += [arm(contender.name, trials, chosen, halving, contest.selection) for chosen in subsets(seeds)]
    if not done:
        raise UserError(
            f"{contest.label}: no optimizer has two trials that ran to their end with the same seeds; "
            "replay a finished sweep over learning rates, or a study without stopping"
        )
    return done


def subsets(seeds: Sequence[int]) -> list[list[tuple[int, ...]]]:
    """For each number of seeds the combinations of so many, or some of these where they are very many."""
    every = []
    for k in range(1, len(seeds) + 1):
        if comb(len(seeds), k) <= MOST:
            every.append(list(combinations(seeds, k)))
        else:
            draw = random.Random(k)
            every.append(sorted({tuple(sorted(draw.sample(list(seeds), k))) for _ in range(MOST)}))
    return every


def arm(
    name: str, trials: Sequence[Trial], subsets: Sequence[tuple[int, ...]], rule: Halving, selection: Metric
) -> Replayed:
    """The replays of one arm, each with a combination of seeds."""
    result = Replayed(name, len(trials), len(subsets[0]), rule)
    every = set(trials[0].runs).intersection(*(trial.runs for trial in trials))
    for seeds in subsets:
        field, spent = halved(trials, seeds, rule, selection)
        full = best(candidates(trials, seeds, partial(Trial.end, metric=selection.name)))
        ours = best(candidates(field, seeds, partial(Trial.end, metric=selection.name)))
        result.replays += 1
        result.epochs += spent
        result.whole += sum(run.record.epochs for trial in trials for run in (trial.runs[seed] for seed in seeds))
        if full is not None and (ours is None or ours.of is not full.of):
            instead = None if ours is None else ours.of
            others = sorted(every - set(seeds))
            result.lost.append(
                Lost(
                    seeds,
                    full.of.configuration,
                    None if instead is None else instead.configuration,
                    gap(full.of, instead, seeds, selection),
                    gap(full.of, instead, others, selection) if others else None,
                )
            )
    return result


def halved(
    trials: Sequence[Trial], seeds: Sequence[int], rule: Halving, selection: Metric
) -> tuple[Sequence[Trial], int]:
    """The trials that are left behind the last rung, and the epochs that all of them took."""
    field, spent = list(trials), 0
    reached = {id(trial): rule.rungs[0] for trial in trials}
    for at, (rung, keep) in enumerate(zip(rule.rungs, rule.kept, strict=True)):
        judged = candidates(field, seeds, partial(Trial.at, epoch=rung, metric=selection.name))
        field = left(judged, keep)
        further = rule.rungs[at + 1] if at + 1 < len(rule.rungs) else rule.horizon
        reached |= {id(trial): further for trial in field}
    for trial in trials:
        spent += sum(min(trial.runs[seed].record.epochs, reached[id(trial)]) for seed in seeds)
    return field, spent


def candidates(
    trials: Iterable[Trial], seeds: Sequence[int], score: Callable[[Trial, int], Score | None]
) -> list[Candidate[Trial]]:
    return [Candidate(trial, [score(trial, seed) for seed in seeds], trial.configuration.optimizer) for trial in trials]


def gap(winner: Trial, instead: Trial | None, seeds: Sequence[int], selection: Metric) -> float:
    """By how much the winner is better on the mean of some seeds; infinite where nothing was left."""
    if instead is None:
        return inf
    ends = [[trial.end(seed, selection.name) for seed in seeds] for trial in (winner, instead)]
    means = [fsum(score.value for score in of_one if score is not None) / len(seeds) for of_one in ends]
    return means[0] - means[1] if all(map(isfinite, means)) else inf


# -- reading


def horizon_of(contender: Contender) -> int:
    """The epochs of a run of this contender.

    Raises:
        UserError: its runs have none, or do not agree.
    """
    horizons = {run.horizon for run in contender.tuning}
    horizon = horizons.pop() if len(horizons) == 1 else None
    if horizon is None:
        raise UserError(f"{contender.name}: its runs have no number of epochs that all share (trainer.max_epochs)")
    return horizon


def trials_of(contender: Contender, found: Sequence[Study]) -> list[Trial]:
    """The configurations that were planned and tuned, those with a run that is not over left out, extensions too."""
    trials = []
    for configuration in planned(contender, found):
        runs = {run.record.seed: run for run in configuration.tuning}
        if not all(run.is_over for run in runs.values()):
            continue
        rows = {seed: read_metrics(run.folder / METRICS_FILE) for seed, run in runs.items()}
        trials.append(Trial(configuration, runs, rows))
    return trials
