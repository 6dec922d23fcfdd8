"""Figures: each described once (`curves`, `outcome`, `search`), and drawn from that on the page and as pictures.

To add one, write a function that describes it and name it in `FIGURES`, or in `ACROSS` if it is of several settings.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from optlab.analysis.show.figures import curves, outcome, search
from optlab.analysis.show.figures.description import Figure
from optlab.analysis.show.figures.subject import Subject
from optlab.analysis.show.summary import Summary

FIGURES: list[Callable[[Subject], Figure | None]] = [
    curves.learning_curves,
    outcome.final_per_seed,
    outcome.differences,
    search.lr_sensitivity,
    search.best_against_budget,
    curves.time_to_target,
    outcome.generalisation_gap,
]
ACROSS: list[Callable[[Sequence[Subject]], Figure | None]] = [outcome.performance_profile]


@dataclass(frozen=True)
class Described:
    """The figures of a summary: those of each contest, in their order, and those over all of them."""

    of_contests: list[list[Figure]]
    across: list[Figure]


def describe(summary: Summary) -> Described:
    """Every figure that the runs have numbers for."""
    each = zip(summary.contests, summary.verdicts, summary.published, strict=True)
    subjects = [Subject(*one, summary.palette) for one in each]
    return Described([figures_of(subject) for subject in subjects], figures_across(subjects))


def figures_of(subject: Subject) -> list[Figure]:
    """The figures of one setting that its runs have numbers for."""
    return [figure for draw in FIGURES if (figure := draw(subject)) is not None]


def figures_across(subjects: Sequence[Subject]) -> list[Figure]:
    """The figures over several settings; none for one."""
    return [figure for draw in ACROSS if (figure := draw(subjects)) is not None]
