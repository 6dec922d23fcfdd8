"""Tables: built once from contest and verdict; written as Markdown, LaTeX and CSV, on the page and in the terminal."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from optlab.analysis.judge.contest import Contest
from optlab.analysis.judge.verdict import Verdict
from optlab.analysis.show.tables.costs import cost_table
from optlab.analysis.show.tables.instruments import advice, quantities
from optlab.analysis.show.tables.outcome import differences, standings, tuning_table
from optlab.analysis.show.tables.table import Table
from optlab.analysis.show.tables.tried import configurations, run_table


def tables_of(contest: Contest, verdict: Verdict, relative: Mapping[Path, str], *, several: bool) -> list[Table]:
    """Every table of a contest that has a row, with its setting in the title where there are several.

    Args:
        relative: where each run's folder lies, seen from the report.
    """
    drawn = [
        standings(verdict),
        differences(verdict),
        tuning_table(verdict),
        cost_table(verdict),
        advice(contest),
        quantities(contest),
        configurations(contest),
        run_table(contest, relative),
    ]
    if several:
        drawn = [replace(table, title=f"{table.title}: {verdict.label}") for table in drawn]
    return [table for table in drawn if table.rows]
