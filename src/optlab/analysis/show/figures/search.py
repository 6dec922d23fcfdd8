"""The figure of what a search cost: the best so far against budget."""

from optlab.analysis.judge.contest import Contender
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.qualify import some
from optlab.analysis.show.colors import Palette
from optlab.analysis.show.figures import series
from optlab.analysis.show.figures.description import Axis, Figure, Line, Panel
from optlab.analysis.show.figures.marks import about_seconds, line_of, unit
from optlab.analysis.show.figures.subject import Subject

COSTS = {
    "trial": Axis(label="trials (configurations)", whole=True),
    "epoch": Axis(label="epochs"),
    "second": Axis(label="seconds of training"),
}


def best_against_budget(subject: Subject) -> Figure | None:
    """Expected best validation metric after k trials: who wins depends on the budget."""
    contest, palette = subject.contest, subject.palette
    metric = contest.selection
    whole = [c for c in contest.contenders if not any(x.count("stopped") for x in c.tried)]  # all trials have an end
    found = [s for c in whole if (s := series.search(c, metric)) is not None]
    if not found:
        return None
    note = "Expected best of k trials drawn at random from those that ran (Dodge et al. 2019): who leads depends on k."
    names = [c.name for c in contest.contenders if c not in whole]
    without = [f"Without {some(names)}, whose trials were stopped early and have no final value."] if names else []
    return Figure(
        id="budget",
        file="best_against_budget",
        title="Best so far against budget",
        note=" ".join([note, *without, *about_seconds(subject.verdict)]),
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
