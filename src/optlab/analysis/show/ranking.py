"""The ranking on top of the page: each contender's seeds, mean and interval on one scale."""

import math
from dataclasses import dataclass

from optlab.analysis.judge.contest import Contest
from optlab.analysis.judge.verdict import Verdict
from optlab.analysis.show.colors import Palette, dash
from optlab.analysis.show.tables.text import plus_minus
from optlab.rules.words import plural


@dataclass(frozen=True)
class Track:
    """One contender's line in the ranking: places are percent of the shared scale."""

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


def tracks(contest: Contest, verdict: Verdict, palette: Palette) -> list[Track]:
    """The ranking: each contender's seeds, mean and interval on one scale."""
    low, high = scale(contest, verdict)
    metric = verdict.metric

    def place(value: float) -> float:
        return round(100 * min(1.0, max(0.0, (value - low) / (high - low))), 2)

    found = []
    for s in verdict.standings:
        values = contest.contender(s.name).values(metric)
        notes = [f"{s.diverged} diverged"] if s.diverged else []
        score, _, sd = plus_minus(metric, s.final, s.diverged).partition(" ± ")
        notes += [plural(s.final.n, "seed")] if s.final.n else ["no run is over"]
        found.append(
            Track(
                name=s.name,
                color=palette.color(s.optimizer),
                dash=dash(s.schedule),
                configuration=s.configuration,
                score=score,
                sd=sd,
                letters=s.letters,
                mean=None if s.final.mean is None else place(s.final.mean),
                low=place(s.interval[0]) if s.interval else None,
                high=place(s.interval[1]) if s.interval else None,
                seeds=[(place(value), f"seed {seed}: {metric.text(value)}") for seed, value in values.items()],
                note=", ".join(reversed(notes)),
            )
        )
    return found


def scale(contest: Contest, verdict: Verdict) -> tuple[float, float]:
    """The range of the ranking: every seed and interval end, with a margin; far outliers are cut off at its end."""
    metric = verdict.metric
    values = [v for s in verdict.standings for v in contest.contender(s.name).values(metric).values()]
    ends = [end for s in verdict.standings if s.interval for end in s.interval]
    inside = [s.final.median for s in verdict.standings if s.final.median is not None]
    if not inside:
        return 0.0, 1.0
    reach = 3 * (max(inside) - min(inside)) or max(values) - min(values) or abs(inside[0]) or 1.0
    low = max(min([*values, *ends]), min(inside) - reach)
    high = min(max([*values, *ends]), max(inside) + reach)
    margin = 0.04 * (high - low) or 0.01
    return low - margin, high + margin


def axis_ticks(contest: Contest, verdict: Verdict) -> list[tuple[float, str]]:
    """Round numbers on the ranking's scale, two to seven: place in percent and text in the unit shown."""
    low, high = (end * verdict.metric.scale for end in scale(contest, verdict))
    power = 10.0 ** math.floor(math.log10((high - low) / 6))
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= (high - low) / 6)
    values = [n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [(round(100 * (value - low) / (high - low), 2), f"{value:.{digits}f}") for value in values]
