"""Figures of what was tried: sensitivity to the learning rate, and the best so far against budget."""

import numpy as np

from optlab.analysis.judge.contest import Contender
from optlab.analysis.judge.metric import Metric
from optlab.analysis.show.colors import Palette
from optlab.analysis.show.figures import series
from optlab.analysis.show.figures.description import Axis, Band, Figure, Line, Mark, Panel, Points, Span
from optlab.analysis.show.figures.marks import line_of, unit
from optlab.analysis.show.figures.subject import Subject

COSTS = {
    "trial": Axis(label="trials (configurations)", whole=True),
    "epoch": Axis(label="epochs"),
    "second": Axis(label="seconds of training"),
}


def lr_sensitivity(subject: Subject) -> Figure | None:
    """Final validation metric by learning rate; the region where runs diverged is shaded."""
    contest, palette = subject.contest, subject.palette
    metric = contest.selection
    tried = [(c, p) for c in contest.contenders if len(p := series.lr_points(c, metric)) > 1 and p[0].lr > 0]
    if not tried:
        return None
    every = [value * metric.scale for _, points in tried for p in points for value in (p.low, p.high)]
    margin = 0.05 * (max(every) - min(every)) or 1.0
    shaded = [
        Span(of=[contender.name], low=low, high=high, color=palette.color(contender.optimizer))
        for contender, points in tried
        for low, high in series.diverged_regions(points)
    ]
    return Figure(
        id="lr",
        file="lr_sensitivity",
        title="Sensitivity to the learning rate",
        note="Mean over the runs of each learning rate, the band from the lowest to the highest of them; the star was "
        "chosen. Shaded: runs diverged, and count at chance.",
        key="star: chosen; red: runs diverged",
        x={"lr": Axis(label="learning rate", log=True)},
        panels={
            metric.name: Panel(
                Axis(label=metric.axis, range=(min(every) - margin, max(every) + margin)),
                [
                    *shaded,
                    *(mark for contender, points in tried for mark in lr_marks(palette, contender, points, metric)),
                ],
            )
        },
        facets=[contender.name for contender, _ in tried],
    )


def lr_marks(palette: Palette, contender: Contender, points: list[series.LrPoint], metric: Metric) -> list[Mark]:
    """The mean by learning rate, the spread behind it, and a star on what was chosen."""
    x = [p.lr for p in points]
    low, mean, high = (np.array([getattr(p, name) for p in points]) * metric.scale for name in ("low", "mean", "high"))
    hover = [
        f"lr {p.lr:g}: {value:.4g}{unit(metric)} ({metric.number(p.low)}–{metric.number(p.high)}), "
        f"{p.runs} runs, {p.diverged} diverged"
        for p, value in zip(points, mean, strict=True)
    ]
    chosen = [i for i, p in enumerate(points) if p.chosen]
    shade = palette.color(contender.optimizer)
    stars = Points(of=[contender.name], x=[x[i] for i in chosen], y=mean[chosen], color=shade, marker="star", size=10)
    return [
        Band(of=[contender.name], x=x, low=low, high=high, color=shade),
        line_of(palette, contender, x, mean, points=True, hover=hover),
        *([stars] if chosen else []),
    ]


def best_against_budget(subject: Subject) -> Figure | None:
    """Expected best validation metric after k trials: who wins depends on the budget."""
    contest, palette = subject.contest, subject.palette
    metric = contest.selection
    found = [s for c in contest.contenders if (s := series.search(c, metric)) is not None]
    if not found:
        return None
    return Figure(
        id="budget",
        file="best_against_budget",
        title="Best so far against budget",
        note="Expected best of k trials drawn at random from those that ran (Dodge et al. 2019): who leads depends on "
        "k.",
        x=COSTS,
        panels={
            metric.name: Panel(
                Axis(label=f"expected best {metric.axis}"),
                [search_line(palette, contest.contender(s.contender), s, metric) for s in found],
            )
        },
    )


def search_line(palette: Palette, contender: Contender, search: series.Search, metric: Metric) -> Line:
    best = search.best * metric.scale
    costs = {"trial": search.trials, "epoch": search.epochs, "second": search.seconds}
    return line_of(palette, contender, costs, best, points=True, hover=[f"{value:.4g}{unit(metric)}" for value in best])
