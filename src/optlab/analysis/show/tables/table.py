"""What a table is: rows of cells under named columns. A column says everything that any output needs to know of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Entry = TypeVar("Entry")
Value = float | int | str | None


@dataclass(frozen=True)
class Cell:
    """One number or word of a table.

    Attributes:
        value: the number itself, as CSV holds it.
        text: what is shown everywhere else.
        sort: what the page sorts it by; None stands last, whichever way it is sorted.
        contender: whose colour stands before it.
        folder: of the run that it leads to, relative to the report.
        find: the words that find its runs in the table of runs.
        place: of the page that it leads to.
    """

    value: Value
    text: str
    sort: float | str | None
    contender: str = ""
    folder: str = ""
    find: str = ""
    place: str = ""


@dataclass(frozen=True)
class Column(Generic[Entry]):
    """A column, and how an entry (what one row is about) is written in it. To add a statistic, add one of these.

    Attributes:
        name: its own in the table; the header in CSV.
        heading: on the page, in Markdown and in LaTeX; None where it is for CSV alone.
        value: of an entry; None is a dash, and sorts last.
        text: what is shown of an entry; without it the value, with its thousands apart.
        sort: what the page sorts by, where that is not the value.
        brief: the heading in the terminal, where a line has 80 characters; None where it is not shown there.
        left: words stand left, numbers right.
        wraps: whether it may be broken into lines.
        contender, folder, find, place: see `Cell`.
    """

    name: str
    heading: str | None
    value: Callable[[Entry], Value]
    text: Callable[[Entry], str] | None = None
    sort: Callable[[Entry], float | str] | None = None
    brief: str | None = None
    left: bool = False
    wraps: bool = False
    contender: Callable[[Entry], str] | None = None
    folder: Callable[[Entry], str] | None = None
    find: Callable[[Entry], str] | None = None
    place: Callable[[Entry], str] | None = None

    def cell(self, entry: Entry) -> Cell:
        value = self.value(entry)
        return Cell(
            value,
            shown(value) if self.text is None else self.text(entry),
            value if value is None or self.sort is None else self.sort(entry),
            *("" if what is None else what(entry) for what in (self.contender, self.folder, self.find, self.place)),
        )


@dataclass(frozen=True)
class Row:
    """The cells of an entry by the names of their columns.

    Attributes:
        strong: whether it is marked.
        words: what it is found by, where the table can be searched.
        command: what repeats it.
    """

    cells: dict[str, Cell]
    strong: bool = False
    words: str = ""
    command: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under columns; `note` says how to read it."""

    id: str
    title: str
    columns: Sequence[Column[Any]]
    rows: Sequence[Row]
    note: str = ""

    @property
    def headed(self) -> list[Column[Any]]:
        """The columns that are shown to people."""
        return [column for column in self.columns if column.heading is not None]

    @property
    def searched(self) -> bool:
        """Whether its rows can be searched and repeated."""
        return any(row.command for row in self.rows)


def cells(columns: Sequence[Column[Entry]], entry: Entry) -> dict[str, Cell]:
    """The cells of one entry."""
    return {column.name: column.cell(entry) for column in columns}


def named(name: str, contender: Callable[[Entry], str]) -> Column[Entry]:
    """The column of a contender's name, with its colour before it."""
    return Column(name, name, contender, left=True, contender=contender)


def shown(value: Value) -> str:
    """A value as text: `1,437`, a word as it is, a dash for nothing."""
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:,}"
