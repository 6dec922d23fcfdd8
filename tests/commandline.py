"""Typing a command in this process: what it prints and its exit code."""

import contextlib
import io
import logging
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from optlab.adapters.hydra import forget

ROOT = Path(__file__).parents[1]


class Result(NamedTuple):
    code: int
    out: str
    err: str


def command(*words: str) -> Result:
    """`python train.py WORDS` without a new process; importing torch anew costs seconds.

    A multirun that names no launcher runs its jobs in this process, too.
    """

    def main() -> None:
        runpy.run_path(str(ROOT / "train.py"), run_name="__main__")

    return in_process(main, "train.py", *here(words))


def here(words: Sequence[str]) -> list[str]:
    """The words, with the launcher that starts no processes where they are of a multirun and name none."""
    named = any(word.startswith("hydra/launcher=") for word in words)
    return [*words, "hydra/launcher=basic"] if "-m" in words and not named else list(words)


def in_process(main: Callable[[], int | None], *argv: str) -> Result:
    """What a program's main function prints, and its exit code, with these words typed: its own name first."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    before, sys.argv = sys.argv, list(argv)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), clean_logging():
            code = int(main() or 0)
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    finally:
        sys.argv = before
        forget()
    return Result(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def clean_logging() -> Iterator[None]:
    """Hydra configures the process' logging; a test process puts it back."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        for handler in root.handlers:
            if handler not in handlers:
                handler.close()
        root.handlers, root.level = handlers, level
