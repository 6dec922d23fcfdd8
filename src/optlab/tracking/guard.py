"""What every tracker goes through: nothing that it raises reaches the run, and no host that is away is waited for."""

import logging
import os
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

log = logging.getLogger(__name__)

PROBE_SECONDS = 2.0


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

    def __call__(self, action: Callable[[], Any]) -> None:
        if not self.alive:
            return
        try:
            action()
        except Exception as error:  # whatever it is: a tracker is a mirror, and the run goes on
            cause = error.__cause__ or error  # Lightning calls a full disk an unsupported value
            self.give_up(f"{type(cause).__name__}: {one_line(cause)}")

    def give_up(self, reason: str) -> None:
        """Leave the tracker alone from now on, and say why."""
        self.alive = False
        log.warning("%s stopped recording this run (%s); the run folder has everything", self.tracker, reason)


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


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
