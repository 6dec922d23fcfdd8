"""What a run prints when it is over: one short table, and where everything lies."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from optlab.record import RunRecord, shortest

NAMES = {
    "train/loss": "training loss",
    "train/acc": "training accuracy",
    "val/loss": "validation loss",
    "val/acc": "validation accuracy",
    "test/loss": "test loss",
    "test/acc": "test accuracy",
    "test/top5": "test top-5 accuracy",
    "test/f1": "test macro F1",
    "test/ece": "test calibration error",
}
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
    print_classes(record.test.get("classes", {}), console)
    console.print(title, style="bold", soft_wrap=True)
    table = metrics_table(record.metrics)
    if record.best:
        best = record.best
        table.add_row(
            f"best {NAMES.get(best['metric'], best['metric'])}",
            f"{best['value']:.4f} (epoch {best['epoch']})",
        )
    speed = record.timing.get("samples_per_second")
    if (seconds := record.timing.get("fit_seconds")) is not None:
        table.add_row("training time", f"{seconds:.1f} s" + (f", {speed:,.0f} samples/s" if speed else ""))
    console.print(table)
    if record.diverged:
        lr = f"optimizer.lr={record.lr / 10:g}"
        console.print(
            f"diverged: {record.error['message'] if record.error else ''}; a smaller lr may help: {lr}", soft_wrap=True
        )
    for report in sorted(folder.glob("*-profile*")):  # of trainer.profiler
        console.print(f"profile     {shortest(report)}", soft_wrap=True)
    console.print(f"run folder  {shortest(folder.absolute())}", soft_wrap=True)


def print_metrics(title: str, metrics: Mapping[str, float | None], details: Mapping[str, Any]) -> None:
    """The table of an evaluation."""
    console = Console(highlight=False)
    print_classes(details.get("classes", {}), console)
    console.print(title, style="bold", soft_wrap=True)
    console.print(metrics_table(metrics))


def metrics_table(metrics: Mapping[str, float | None]) -> Table:
    table = Table("", "value", show_header=False)
    table.columns[1].justify = "right"
    for name, label in NAMES.items():
        if (value := metrics.get(name)) is not None:
            table.add_row(label, f"{value:.4f}", style="bold" if name == "test/acc" else "")
    return table


def print_classes(classes: dict[str, dict[str, Any]], console: Console) -> None:
    if 0 < len(classes) <= MAX_CLASSES:
        console.print(class_table(classes))
    elif classes:
        console.print(f"{len(classes)} classes: precision, recall and F1 of each stand in the run's JSON file")


def class_table(classes: dict[str, dict[str, Any]]) -> Table:
    table = Table("class", "precision", "recall", "F1", "samples", title="test split, class by class")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, row in classes.items():
        numbers = [f"{row[key]:.3f}" for key in ("precision", "recall", "f1")]
        table.add_row(escape(name), *numbers, str(row["samples"]))
    return table
