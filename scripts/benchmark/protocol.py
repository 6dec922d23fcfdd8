"""How the bench and what it measures take turns: lines through two pipes, times from the machine's one clock.

A contestant says `ready` with a line of facts, waits for `go`, trains its epochs, says `done` with the seconds of one,
and so on. Only one contestant works at a time; the others wait in a read, which costs nothing.
"""

import json
import os
import time
from typing import Any

EVENTS, TURNS = "BENCH_EVENTS", "BENCH_TURNS"  # file descriptors, inherited from the bench
EPOCHS = "BENCH_EPOCHS"  # in a turn


def say(event: str, **facts: Any) -> None:
    """Tell the bench."""
    line = json.dumps({"event": event, "time": time.monotonic(), **facts})
    os.write(int(os.environ[EVENTS]), f"{line}\n".encode())


def await_turn() -> None:
    """Wait for the bench to let this contestant train; ends the process when there is no further turn."""
    if os.read(int(os.environ[TURNS]), 1) != b"g":
        os._exit(0)
