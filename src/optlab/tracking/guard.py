"""What every tracker goes through: nothing that it raises reaches the run, and no host that is away is waited for."""

import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlsplit

from optlab.errors import shortened

log = logging.getLogger(__name__)

PASSWORD = re.compile(r"//[^/\s@]+@")
PROBE_SECONDS = 2.0
START_SECONDS = 30.0  # importing a tracker's package can take ten on a busy machine
CALL_SECONDS = 10.0
CLOSE_SECONDS = 30.0


class Guard:
    """Around each call of a tracker: what it raises is said once, and it is not asked again.

    Args:
        tracker: its name in the line that says so.

    Attributes:
        alive: whether the tracker has raised nothing yet.
    """

    def __init__(self, tracker: str) -> None:
        self.tracker = tracker
        self.alive = True
        self._lock = threading.Lock()

    def __call__(self, action: Callable[[], Any]) -> None:
        if not self.alive:
            return
        try:
            action()
        except Exception as error:  # whatever it is: a tracker is a mirror, and the run goes on
            cause = error.__cause__ or error  # Lightning calls a full disk an unsupported value
            self.give_up(f"{type(cause).__name__}: {one_line(cause)}")

    def give_up(self, reason: str) -> None:
        """Leave the tracker alone from now on, and say why, once."""
        with self._lock:
            if self.alive:
                self.alive = False
                log.warning("%s stopped recording this run (%s); the run folder has everything", self.tracker, reason)


class Worker:
    """Makes the calls of one tracker, one after another, in a thread of their own: training never waits for them.

    A call that does not come back keeps the thread, which nothing waits for: it dies with the process.
    """

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self._calls: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._deadline: float | None = None  # of the call under way
        self._seconds = START_SECONDS
        self._thread = threading.Thread(target=self._work, name=f"tracker {guard.tracker}", daemon=True)
        self._thread.start()

    def later(self, action: Callable[[], Any]) -> None:
        """Make this call when those before it are done, unless the tracker was given up."""
        self._look()
        if self.guard.alive:
            self._calls.put(action)

    def close(self) -> None:
        """Wait until every call is done, or the tracker is given up; half a minute at most."""
        self._calls.put(None)
        end = time.monotonic() + CLOSE_SECONDS
        while self.guard.alive and self._thread.is_alive():
            self._thread.join(0.02)
            self._look()
            if time.monotonic() > end:
                self.guard.give_up(f"not done {CLOSE_SECONDS:g} s after the run")

    def _look(self) -> None:
        deadline = self._deadline
        if deadline is not None and time.monotonic() > deadline:
            self.guard.give_up(f"no answer within {self._seconds:g} s")

    def _work(self) -> None:
        while (action := self._calls.get()) is not None:
            self._deadline = time.monotonic() + self._seconds
            self.guard(action)
            self._deadline, self._seconds = None, CALL_SECONDS


def one_line(error: BaseException) -> str:
    """What it says, where MLflow says a page."""
    return shortened(without_password(" ".join(str(error).split())), 300)


def without_password(text: str) -> str:
    """A text for logs: addresses in it keep their host and lose `user:password@`."""
    return PASSWORD.sub("//", text)


def answers(url: str) -> bool:
    """Whether the host takes a connection within two seconds (or a proxy stands between, which is trusted)."""
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True
    parts = urlsplit(url)
    try:
        port = parts.port or (80 if parts.scheme == "http" else 443)
        with socket.create_connection((parts.hostname or "", port), timeout=PROBE_SECONDS):
            return True
    except OSError:
        return False
