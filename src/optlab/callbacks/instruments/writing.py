"""Keeping what was measured: `instruments.csv` in the run folder, and the loggers."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from lightning.pytorch.loggers import Logger

from optlab.record import cannot_write, write_whole
from optlab.rules.instruments import INSTRUMENTS_FILE, Row, logged_name, parse, text_of

log = logging.getLogger(__name__)


class Pages:
    """The rows of a run, as text in the file and in each checkpoint, so that a run that goes on keeps them."""

    def __init__(self) -> None:
        self.folder: Path | None = None  # None: written nowhere
        self.text = text_of([])  # one text: a checkpoint takes many lines in many times the time

    def begin(self) -> None:
        """Write the file anew, with the rows of the epochs before where the run goes on.

        Raises:
            UserError: the folder cannot be written (full, read-only).
        """
        if self.folder is not None:
            write_whole(self.folder / INSTRUMENTS_FILE, self.text)

    def add(self, rows: Sequence[Row]) -> None:
        """Append rows; raises UserError where the folder cannot be written."""
        text = text_of(rows, header=False)
        self.text += text
        if self.folder is None:
            return
        path = self.folder / INSTRUMENTS_FILE
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise cannot_write(path, error) from error

    def take_over(self, text: object) -> None:
        """Begin with the rows that a checkpoint holds, in today's columns."""
        try:
            rows = parse(str(text))
        except ValueError as error:
            log.warning("instruments: those of the epochs before are left out, the checkpoint's are damaged: %s", error)
            return
        self.text = text_of(rows)


def show(loggers: Iterable[Logger], rows: Sequence[Row]) -> None:
    """Give the trackers every value that there is, at its step."""
    values = {
        logged_name(quantity, row.layer): value
        for row in rows
        for quantity, value in row.values.items()
        if value is not None
    }
    for logger in loggers:
        logger.log_metrics(values, step=rows[0].step)
