"""Which of the hyperparameters that were searched mattered: PED-ANOVA, with an interval.

PED-ANOVA (Watanabe, Bansal and Hutter 2023, arXiv:2304.10255) asks of one hyperparameter at a time how far the good
trials are spread otherwise over its range than all trials: the Pearson divergence of two kernel densities. It is
written out here, as Optuna's has an interface that "is not meant to be called by library users", is an extra, and
would be called hundreds of times for the interval; a test holds it against Optuna's numbers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from optlab.analysis.judge.contest import Contender
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.searched import Scale, searched, trials
from optlab.analysis.judge.statistics import FloatArray

Places = npt.NDArray[np.intp]

# Measured on the surfaces of tests/analysis/judge/test_importance.py, of three hyperparameters of which one matters:
# the lower end of its interval lies above an even share in no search of 12 trials, in 4 of 10 of 16, in 8 of 10 of 20
# and in all of 30; that of the others never does. So below 20 an interval mostly says nothing.
FEWEST = 20
GOOD = 10  # trials in the good part at least: the half of 20, a third of 30
QUARTER = 0.25  # the good part of 40 trials and more
STEPS = 50  # of the grid that a range is divided into, as Optuna's
RESAMPLES = 200
LEVEL = 0.95


@dataclass(frozen=True)
class Importance:
    """The share of one hyperparameter in what makes trials good, and its 95 % interval; all shares together are 1."""

    name: str
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Importances:
    """Those of a contender, the largest first; empty where its trials are too few."""

    contender: str
    trials: int
    good: int  # the trials that count as good: the best ones, with all that are as good as the last of them
    shares: Sequence[Importance]

    @property
    def even(self) -> float:
        """The share that each would have if all mattered alike, and on average if none did."""
        return 1 / len(self.shares)


def importances(contender: Contender, metric: Metric) -> Importances | None:
    """The importance of each hyperparameter that a contender searched; None below two of them.

    Trials with a failed run are left out, diverged runs count at chance level. The interval is the middle 95 % over
    bootstrap samples of the trials (200, seed 0).
    """
    found = trials(contender, metric)
    names = searched(found)
    if len(names) < 2:
        return None
    values = np.array([metric.sign * trial.mean for trial in found])
    good = int(is_good(values).sum())
    if len(found) < FEWEST or good == len(found):
        return Importances(contender.name, len(found), good, [])
    columns = [Column.of([trial.settings[name] for trial in found]) for name in names]
    share = shares(columns, values)
    rng = np.random.default_rng(0)
    drawn = (rng.integers(0, len(found), len(found)) for _ in range(RESAMPLES))
    again = np.array([shares([column.drawn(rows) for column in columns], values[rows]) for rows in drawn])
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(again, (tail, 1 - tail), axis=0)
    each = [Importance(name, *map(float, numbers)) for name, *numbers in zip(names, share, low, high, strict=True)]
    return Importances(contender.name, len(found), good, sorted(each, key=lambda i: -i.share))


@dataclass(frozen=True)
class Column:
    """The trials' values of one hyperparameter, as places on a grid of its own scale; words have a place each."""

    places: Places  # [trials]
    size: int
    words: bool

    @classmethod
    def of(cls, values: Sequence[float | str]) -> Self:
        scale = Scale.of(values)
        words = scale.kind == "words"
        size = len(scale.values) if words else STEPS
        return cls(np.ceil([scale.position(v) * (size - 1) - 0.5 for v in values]).astype(np.intp), size, words)

    def drawn(self, rows: Places) -> "Column":
        return replace(self, places=self.places[rows])

    def density(self, rows: npt.NDArray[np.bool_] | None = None) -> FloatArray:
        """How often each place of the grid is expected among some of the trials, or all. [size]"""
        counts = np.bincount(self.places if rows is None else self.places[rows], minlength=self.size)
        return (of_words if self.words else of_numbers)(counts) + 1e-12


def is_good(values: FloatArray) -> npt.NDArray[np.bool_]:
    """The best quarter of the trials, ten at least, and all that are as good as the last of them; larger is better."""
    quantile = max(QUARTER, GOOD / len(values))
    place = min(math.ceil(quantile * len(values)), len(values))
    best: npt.NDArray[np.bool_] = values >= np.sort(values)[-place]
    return best


def shares(columns: Sequence[Column], values: FloatArray) -> FloatArray:
    """The divergence of each column between the good trials and all, as shares of 1; even ones where all are 0."""
    good = is_good(values)
    found = np.array([divergence(column.density(good), column.density()) for column in columns])
    return found / found.sum() if found.sum() > 0 else np.full(len(found), 1 / len(found))


def divergence(good: FloatArray, every: FloatArray) -> float:
    """Pearson's divergence of the density of the good trials from that of all (equation 5 of the paper)."""
    return float(every @ ((good / every - 1) ** 2))


# -- densities, each with a kernel an observation and one broad one as prior, all as in Optuna


def of_numbers(counts: Places) -> FloatArray:
    """Normal kernels, cut off at the ends of the grid, by how often each place of it was observed. [places]

    The bandwidth is Scott's rule (1992), never below what keeps 90 % of a kernel within one step.
    """
    size, at = len(counts), np.flatnonzero(counts)
    weights = counts[at].astype(float)
    n = weights.sum()
    spread = math.sqrt((at - at @ weights / n) ** 2 @ weights / max(1.0, n - 1))
    reached = np.cumsum(weights)
    lower = np.searchsorted(reached, n // 4, side="left")
    upper = min(np.searchsorted(reached, n * 3 // 4, side="right"), len(at) - 1)
    bandwidth = max(1.059 * min((at[upper] - at[lower]) / 1.34, spread) * n**-0.2, 0.5 / 1.64)
    middles = np.append(at, (size - 1) / 2)[:, None]
    widths = np.append(np.full(len(at), bandwidth), float(size))[:, None]
    below = ndtr((np.arange(size + 1) - 0.5 - middles) / widths)
    kernels = np.diff(below, axis=1) / (below[:, -1:] - below[:, :1])
    estimate: FloatArray = np.append(weights, 1.0) @ kernels / (n + 1)
    return estimate


def of_words(counts: Places) -> FloatArray:
    """Kernels that stand on one word and have a little of every other. [places]"""
    size, n = len(counts), counts.sum()
    little = 1 / (np.count_nonzero(counts) + 1)
    estimate: FloatArray = ((counts + n * little) / (1 + size * little) + 1 / size) / (n + 1)
    return estimate
