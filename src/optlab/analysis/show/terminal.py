"""The end of a sweep in the terminal: one row a configuration, the verdict below it, the report's path."""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from optlab.analysis.judge.contest import Contest
from optlab.analysis.judge.verdict import Verdict
from optlab.analysis.show.colors import Palette
from optlab.analysis.show.summary import Summary
from optlab.analysis.show.tables.table import Cell, Column, Row
from optlab.analysis.show.tables.tried import configurations
from optlab.record import shortest
from optlab.rules.words import plural

MOST_ROWS = 40  # of a contest; above, only the chosen configurations


def print_table(
    summary: Summary, console: Console | None = None, *, problems: bool = False, written: bool = True
) -> None:
    """Print what a sweep came to: a table a setting, the verdict, and where the report lies.

    With `problems`, also a line for each run that failed and each folder that could not be read.
    """
    console = console or Console(highlight=False)
    for contest, verdict in zip(summary.contests, summary.verdicts, strict=True):
        console.print(table_of(contest, summary.palette))
        console.print(words_of(verdict))
    if problems:
        console.print(problems_of(summary))
    counts = ", ".join(f"{n} {status}" for status, n in summary.counts.items() if n)
    here, to_come = len(summary.runs.runs), summary.runs.to_come
    runs = f"{here} of {plural(here + to_come, 'planned run')}" if to_come else plural(here, "run")
    console.print(f"{runs}: {counts}")
    if written:
        console.print(f"report  {shortest(summary.report)}", soft_wrap=True, markup=False)


def table_of(contest: Contest, palette: Palette) -> Table:
    """One row a configuration, best optimizer first; the chosen one of each in bold with a star."""
    table = configurations(contest)
    rows, note = table.rows, None
    if len(rows) > MOST_ROWS:
        note = f"the chosen of {len(rows)} configurations; runs.csv has every run"
        rows = [row for row in rows if row.strong]
    columns = [column for column in table.columns if worth_showing(column, rows, contest)]
    drawn = Table(
        title=Text(contest.label),
        title_justify="left",
        title_style="bold",
        caption=note,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in columns:
        drawn.add_column(column.brief or "", justify="left" if column.left else "right", no_wrap=not column.wraps)
    previous = ""
    for row in rows:
        contender = row.cells["optimizer"].contender
        if previous and previous != contender and note is None:
            drawn.add_section()
        previous = contender
        texts = [text_of(row.cells[column.name], contest, palette) for column in columns]
        drawn.add_row(*texts, style="bold" if row.strong else "")
    return drawn


def worth_showing(column: Column[Any], rows: Sequence[Row], contest: Contest) -> bool:
    """Whether a column says anything: not where it is empty, all the same schedule, or what another says already."""
    texts = {row.cells[column.name].text for row in rows}
    if column.brief is None or texts <= {"", "0", "–"}:
        return False
    if column.name == "schedule":
        return len(texts) > 1
    said_twice = contest.metric.name == contest.selection.name and not contest.confirmed
    return not (said_twice and column.name in ("final", "final_n"))


def text_of(cell: Cell, contest: Contest, palette: Palette) -> Text:
    """A cell, with its contender's marker in its colour before it; a zero is left empty."""
    if cell.contender:
        optimizer = contest.contender(cell.contender).optimizer
        return Text.assemble((f"{palette.glyph(optimizer)} ", palette.color(optimizer)), cell.text)
    return Text("" if cell.text == "0" else cell.text)


def words_of(verdict: Verdict) -> RenderableType:
    lines: list[RenderableType] = [Text(verdict.conclusion, style="bold")]
    lines += [Text(str(said), style="bold yellow") for said in verdict.qualifiers]
    lines += [Text(sentence) for sentence in verdict.sentences]
    lines += [Text.assemble(("! ", "bold yellow"), str(warning)) for warning in verdict.said_once]
    return Padding(Group(*lines), (1, 0))


def problems_of(summary: Summary) -> RenderableType:
    lines = [Text.assemble(("failed   ", "bold red"), line) for _, line in summary.runs.failures()]
    lines += [Text.assemble(("skipped  ", "bold yellow"), str(line)) for line in summary.runs.skipped]
    return Group(*lines)
