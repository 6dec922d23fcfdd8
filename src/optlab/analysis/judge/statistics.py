"""The statistics of a comparison over seeds: pure functions of numbers, tested against hand values and SciPy.

How "the difference is real" is decided, and why. Studies have few seeds, five by default. A test that only flips the
signs of n paired differences cannot give a two-sided p below 2 / 2**n: .0625 for five seeds, however large the gap.
So the decision is the paired t-test, whose level is right at any n for normal differences and on the safe side for
symmetric ones with heavy tails (two copies of one optimizer differ symmetrically, whatever their own distribution,
because seeds are exchangeable between them). All pairs of one setting are a family; Holm's correction keeps the chance
of any false "differ" among them at 5 %. The sign-flip test and Wilcoxon's stand beside it as a check that assumes less,
each with the smallest p that n allows. A
spread smaller than the metric's own resolution (an accuracy on few samples has ties) is not believed. Below three seeds
nothing is called different.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from optlab.analysis.read.runs import FloatArray

Interval = tuple[float, float]

ALPHA = 0.05
POWER = 0.8
LEAST_SEEDS = 3  # fewer have no interval and never "differ"
MOST_SEEDS = 1000  # seeds_needed gives up above
LEVEL = 0.95  # of every interval
FURTHEST = 0.98  # Student's interval at this level holds every interval
RESAMPLES = 10_000
EXACT_PAIRS = 14  # sign flips are enumerated up to here: 2**14 of them
_SEED = 20_251  # every report of the same runs shows the same numbers


@dataclass(frozen=True)
class Spread:
    """Numbers over seeds: mean, standard deviation (n - 1), median and quartiles; None where n is too small."""

    n: int
    mean: float | None
    sd: float | None
    median: float | None
    q1: float | None
    q3: float | None


def spread(values: ArrayLike) -> Spread:
    """Mean, sd, median and interquartile range (linear interpolation) of the values."""
    x = np.asarray(values, dtype=float)
    if not len(x):
        return Spread(0, None, None, None, None, None)
    q1, median, q3 = (float(q) for q in np.quantile(x, (0.25, 0.5, 0.75)))
    return Spread(len(x), float(x.mean()), float(x.std(ddof=1)) if len(x) > 1 else None, median, q1, q3)


# -- intervals


def mean_interval(values: ArrayLike) -> Interval | None:
    """95 % beta-bootstrap t interval of a mean; None below three values.

    Each resample weighs the values by normalised Beta(1/2, 3/2) draws and studentises the weighted mean: A. B. Owen,
    "Better bootstrap t confidence intervals for the mean", arXiv:2508.10083 (2025). Near its nominal coverage down to
    three values, where percentile and BCa intervals are far too short and the multinomial bootstrap t can be infinite.
    Ties can stretch it still, so no end lies further out than Student's 98 % interval; simulated coverage stays at 93
    to 95 % for normal, heavy-tailed and rounded values.
    """
    x = np.asarray(values, dtype=float)
    if len(x) < LEAST_SEEDS:
        return None
    return _studentised(float(x.mean()), float(x.std()), *_weighted(x), *_error(x))


def difference_interval(a: ArrayLike, b: ArrayLike) -> Interval | None:
    """The same interval for mean(a) - mean(b) of two independent samples; None below three values in either."""
    x, y = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if min(len(x), len(y)) < LEAST_SEEDS:
        return None
    (dx, sx), (dy, sy) = _weighted(x), _weighted(y, stream=1)
    scale = math.hypot(float(x.std()) / math.sqrt(len(x)), float(y.std()) / math.sqrt(len(y)))
    scales = np.hypot(sx / math.sqrt(len(x)), sy / math.sqrt(len(y)))
    return _studentised(float(x.mean() - y.mean()), scale, dx - dy, scales, *_welch(x, y))


@lru_cache(maxsize=32)
def _weights(n: int, stream: int) -> FloatArray:
    """Normalised random weights [resamples, n], the same in every report."""
    weights = np.random.default_rng((_SEED, stream)).beta(0.5, 1.5, size=(RESAMPLES, n))
    normalised: FloatArray = weights / weights.sum(axis=1, keepdims=True)
    return normalised


def _weighted(x: FloatArray, stream: int = 0) -> tuple[FloatArray, FloatArray]:
    """Deviation of each weighted mean from the mean, and each weighted standard deviation; both [resamples]."""
    weights = _weights(len(x), stream)
    centred = x - x.mean()
    deviation = weights @ centred
    return deviation, np.sqrt(np.maximum(weights @ centred**2 - deviation**2, 0.0))


def _studentised(
    estimate: float, scale: float, deviation: FloatArray, scales: FloatArray, error: float, freedom: float
) -> Interval:
    if not error or not scales.any():
        return estimate, estimate
    t = deviation / np.where(scales > 0, scales, np.inf)
    low, high = (float(q) for q in np.quantile(t, ((1 - LEVEL) / 2, (1 + LEVEL) / 2)))
    reach = float(stats.t.ppf((1 + FURTHEST) / 2, freedom)) * error
    return estimate - min(high * scale, reach), estimate - max(low * scale, -reach)


def _error(x: FloatArray, least: float = 0.0, size: float = 0.0) -> tuple[float, float]:
    """Standard error of a mean and its degrees of freedom; the variance is taken to be `least` or more.

    `size` is that of the numbers that `x` was made of: differences carry their rounding errors.
    """
    spreads = float(np.ptp(x)) > 1e-12 * max(size, float(np.abs(x).max()))  # by more than rounding errors
    return math.sqrt(max(float(x.var(ddof=1)) if spreads else 0.0, least) / len(x)), len(x) - 1.0


def _size(x: FloatArray, y: FloatArray) -> float:
    return float(max(np.abs(x).max(), np.abs(y).max()))


def _welch(x: FloatArray, y: FloatArray, least: float = 0.0) -> tuple[float, float]:
    """Standard error of a difference of independent means, and Welch's degrees of freedom."""
    (of_x, free_x), (of_y, free_y) = _error(x, least), _error(y, least)
    error = math.hypot(of_x, of_y)
    return error, error**4 / (of_x**4 / free_x + of_y**4 / free_y) if error else 1.0


# -- tests of one pair


def t_test(a: ArrayLike, b: ArrayLike, *, paired: bool, resolution: float = 0.0) -> float:
    """Two-sided p of the paired t-test, or of Welch's for independent samples; 1 below two values.

    `resolution` is the step between two values that the metric can take, 1 / samples for an accuracy: rounding alone
    gives each value a variance of resolution**2 / 12, so no spread is believed to be smaller. Where no scale is left at
    all, the p is that of `sign_flip` (paired) or of the permutation of labels (independent).
    """
    x, y = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if min(len(x), len(y)) < 2:
        return 1.0
    rounding = resolution**2 / 12
    error, freedom = _error(x - y, 2 * rounding, _size(x, y)) if paired else _welch(x, y, rounding)
    if error:
        return float(2 * stats.t.sf(abs(x.mean() - y.mean()) / error, freedom))
    if paired:
        return sign_flip(x - y)
    return min(1.0, 2 / math.comb(len(x) + len(y), len(x))) if x[0] != y[0] else 1.0


def believed_sd(a: ArrayLike, b: ArrayLike, *, paired: bool, resolution: float = 0.0) -> float | None:
    """The standard deviation behind `t_test`: of the paired differences, or the mean one of independent samples.

    None below two values.
    """
    x, y = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if min(len(x), len(y)) < 2:
        return None
    rounding = resolution**2 / 12
    if paired:
        return _error(x - y, 2 * rounding, _size(x, y))[0] * math.sqrt(len(x))
    return math.sqrt(sum(_error(z, rounding)[0] ** 2 * len(z) for z in (x, y)) / 2)


def believed_freedom(a: ArrayLike, b: ArrayLike, *, paired: bool) -> float:
    """The degrees of freedom of `believed_sd`: n - 1 of differences, or Satterthwaite's of two variances' mean."""
    x, y = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if paired:
        return len(x) - 1.0
    variances = [(float(z.var(ddof=1)), len(z) - 1.0) for z in (x, y)]
    together = sum(v for v, _ in variances)
    return together**2 / sum(v**2 / f for v, f in variances) if together else min(f for _, f in variances)


def sign_flip(differences: ArrayLike) -> float:
    """Two-sided p of the sign-flip permutation test of a mean difference of zero.

    Exact up to 14 pairs; above, 16,383 random flips from a fixed generator, the observed one counted in.
    """
    d = np.asarray(differences, dtype=float)
    if not d.any():
        return 1.0
    observed = abs(d.sum()) * (1 - 1e-12)
    if len(d) <= EXACT_PAIRS:
        signs = 1.0 - 2.0 * ((np.arange(2 ** len(d))[:, None] >> np.arange(len(d))) & 1)
        return float(np.mean(np.abs(signs @ d) >= observed))
    flips = 2**EXACT_PAIRS - 1
    signs = np.random.default_rng(_SEED).choice((-1.0, 1.0), size=(flips, len(d)))
    return float((1 + np.sum(np.abs(signs @ d) >= observed)) / (1 + flips))


def smallest_p(pairs: int) -> float:
    """The smallest two-sided p that a sign-flip or Wilcoxon test of this many pairs can give: 2 / 2**n."""
    return min(1.0, 2.0 ** (1 - pairs))


def wilcoxon(differences: ArrayLike) -> float:
    """Two-sided p of Wilcoxon's signed-rank test, zero differences ranked and dropped (Pratt); 1 if all are zero."""
    d = np.asarray(differences, dtype=float)
    if len(d) < 2 or not d.any():
        return 1.0
    small = len(d) <= EXACT_PAIRS  # ties have no exact table: all sign flips are enumerated instead
    method = stats.PermutationMethod(n_resamples=np.inf) if small else "asymptotic"
    return min(1.0, float(stats.wilcoxon(d, zero_method="pratt", method=method).pvalue))


def probability_of_improvement(a: ArrayLike, b: ArrayLike) -> float:
    """P(A > B) + P(A = B) / 2 over all pairs of runs: the Mann-Whitney U over its maximum (Agarwal et al. 2021)."""
    x, y = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    return float(stats.mannwhitneyu(x, y, method="asymptotic").statistic / (len(x) * len(y)))


# -- all pairs together


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given (Holm 1979)."""
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def groups(names: Sequence[str], differ: Mapping[tuple[str, str], bool]) -> list[list[str]]:
    """Maximal sets of names no two of which differ, in the order of the names; a name may be in several.

    These are the letters of a compact letter display: two share a letter exactly when they cannot be told apart.
    `differ` holds each pair once, in either order. (Maximal cliques; Bron and Kerbosch 1973, with the pivot of Tomita
    et al. 2006: without it, thirty that are all alike have 2**30 subsets to go through.)
    """
    alike = {a: {b for b in names if b != a and not differ.get((a, b), differ.get((b, a), False))} for a in names}
    found: list[list[str]] = []

    def extend(group: list[str], candidates: set[str], excluded: set[str]) -> None:
        if not candidates and not excluded:
            found.append(sorted(group, key=names.index))
            return
        pivot = max(sorted(candidates | excluded), key=lambda name: len(candidates & alike[name]))
        for name in sorted(candidates - alike[pivot], key=names.index):
            extend([*group, name], candidates & alike[name], excluded & alike[name])
            candidates = candidates - {name}
            excluded = excluded | {name}

    extend([], set(names), set())
    return sorted(found, key=lambda group: [names.index(name) for name in group])


# -- planning


def power(gap: float, sd: float, n: int, alpha: float = ALPHA, *, paired: bool = True) -> float:
    """Probability that the t-test of n seeds finds a mean difference `gap`, from the noncentral t distribution.

    `sd` is that of the paired differences, or, for independent samples of n each, of one sample
    (Cohen 1988, "Statistical Power Analysis", 2.3).
    """
    freedom = n - 1 if paired else 2 * (n - 1)
    shift = abs(gap) / sd * math.sqrt(n if paired else n / 2)
    critical = float(stats.t.isf(alpha / 2, freedom))
    wrong_way = float(np.nan_to_num(stats.nct.cdf(-critical, freedom, shift)))  # SciPy: NaN where it is next to nothing
    return float(stats.nct.sf(critical, freedom, shift)) + wrong_way


def seeds_needed(gap: float, sd: float, alpha: float = ALPHA, *, paired: bool = True) -> int | None:
    """The fewest seeds with which `t_test` at level `alpha` finds this gap with power 0.8; None above 1,000.

    The gap and sd that were seen stand in for the true ones, so this is a rough guide (see `seeds_range`). Without any
    spread it is the number at which the permutations that `t_test` then counts are enough.
    """
    if not gap:
        return None
    if sd <= 0:
        counted = range(LEAST_SEEDS, MOST_SEEDS + 1)
        return next((n for n in counted if (smallest_p(n) if paired else 2 / math.comb(2 * n, n)) <= alpha), None)
    enough = LEAST_SEEDS
    while power(gap, sd, enough, alpha, paired=paired) < POWER:
        enough *= 2  # doubling keeps the noncentrality small, where its distribution is computed exactly
        if enough > 2 * MOST_SEEDS:
            return None
    low = enough // 2
    while enough - low > 1:  # power rises with n
        middle = (low + enough) // 2
        low, enough = (low, middle) if power(gap, sd, middle, alpha, paired=paired) >= POWER else (middle, enough)
    return max(enough, LEAST_SEEDS) if enough <= MOST_SEEDS else None


def seeds_range(
    gap: float, sd: float, freedom: float, alpha: float = ALPHA, *, paired: bool = True
) -> tuple[int, int | None] | None:
    """`seeds_needed` at both ends of the 95 % interval of the sd, whose estimate has `freedom` degrees of freedom.

    The number goes with the square of the sd, and an sd from five seeds may be off by a factor of 0.6 to 2.9: the
    interval is chi-square's (R. H. Browne, "On the use of a pilot sample for sample size determination", Statistics in
    Medicine 14, 1995, plans with its upper end). The gap is taken to be the true one. The second is None where it is
    above 1,000, and everything is where even the first is.
    """
    shares = ((1 + LEVEL) / 2, (1 - LEVEL) / 2)
    ends = [sd * math.sqrt(freedom / float(stats.chi2.ppf(share, freedom))) for share in shares]
    fewest, most = (seeds_needed(gap, end, alpha, paired=paired) for end in ends)
    return None if fewest is None else (fewest, most)
