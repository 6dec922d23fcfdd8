"""The rounds of a study as far as they are known: replayed from its folder, without writing there."""

import tempfile
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from optlab.sweep.job import outcome
from optlab.sweep.price.plan import Planned, planned, unknown
from optlab.sweep.study.protocol import Arm
from optlab.sweep.study.rounds import Trial, Tuning, Words, confirmation, reach, run_words, tuning_runs
from optlab.sweep.study.samplers import TreeParzen

if TYPE_CHECKING:
    from optlab.sweep.study.conduct import Study


def seen_from_here(study: "Study", *, retry: bool = False) -> list[list[Planned]]:
    """`rounds` of a study that is not touched: another one like it looks at the folder."""
    apart = study.like()
    with tempfile.TemporaryDirectory(prefix="optlab-") as folder:
        if apart.propose is not None:  # TPE writes down what it is asked
            options = apart.protocol.options
            apart.propose = TreeParzen(Path(folder), options.sampler_seed, apart.protocol.trials)
        replayed(apart, retry=retry)
        return rounds(apart, retry=retry)


def replayed(study: "Study", *, retry: bool = False) -> None:
    """Let a study know the runs in its folder that are over, as far as each round is complete."""
    from optlab.sweep.study.conduct import score

    while (upcoming := study.next_round()) is not None:
        found = {words: outcome(study.job(words), skipped=True) for words in upcoming.runs}
        over = {words: each for words, each in found.items() if each.settled and not (retry and each.state == "failed")}
        study.ends |= {each.job.folder: each for each in over.values()}
        study.known |= {words: score(each, study.plans, study.metric) for words, each in over.items()}
        if len(over) < len(found):
            return


def rounds(study: "Study", *, retry: bool = False) -> list[list[Planned]]:
    """Every run of a study by the round that it belongs to; of those that results decide on, one like it.

    Extensions are among them where results have asked for them already.
    """
    tunings = study.tunings()
    arms = [tuning_rounds(study, tuning, retry=retry) for tuning in tunings]
    together = [[run for runs in parts for run in runs] for parts in zip_longest(*arms, fillvalue=())]
    confirm = [run for tuning in tunings for run in confirming(study, tuning, retry=retry)]
    return [runs for runs in [*together, confirm] if runs]


def tuning_rounds(study: "Study", tuning: Tuning, *, retry: bool) -> list[list[Planned]]:
    """The runs of an arm's trials, round by round: TPE's each in a round of its own, else all at once."""
    protocol, arm = study.protocol, tuning.arm
    if not arm.tuned:
        return []
    stops = reach(protocol, arm, tuning.trials, study.known)
    trials = [
        [planned(study.job(words), retry=retry) for words in tuning_runs(protocol, arm, t, stops.get(t.number))]
        for t in tuning.trials
    ]
    seeds, to_come = len(protocol.options.tuning_seeds), protocol.trials - len(tuning.trials)
    like = study.job(middle(study, arm, "tune")).config if to_come > 0 else None
    if study.propose is None:
        return [[run for runs in trials for run in runs]]
    return [*trials, *(unknown(like, "tune", seeds) for _ in range(to_come) if like is not None)]


def confirming(study: "Study", tuning: Tuning, *, retry: bool) -> list[Planned]:
    """The runs of an arm's winner on fresh seeds; none where all its trials failed."""
    if not tuning.missing:
        return [planned(study.job(words), retry=retry) for words in confirmation(study.protocol, tuning)]
    like = study.job(middle(study, tuning.arm, "confirm")).config
    return unknown(like, "confirm", len(study.protocol.options.confirmation_seeds))


def middle(study: "Study", arm: Arm, phase: str) -> Words:
    """A run in the middle of an arm's space."""
    point = (0.5,) * len(arm.space.ranges)
    trial = Trial(0, point, arm.space.settings(point))
    return run_words(study.protocol, arm, trial, study.protocol.options.confirmation_seeds[0], phase)
