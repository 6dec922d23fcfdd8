"""What a person sees while a run trains: a bar with the running loss and accuracy, and a line an epoch."""

import time
from typing import Annotated, Any

from lightning import Callback, LightningModule, Trainer
from pydantic import Field
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from optlab import notebook
from optlab.adapters.lightning import callback_of, ends
from optlab.callbacks.recorder import Recorder
from optlab.record import Row
from optlab.run_module import state_of

SECONDS_BETWEEN_LOOKS = 0.25  # each look reads the sums back from the device, and drawing takes time


class Progress(Callback):
    """A bar on a terminal and in a notebook; everywhere a table that grows by a line an epoch.

    Args:
        bar: show the bar (on a terminal only).
        table: print a line an epoch.
        every_n_epochs: epochs between two lines; the last one always has its own.
    """

    every_batch = False  # the engine may take several steps between two calls

    def __init__(self, bar: bool = True, table: bool = True, every_n_epochs: Annotated[int, Field(ge=1)] = 1) -> None:
        self.every_n_epochs = every_n_epochs
        self.console = Console(highlight=False)
        self.bar = bar
        self.table = table
        self._live: Bar | notebook.NotebookBar | None = None
        self._looked = 0.0
        self._printed = 0.0
        self._lines: list[Text] = []
        self._columns: list[str] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        if self.bar and notebook.is_here():
            self.begin(notebook.NotebookBar(), trainer)
        elif self.bar and self.console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[running]}"),
            )
            # Drawn at each look and at no other time: a thread of rich's own would take turns with the training.
            bar = Bar(*columns, TimeRemainingColumn(), console=self.console, transient=True, auto_refresh=False)
            self.begin(bar, trainer)

    def begin(self, bar: Bar | notebook.NotebookBar, trainer: Trainer) -> None:
        self._live = bar
        bar.start()
        total = int(trainer.estimated_stepping_batches)
        self._task = bar.add_task("", total=total, completed=trainer.global_step, running="")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._live is None or time.monotonic() - self._looked < SECONDS_BETWEEN_LOOKS:
            return
        self._looked = time.monotonic()
        running = "  ".join(f"{name} {mean:.4f}" for name, mean in state_of(pl_module).sums["train"].running().items())
        self._live.update(
            self._task,
            description=epoch_of(trainer),
            completed=trainer.global_step,
            running=running,
            refresh=True,
        )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        due = epoch % self.every_n_epochs == 0 or ends(trainer)
        if self.table and due and trainer.is_global_zero:
            self.add_line(callback_of(trainer, Recorder).rows[-1])
            if time.monotonic() - self._printed >= SECONDS_BETWEEN_LOOKS:
                self.print_lines()

    def add_line(self, row: Row) -> None:
        if set(row) - set(self._columns):
            self._columns = list(row)
            self._lines.append(Text("  ".join(f"{name:>{width(name)}}" for name in self._columns), style="bold"))
        self._lines.append(Text("  ".join(f"{text(name, row.get(name)):>{width(name)}}" for name in self._columns)))

    def print_lines(self) -> None:
        """Print the lines that wait: rich takes as long for one as a small network for two of its steps."""
        if self._lines:
            self.console.print(Text("\n").join(self._lines), soft_wrap=True)
            self._lines.clear()
            self._printed = time.monotonic()

    def stop(self) -> None:
        self.print_lines()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self.stop()


def epoch_of(trainer: Trainer) -> str:
    """`epoch 3/20`, or `epoch 3` where the run ends after a number of steps."""
    total = trainer.max_epochs or -1
    return f"epoch {trainer.current_epoch + 1}" + (f"/{total}" if total > 0 else "")


def width(name: str) -> int:
    return max(len(name), 9 if name not in ("epoch", "step") else 6)


def text(name: str, value: float | int | None) -> str:
    """A cell: losses and accuracies with four decimals, sums with two, the lr with three digits."""
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value)
    if name == "seconds" or "sum_of" in name:
        return f"{value:,.2f}"
    return f"{value:.3g}" if name == "lr" else f"{value:.4f}" if abs(value) < 1e4 else f"{value:.3e}"
