"""Figures: each described once (`outcome`, `search`), and drawn on the page and as pictures from that description.

To add one, write a function that describes it and name it in `FIGURES`, or in `ACROSS` if it is of several settings.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from optlab.analysis.judge.contest import Contest
from optlab.analysis.judge.verdict import Verdict
from optlab.analysis.read.published import Published
from optlab.analysis.show.figures import outcome, search
from optlab.analysis.show.figures.description import Figure
from optlab.analysis.show.summary import Summary

FIGURES: list[Callable[[Contest, Verdict, Published | None], Figure | None]] = [
    outcome.learning_curves,
    outcome.final_per_seed,
    outcome.differences,
    search.lr_sensitivity,
    search.best_against_budget,
    outcome.time_to_target,
    outcome.generalisation_gap,
]
ACROSS: list[Callable[[Sequence[Contest]], Figure | None]] = [outcome.performance_profile]


@dataclass(frozen=True)
class Described:
    """The figures of a summary: those of each contest, in their order, and those over all of them."""

    of_contests: list[list[Figure]]
    across: list[Figure]


def describe(summary: Summary) -> Described:
    """Every figure that the runs have numbers for."""
    each = zip(summary.contests, summary.verdicts, summary.published, strict=True)
    return Described([figures_of(*one) for one in each], figures_across(summary.contests))


def figures_of(contest: Contest, verdict: Verdict, published: Published | None = None) -> list[Figure]:
    """The figures of one contest that its runs have numbers for."""
    return [figure for draw in FIGURES if (figure := draw(contest, verdict, published)) is not None]


def figures_across(contests: Sequence[Contest]) -> list[Figure]:
    """The figures over several contests; none for one."""
    return [figure for draw in ACROSS if (figure := draw(contests)) is not None]
