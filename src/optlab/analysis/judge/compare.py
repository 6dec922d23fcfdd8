"""All pairs of contenders of one setting: how far apart, how sure, and how many seeds would settle it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from string import ascii_lowercase, ascii_uppercase

import numpy as np

from optlab.analysis.judge import statistics
from optlab.analysis.judge.contest import Contest
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.statistics import ALPHA, LEAST_SEEDS, Interval

LETTERS = ascii_lowercase + ascii_uppercase


@dataclass(frozen=True)
class Comparison:
    """One pair, the one with the better mean first; every difference is positive where `better` is better.

    `difference`, `interval` (95 %) and `sd` are of the paired differences where the two share at least two seeds, and
    of independent samples otherwise; the `unpaired` ones are of all runs. `sd` is the one that the t-test believes.
    p-values ending in `_holm` are corrected over all `family` pairs of the setting; the intervals are not.

    `seeds_needed` is the fewest seeds with power 0.8 at the level of Holm's first step, 5 % over the number of pairs,
    if gap and sd are the true ones; more than there are where the pair cannot be told apart; None where no number up to
    1,000 would do. `seeds_range` is the same over the 95 % interval of the sd, and what is said to people: its second
    is None above 1,000, and it is None where even its first is.
    """

    better: str
    worse: str
    n: int
    paired: bool
    difference: float
    interval: Interval | None
    sd: float | None
    unpaired_difference: float
    unpaired_interval: Interval | None
    improvement: float
    t_p: float
    sign_flip_p: float | None
    wilcoxon_p: float | None
    t_p_holm: float = 1.0
    sign_flip_p_holm: float | None = None
    wilcoxon_p_holm: float | None = None
    differ: bool = False
    seeds_needed: int | None = None
    seeds_range: tuple[int, int | None] | None = None
    freedom: float = 1.0
    family: int = 1

    @property
    def disputed(self) -> bool:
        """Whether the sign-flip test could have called the pair different, and does not agree with the t-test."""
        if self.sign_flip_p_holm is None:
            return False
        able = statistics.smallest_p(self.n) * self.family <= ALPHA
        return able and (self.sign_flip_p_holm <= ALPHA) != self.differ

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval, which knows of no other pair, leaves out 0."""
        return self.interval is not None and self.interval[0] > 0


def compare(contest: Contest) -> list[Comparison]:
    """Every pair of contenders that have runs, in the order of their means, best against the next first."""
    values = {c.name: v for c in contest.contenders if (v := c.values(contest.metric))}
    return compare_values(values, contest.metric)


def compare_values(values: dict[str, dict[int, float]], metric: Metric) -> list[Comparison]:
    """Every pair of named samples, each a value a seed."""
    pairs = [_pair(a, values[a], b, values[b], metric) for a, b in combinations(values, 2)]
    return _decide(pairs)


def _pair(a: str, of_a: dict[int, float], b: str, of_b: dict[int, float], metric: Metric) -> Comparison:
    shared = sorted(of_a.keys() & of_b.keys())
    paired = len(shared) >= 2
    x, y = np.array(list(of_a.values())) * metric.sign, np.array(list(of_b.values())) * metric.sign
    if paired:
        left, right = (np.array([of[seed] for seed in shared]) * metric.sign for of in (of_a, of_b))
    else:
        left, right = x, y
    if left.mean() < right.mean():
        return _pair(b, of_b, a, of_a, metric)
    n = len(shared) if paired else min(len(x), len(y))
    d = left - right if paired else np.empty(0)
    interval = statistics.mean_interval(d) if paired else statistics.difference_interval(x, y)
    return Comparison(
        better=a,
        worse=b,
        n=n,
        paired=paired,
        difference=float(left.mean() - right.mean()),
        interval=metric.clip(interval, least=-1.0),
        sd=statistics.believed_sd(left, right, paired=paired, resolution=metric.resolution),
        freedom=statistics.believed_freedom(left, right, paired=paired) if min(len(left), len(right)) > 1 else 1.0,
        unpaired_difference=float(x.mean() - y.mean()),
        unpaired_interval=metric.clip(statistics.difference_interval(x, y), least=-1.0),
        improvement=statistics.probability_of_improvement(x, y),
        t_p=statistics.t_test(left, right, paired=paired, resolution=metric.resolution),
        sign_flip_p=statistics.sign_flip(d) if paired else None,
        wilcoxon_p=statistics.wilcoxon(d) if paired else None,
    )


def _decide(pairs: list[Comparison]) -> list[Comparison]:
    t = statistics.holm([pair.t_p for pair in pairs])
    flip = statistics.holm([1.0 if pair.sign_flip_p is None else pair.sign_flip_p for pair in pairs])
    rank = statistics.holm([1.0 if pair.wilcoxon_p is None else pair.wilcoxon_p for pair in pairs])
    decided = []
    for index, pair in enumerate(pairs):
        needed, ends, differ = None, None, pair.n >= LEAST_SEEDS and t[index] <= ALPHA
        if pair.sd is not None:
            gap, sd, level = pair.difference, pair.sd, ALPHA / len(pairs)
            needed = statistics.seeds_needed(gap, sd, level, paired=pair.paired)
            ends = statistics.seeds_range(gap, sd, pair.freedom, level, paired=pair.paired)
        if not differ:  # Welch's freedom is less than the plan's where one sample is larger
            needed = None if needed is None else max(needed, pair.n + 1)
            ends = None if ends is None else (max(ends[0], pair.n + 1), ends[1] and max(ends[1], pair.n + 1))
        decided.append(
            replace(
                pair,
                t_p_holm=t[index],
                sign_flip_p_holm=None if pair.sign_flip_p is None else flip[index],
                wilcoxon_p_holm=None if pair.wilcoxon_p is None else rank[index],
                differ=differ,
                seeds_needed=needed,
                seeds_range=ends,
                family=len(pairs),
            )
        )
    return decided


def find(comparisons: Sequence[Comparison], a: str, b: str) -> Comparison | None:
    """The comparison of two contenders, whichever is better."""
    return next((c for c in comparisons if {c.better, c.worse} == {a, b}), None)


def letters(names: Sequence[str], comparisons: Sequence[Comparison]) -> dict[str, str]:
    """A compact letter display: two names share a letter exactly when they cannot be told apart."""
    differ = {(c.better, c.worse): c.differ for c in comparisons}
    shown = dict.fromkeys(names, "")
    for index, group in enumerate(statistics.groups(names, differ)):
        for name in group:
            shown[name] += LETTERS[index] if index < len(LETTERS) else f"({index + 1})"  # none stands for two groups
    return shown
