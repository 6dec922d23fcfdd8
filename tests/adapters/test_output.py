"""What is printed when nobody reads it any more."""

import errno
import io
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from typing import IO

import pytest

from optlab.adapters import process
from optlab.adapters.output import Outlet, ignoring_warnings, outliving_its_reader, warnings_raised


@pytest.fixture
def unread() -> Iterator[IO[str]]:
    """A pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        yield stream


def test_a_pipe_that_nobody_reads_is_written_to_without_an_error_and_asks_once_for_an_end(
    unread: IO[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    came: list[int] = []
    monkeypatch.setattr(sys, "stdout", unread)
    with process.handling([signal.SIGHUP], lambda number, _: came.append(number)), outliving_its_reader():
        for _ in range(3):
            print("nobody reads this", flush=True)
        print("nor this", file=sys.stdout)
        assert sys.stdout.isatty() is False  # in all else it is the stream
    assert came == [signal.SIGHUP]
    assert sys.stdout is unread


def test_who_does_not_listen_is_not_ended(unread: IO[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", unread)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    with outliving_its_reader():
        print("nobody reads this", flush=True)


class Full(io.StringIO):
    """A file on a full disk."""

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_another_trouble_with_a_stream_is_no_missing_reader() -> None:
    with pytest.raises(OSError, match="No space left"):
        Outlet(Full()).flush()


def test_warnings_are_left_out_or_raised_within_the_block_alone() -> None:
    def warn(text: str) -> None:
        warnings.warn(text, stacklevel=2)

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with ignoring_warnings("No (positive|negative) samples"):
            warn("No negative samples in targets")
            warn("another")
        with warnings_raised(), pytest.raises(UserWarning, match="deprecated"):
            warn("deprecated")
        warn("No positive samples in targets")
    assert [str(each.message) for each in heard] == ["another", "No positive samples in targets"]
