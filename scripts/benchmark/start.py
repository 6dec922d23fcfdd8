"""What a command costs besides its training: start, config, the fixed cost of a run in a sweep, W&B, memory."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmark.turns import PROJECT, contestant

TRAIN = str(PROJECT / "train.py")
GATE = "+callbacks.gate._target_=benchmark.gate.Gate"
NOT_COLLECTING = "import gc; gc.disable(); import torch, lightning; gc.enable(); gc.freeze()"  # process.importing
AS_A_RUN = "from optlab.adapters import process\nwith process.importing(): import torch, lightning"  # without plots
QUIET = ["logger=csv", "callbacks.progress=null"]


def gate(watch: str) -> list[str]:
    return [GATE, f"+callbacks.gate.watch={watch}"]


def seconds_of(command: Sequence[str]) -> float:
    """From the shell to the end of a command."""
    began = time.monotonic()
    subprocess.run([sys.executable, *command], check=True, capture_output=True, cwd=PROJECT)
    return time.monotonic() - began


def seconds_to_first_step(overrides: Sequence[str] = ()) -> float:
    """From the shell until the first batch of `python train.py` is trained on."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        with contestant("train.py", [TRAIN, *gate("first_step"), *overrides], Path(folder)) as run:
            return float(run.hear("step")["time"]) - began


def in_turn(measures: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Each measure once a round, after a round to warm the file system's cache."""
    seconds: dict[str, list[float]] = {name: [] for name in measures}
    for round_number in range(rounds + 1):
        for name, measure in measures.items():
            value = measure()
            if round_number:
                seconds[name].append(value)
    return seconds


def start_up(rounds: int) -> dict[str, list[float]]:
    """Seconds of `--cfg job` and to the first step, and of the bare imports that they stand on."""
    return in_turn(
        {
            "import hydra": lambda: seconds_of(["-c", "import hydra"]),
            "--cfg job": lambda: seconds_of([TRAIN, "--cfg", "job"]),
            "import torch, lightning": lambda: seconds_of(["-c", "import torch, lightning"]),
            "the same, not collecting": lambda: seconds_of(["-c", NOT_COLLECTING]),
            "the same, as a run imports them": lambda: seconds_of(["-c", AS_A_RUN]),
            "first step": seconds_to_first_step,
        },
        rounds,
    )


def fixed_cost_of_a_run(jobs: int) -> list[float]:
    """Seconds between the end of one run's training and the start of the next one's, within a sweep on the digits."""
    overrides = [*gate("ends"), *QUIET, "trainer.max_epochs=2", f"seed={','.join(map(str, range(jobs)))}"]
    with tempfile.TemporaryDirectory() as folder:
        command = [TRAIN, "-m", "hydra/launcher=basic", *overrides, "sweep=bench"]
        with contestant("sweep", command, Path(folder)) as sweep:
            return list(pauses(sweep.hear, jobs))


def pauses(hear: Callable[[str], Mapping[str, float]], jobs: int) -> Iterator[float]:
    hear("training")
    for _ in range(jobs - 1):
        ended = hear("trained")["time"]
        yield hear("training")["time"] - ended


def planning_of_a_run(rounds: int) -> list[float]:
    """Processor milliseconds of planning one run of a grid: what `dry_run=true` takes longer for many of them."""
    few, many = 4, 204
    seconds = in_turn({str(runs): partial(processor_seconds, dry_run_of(runs)) for runs in (few, many)}, rounds)
    return [1000 * (more - less) / (many - few) for less, more in zip(*seconds.values(), strict=True)]


def dry_run_of(runs: int) -> list[str]:
    """A command that plans runs of one configuration, and takes ten steps of it."""
    words = ["hydra/launcher=basic", f"seed=range({runs})", "trainer=cpu", "trainer.threads=1", "sweep=bench"]
    return [TRAIN, "-m", *QUIET, *words, "dry_run=true"]


def processor_seconds(command: Sequence[str]) -> float:
    """Of a command, with all its processes."""
    before = os.times()
    seconds_of(command)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def wandb_cost(rounds: int, epochs: int = 20) -> dict[str, list[float]]:
    """Seconds of 20 epochs on the digits, training clock and shell clock, with W&B offline and with CSV alone."""
    seconds: dict[str, list[float]] = {}
    for round_number in range(rounds + 1):
        for logger in ("csv", "wandb"):
            extra = ["logger.wandb.mode=offline"] if logger == "wandb" else []
            with tempfile.TemporaryDirectory() as folder:
                words = [f"logger={logger}", *extra, f"trainer.max_epochs={epochs}", *gate("ends")]
                began = time.monotonic()
                with contestant(logger, [TRAIN, *words, f"hydra.run.dir={folder}/run"], Path(folder)) as run:
                    training = float(run.hear("training")["time"])
                    trained = float(run.hear("trained")["time"])
                    run.process.wait()
                if round_number:
                    seconds.setdefault(f"{logger}: training", []).append(trained - training)
                    seconds.setdefault(f"{logger}: all", []).append(time.monotonic() - began)
    return seconds


def peak_of_cifar10() -> float:
    """MiB of resident memory, at its peak, of a run on as many images as CIFAR-10 has, from the start to the record."""
    data = ["dataset=fake", "dataset.samples=50000", "dataset.test_samples=10000", "dataset.val_size=5000"]
    words = [*data, *QUIET, "batch_size=128", "trainer.limit_train_batches=40", "trainer.max_epochs=2"]
    with tempfile.TemporaryDirectory() as folder:
        script = (
            "import resource, runpy, sys; sys.path.insert(0, sys.argv[1]); sys.argv = sys.argv[2:]\n"
            "runpy.run_path(sys.argv[0], run_name='__main__')\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, file=sys.stderr)"
        )
        command = [sys.executable, "-c", script, str(PROJECT), TRAIN, *words]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
        return float(done.stderr.strip().splitlines()[-1])
