"""Contestants: processes that train when it is their turn, measured one after the other, round by round."""

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.protocol import EPOCHS, EVENTS, TURNS

PROJECT = Path(__file__).parents[2]
REST = 0.1  # seconds between two turns: threads of the last one spin for a while before they sleep
PATIENCE = 600  # seconds that a contestant may be silent


class Failed(Exception):
    """A contestant ended before its time; the message holds what it printed last."""


@dataclass
class Contestant:
    """A process and what it was measured to need: `seconds` an epoch in each turn, `peak_mib` of resident memory."""

    name: str
    process: subprocess.Popen[bytes]
    events: Any
    turns: int
    log: Path
    seconds: list[float] = field(default_factory=list)
    peak_mib: float = math.nan

    def hear(self, expected: str) -> dict[str, Any]:
        """The next event of this kind; others are passed over."""
        while line := self.events.readline():
            event: dict[str, Any] = json.loads(line)
            if event["event"] == expected:
                return event
        said = self.log.read_text(errors="replace").strip().splitlines()[-12:]
        raise Failed(f"{self.name} ended without {expected!r}:\n" + "\n".join(said))

    def train(self) -> float:
        """Give it its turn; returns the seconds of an epoch as it measured them."""
        time.sleep(REST)
        os.write(self.turns, b"g")
        return float(self.hear("done")["seconds"])

    def measure_peak(self) -> None:
        """Note the peak of the process's memory so far, where the system tells it (Linux)."""
        status = Path(f"/proc/{self.process.pid}/status")
        if status.exists():
            line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
            self.peak_mib = int(line.split()[1]) / 1024


@contextmanager
def contestant(name: str, command: Sequence[str], folder: Path, **variables: str) -> Iterator[Contestant]:
    """Start a command (words behind `python`) in a folder of its own; it is ended with the context."""
    folder.mkdir(parents=True, exist_ok=True)
    events_here, events_there = os.pipe()
    turns_there, turns_here = os.pipe()
    log = folder / "bench.log"
    environment = os.environ | {
        EVENTS: str(events_there),
        TURNS: str(turns_there),
        "PYTHONPATH": os.pathsep.join([str(PROJECT / "scripts"), os.environ.get("PYTHONPATH", "")]),
        "FORCE_COLOR": "1",  # a progress bar is drawn, as on a terminal
        **variables,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            pass_fds=(events_there, turns_there),
        )
    os.close(events_there)
    os.close(turns_there)
    with os.fdopen(events_here) as events:
        try:
            yield Contestant(name, process, events, turns_here, log)
        finally:
            os.close(turns_here)
            process.kill()
            process.wait(PATIENCE)


def compete(
    commands: Mapping[str, Sequence[str]], rounds: int, epochs: int = 1, starts: int = 1
) -> dict[str, Contestant]:
    """Let each train `epochs` epochs in turn, `rounds` times, after a turn each to warm up; all that `starts` times.

    A process keeps what it was dealt when it started, the place of its memory above all. Returns the contestants of the
    last start, with the seconds of all and the largest peak. Raises Failed when one ends before.
    """
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    peaks: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(starts):
        running = compete_once(commands, rounds, epochs)
        for name, one in running.items():
            seconds[name] += one.seconds
            peaks[name].append(one.peak_mib)
    for name, one in running.items():
        one.seconds, one.peak_mib = seconds[name], max(peaks[name])
    return running


def compete_once(commands: Mapping[str, Sequence[str]], rounds: int, epochs: int) -> dict[str, Contestant]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        running = {}
        for name, command in commands.items():
            place = Path(folder, name.replace(" ", "_"))
            running[name] = stack.enter_context(contestant(name, command, place, **{EPOCHS: str(epochs)}))
            running[name].hear("ready")  # one after the other: starting takes the cores too
        for round_number in range(rounds + 1):
            for one in running.values():
                seconds = one.train()
                if round_number:
                    one.seconds.append(seconds)
        for one in running.values():
            one.measure_peak()
        return running


@dataclass
class Ratio:
    """The median of the ratios of the rounds, and the smallest and the largest."""

    median: float
    low: float
    high: float


def ratio(above: Sequence[float], below: Sequence[float]) -> Ratio:
    """Round by round: what disturbs the machine for a while disturbs both."""
    quotients = [a / b for a, b in zip(above, below, strict=True)]
    return Ratio(statistics.median(quotients), min(quotients), max(quotients))
