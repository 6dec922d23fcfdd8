"""Figures: each described once (`curves`, `outcome`, `search`), and drawn from that on the page and as pictures.

To add one, write a function that describes it and name it in `FIGURES`, or in `ACROSS` if it is of several settings.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from optlab.analysis.show.figures import curves, instruments, outcome, parallel, search, sensitivity
from optlab.analysis.show.figures.description import Figure
from optlab.analysis.show.figures.subject import Subject
from optlab.analysis.show.summary import Summary
from optlab.rules.words import slug

FIGURES: list[Callable[[Subject], Figure | None]] = [
    curves.learning_curves,
    outcome.final_per_seed,
    outcome.differences,
    sensitivity.lr_sensitivity,
    sensitivity.key_sensitivity,
    search.best_against_budget,
    parallel.importance,
    parallel.parallel_coordinates,
    curves.time_to_target,
    outcome.generalisation_gap,
    instruments.over_training,
    instruments.by_layer,
]
LONGEST_NAME = 100  # bytes of a setting in a file's name; a file system takes 255 with what stands behind it
ACROSS: list[Callable[[Sequence[Subject]], Figure | None]] = [
    outcome.performance_profile,
    sensitivity.setting_sensitivity,
]


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


def named(figures: Described, labels: Sequence[str]) -> list[tuple[int | None, Figure, str, Figure]]:
    """Each picture: the number of its setting (None: of all), its figure, its file's name without suffix, and itself.

    Where there are several settings, the names of files begin with their labels.
    """
    prefixes = [f"{name}-" for name in file_names(labels)] if len(labels) > 1 else [""] * len(labels)
    pairs = zip(prefixes, figures.of_contests, strict=True)
    found: list[tuple[int | None, Figure, str, Figure]] = []
    for index, (prefix, of) in enumerate(pairs):
        found += [(index, figure, prefix + each.file, each) for figure in of for each in figure.pictures()]
    return found + [(None, figure, each.file, each) for figure in figures.across for each in figure.pictures()]


def file_names(labels: Sequence[str]) -> list[str]:
    """A file name for each setting, at most 100 bytes; equal ones are numbered."""
    found: list[str] = []
    for label in labels:
        name = cut = slug(label).encode()[:LONGEST_NAME].decode(errors="ignore") or "setting"
        number = 1
        while name in found:
            number += 1
            name = f"{cut}-{number}"
        found.append(name)
    return found
