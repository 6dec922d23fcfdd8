"""The end of a sweep in the terminal: one row a configuration, the verdict below it, the report's path."""

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from optlab.analysis.build import Summary
from optlab.analysis.judge.contest import Contest
from optlab.analysis.judge.verdict import Verdict
from optlab.analysis.show.colors import color
from optlab.analysis.show.tables import configuration_row
from optlab.record import shortest
from optlab.rules.words import plural

MOST_ROWS = 40  # of a contest; above, only the chosen configurations


def print_table(summary: Summary, console: Console | None = None, *, problems: bool = False) -> None:
    """Print what a sweep came to: a table a setting, the verdict, and where the report lies.

    With `problems`, also a line for each run that failed and each folder that could not be read.
    """
    console = console or Console(highlight=False)
    for contest, verdict in zip(summary.contests, summary.verdicts, strict=True):
        console.print(table_of(contest))
        console.print(words_of(verdict))
    if problems:
        console.print(problems_of(summary))
    counts = ", ".join(f"{n} {status}" for status, n in summary.counts.items() if n)
    console.print(f"{plural(len(summary.runs.runs), 'run')}: {counts}")
    console.print(f"report  {shortest(summary.report)}", soft_wrap=True)


def table_of(contest: Contest) -> Table:
    """One row a configuration, best optimizer first; the chosen one of each in bold with a star."""
    entries = [(c, x) for c in contest.contenders for x in c.tried]
    note = None
    if len(entries) > MOST_ROWS:
        note = f"the chosen of {len(entries)} configurations; runs.csv has every run"
        entries = [(c, x) for c, x in entries if x is c.chosen]
    rows = [configuration_row(contest, c, x) for c, x in entries]
    names = headings(contest)
    empty = {i for i, name in enumerate(names) if {row[i].text for row in rows} <= {"", "0", "–"}}
    if len({c.schedule for c, _ in entries}) == 1:
        empty.add(names.index("schedule"))
    if contest.metric.name == contest.selection.name and not contest.confirmed:
        empty |= {len(names) - 2, len(names) - 1}  # it would be said twice
    table = Table(
        title=contest.label,
        title_justify="left",
        title_style="bold",
        caption=note,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for i, name in enumerate(names):
        if i not in empty:
            left = name in ("optimizer", "schedule", "other", "")
            table.add_column(name, justify="left" if left else "right", no_wrap=name != "other")
    previous = ""
    for (contender, configuration), row in zip(entries, rows, strict=True):
        texts = [Text("" if cell.text == "0" else cell.text) for cell in row]
        texts[0] = Text.assemble(("● ", color(contender.optimizer)), contender.optimizer)
        if previous and previous != contender.name and note is None:
            table.add_section()
        previous = contender.name
        shown = [text for i, text in enumerate(texts) if i not in empty]
        table.add_row(*shown, style="bold" if configuration is contender.chosen else "")
    return table


def headings(contest: Contest) -> list[str]:
    """The headings of `configuration_row`, short enough for 80 columns."""
    tuned, final = (f"{m.name} %" if m.is_share else m.name for m in (contest.selection, contest.metric))
    return ["optimizer", "schedule", "lr", "other", tuned, "n", "diverged", "failed", "left", "", final, "n"]


def words_of(verdict: Verdict) -> RenderableType:
    lines: list[RenderableType] = [Text(verdict.headline, style="bold")]
    lines += [Text(sentence) for sentence in verdict.sentences]
    lines += [Text.assemble(("! ", "bold yellow"), warning) for warning in verdict.warnings]
    return Padding(Group(*lines), (1, 0))


def problems_of(summary: Summary) -> RenderableType:
    lines = [Text.assemble(("failed   ", "bold red"), line) for _, line in summary.runs.failures()]
    lines += [Text.assemble(("skipped  ", "bold yellow"), line) for line in summary.runs.skipped]
    return Group(*lines)
