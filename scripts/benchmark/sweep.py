"""A whole sweep on the CPU, from the command's start to its report, beside bare loops that use every core as well.

Its speed is the samples that its runs train on, over the seconds of the wall; that of the machine is what as many bare
channels_last loops with one thread as there are cores train together. It is told beside loops that train all the while,
so that each side has half of the machine and what neighbours take is taken from both. It is also told beside loops that
train while the sweep stands still, and stand still while it runs, each for a few seconds in turn: so it has the whole
machine, and neighbours take from both again.
"""

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen, TimeoutExpired

import numpy as np

from benchmark.protocol import EPOCHS
from benchmark.start import QUIET, TRAIN
from benchmark.turns import PROJECT, Contestant, Failed, contestant
from optlab.adapters.scheduler import LONGEST, take_turns

SAMPLES = 1293  # of the digits that a run trains on, with its own tenth for validation
EPOCHS_A_TURN = 10
TURNS_ALONE = 6
TURNS_BETWEEN = 4
SECONDS_A_TURN = 6.0
MANY_TURNS = 10_000
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Plan:
    """Runs on the digits with one optimizer: four lrs, and as many seeds as it takes."""

    runs: int
    epochs: int

    def command(self, *more: str) -> list[str]:
        """The words behind `python`."""
        grid = ["optimizer=sgd", "optimizer.lr=0.01,0.03,0.1,0.3", f"seed=range({self.runs // 4})"]
        settings = ["trainer=cpu", "batch_size=64", f"trainer.max_epochs={self.epochs}"]
        return [TRAIN, "-m", *QUIET[:1], *grid, *settings, "sweep=bench", *more]

    @property
    def samples(self) -> int:
        return self.runs * self.epochs * SAMPLES


def seconds_of(plan: Plan, *more: str, pause: Callable[[], object] | None = None) -> float:
    """From the command's start to its end, report and all.

    Args:
        pause: is called again and again while the sweep stands still, which does not count.

    Raises:
        Failed: a run did not finish, or trained on other samples than the loops.
    """
    with tempfile.TemporaryDirectory() as folder:
        began, paused = time.monotonic(), 0.0
        with Popen(
            [sys.executable, *plan.command(*more)], cwd=folder, stdout=PIPE, stderr=STDOUT, text=True
        ) as process:
            while True:
                try:
                    printed, _ = process.communicate(timeout=None if pause is None else SECONDS_A_TURN)
                    break
                except TimeoutExpired:
                    assert pause is not None, "there was no limit"
                    paused += seconds_still(process.pid, pause)
        seconds = time.monotonic() - began - paused
        records = [json.loads(path.read_text()) for path in Path(folder).glob("outputs/sweeps/bench/*/run.json")]
    trained = sum(record["epochs"] * record["data"]["train"] for record in records)
    if process.returncode or trained != plan.samples:
        last = "\n".join(printed.strip().splitlines()[-12:])
        raise Failed(f"the sweep trained on {trained:,} samples and not on {plan.samples:,}:\n{last}")
    return seconds


def seconds_still(process: int, pause: Callable[[], object]) -> float:
    """Let a process and all that it started stand still during a pause, and tell how long that was."""
    began = time.monotonic()
    stopped: set[int] = set()
    try:
        while new := family(process) - stopped:  # another may have been started while these were being stopped
            for each in new:
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGSTOP)
            stopped |= new
        pause()
    finally:
        for each in stopped:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)
    return time.monotonic() - began


def family(process: int) -> set[int]:
    """A process, its children, theirs and so on, as Linux lists them."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            _, parent, *_ = path.read_text().rpartition(")")[2].split()
            children.setdefault(int(parent), []).append(int(path.parent.name))
    found, left = set(), [process]
    while left:
        found.add(each := left.pop())
        left += children.get(each, [])
    return found


# -- the loops


class Loops:
    """Bare loops, one a core; they wait until they are told to train."""

    def __init__(self, running: Sequence[Contestant]) -> None:
        self.running = running

    def go(self, turns: int) -> None:
        for one in self.running:
            os.write(one.turns, b"g" * turns)

    def rate_alone(self, turns: int = TURNS_ALONE) -> float:
        """Samples a second of all together, with nothing beside them; the first turn and the last do not count."""
        self.go(turns)
        seconds = [[one.hear("done")["seconds"] for _ in range(turns)][1:-1] for one in self.running]
        return sum(SAMPLES / float(np.mean(each)) for each in seconds)

    def rate_during(self, work: Callable[[], float]) -> tuple[float, float]:
        """Samples a second of all together while some work is done, and what that returns; the loops train on."""
        self.go(MANY_TURNS)
        first = [one.hear("done")["time"] for one in self.running]
        began = time.monotonic()
        result = work()
        ended = time.monotonic()
        pairs = zip(self.running, first, strict=True)
        return sum(samples_between(one, at, began, ended) for one, at in pairs) / (ended - began), result


def samples_between(one: Contestant, first: float, began: float, ended: float) -> float:
    """What a loop trained on between two moments; its first turn ended before them."""
    times = [first]
    while times[-1] < ended:
        times.append(one.hear("done")["time"])
    until = np.interp([began, ended], times, EPOCHS_A_TURN * SAMPLES * np.arange(len(times)))
    return float(until[1] - until[0])


@contextmanager
def loops(count: int = CORES) -> Iterator[Loops]:
    settings = {"network": "cnn", "optimizer": "sgd", "batch": 64, "samples": SAMPLES, "channels": 1, "size": 8}
    words = [str(PROJECT / "scripts" / "benchmark" / "rivals.py"), "bare_channels_last", "--cpu"]
    words += [f"--{key}={value}" for key, value in settings.items()]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        one_thread = {EPOCHS: str(EPOCHS_A_TURN), "OMP_NUM_THREADS": "1"}
        running = [
            stack.enter_context(contestant(f"loop {core}", words, Path(folder, str(core)), **one_thread))
            for core in range(count)
        ]
        for one in running:
            one.hear("ready")
        yield Loops(running)


# -- what is told


def speed_beside_loops_in_turns(plan: Plan, *more: str) -> float:
    """The sweep's samples a second over those of loops; a few seconds of one follow a few of the other."""
    rates: list[float] = []
    with loops() as machine:
        rates.append(machine.rate_alone(TURNS_BETWEEN))
        seconds = seconds_of(plan, *more, pause=lambda: rates.append(machine.rate_alone(TURNS_BETWEEN)))
    return plan.samples / seconds / float(np.mean(rates))


def speed_beside_loops_meanwhile(plan: Plan) -> float:
    """The sweep's samples a second over those of loops that train all the while."""
    with loops() as machine:
        rate, seconds = machine.rate_during(lambda: seconds_of(plan))
        return plan.samples / seconds / rate


def turns(rounds: int) -> list[float]:
    """Twice as many loops as cores: what they train together in long turns, over what in the system's own."""
    found = []
    with loops(2 * CORES) as machine:
        for _ in range(rounds):
            rates = []
            for nanoseconds in (0, LONGEST):
                for one in machine.running:
                    take_turns(nanoseconds, one.process.pid)
                rates.append(machine.rate_alone())
            found.append(rates[1] / rates[0])
    return found


def measure(rounds: int, *, quick: bool) -> Iterator[tuple[str, list[float]]]:
    """What the bench shows, one figure after the other: its name, and its value in each round."""
    plan, small = Plan(16 if quick else 64, 30), Plan(16, 20)
    many, kernels = f"hydra.launcher.n_jobs={2 * CORES}", "cpu_kernels=true"
    name = f"sweep of {plan.runs} runs of {plan.epochs} epochs"
    times = range(rounds)
    yield f"{name}, samples/s / {CORES} loops meanwhile", [speed_beside_loops_meanwhile(plan) for _ in times]
    yield f"{name}, samples/s / {CORES} loops in turns", [speed_beside_loops_in_turns(plan) for _ in times]
    seconds_of(Plan(4, 1), kernels)  # which compiles them
    for words in (many, kernels):
        found = [speed_beside_loops_in_turns(plan, words) for _ in times]
        yield f"the same with {words}, samples/s / {CORES} loops in turns", found
    pairs = [(seconds_of(small), seconds_of(small, "hydra/launcher=basic")) for _ in times]
    name = f"{small.runs} runs of {small.epochs} epochs"
    yield f"{name}, auto, s", [auto for auto, _ in pairs]
    yield f"{name}, basic, s", [basic for _, basic in pairs]
    yield f"{name}, auto / basic", [auto / basic for auto, basic in pairs]
