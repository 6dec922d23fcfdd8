"""Each statistic against values computed by hand, by enumeration or by SciPy."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from optlab.analysis import statistics

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


def test_seeds_needed_gives_up() -> None:
    assert statistics.seeds_needed(0.01, 1.0) is None
    assert statistics.seeds_needed(0.0, 1.0) is None
    assert statistics.seeds_needed(1.0, 0.0) == statistics.LEAST_SEEDS


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
