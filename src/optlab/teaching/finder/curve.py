"""Reading a range test: a smooth curve of the loss over the lr, and the lr that it suggests. Pure NumPy.

The loss is looked at over log10(lr), in which the steps are equally far apart. Lightning since 2.5.3 differentiates it
by the lr itself (lightning#21141): the same noise is then divided by an lr step that is smallest where the test begins,
1e-8 against 1, and the steepest "descent" is whatever noise there is among the first steps. It also smooths by a
running mean over the past, which lags: the curve falls a third of a decade after the loss does. Here a running median
takes single outliers out, and a line is fitted to the neighbours on both sides of each lr with Gaussian weights in
log10(lr) (local linear regression: W. S. Cleveland, 1979; Fan and Gijbels, 1996), which shifts no slope to the right
and has no bias at the ends.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

BANDWIDTH = 0.15  # decades, the standard deviation of the weights
FEWEST = 3.0  # steps that it is wide at least, where a decade has few
WINDOW = 5  # losses of the running median
STANDARD_ERRORS = 4.0  # that the loss must have fallen by: the lowest of many smoothed points is low by chance
LEAST_GAIN = 1e-3  # of the loss at the start, below which it did not fall
AS_LOW = 0.05  # of what the loss fell by: losses so near to the lowest count as it
BELOW = 2.0  # so many times below the lowest point's lr is the suggested one
FALLEN = 0.1  # of what the loss fell by: behind it the fall has begun
BEFORE = 0.1  # of the steps, those at the lowest lrs, that say what the loss is at the start
FEWEST_BEFORE = 10
SIGMA = 1.4826  # of a normal distribution, in median absolute deviations


@dataclass(frozen=True)
class RangeTest:
    """One range test: the losses that its steps led to.

    Attributes:
        seed: of initial weights, order and augmentation, as a run's.
        lrs: of the steps taken, of the first parameter group [steps].
        losses: mean loss of the next batch behind each step [steps]; the last one may not be finite.
        start: that of the first batch, before any step.
        ended: `high` where all lrs were tried, `diverged` or `not_finite` where it stopped before.
    """

    seed: int
    lrs: FloatArray
    losses: FloatArray
    start: float
    ended: str


@dataclass(frozen=True)
class Curve:
    """The loss over the lr, of one or of several tests; arrays [steps].

    Attributes:
        lrs: geometric, as far as at least half of the tests came.
        losses: the median over the tests; one that has stopped counts as higher than all others.
        smooth: the same without its noise.
        slope: of `smooth`, in loss per decade of lr.
        low, high: the lowest and the highest smoothed loss of a test; where one has stopped, of the others.
        start: the median loss of the first steps, at the lowest lrs of the test.
        before: how many steps these are.
        noise: standard deviation of the loss from step to step.
    """

    lrs: FloatArray
    losses: FloatArray
    smooth: FloatArray
    slope: FloatArray
    low: FloatArray
    high: FloatArray
    start: float
    before: int
    noise: float

    @property
    def gain(self) -> float:
        """How far the loss fell."""
        return self.start - float(self.smooth.min())

    @property
    def standard_error(self) -> float:
        """Of `gain`, the difference of a median and of a smoothed point; at the ends of a curve it is twice as large.

        The variance of a median is pi / 2 times that of a mean of as many samples.
        """
        weights = weights_of(np.log10(self.lrs))[int(self.smooth.argmin())]
        return self.noise * math.sqrt(math.pi / 2 * (float(np.sum(weights**2)) + 1 / self.before))

    @property
    def falls(self) -> bool:
        """Whether the loss fell by more than noise makes it fall, behind the lowest lrs."""
        least = max(STANDARD_ERRORS * self.standard_error, LEAST_GAIN * abs(self.start))
        return self.gain > least and int(self.smooth.argmin()) >= self.before


@dataclass(frozen=True)
class Suggestion:
    """An lr to begin with, and the range in which a better one is to be looked for.

    Attributes:
        lr: half of the lowest point's.
        low: a tenth of the lowest point's.
        high: the lowest point's.
        steepest: where the loss falls most per decade on its way to the lowest point; other finders suggest it.
        edge: whether the loss was still falling at the highest lr of the test.
    """

    lr: float
    low: float
    high: float
    steepest: float
    edge: bool


def curve_of(tests: Sequence[RangeTest]) -> Curve | None:
    """The curve of tests over the same lrs; None where fewer than three points of it are finite."""
    longest = max(tests, key=lambda test: len(test.lrs))
    table = np.full((len(tests), len(longest.lrs)), np.inf)  # behind its end a test is higher than all others
    for row, test in zip(table, tests, strict=True):
        there = finite_part(test.losses)
        row[: len(there)] = there
    middle = np.median(table, axis=0)
    n = len(finite_part(middle))
    if n < 3:
        return None
    lrs, losses = longest.lrs[:n], middle[:n]
    x = np.log10(lrs)
    smoothed, slope = smooth(x, losses)
    each = np.full((len(tests), n), np.nan)
    for row, losses_of in zip(each, table, strict=True):
        there = finite_part(losses_of)[:n]
        if len(there) >= 3:
            row[: len(there)] = smooth(x[: len(there)], there)[0]
    low, high = (np.where(np.isnan(each).all(0), smoothed, end) for end in (nanmin(each), nanmax(each)))
    before = min(n, max(FEWEST_BEFORE, round(BEFORE * len(longest.lrs))))
    start = float(np.median([value for test in tests for value in finite_part(test.losses)[:before]]))
    noise = SIGMA * float(np.median(np.abs(np.diff(losses)))) / np.sqrt(2)
    return Curve(lrs, losses, smoothed, slope, low, high, start, before, noise)


def finite_part(losses: FloatArray) -> FloatArray:
    """The losses before the first that is not finite."""
    broken = np.flatnonzero(~np.isfinite(losses))
    return losses[: broken[0]] if len(broken) else losses


def nanmin(table: FloatArray) -> FloatArray:
    return np.asarray(-np.max(np.where(np.isnan(table), -np.inf, -table), axis=0))


def nanmax(table: FloatArray) -> FloatArray:
    return np.asarray(np.max(np.where(np.isnan(table), -np.inf, table), axis=0))


def bandwidth(step: float) -> float:
    """In decades, where neighbouring lrs are so many decades apart."""
    return max(BANDWIDTH, FEWEST * step)


def smooth(x: FloatArray, losses: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The losses without noise, and their slope per unit of x.

    Args:
        x: log10 of the lrs, equally far apart [n], n at least 3.
        losses: finite [n].
    """
    reach = WINDOW // 2
    n = len(x)
    median = np.array([np.median(losses[max(0, i - reach) : i + reach + 1]) for i in range(n)])
    return weights_of(x) @ median, weights_of(x, slope=True) @ median


def weights_of(x: FloatArray, *, slope: bool = False) -> FloatArray:
    """By what the losses at x are multiplied and summed up, for the line at each x or for its slope [at, of]."""
    apart = x[None, :] - x[:, None]
    near = np.exp(-0.5 * (apart / bandwidth(float(x[1] - x[0]))) ** 2)
    s0, s1, s2 = (np.sum(near * apart**power, axis=1, keepdims=True) for power in (0, 1, 2))
    line = near * (s0 * apart - s1) if slope else near * (s2 - s1 * apart)
    return np.asarray(line / (s0 * s2 - s1**2))


def suggestion_of(curve: Curve) -> Suggestion | None:
    """What a curve suggests; None where the loss did not fall by more than its noise.

    The lr with the lowest loss of the test is an upper bound: the loss turns some steps after the lr has become
    unstable, and a run has to be stable to its end (Cohen et al., 2021: the loss becomes sharper while it trains). The
    best lr is "usually close to (by a factor of 2) the largest learning rate that does not cause divergence" (Y.
    Bengio, 2012, section 3.1.1), so half of it is suggested. A tenth of it is the usual lower bound (S. Gugger and J.
    Howard, fastai).
    """
    if not curve.falls:
        return None
    first, last = bottom(curve)
    lowest = math.sqrt(curve.lrs[first] * curve.lrs[last])
    edge = last == len(curve.lrs) - 1
    return Suggestion(lowest / BELOW, lowest / 10, lowest, steepest_of(curve), edge)


def steepest_of(curve: Curve) -> float:
    """The lr at which the loss falls most, within its fall to the lowest point: what lies before that is noise."""
    lowest = int(curve.smooth.argmin())
    high = np.flatnonzero(curve.smooth[:lowest] > curve.start - FALLEN * curve.gain)
    begins = int(high[-1]) if len(high) else 0
    return float(curve.lrs[begins + int(curve.slope[begins : lowest + 1].argmin())])


def bottom(curve: Curve) -> tuple[int, int]:
    """The first and the last step around the lowest loss where it is as low, but for a twentieth of what it fell by.

    Where the bottom is flat, chance alone says which of its points is the lowest.
    """
    lowest = int(curve.smooth.argmin())
    low_enough = curve.smooth - curve.smooth[lowest] <= AS_LOW * curve.gain
    above = np.flatnonzero(~low_enough)
    before, behind = above[above < lowest], above[above > lowest]
    return int(before[-1]) + 1 if len(before) else 0, int(behind[0]) - 1 if len(behind) else len(curve.lrs) - 1
