"""What a run prints when it is over: one short table, and where everything lies."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from optlab.record import RunRecord, shortest
from optlab.rules.advice.typed import command
from optlab.rules.messages import Message, language

log = logging.getLogger(__name__)

Kind = Literal["words", "progress"]
_silent: ContextVar[tuple[Kind, ...]] = ContextVar("silent", default=())

MAX_CLASSES = 20  # more of them fill screens; run.json has them all


def console_for(kind: Kind) -> Console:
    """Where a sweep speaks: of plans and results ("words"), or of how it gets on ("progress")."""
    return Console(highlight=False, quiet=kind in _silent.get())


@contextmanager
def silent(*kinds: Kind) -> Iterator[None]:
    """Keep what a sweep has to tell from being printed: a program gets it as objects."""
    token = _silent.set(kinds)
    try:
        yield
    finally:
        _silent.reset(token)


def print_result(record: RunRecord, folder: Path, console: Console | None = None) -> None:
    """The result table, a table a class where there are few, and the path of the run folder."""
    console = console or Console(highlight=False)
    console.print()
    how = f"{record.optimizer}, lr {record.lr:g}, {record.lr_schedule}, seed {record.seed}"
    title = f"{record.model} on {record.dataset}: {how}"
    print_classes(record.test, console)
    console.print(title, style="bold", soft_wrap=True)
    task = record.data.get("task")
    table = metrics_table(record.metrics, task)
    if record.best:
        best = record.best
        table.add_row(
            f"best {language.metric(best['metric'], task)}",
            f"{number(best['value'])} (epoch {best['epoch']})",
        )
    speed = record.timing.get("samples_per_second")
    if (seconds := record.timing.get("fit_seconds")) is not None:
        table.add_row("training time", f"{seconds:.1f} s" + (f", {speed:,.0f} samples/s" if speed else ""))
    console.print(table)
    if record.diverged:
        hint = "" if record.advice else f"; a smaller lr may help: optimizer.lr={record.lr / 10:g}"
        console.print(f"diverged: {record.error['message'] if record.error else ''}{hint}", soft_wrap=True)
    say_advice(record)
    for report in sorted(folder.glob("*-profile*")):  # of trainer.profiler
        console.print(f"profile     {shortest(report)}", soft_wrap=True)
    console.print(f"run folder  {shortest(folder.absolute())}", soft_wrap=True)


def say_advice(record: RunRecord) -> None:
    """A line for each piece of advice, and the command that follows it; in the run's train.log too."""
    for each in map(Message.read, record.advice or []):
        log.info("advice: %s", each)
        if typed := command(record, each):
            log.info("    %s", typed)


def print_metrics(
    title: str, metrics: Mapping[str, float | None], details: Mapping[str, Any], task: str | None = None
) -> None:
    """The table of an evaluation."""
    console = Console(highlight=False)
    print_classes(details, console)
    console.print(title, style="bold", soft_wrap=True)
    console.print(metrics_table(metrics, task))


def metrics_table(metrics: Mapping[str, float | None], task: str | None = None) -> Table:
    """A line a metric: those of the task in their order, then those of the user's own."""
    table = Table("", "value", show_header=False)
    table.columns[1].justify = "right"
    usual = [f"{part}/{kind}" for part in language.PARTS for kind in language.KINDS]
    own = [name for name in metrics if "/" in name and name not in usual]
    for name in (*usual, *own):
        if (value := metrics.get(name)) is not None:
            label = escape(language.metric(name, task))
            table.add_row(label, number(value), style="bold" if name == "test/acc" else "")
    return table


def print_classes(details: Mapping[str, Any], console: Console) -> None:
    """Of a test: a table of the classes or labels, or of the numbers that are predicted, where they are few."""
    for key, heading in (("classes", "class"), ("outputs", "output")):
        rows: dict[str, dict[str, Any]] = details.get(key, {})
        if 0 < len(rows) <= MAX_CLASSES and (key == "classes" or len(rows) > 1):
            console.print(class_table(rows, heading))
        elif key == "classes" and rows:
            console.print(f"{len(rows)} classes: precision, recall and F1 of each stand in the run's JSON file")


HEADINGS = {"f1": "F1", "iou": "IoU", "auroc": "AUROC", "ap": "average precision"}
HEADINGS |= {"r2": "R²", "mae": "MAE", "rmse": "RMSE"}


def class_table(rows: Mapping[str, Mapping[str, Any]], heading: str = "class") -> Table:
    """A line a class; the columns are those that the first of them has, the number of samples last."""
    keys = sorted(next(iter(rows.values())), key=lambda key: key == "samples")
    table = Table(heading, *(HEADINGS.get(key, key) for key in keys), title=f"test split, {heading} by {heading}")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, row in rows.items():
        table.add_row(escape(name), *(cell(row[key]) for key in keys))
    return table


def cell(value: float | int | None) -> str:
    """Three decimals; what cannot be told is a dash."""
    if value is None or value != value:
        return "–"
    return str(value) if isinstance(value, int) else number(value, 3)


def number(value: float, decimals: int = 4) -> str:
    """With that many decimals; large ones with a power of ten."""
    return f"{value:.{decimals}f}" if abs(value) < 1e4 else f"{value:.{decimals - 1}e}"
