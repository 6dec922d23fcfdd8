"""What runs came to, as objects: `optlab.read(FOLDER)` gives frames, the verdict and figures. Needs no torch.

The numbers are those of the report, by the same functions.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from optlab.analysis.build import check_ours, judged, static_tables, write
from optlab.analysis.judge.verdict import Verdict as Judged
from optlab.analysis.read.runs import read_runs
from optlab.analysis.show.figures import describe, named
from optlab.analysis.show.summary import Summary, described, without_arrays
from optlab.analysis.show.tables import tables_of
from optlab.analysis.show.tables.table import Table
from optlab.analysis.show.tables.write import latex, markdown
from optlab.api import frames
from optlab.errors import UserError
from optlab.record import finite, shortest
from optlab.rules.nearest import nearest
from optlab.rules.words import plural

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def read(
    *folders: Path | str | Iterable[Path | str],
    metric: str | None = None,
    target: float | None = None,
    reference: Path | str | None = None,
) -> "Results":
    """The runs in some folders, as frames and with their verdict; nothing is written.

    Args:
        folders: sweeps, single runs, or folders that hold some; those of one setting are compared together.
        metric: what to judge by, like `val/acc`; without it what the runs say, on the test split where all have it.
        target: the value of time-to-target, in the metric's own unit (0.9 for 90 %).
        reference: published curves to draw behind the learning curves: a CSV file, or the name of shipped ones.

    Raises:
        UserError: no folder was named, one does not exist or holds no run, or no run has the metric.
    """
    if wrong := [each for each in folders if not isinstance(each, (str, Path, Iterable))]:
        raise UserError(f"read({wrong[0]!r}): is no folder; type optlab.read('outputs/sweeps/first')")
    places = [Path(each) for one in folders for each in ([one] if isinstance(one, (str, Path)) else one)]
    if not places:
        raise UserError("read(): names no folder; type optlab.read('outputs/sweeps/first')")
    for place in places:
        check_exists(place)
    return Results(judged(read_runs(places), metric=metric, target=target, reference=reference))


def check_exists(folder: Path) -> None:
    """Raise UserError where there is no such folder, with the name of one that is meant."""
    if folder.is_dir():
        return
    beside = [folder.parent, Path("outputs", "sweeps"), Path("outputs", "runs")]
    found = [path for parent in beside if parent.is_dir() for path in parent.iterdir() if path.is_dir()]
    by_name = {path.name: path for path in reversed(found)}
    close = nearest(folder.name, by_name)
    hint = f"did you mean {by_name[close[0]]}?" if close else "name a run or a sweep, as in outputs/sweeps/first"
    raise UserError(f"{folder}: there is no such folder; {hint}")


class Results:
    """Runs, and what they show. The frames are made when they are asked for; docs/api.md describes every column.

    Attributes:
        runs: a row a run.
        curves: long form, a row for each run, metric and epoch.
        advice: a row for each piece of advice that a run's instruments gave.
        configurations: a row for each choice of hyperparameters, over its seeds.
        comparisons: a row for each pair of contenders.
        verdict: what may be concluded, as text and as data.
    """

    def __init__(self, summary: Summary) -> None:
        self._summary = summary

    @cached_property
    def runs(self) -> pd.DataFrame:
        return frames.runs_frame(self._summary.runs.runs, self._summary.contests)

    @cached_property
    def curves(self) -> pd.DataFrame:
        return frames.curves_frame(self._summary.runs.runs)

    @cached_property
    def advice(self) -> pd.DataFrame:
        return frames.advice_frame(self._summary.runs.runs)

    @cached_property
    def configurations(self) -> pd.DataFrame:
        return frames.configurations_frame(self._summary.contests)

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        return frames.comparisons_frame(self._summary.verdicts)

    @cached_property
    def verdict(self) -> "Verdict":
        return Verdict(self._summary)

    @property
    def folders(self) -> list[Path]:
        """The folders that were read."""
        return list(self._summary.runs.folders)

    @property
    def counts(self) -> dict[str, int]:
        """Number of runs by status."""
        return self._summary.counts

    @property
    def skipped(self) -> list[str]:
        """A line for each folder that could not be read."""
        return [str(each) for each in self._summary.runs.skipped]

    # -- figures and tables

    @cached_property
    def figures(self) -> dict[str, str]:
        """The names of the figures that these runs have numbers for, each with its title."""
        return {name: figure.title for name, figure in self._figures.items()}

    def figure(self, name: str = "learning_curves") -> "Figure":
        """One figure, as the report has it, by Matplotlib: `.savefig("curves.pdf")` writes it for a paper.

        Raises:
            UserError: there is no figure of this name; see `figures`.
        """
        from optlab.analysis.show.figures.to_matplotlib import picture_of

        known = self._figures
        if name not in known:
            inside = [each for each in known if name in each]
            close = inside[:1] or nearest(name, known)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise UserError(f"figure({name!r}): there is no such figure; known: {', '.join(known)}{hint}")
        return picture_of(known[name])

    @cached_property
    def _figures(self) -> Mapping[str, Any]:
        from optlab.analysis.show.figures.to_matplotlib import grid

        labels = [contest.label for contest in self._summary.contests]
        return {name: each for _, _, name, each in named(describe(self._summary), labels) if grid(each)}

    def latex(self) -> str:
        """The report's tables for LaTeX (booktabs), as in its tables.tex."""
        return latex(self._tables)

    def markdown(self) -> str:
        """The report's tables in GitHub's Markdown, as in its tables.md."""
        return markdown(self._tables)

    @property
    def _tables(self) -> list[Table]:
        return static_tables(self._summary)

    def report(self, out: Path | str | None = None, *, figures: bool = True, pdf: bool = False) -> Path:
        """Write the report with its tables and figures, as `optlab report FOLDER` does; returns the page's path.

        Args:
            out: where to; without it the sweep's own folder, or outputs/reports/<names>.
            pdf: figures as PDF too.
        """
        summary = self._summary if out is None else self._summary.written_to(Path(out))
        check_ours(summary.folder)
        write(summary, figures=figures, pdf=pdf)
        return summary.report

    # -- as text

    def __str__(self) -> str:
        return f"{self._head()}\n\n{self.verdict}"

    def __repr__(self) -> str:
        return f"<optlab.Results: {self._head()}>"

    def _head(self) -> str:
        counts = ", ".join(f"{n:,} {status}" for status, n in self.counts.items() if n)
        where = ", ".join(str(shortest(folder)) for folder in self.folders)
        return f"{plural(len(self._summary.runs.runs), 'run')} ({counts}) of {where}"

    def _repr_html_(self) -> str:
        tables = []
        for contest, verdict in zip(self._summary.contests, self._summary.verdicts, strict=True):
            first = tables_of(contest, verdict, self._summary.relative, several=False)[:1]
            tables += [as_html(table) for table in first]
        return f"<p>{escape(self._head())}</p>{''.join(tables)}{self.verdict._repr_html_()}"


class Verdict:
    """What may be concluded: `str()` is the report's text.

    Attributes:
        data: for each setting what summary.json says: conclusion, qualifiers, sentences, warnings, groups, standings,
            comparisons, importance.
    """

    def __init__(self, summary: Summary) -> None:
        self._verdicts = summary.verdicts
        self._data = [finite(without_arrays(described(verdict, summary))) for verdict in summary.verdicts]

    @property
    def data(self) -> list[dict[str, Any]]:
        return self._data

    @property
    def conclusion(self) -> str:
        """One sentence a setting, the first line of its verdict."""
        return "\n".join(verdict.conclusion for verdict in self._verdicts)

    @property
    def groups(self) -> list[list[list[str]]]:
        """For each setting the groups of contenders that cannot be told apart."""
        return [verdict.groups for verdict in self._verdicts]

    def __str__(self) -> str:
        return "\n\n".join("\n".join(self._lines(verdict)) for verdict in self._verdicts)

    def _lines(self, verdict: Judged) -> list[str]:
        head = [f"{verdict.label}:"] if len(self._verdicts) > 1 else []
        warnings = [f"! {warning}" for warning in verdict.said_once]
        return [*head, verdict.conclusion, *map(str, verdict.qualifiers), *verdict.sentences, *warnings]

    def __repr__(self) -> str:
        return f"<optlab.Verdict: {' / '.join(verdict.conclusion for verdict in self._verdicts)}>"

    def _repr_html_(self) -> str:
        parts = []
        for verdict in self._verdicts:
            head = f"<p><b>{escape(verdict.label)}</b></p>" if len(self._verdicts) > 1 else ""
            first = " ".join([f"<b>{escape(verdict.conclusion)}</b>", *(escape(str(q)) for q in verdict.qualifiers)])
            more = "".join(f"<li>{escape(line)}</li>" for line in verdict.sentences)
            more += "".join(f"<li>⚠ {escape(str(warning))}</li>" for warning in verdict.said_once)
            parts.append(f"{head}<p>{first}</p>" + (f"<ul>{more}</ul>" if more else ""))
        return "".join(parts)


def as_html(table: Table) -> str:
    """A table of the report as a notebook shows it: no style of its own."""

    def row(texts: Sequence[str], tag: str) -> str:
        lefts = ["left" if column.left else "right" for column in table.headed]
        cells = (f"<{tag} style='text-align:{left}'>{escape(t)}</{tag}>" for t, left in zip(texts, lefts, strict=True))
        return f"<tr>{''.join(cells)}</tr>"

    head = row([column.heading or "" for column in table.headed], "th")
    body = "".join(row([each.cells[column.name].text for column in table.headed], "td") for each in table.rows)
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"
