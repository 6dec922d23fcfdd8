"""What to run next, from the plan and the results so far. Pure: no file, no process, no clock.

A study is replayed from its plan each time: the same results give the same rounds, so a study that was stopped
anywhere goes on as if it never had been.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from optlab.sweep.study.protocol import POINTS_OF_AN_EXTENSION, Arm, Protocol
from optlab.sweep.study.samplers import Evaluated, Point, Propose
from optlab.sweep.study.space import Settings, Space, overrides

Words = tuple[str, ...]  # the overrides of a run
Edge = Literal["low", "high"]


class Score(NamedTuple):
    """How a run ended; larger is better in both."""

    value: float  # the final metric, negated for a loss; chance level for a diverged run
    tie_break: float  # the negated final loss


Known = Mapping[Words, Score | None]  # the runs that are over; None: failed, so there is nothing to judge


@dataclass(frozen=True)
class Trial:
    """One configuration of an arm."""

    number: int
    point: Point
    settings: Settings
    extends: str | None = None  # the hyperparameter that this trial carries beyond the edge of its range


@dataclass(frozen=True)
class Tuning:
    """How far an arm has come."""

    arm: Arm
    trials: tuple[Trial, ...]
    missing: tuple[Words, ...]  # runs to make before anything more can be said
    winner: Trial | None = None  # of the trials so far; None while runs are missing, or where all trials failed
    score: float | None = None  # the winner's mean over the tuning seeds, on the scale of `Score.value`
    extensions: int = 0  # how often the space was extended
    edges: Mapping[str, Edge] = field(default_factory=dict)  # the hyperparameters of the winner that lie on one
    failed: int = 0  # trials that were left out, because a run of theirs failed

    @property
    def tuned(self) -> bool:
        """Whether a winner was found inside of what was tried; one on an edge is the best so far, and no more."""
        return self.arm.tuned and not self.missing and self.winner is not None and not self.edges

    @property
    def space(self) -> Space:
        """The space in its last, extended form."""
        return self.arm.space.reaching([trial.settings for trial in self.trials])


class Round(NamedTuple):
    """Runs that may be made in any order, also at once."""

    phase: Literal["tune", "confirm"]
    title: str
    runs: tuple[Words, ...]
    note: str = ""


def next_round(protocol: Protocol, known: Known, propose: Propose | None = None) -> Round | None:
    """The next runs of a study, or None when it is complete.

    Args:
        known: every run that is over, by its overrides.
        propose: where the next point lies, for a sampler that looks at results (TPE).
    """
    tunings = [tune(protocol, arm, known, propose) for arm in protocol.arms]
    if missing := tuple(words for tuning in tunings for words in tuning.missing):
        return Round("tune", title(protocol, tunings), missing, note(protocol, tunings, known))
    runs = [words for tuning in tunings for words in confirmation(protocol, tuning)]
    missing = tuple(words for words in runs if words not in known)
    return Round("confirm", "confirm", missing) if missing else None


def tune(protocol: Protocol, arm: Arm, known: Known, propose: Propose | None = None) -> Tuning:
    """Replay the tuning of an arm: its trials, then the edge rule."""
    if not arm.tuned:
        trial = Trial(0, (), arm.space.settings(()))
        return Tuning(arm, (trial,), (), winner=trial)
    trials = [Trial(number, point, arm.space.settings(point)) for number, point in enumerate(protocol.design(arm))]
    while len(trials) < protocol.trials:
        if propose is None or missing_runs(protocol, arm, trials, known):
            break
        history: list[Evaluated] = [(trial.point, mean_value(protocol, arm, trial, known)) for trial in trials]
        point = propose(arm.name, list(arm.space.ranges), history)
        trials.append(Trial(len(trials), point, arm.space.settings(point)))
    extensions = 0
    while True:
        missing = missing_runs(protocol, arm, trials, known)
        if missing:
            return Tuning(arm, tuple(trials), missing, extensions=extensions)
        winner = choose(protocol, arm, trials, known)
        judged = [trial for trial in trials if mean_value(protocol, arm, trial, known) is not None]
        edges = edges_of(protocol, arm, judged, winner) if winner is not None else {}
        may_extend = winner is not None and extensions < protocol.options.extensions
        more = extension(protocol, arm, trials, winner, edges) if winner is not None and may_extend else []
        if not more:
            return Tuning(
                arm,
                tuple(trials),
                (),
                winner=winner,
                score=mean_value(protocol, arm, winner, known) if winner is not None else None,
                extensions=extensions,
                edges=edges,
                failed=len(trials) - len(judged),
            )
        trials += more
        extensions += 1


# -- choosing


def choose(protocol: Protocol, arm: Arm, trials: Sequence[Trial], known: Known) -> Trial | None:
    """The trial with the best mean over the tuning seeds; None where each has a failed run.

    A trial that diverged on every seed counts as chance, and a network that learns may do worse than that for a
    while: it is the winner only where no other is left. Ties, which are common on a small validation split, go to the
    lower mean loss and then to the smaller lr.
    """
    judged = {trial.number: means(protocol, arm, trial, known) for trial in trials}
    complete = [trial for trial in trials if judged[trial.number] is not None]

    def quality(trial: Trial) -> tuple[bool, float, float, float]:
        value, tie_break = judged[trial.number] or (-math.inf, -math.inf)
        scores = [known[words] for words in tuning_runs(protocol, arm, trial)]
        trained = any(score is not None and score.tie_break > -math.inf for score in scores)
        return trained, value, tie_break, -float(trial.settings.get("lr", 0.0))

    return max(complete, key=quality, default=None)


def means(protocol: Protocol, arm: Arm, trial: Trial, known: Known) -> tuple[float, float] | None:
    """Mean value and tie-break over the tuning seeds, rounded so that sums of equal numbers are equal."""
    scores = [known[words] for words in tuning_runs(protocol, arm, trial)]
    complete = [score for score in scores if score is not None]
    if len(complete) < len(scores):
        return None
    return mean([score.value for score in complete]), mean([score.tie_break for score in complete])


def mean_value(protocol: Protocol, arm: Arm, trial: Trial, known: Known) -> float | None:
    both = means(protocol, arm, trial, known)
    return None if both is None else both[0]


def mean(values: Sequence[float]) -> float:
    return round(math.fsum(values) / len(values), 12) if all(map(math.isfinite, values)) else -math.inf


# -- the edge rule


def edges_of(protocol: Protocol, arm: Arm, judged: Sequence[Trial], winner: Trial) -> dict[str, Edge]:
    """The hyperparameters whose winning value is the lowest or highest tried, or within half a grid step of it.

    Half a step, as a sampler that looks at results (TPE) crowds its trials at an edge that it would like to cross.

    Args:
        judged: the trials without a failed run; one that failed says nothing about what lies beyond the winner.
    """
    near = grid_step(protocol, arm) / 2 - 1e-9
    edges: dict[str, Edge] = {}
    for axis, name in enumerate(arm.space.ranges):
        tried = [trial.point[axis] for trial in judged]
        if min(tried) == max(tried):
            continue
        if winner.point[axis] - min(tried) < near:
            edges[name] = "low"
        elif max(tried) - winner.point[axis] < near:
            edges[name] = "high"
    return edges


def extension(
    protocol: Protocol, arm: Arm, trials: Sequence[Trial], winner: Trial, edges: Mapping[str, Edge]
) -> list[Trial]:
    """Two more trials beyond each edge on which the winner lies, a grid step apart; all else as the winner's.

    Fewer, or none, where the range ends for good: a momentum does not fall below 0.
    """
    tried = [trial.settings for trial in trials]
    more: list[Trial] = []
    for name, edge in edges.items():
        axis = list(arm.space.ranges).index(name)
        step = grid_step(protocol, arm) * (-1 if edge == "low" else 1)
        position, wanted = arm.space.ranges[name].beyond(winner.point[axis], step), len(more) + POINTS_OF_AN_EXTENSION
        while position is not None and len(more) < wanted:
            point = (*winner.point[:axis], position, *winner.point[axis + 1 :])
            settings = arm.space.settings(point)
            if settings not in tried:  # whole numbers lie closer than the steps
                more.append(Trial(len(trials) + len(more), point, settings, extends=name))
                tried.append(settings)
            position = arm.space.ranges[name].beyond(position, step)
    return more


def grid_step(protocol: Protocol, arm: Arm) -> float:
    """The distance of `trials` points that are evenly spread over a range; at most a sixth of one among several.

    Few trials in several dimensions are far apart, and a step of that length would carry eps from 1e-3 to 30.
    """
    points = protocol.trials if len(arm.space.ranges) == 1 else max(protocol.trials, 7)
    return 1 / max(points - 1, 1)


# -- runs


def tuning_runs(protocol: Protocol, arm: Arm, trial: Trial) -> list[Words]:
    return [run_words(protocol, arm, trial, seed, "tune") for seed in protocol.options.tuning_seeds]


def missing_runs(protocol: Protocol, arm: Arm, trials: Sequence[Trial], known: Known) -> tuple[Words, ...]:
    runs = [words for trial in trials for words in tuning_runs(protocol, arm, trial)]
    return tuple(words for words in runs if words not in known)


def confirmation(protocol: Protocol, tuning: Tuning) -> list[Words]:
    """The winner on each confirmation seed; none for an arm whose trials all failed."""
    if tuning.winner is None:
        return []
    seeds = protocol.options.confirmation_seeds
    return [run_words(protocol, tuning.arm, tuning.winner, seed, "confirm") for seed in seeds]


def run_words(protocol: Protocol, arm: Arm, trial: Trial, seed: int, phase: str) -> Words:
    """The overrides of a run: they can be typed after `python train.py`."""
    metric = () if protocol.options.metric is None else (f"metric={protocol.options.metric}",)
    chosen = overrides(trial.settings, arm.optimizer)
    words = (*protocol.overrides, *arm.words, *chosen, *metric)
    return (*words, f"seed={seed}", f"phase={phase}", f"protocol={protocol.hash}")


def expected_runs(protocol: Protocol, tunings: Sequence[Tuning]) -> int:
    """The runs of the whole study, as far as results show: without extensions that may come yet."""
    trials = sum(max(len(tuning.trials), protocol.trials) for tuning in tunings if tuning.arm.tuned)
    confirmed = sum(tuning.winner is not None or bool(tuning.missing) for tuning in tunings)
    return trials * len(protocol.options.tuning_seeds) + confirmed * len(protocol.options.confirmation_seeds)


def title(protocol: Protocol, tunings: Sequence[Tuning]) -> str:
    busy = [tuning for tuning in tunings if tuning.missing]
    if all(tuning.extensions for tuning in busy):
        return "extend"
    if protocol.options.sampler == "tpe":
        return f"tune, trial {min(len(tuning.trials) for tuning in busy)} of {protocol.trials}"
    return "tune"


def note(protocol: Protocol, tunings: Sequence[Tuning], known: Known) -> str:
    """Which spaces are extended, and to where: `adam to lr 0.0949, 0.3`."""
    parts = []
    for tuning in tunings:
        reached: dict[str, list[str]] = {}
        for trial in tuning.trials:
            if trial.extends and any(words not in known for words in tuning_runs(protocol, tuning.arm, trial)):
                reached.setdefault(trial.extends, []).append(f"{trial.settings[trial.extends]:g}")
        if reached:
            values = " and ".join(f"{name} {', '.join(new)}" for name, new in reached.items())
            parts.append(f"{tuning.arm.name} to {values}")
    return f"best on the edge of what was tried, extending {'; '.join(parts)}" if parts else ""
