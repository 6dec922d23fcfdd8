"""A sweep of one optimizer: which of its configurations is best, and how sure that is."""

from dataclasses import dataclass

import numpy as np

from optlab.analysis.judge import statistics
from optlab.analysis.judge.contest import Configuration, Contender
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.statistics import ALPHA, LEAST_SEEDS, Interval
from optlab.rules.messages import phrase
from optlab.rules.words import enumerated, plural

SHOWN = 4  # names in a sentence; above, their number


@dataclass(frozen=True)
class Rival:
    """A configuration beside the chosen one: how far behind on the metric that was chosen by, and whether for sure."""

    configuration: Configuration
    behind: float
    interval: Interval | None
    differs: bool
    n: int


def rivals(contender: Contender, metric: Metric) -> list[Rival]:
    """Every other configuration that could have been chosen, the nearest first.

    One differs where the t-test says so at 5 % over their number. That is enough although the best was picked by the
    same numbers: to drop the one that is truly best, one of its own comparisons with the others must go wrong, and of
    those there are as many (J. C. Hsu, "Constrained simultaneous confidence intervals for multiple comparisons with
    the best", Annals of Statistics 12, 1984).
    """
    chosen = contender.chosen
    if chosen is None:
        return []
    best = chosen.tuning_values(metric)
    others = [(c, values) for c in contender.judged if c is not chosen and (values := c.tuning_values(metric))]
    found = []
    for configuration, values in others:
        shared = sorted(best.keys() & values.keys())
        paired = len(shared) >= 2
        a, b = (
            metric.sign * np.array([of[seed] for seed in shared] if paired else list(of.values()))
            for of in (best, values)
        )
        n = min(len(a), len(b))
        p = statistics.t_test(a, b, paired=paired, resolution=metric.resolution)
        interval = statistics.mean_interval(a - b) if paired else statistics.difference_interval(a, b)
        differs = n >= LEAST_SEEDS and p * len(others) <= ALPHA
        behind = float(a.mean() - b.mean())
        found.append(Rival(configuration, behind, metric.clip(interval, least=-1.0), differs, n))
    return sorted(found, key=lambda rival: rival.behind)


def how_sure(contender: Contender, metric: Metric) -> str:
    """One sentence on the chosen configuration among those tried; "" where it was the only one."""
    found = rivals(contender, metric)
    if not found:
        return ""
    n = min(rival.n for rival in found)
    if n == 1:
        return phrase("sure_one_seed")
    alike = [rival for rival in found if not rival.differs]
    if alike:
        many = len(alike) > SHOWN
        names = phrase("others", others=len(alike)) if many else enumerated(r.configuration.label for r in alike)
        return phrase("sure_alike", metric=metric.label, names=names, seeds=plural(n, "seed"))
    first = found[0]
    interval = f" {metric.interval(first.interval)}" if first.interval else ""
    margin = f"{metric.gap(first.behind)}{interval}"
    return phrase("sure_apart", metric=metric.label, margin=margin, next=first.configuration.label)
