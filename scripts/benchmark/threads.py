"""What a second thread brings a training step, by the step's work: what `optlab.rules.threads` goes by."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmark.start import QUIET, TRAIN
from benchmark.turns import Failed
from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.flops import flops_of_step

BATCHES = (4, 8, 16, 32, 64, 128, 256)  # of the digits, on `cnn`
STEPS = 400


def step_milliseconds(batch_size: int, threads: int) -> float:
    """Of one run, by its own record.

    Raises:
        Failed: it did not finish.
    """
    words = ["optimizer=sgd", "trainer=cpu", f"batch_size={batch_size}", f"trainer.threads={threads}"]
    words += [f"trainer.max_steps={STEPS}", "trainer.max_epochs=-1", *QUIET]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, TRAIN, *words], cwd=folder, capture_output=True, text=True)
        records = [json.loads(path.read_text()) for path in Path(folder).glob("outputs/runs/*/run.json")]
    if done.returncode or len(records) != 1:
        raise Failed(f"batch_size={batch_size} on {threads} threads:\n{done.stderr[-2000:]}")
    return float(records[0]["timing"]["step_milliseconds"])


def measure(rounds: int) -> Iterator[tuple[str, list[float]]]:
    """For each batch size the work of a step, and the speed of two threads over that of one."""
    if (os.cpu_count() or 1) < 2:
        return
    for batch in BATCHES:
        work = flops_of_step(Config.parse(resolve(compose(["optimizer=sgd", f"batch_size={batch}"]))))
        name = f"digits, batch {batch} ({(work or 0) / 1e6:.0f} MFLOP a step), speed of 2 threads / 1"
        yield name, [step_milliseconds(batch, 1) / step_milliseconds(batch, 2) for _ in range(rounds)]
