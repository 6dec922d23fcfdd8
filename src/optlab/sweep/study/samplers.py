"""Where in the unit cube an optimizer's trials lie: a grid, scrambled low-discrepancy points, or Optuna's TPE.

Every sampler is a function of what it is given: the same plan and the same results give the same points, in whatever
process and after whatever interruption.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from optlab.errors import UserError
from optlab.rules.commands import install
from optlab.sweep.folder import lock_of

JOURNAL_FILE = "tpe.journal"

Sampler = Literal["auto", "grid", "halton", "sobol", "tpe"]
Point = tuple[float, ...]  # a position in [0, 1] for each range
Evaluated = tuple[Point, float | None]  # with its score (larger is better); None where no run of it ended

# The next point of an arm, by its name, over ranges of these names, after this history.
Propose = Callable[[str, Sequence[str], Sequence[Evaluated]], Point]


def choose_sampler(wanted: Sampler, dimensions: int, trials: int) -> Sampler:
    """The sampler to use: `auto` is a grid for one range and scrambled Halton points for several.

    Raises:
        UserError: a grid of several ranges or of one point, or TPE without Optuna.
    """
    chosen = wanted if wanted != "auto" else "grid" if dimensions == 1 else "halton"
    if chosen == "grid" and dimensions > 1:
        raise UserError(
            f"hydra.sweeper.sampler=grid is for one range, and this track has {dimensions}; "
            "type hydra.sweeper.sampler=halton (or sobol, tpe)"
        )
    if chosen == "grid" and trials < 2:
        raise UserError(f"hydra.sweeper.trials={trials}: a grid has both ends, so it needs 2 or more")
    if chosen == "tpe" and find_spec("optuna") is None:
        raise UserError(f"hydra.sweeper.sampler=tpe needs a package: {install('tpe')}")
    return chosen


def design(sampler: Sampler, dimensions: int, trials: int, seed: int) -> list[Point]:
    """The points of a sampler that does not look at results: [trials] of [dimensions] positions in [0, 1]."""
    if sampler == "grid":
        return [(i / (trials - 1),) for i in range(trials)]
    from scipy.stats import qmc

    if sampler == "sobol":
        # Sobol' points are balanced in blocks of a power of two, so the first `trials` of such a block are taken.
        points = qmc.Sobol(dimensions, scramble=True, rng=seed).random_base2(math.ceil(math.log2(max(trials, 2))))
    else:
        points = qmc.Halton(dimensions, scramble=True, rng=seed).random(trials)
    return [tuple(float(x) for x in point) for point in points[:trials]]


class TreeParzen:
    """Optuna's TPE, asked for one point at a time; it keeps its journal `tpe.journal` in the sweep's folder.

    A fresh sampler, seeded with the trial's number, answers each question, so that an answer depends on the history
    alone. The journal is for reading (`optuna-dashboard tpe.journal`): a study continued without it goes the same way.
    """

    def __init__(self, folder: Path, seed: int, trials: int) -> None:
        self.path = folder / JOURNAL_FILE
        self.seed = seed
        self.startup = max(2, trials // 3)  # random ones; Optuna's own 10 would leave small budgets nothing else

    def __call__(self, arm: str, names: Sequence[str], history: Sequence[Evaluated]) -> Point:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with lock_of(self.path):  # two processes on one study must not both ask for the same trial
            return self._next(arm, names, history)

    def _next(self, arm: str, names: Sequence[str], history: Sequence[Evaluated]) -> Point:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        number = len(history)
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(self.path))),
            sampler=optuna.samplers.TPESampler(n_startup_trials=self.startup, seed=self.seed * 100_003 + number),
            study_name=arm,
            direction="maximize",
            load_if_exists=True,
        )
        for trial, (_, score) in zip(study.get_trials(deepcopy=False), history, strict=False):
            if not trial.state.is_finished():
                failed = score is None
                study.tell(trial.number, score, state=optuna.trial.TrialState.FAIL if failed else None)
        self._add_lost(study, names, history)
        known = study.get_trials(deepcopy=False)
        params = known[number].params if len(known) > number else study.ask(unit_cube(names)).params
        return tuple(float(params[name]) for name in unit_cube(names))

    @staticmethod
    def _add_lost(study: Any, names: Sequence[str], history: Sequence[Evaluated]) -> None:
        """Trials that the journal lacks, because the file was removed."""
        import optuna

        for point, score in history[len(study.get_trials(deepcopy=False)) :]:
            study.add_trial(
                optuna.trial.create_trial(
                    params=dict(zip(unit_cube(names), point, strict=True)),
                    distributions=unit_cube(names),
                    value=score,
                    state=optuna.trial.TrialState.COMPLETE if score is not None else optuna.trial.TrialState.FAIL,
                )
            )


def unit_cube(names: Sequence[str]) -> dict[str, Any]:
    """Optuna's description of the positions of these ranges."""
    from optuna.distributions import FloatDistribution

    return {f"position of {name}": FloatDistribution(0.0, 1.0) for name in names}
