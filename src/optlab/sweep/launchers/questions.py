"""Questions to a worker that then ends: so the process of a sweep needs no torch, and takes no memory of a GPU.

Importing torch takes seconds, and a process that has once used a GPU keeps 0.6 GB of it to its end.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

from optlab.adapters.forkserver import ForkServer
from optlab.adapters.process import Place, become_worker
from optlab.config import places
from optlab.config.changes import composing
from optlab.config.places import Places
from optlab.errors import UserError
from optlab.sweep.launchers.server import IMPORTS, WORK
from optlab.sweep.shelf import Shelves, using

PATIENCE = 20.0  # seconds that a worker that is asked no more gets to end
BREAKING_OFF = 10.0  # and one that is to leave what it is at, as a download whose files it removes


class Question(Protocol):
    """What is asked. It is sent to the worker, and what `answer` returns is sent back: both are pickled."""

    def answer(self) -> Any:
        """Find the answer, in whatever process this is.

        Raises:
            UserError: what is asked about cannot be.
        """


class NoAnswer(Exception):
    """Why a worker has not answered, in words that follow `as`."""


class Ask(Protocol):
    """Whom to ask."""

    def __call__(self, question: Question, patience: float | None = None) -> Any:
        """The answer.

        Args:
            patience: seconds without an answer, behind which there is none; None: it is waited for.

        Raises:
            UserError: see `Question`.
            NoAnswer: the worker died, or took too long.
        """


@dataclass(frozen=True)
class Questioned:
    """What a worker must know to answer as the process of the sweep would.

    Attributes:
        parent: the process of the sweep.
        place: where the command was typed.
        environment: the variables that count there.
        found: where its config came from.
        shelves: folders through which the sweep's processes share data sets.
    """

    parent: int
    place: Place
    environment: Mapping[str, str]
    found: Places
    shelves: Shelves

    def answer(self, pipe: Connection) -> None:
        """Answer what comes until nothing does; a UserError is an answer. For a worker of its own."""
        become_worker(self.parent)
        self.place.enter(self.environment)
        with composing(self.found), using(self.shelves):
            while (question := pipe.recv()) is not None:
                try:
                    pipe.send(question.answer())
                except UserError as refusal:
                    pipe.send(refusal)


@contextmanager
def server_for_questions() -> Iterator[ForkServer]:
    """Where a worker that is asked comes from in a sweep whose runs have others."""
    server = ForkServer(WORK, IMPORTS)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def asking(server: ForkServer, *, environment: Mapping[str, str] | None = None, shelves: Shelves = ()) -> Iterator[Ask]:
    """Ask a worker, which is gone behind the block.

    Args:
        environment: variables beside those of this process.
    """
    variables = dict(os.environ) | dict(environment or {})
    worker, is_asked_no_more = server.start(), False
    gone: list[NoAnswer] = []

    def ask(question: Question, patience: float | None = None) -> Any:
        if gone:
            raise gone[0]
        try:
            worker.pipe.send(question)
            answer = worker.answer(patience)
        except (EOFError, OSError) as error:
            late = isinstance(error, TimeoutError)
            worker.end(BREAKING_OFF, interrupt=late)  # else what it says later would be taken for the next answer
            why = f"that took more than {patience:.0f} s" if late else "the process that was to measure it died"
            gone.append(NoAnswer(why))
            raise gone[0] from error
        if isinstance(answer, UserError):
            raise answer
        return answer

    try:
        with suppress(OSError):  # it died already; whoever asks hears of that
            worker.pipe.send(Questioned(os.getpid(), Place.here(), variables, places.current(), shelves))
        yield ask
        with suppress(OSError):
            worker.pipe.send(None)
        is_asked_no_more = True
    finally:
        worker.end(PATIENCE if is_asked_no_more else BREAKING_OFF, interrupt=not is_asked_no_more)
