"""The ranking on top of the page: each contender's seeds, mean and interval on one scale.

Nothing is cut off in silence: the scale holds every seed and interval, or, where a few far ones would press the rest
together, what lies outside is named with its value and an arrow at the end that it lies beyond.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from optlab.analysis.judge.contest import Contest
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.verdict import Standing, Verdict
from optlab.analysis.show.colors import Palette, dash
from optlab.analysis.show.tables.text import plus_minus
from optlab.rules.words import plural

REACH = 3.0  # of the spread of the medians, and of the quartiles, is always shown
SQUEEZED = 3.0  # times that range: wider ones are cut off, with arrows
NARROWEST_SHARE = 0.002  # the smallest range shown of an accuracy: 0.2 points
NARROWEST = 0.001  # of any other metric, as a share of its largest value: below it four digits show nothing
TICKS = 6  # at most, about
LONGEST = 7  # decimals of a tick
LEAST_PLAIN = 0.01  # from here on ticks are written without a power of ten


@dataclass(frozen=True)
class Scale:
    """The range of the ranking in the metric's own unit, a margin about it included."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """In percent of the scale, at an end of it for what lies outside."""
        return round(100 * min(1.0, max(0.0, (value - self.low) / (self.high - self.low))), 2)

    def side(self, value: float) -> str:
        """`low` or `high` for what lies outside, else ""."""
        return "low" if value < self.low else "high" if value > self.high else ""


@dataclass(frozen=True)
class Track:
    """One contender's line in the ranking: places are percent of the shared scale.

    `seeds` are those inside the scale; `below` and `above` say in words what of the contender lies outside.
    """

    name: str
    color: str
    dash: str
    configuration: str
    score: str
    sd: str
    letters: str
    mean: float | None
    low: float | None
    high: float | None
    seeds: list[tuple[float, str]]
    note: str
    below: str = ""
    above: str = ""


def tracks(contest: Contest, verdict: Verdict, palette: Palette) -> list[Track]:
    """The ranking: each contender's seeds, mean and interval on one scale."""
    scale, metric = scale_of(contest, verdict), verdict.metric
    found = []
    for s in verdict.standings:
        values = contest.contender(s.name).values(metric)
        notes = [plural(s.final.n, "seed") if s.final.n else "no run is over"]
        notes += [f"{s.diverged} diverged"] if s.diverged else []
        score, _, sd = plus_minus(metric, s.final, s.diverged).partition(" ± ")
        inside = s.final.mean is not None and not scale.side(s.final.mean)
        found.append(
            Track(
                name=s.name,
                color=palette.color(s.optimizer),
                dash=dash(s.schedule),
                configuration=s.configuration,
                score=score,
                sd=sd,
                letters=s.letters,
                mean=scale.place(s.final.mean) if inside and s.final.mean is not None else None,
                low=scale.place(s.interval[0]) if s.interval else None,
                high=scale.place(s.interval[1]) if s.interval else None,
                seeds=[
                    (scale.place(value), f"seed {seed}: {metric.text(value)}")
                    for seed, value in values.items()
                    if not scale.side(value)
                ],
                note=", ".join(notes),
                below=outside("low", s, values, metric, scale),
                above=outside("high", s, values, metric, scale),
            )
        )
    return found


def outside(side: str, s: Standing, values: Mapping[int, float], metric: Metric, scale: Scale) -> str:
    """What of a contender lies beyond one end of the scale: `seed 3: 10.00, mean 81.20, interval from 44.10`."""
    said = []
    seeds = {seed: value for seed, value in values.items() if scale.side(value) == side}
    if len(seeds) == 1:
        said += [f"seed {seed}: {metric.number(value)}" for seed, value in seeds.items()]
    elif seeds:
        ends = [metric.number(end) for end in (min(seeds.values()), max(seeds.values()))]
        said.append(f"{plural(len(seeds), 'seed')}: {' to '.join(dict.fromkeys(ends))}")
    if s.final.mean is not None and scale.side(s.final.mean) == side:
        said.append(f"mean {metric.number(s.final.mean)}")
    if s.interval is not None and scale.side(s.interval[0 if side == "low" else 1]) == side:
        said.append(
            f"interval {'from' if side == 'low' else 'to'} {metric.number(s.interval[0 if side == 'low' else 1])}"
        )
    return ", ".join(said)


def scale_of(contest: Contest, verdict: Verdict) -> Scale:
    """Every seed and interval end, with a margin; where that is far wider than where most seeds lie, the latter."""
    metric = verdict.metric
    values = [v for s in verdict.standings for v in contest.contender(s.name).values(metric).values()]
    if not values:
        return Scale(0.0, 1.0)
    ends = [end for s in verdict.standings if s.interval for end in s.interval]
    low, high = min([*values, *ends]), max([*values, *ends])
    middle = [q for s in verdict.standings for q in (s.final.q1, s.final.median, s.final.q3) if q is not None]
    reach = REACH * (max(middle) - min(middle))
    core = max(low, min(middle) - reach), min(high, max(middle) + reach)
    if reach and high - low > SQUEEZED * (core[1] - core[0]):
        low, high = core
    least = NARROWEST_SHARE if metric.is_share else NARROWEST * max(abs(low), abs(high)) or 1.0
    short = max(0.0, least - (high - low)) / 2
    margin = 0.04 * (high - low + 2 * short)
    return Scale(low - short - margin, high + short + margin)


def axis_ticks(contest: Contest, verdict: Verdict) -> list[tuple[float, str]]:
    """Round numbers on the ranking's scale that the metric can take: place in percent, and text in the unit shown."""
    metric, scale = verdict.metric, scale_of(contest, verdict)
    low, high = scale.low * metric.scale, scale.high * metric.scale
    power = 10.0 ** math.floor(math.log10((high - low) / TICKS))
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= (high - low) / TICKS * (1 - 1e-9))
    values = [n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)]
    if metric.is_share:
        values = [value for value in values if -1e-9 <= value <= 100 + 1e-9]
    largest = max((abs(value) for value in values), default=0.0)
    return [(scale.place(value / metric.scale), tick(value, step, metric, largest)) for value in values]


def tick(value: float, step: float, metric: Metric, largest: float) -> str:
    """`97.5 %`, `0.012` or `2.5e12`, with no more digits than its step has; `largest` is that of all ticks."""
    exponent = math.floor(math.log10(step) + 1e-9)
    if -4 <= exponent < 5 or (-LONGEST <= exponent < 0 and largest >= LEAST_PLAIN):
        text = f"{value:.{max(0, -exponent)}f}"
    else:
        size = math.floor(math.log10(abs(value)) + 1e-9) if value else exponent
        mantissa, _, power = f"{value:.{max(0, size - exponent)}e}".partition("e")
        text = f"{mantissa}e{int(power)}" if value else "0"
    return f"{text}\u00a0%" if metric.is_share else text
