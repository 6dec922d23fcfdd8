"""Each statistic against values computed by hand, by enumeration or by SciPy."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from optlab.analysis.judge import statistics

D = [0.010, 0.020, -0.005, 0.013, 0.020]


def test_spread_of_known_numbers() -> None:
    found = statistics.spread([1.0, 2.0, 3.0, 4.0])
    assert (found.n, found.mean, found.median, found.q1, found.q3) == (4, 2.5, 2.5, 1.75, 3.25)
    assert found.sd == pytest.approx(math.sqrt(5 / 3))  # n - 1


def test_spread_of_few_numbers_claims_nothing() -> None:
    assert statistics.spread([]).mean is None
    assert statistics.spread([0.5]).sd is None


def test_sign_flip_enumerates_all_signs() -> None:
    observed = abs(sum(D))
    flips = [abs(sum(s * d for s, d in zip(signs, D, strict=True))) for signs in itertools.product((1, -1), repeat=5)]
    by_hand = sum(flip >= observed - 1e-12 for flip in flips) / 32
    assert statistics.sign_flip(D) == pytest.approx(by_hand)


def test_sign_flip_cannot_go_below_its_floor() -> None:
    assert statistics.sign_flip([1.0, 1.1, 1.2, 1.3, 1.4]) == 2 / 32 == statistics.smallest_p(5)


def test_sign_flip_of_many_pairs_is_near_scipys_and_repeats() -> None:
    d = np.random.default_rng(0).normal(0.4, 1, 20)
    reference = stats.permutation_test(
        (d, np.zeros(20)), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type="samples", rng=1
    ).pvalue
    assert statistics.sign_flip(d) == pytest.approx(reference, abs=0.015)
    assert statistics.sign_flip(d) == statistics.sign_flip(d)


def test_sign_flip_and_wilcoxon_of_no_difference() -> None:
    assert statistics.sign_flip([0.0, 0.0, 0.0]) == 1.0
    assert statistics.wilcoxon([0.0, 0.0, 0.0]) == 1.0


def test_wilcoxon_is_scipys_exact_one() -> None:
    d = [0.3, 0.1, -0.2, 0.5, 0.7, 0.9]
    assert statistics.wilcoxon(d) == pytest.approx(stats.wilcoxon(d, method="exact").pvalue)


def test_wilcoxon_takes_ties_and_zeros_without_a_warning() -> None:
    assert 0 < statistics.wilcoxon([0.0, 0.1, 0.1, 0.1, -0.1]) <= 1


def test_t_test_by_its_formula() -> None:
    t = np.mean(D) / (np.std(D, ddof=1) / math.sqrt(5))
    assert statistics.t_test(D, np.zeros(5), paired=True) == pytest.approx(2 * stats.t.sf(t, 4))
    a, b = [0.9, 0.91, 0.93], [0.80, 0.85, 0.9, 0.84]
    welch = stats.ttest_ind(a, b, equal_var=False).pvalue
    assert statistics.t_test(a, b, paired=False) == pytest.approx(welch)


def test_t_test_without_spread_is_no_certainty() -> None:
    same_gap = ([0.5, 0.6, 0.7], [0.4, 0.5, 0.6])
    assert statistics.t_test(*same_gap, paired=True) == 0.25  # the sign-flip floor of three pairs, not 0
    # Of a metric in steps of .1, the differences have at least the variance of rounding twice: .01 / 6.
    t = 0.1 / math.sqrt(0.01 / 6 / 3)
    assert statistics.t_test(*same_gap, paired=True, resolution=0.1) == pytest.approx(2 * stats.t.sf(t, 2))
    assert statistics.t_test([0.5] * 5, [0.5] * 5, paired=True) == 1.0
    assert statistics.t_test([0.5] * 3, [0.4] * 3, paired=False) == pytest.approx(2 / math.comb(6, 3))


def test_numbers_of_any_size_are_tested_alike() -> None:
    a, b = np.array([1.0, 2.0, 1.5, 1.2]), np.array([4.0, 5.1, 4.5, 4.0])
    for paired in (True, False):
        p = statistics.t_test(a, b, paired=paired)
        assert p < 0.01
        assert statistics.t_test(1e-13 * a, 1e-13 * b, paired=paired) == pytest.approx(p)
    low, high = statistics.mean_interval(1e-13 * a) or (0.0, 0.0)
    assert (low, high) == pytest.approx(tuple(1e-13 * end for end in statistics.mean_interval(a) or ()))
    assert low < high
    far = np.array([1.1, 20.3, 300.7, 4000.9])
    assert np.ptp((far + 1e-9) - far) > 0
    assert statistics.t_test(far + 1e-9, far, paired=True) == 0.125  # rounding alone sets the differences apart


def test_probability_of_improvement_counts_pairs_and_half_ties() -> None:
    a, b = [1, 2, 3], [2, 2, 0]
    by_hand = np.mean([1.0 if x > y else 0.5 if x == y else 0.0 for x in a for y in b])
    assert statistics.probability_of_improvement(a, b) == pytest.approx(by_hand)
    assert statistics.probability_of_improvement([1, 1], [1, 1]) == 0.5


def test_holm_by_hand() -> None:
    # Sorted .01 .03 .04: 3 x .01, then max(.03, 2 x .03), then max(.06, .04).
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm([0.9, 0.8]) == [1.0, 1.0]
    assert statistics.holm([]) == []


def test_groups_share_a_letter_exactly_when_alike() -> None:
    names = list("abcd")
    differ = {("a", "c"): True, ("a", "d"): True, ("b", "d"): True, ("a", "b"): False}
    found = statistics.groups(names, differ)
    assert found == [["a", "b"], ["b", "c"], ["c", "d"]]
    for x, y in itertools.combinations(names, 2):
        shares = any(x in group and y in group for group in found)
        assert shares != differ.get((x, y), False)


def test_groups_of_many_that_are_alike_are_found_at_once() -> None:
    names = [f"optimizer{i}" for i in range(40)]
    assert statistics.groups(names, {}) == [names]  # all 2**40 subsets would take days
    differ = {(a, b): i + 25 < j for (i, a), (j, b) in itertools.combinations(enumerate(names), 2)}
    found = statistics.groups(names, differ)
    assert found == [names[i : i + 26] for i in range(15)]


def test_power_agrees_with_a_simulation() -> None:
    rng = np.random.default_rng(1)
    p = stats.ttest_1samp(rng.normal(0.8, 1, (20_000, 10)), 0, axis=1).pvalue
    assert statistics.power(0.8, 1.0, 10) == pytest.approx(np.mean(p <= 0.05), abs=0.01)


def test_seeds_needed_are_the_textbook_numbers() -> None:
    # Cohen 1988, table 2.4.1: d = .5, two-sided .05, power .8: 64 a group; G*Power: 34 pairs.
    assert statistics.seeds_needed(0.5, 1.0, paired=False) == 64
    assert statistics.seeds_needed(0.5, 1.0) == 34


@pytest.mark.parametrize("gap", [0.09, 0.2, 1.0, 3.0])
def test_seeds_needed_is_the_fewest(gap: float) -> None:
    n = statistics.seeds_needed(gap, 1.0)
    assert n is not None
    assert statistics.power(gap, 1.0, n) >= 0.8
    assert n == statistics.LEAST_SEEDS or statistics.power(gap, 1.0, n - 1) < 0.8


def test_the_range_of_the_seeds_needed_is_that_of_the_spread() -> None:
    # chi2(4) at 97.5 and 2.5 %: 11.143 and 0.4844, so the sd of five seeds may be 0.599 or 2.874 times what it seems.
    fewest, most = statistics.seeds_needed(0.5, 0.5991), statistics.seeds_needed(0.5, 2.8736)
    assert statistics.seeds_range(0.5, 1.0, 4) == (fewest, most)
    assert (fewest, most) == (14, 262)
    assert statistics.seeds_range(0.2, 1.0, 4) == (73, None)  # above 1,000
    assert statistics.seeds_range(0.01, 1.0, 4) is None
    known = statistics.seeds_range(0.5, 1.0, 10_000)
    assert known == (33, 35)  # where the spread is known there is one number, 34
    assert statistics.seeds_range(1.0, 0.0, 4) == (6, 6)


def test_the_freedom_of_two_samples_is_satterthwaites() -> None:
    x, y = [1.0, 2.0, 3.0], [1.0, 1.1, 0.9, 1.0]
    assert statistics.believed_freedom(x, [2.0, 1.0, 4.0], paired=True) == 2
    assert 2 < statistics.believed_freedom(x, y, paired=False) < 2.1  # almost all variance is that of the first
    assert statistics.believed_freedom([1.0, 1.0], [1.0, 1.0, 1.0], paired=False) == 1


def test_seeds_needed_gives_up() -> None:
    assert statistics.seeds_needed(0.01, 1.0) is None
    assert statistics.seeds_needed(0.0, 1.0) is None


def test_seeds_needed_without_spread_are_those_whose_permutations_can_decide() -> None:
    assert statistics.seeds_needed(1.0, 0.0) == 6  # 2 / 2**6 is the first below .05
    assert statistics.seeds_needed(1.0, 0.0, 0.05 / 6) == 8
    assert statistics.seeds_needed(1.0, 0.0, paired=False) == 4  # 2 / C(8, 4) = .029
    for n in (5, 6):
        p = statistics.t_test(np.arange(n) + 1.0, np.arange(n) + 0.0, paired=True)
        assert (p <= 0.05) == (n >= 6)


def test_the_spread_that_is_planned_with_is_the_one_that_is_tested_with() -> None:
    a, b = np.array([0.9, 0.91, 0.93]), np.array([0.80, 0.85, 0.9, 0.84])
    assert statistics.believed_sd(a, b[:3], paired=True) == pytest.approx(np.std(a - b[:3], ddof=1))
    pooled = math.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / 2)
    assert statistics.believed_sd(a, b, paired=False) == pytest.approx(pooled)
    assert statistics.believed_sd(a, a - 0.1, paired=True) == 0.0  # rounding errors are no spread
    assert statistics.believed_sd(a, a - 0.1, paired=True, resolution=0.1) == pytest.approx(0.1 / math.sqrt(6))
    assert statistics.believed_sd([0.5], [0.6], paired=False) is None


# -- intervals


def by_enumeration(x: np.ndarray) -> np.ndarray:
    """Bootstrap t of the mean, (mean* - mean) / sd*, over all n**n resamples."""
    t = []
    for drawn in itertools.product(x, repeat=len(x)):
        if np.std(drawn) > 1e-12:
            t.append((np.mean(drawn) - np.mean(x)) / np.std(drawn))
        else:  # a resample of one value has no scale; the code counts its t as 0
            t.append(0.0)
    return np.array(t)


@pytest.mark.parametrize("values", [[0.1, 0.5, 0.6, 0.9], [0.90, 0.93, 0.91, 0.97, 0.92]])
def test_the_interval_of_a_mean_is_the_bootstrap_t_by_hand(
    values: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    # With the weights of every ordinary resample in place of the random ones, the interval is the textbook's, exactly.
    n, x = len(values), np.array(values)
    counts = [np.bincount(chosen, minlength=n) for chosen in itertools.product(range(n), repeat=n)]
    monkeypatch.setattr(statistics, "_weights", lambda *_: np.array(counts) / n)
    monkeypatch.setattr(statistics, "FURTHEST", 1 - 1e-12)  # no cap
    low, high = np.quantile(by_enumeration(x), (0.025, 0.975))
    by_hand = (x.mean() - high * x.std(), x.mean() - low * x.std())
    assert statistics.mean_interval(x) == pytest.approx(by_hand)


def test_the_interval_of_two_samples_is_the_bootstrap_t_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = np.array([0.90, 0.93, 0.91]), np.array([0.80, 0.88, 0.83])
    resamples = list(itertools.product(range(3), repeat=3))
    pairs = list(itertools.product(resamples, resamples))  # every resample of one with every resample of the other
    weights = [np.array([np.bincount(pair[side], minlength=3) for pair in pairs]) / 3 for side in (0, 1)]
    monkeypatch.setattr(statistics, "_weights", lambda _, stream: weights[stream])
    monkeypatch.setattr(statistics, "FURTHEST", 1 - 1e-12)
    gap, error = x.mean() - y.mean(), math.sqrt(x.var() / 3 + y.var() / 3)
    t = []
    for first, second in pairs:
        a, b = x[list(first)], y[list(second)]
        scale = math.sqrt(a.var() / 3 + b.var() / 3)
        t.append((a.mean() - b.mean() - gap) / scale if scale > 1e-12 else 0.0)
    low, high = np.quantile(t, (0.025, 0.975))
    found = statistics.difference_interval(x, y)
    assert found == pytest.approx((gap - high * error, gap - low * error))


def test_the_weights_are_the_ones_of_the_method() -> None:
    # Owen 2025: Beta(1/2, 3/2), mean 1/4 and variance 1/16, normalised; so each value counts alike on average.
    weights = statistics._weights(5, 0)
    assert weights.sum(axis=1) == pytest.approx(1)
    assert weights.mean(axis=0) == pytest.approx(0.2, abs=0.006)
    slow = np.random.default_rng(0).beta(0.5, 1.5, (50_000, 5))
    slow = slow / slow.sum(axis=1, keepdims=True)
    assert weights.std() == pytest.approx(slow.std(), abs=0.002)


@pytest.mark.parametrize("n", [60, 200])
def test_with_many_values_the_interval_is_scipys(n: int) -> None:
    x = np.random.default_rng(n).normal(0.9, 0.02, n)
    scipys = stats.bootstrap((x,), np.mean, confidence_level=0.95, method="BCa", rng=1).confidence_interval
    width = scipys.high - scipys.low
    assert statistics.mean_interval(x) == pytest.approx((scipys.low, scipys.high), abs=0.07 * width)
    y = np.random.default_rng(n + 1).normal(0.88, 0.04, n)
    two = stats.bootstrap(
        (x, y), lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis), method="BCa", rng=1
    ).confidence_interval
    found = statistics.difference_interval(x, y)
    assert found == pytest.approx((two.low, two.high), abs=0.07 * (two.high - two.low))


@pytest.mark.parametrize("n", [3, 5, 10])
def test_interval_covers_the_mean_as_often_as_it_says(n: int) -> None:
    samples = np.random.default_rng(n).normal(size=(1500, n))
    intervals = [statistics.mean_interval(sample) for sample in samples]
    covered = np.mean([low <= 0 <= high for low, high in filter(None, intervals)])
    assert 0.92 <= covered <= 0.97  # percentile and BCa intervals cover 75 to 85 % at three and five values


def test_interval_of_two_samples_covers_their_difference() -> None:
    rng = np.random.default_rng(2)
    pairs = [(rng.normal(1, 1, 6), rng.normal(0, 2, 5)) for _ in range(400)]
    intervals = [statistics.difference_interval(a, b) for a, b in pairs]
    assert 0.91 <= np.mean([low <= 1 <= high for low, high in filter(None, intervals)]) <= 0.985


@pytest.mark.parametrize("values", [[0.97] * 4 + [0.98], [0.97, 0.97, 0.98], [0.1, 0.97, 0.971, 0.972, 0.973]])
def test_ties_and_outliers_do_not_stretch_the_interval_without_end(values: list[float]) -> None:
    found = statistics.mean_interval(values)
    student = stats.t.interval(0.98, len(values) - 1, np.mean(values), stats.sem(values))
    assert found is not None
    assert found[0] >= student[0] - 1e-9
    assert found[1] <= student[1] + 1e-9


def test_interval_needs_three_values_and_repeats() -> None:
    assert statistics.mean_interval([0.5, 0.6]) is None
    assert statistics.mean_interval([0.5, 0.5, 0.5]) == (0.5, 0.5)
    assert statistics.mean_interval(D) == statistics.mean_interval(D)
