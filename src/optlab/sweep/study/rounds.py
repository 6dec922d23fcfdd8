"""What to run next, from the plan and the results so far. Pure: no file, no process, no clock.

A study is replayed from its plan each time: the same results give the same rounds, so a study that was stopped
anywhere goes on as if it never had been. How a winner is chosen and what an edge is stand in `optlab.rules`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from optlab.rules.choice import Candidate, Score, best
from optlab.rules.edges import POINTS_OF_AN_EXTENSION, Edge, edges, grid_step, half_a_step
from optlab.rules.space import Settings, Space, changes, overrides
from optlab.rules.stopping import left
from optlab.sweep.study.protocol import Arm, Protocol
from optlab.sweep.study.samplers import Evaluated, Point, Propose

Words = tuple[str, ...]  # the overrides of a run
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
    stopped: int = 0  # trials that were behind at a rung
    rung: int | None = None  # the epoch up to which runs are missing; None: to their end

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
        history: list[Evaluated] = [(trial.point, score_of(candidate(protocol, arm, trial, known))) for trial in trials]
        point = propose(arm.name, list(arm.space.ranges), history)
        trials.append(Trial(len(trials), point, arm.space.settings(point)))
    extensions = 0
    while True:
        field = halve(protocol, arm, [trial for trial in trials if trial.extends is None], known)
        extended = [trial for trial in trials if trial.extends is not None]  # these run to their end
        missing = field.missing or missing_runs(protocol, arm, extended, known)
        if missing:
            return Tuning(arm, tuple(trials), missing, extensions=extensions, stopped=field.stopped, rung=field.rung)
        ended = [candidate(protocol, arm, trial, known) for trial in (*field.left, *extended)]
        failed = {each.of.number for each in ended if each.mean is None} | field.failed
        judged = [trial for trial in trials if trial.number not in failed]  # those that were stopped were worse
        chosen = best(ended)
        on_edge = edges_of(protocol, arm, judged, chosen.of) if chosen is not None else {}
        may_extend = chosen is not None and extensions < protocol.options.extensions
        more = extension(protocol, arm, trials, chosen.of, on_edge) if chosen is not None and may_extend else []
        if not more:
            return Tuning(
                arm,
                tuple(trials),
                (),
                winner=chosen.of if chosen is not None else None,
                score=score_of(chosen) if chosen is not None else None,
                extensions=extensions,
                edges=on_edge,
                failed=len(failed),
                stopped=field.stopped,
            )
        trials += more
        extensions += 1


# -- stopping


class Field(NamedTuple):
    """The trials of an arm that are left behind the rungs so far."""

    left: Sequence[Trial]
    failed: set[int]  # numbers of trials that were left out, because a run of theirs failed
    stopped: int
    missing: tuple[Words, ...]  # up to `rung`
    rung: int | None


def halve(protocol: Protocol, arm: Arm, trials: Sequence[Trial], known: Known) -> Field:
    """Replay the rungs of an arm; a plan that stops nothing has none. See `optlab.rules.stopping`."""
    going, failed, stopped = list(trials), set[int](), 0
    rule = protocol.stopping
    for rung, keep in () if rule is None else zip(rule.rungs, rule.kept, strict=True):
        if missing := missing_runs(protocol, arm, going, known, rung):
            return Field(going, failed, stopped, missing, rung)
        candidates = [candidate(protocol, arm, trial, known, rung) for trial in going]
        failed |= {each.of.number for each in candidates if each.mean is None}
        going = left(candidates, keep)
        stopped = len(trials) - len(going) - len(failed)
    return Field(going, failed, stopped, missing_runs(protocol, arm, going, known), None)


def reach(protocol: Protocol, arm: Arm, trials: Sequence[Trial], known: Known) -> dict[int, int]:
    """The rung at which each trial stops that does not train to its end, by its number; of extensions none.

    Where a rung is not reached yet, nobody knows which they will be: then the last ones stand for as many.
    """
    going, stops = [trial for trial in trials if trial.extends is None], dict[int, int]()
    rule = protocol.stopping
    for rung, keep in () if rule is None else zip(rule.rungs, rule.kept, strict=True):
        is_open = missing_runs(protocol, arm, going, known, rung)
        kept = going[:keep] if is_open else left([candidate(protocol, arm, t, known, rung) for t in going], keep)
        stops |= {trial.number: rung for trial in going if trial not in kept}
        going = kept
    return stops


# -- choosing


def candidate(protocol: Protocol, arm: Arm, trial: Trial, known: Known, until: int | None = None) -> Candidate[Trial]:
    """A trial whose runs have all come to their end, or to a rung, as the rule of choice sees it there."""
    scores = [known[words] for words in tuning_runs(protocol, arm, trial, until)]
    return Candidate(trial, scores, {**arm.optimizer, **changes(trial.settings, arm.optimizer)})


def score_of(judged: Candidate[Trial]) -> float | None:
    """The mean value over the tuning seeds; None where a run failed."""
    return None if judged.mean is None else judged.mean[0]


# -- the edge rule


def edges_of(protocol: Protocol, arm: Arm, judged: Sequence[Trial], winner: Trial) -> dict[str, Edge]:
    """The edges of the arm's space on which the winner lies, among the trials without a failed run."""
    near = half_a_step(protocol.trials, len(arm.space.ranges))
    return edges(arm.space.ranges, [trial.settings for trial in judged], winner.settings, near)


def extension(
    protocol: Protocol, arm: Arm, trials: Sequence[Trial], winner: Trial, on_edge: Mapping[str, Edge]
) -> list[Trial]:
    """Two more trials beyond each edge on which the winner lies, a grid step apart; all else as the winner's.

    Fewer, or none, where the range ends for good: a momentum does not fall below 0.
    """
    length = grid_step(protocol.trials, len(arm.space.ranges))
    tried = [trial.settings for trial in trials]
    more: list[Trial] = []
    for name, edge in on_edge.items():
        axis = list(arm.space.ranges).index(name)
        step = -length if edge == "low" else length
        position, wanted = arm.space.ranges[name].beyond(winner.point[axis], step), len(more) + POINTS_OF_AN_EXTENSION
        while position is not None and len(more) < wanted:
            point = (*winner.point[:axis], position, *winner.point[axis + 1 :])
            settings = arm.space.settings(point)
            if settings not in tried:  # whole numbers lie closer than the steps
                more.append(Trial(len(trials) + len(more), point, settings, extends=name))
                tried.append(settings)
            position = arm.space.ranges[name].beyond(position, step)
    return more


# -- runs


def tuning_runs(protocol: Protocol, arm: Arm, trial: Trial, until: int | None = None) -> list[Words]:
    """The runs of a trial, to a rung or to their end."""
    stops = () if until is None else (f"until={until}",)
    return [(*run_words(protocol, arm, trial, seed, "tune"), *stops) for seed in protocol.options.tuning_seeds]


def missing_runs(
    protocol: Protocol, arm: Arm, trials: Sequence[Trial], known: Known, until: int | None = None
) -> tuple[Words, ...]:
    runs = [words for trial in trials for words in tuning_runs(protocol, arm, trial, until)]
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
    if protocol.stopping is not None and (rungs := [each.rung for each in busy if each.rung is not None]):
        return f"tune to epoch {min(rungs)} of {protocol.stopping.horizon}"
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
