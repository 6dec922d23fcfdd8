"""What this process prints, when nobody reads it any more: `python train.py | head`, a terminal that was closed.

And what others warn of. `tests/adapters/test_output.py` says what it keeps from breaking. Light at import.
"""

import errno
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from optlab.adapters.process import HANG_UP

NOBODY_READS = (errno.EPIPE, errno.EIO)  # a pipe, a terminal


@contextmanager
def outliving_its_reader() -> Iterator[None]:
    """Within the block, what is written to nobody is dropped, and whoever listens to SIGHUP hears of it.

    Else the line that a run happens to print ends it with a traceback, or with rich's SystemExit, and its record says
    `running` for ever. SIGPIPE would come of a tracker's connection as well, which must not stop a run.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Outlet(before[0]), Outlet(before[1])
    try:
        yield
        sys.stdout.flush()  # here, as the interpreter would complain at exit
        sys.stderr.flush()
    finally:
        sys.stdout, sys.stderr = before


@contextmanager
def ignoring_warnings(message: str) -> Iterator[None]:
    """Within the block, leave out warnings that begin like this regular expression: a value says it already."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=message)
        yield


@contextmanager
def warnings_raised() -> Iterator[None]:
    """Within the block, raise what is warned of, for a verdict on the code that warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


class Outlet:
    """A stream that is itself in everything but that it survives its reader."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._leave(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._leave(error)

    def _leave(self, error: OSError) -> None:
        """Write to nowhere from now on, also what is left in buffers; and ask for an end, as a terminal would."""
        if error.errno not in NOBODY_READS:
            raise error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        for number in HANG_UP:
            if callable(signal.getsignal(number)):
                signal.raise_signal(number)
