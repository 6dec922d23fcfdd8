"""What can happen to a job, made to happen: callbacks for the sweeps of the tests."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from lightning import Callback


def lr_of(trainer: Any) -> float:
    return float(trainer.optimizers[0].param_groups[0]["lr"])


class Raise(Callback):
    """Fails in the third step of every run with this lr, while there is no file `repaired`."""

    def __init__(self, lr: float) -> None:
        self.lr = lr

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if lr_of(trainer) == self.lr and trainer.global_step == 3 and not Path("repaired").exists():
            raise RuntimeError("a bug in a user's callback\nwith a second line")


class Signal(Callback):
    """Sends this process a signal in one step of the run with this lr, while there is a file `armed`.

    Args:
        once: remove the file first, so that the run goes on the next time.
    """

    def __init__(self, signame: str, lr: float, step: int, once: bool = True) -> None:
        self.signame = signame
        self.lr = lr
        self.step = step
        self.once = once

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if lr_of(trainer) == self.lr and trainer.global_step == self.step and Path("armed").exists():
            if self.once:
                Path("armed").unlink()
            os.kill(os.getpid(), signal.Signals[self.signame])


class Hold(Callback):
    """Waits in the second epoch to be asked to stop, while there is no file `asked`: the run is not over before.

    A line with its process is then in the file `held`.
    """

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        if trainer.current_epoch == 1 and not Path("asked").exists():
            with Path("held").open("a", encoding="utf-8") as file:
                file.write(f"{os.getpid()}\n")
        end = time.monotonic() + 120
        while trainer.current_epoch == 1 and not Path("asked").exists() and time.monotonic() < end:
            if any(getattr(callback, "signum", None) for callback in trainer.callbacks):
                return
            time.sleep(0.01)


class Log(Callback):
    """Adds a line to the file `trained` for each run that trains: its lr, the epochs before, and the process."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def on_train_start(self, trainer: Any, *_: Any) -> None:
        with Path("trained").open("a", encoding="utf-8") as file:
            file.write(f"{lr_of(trainer)} {trainer.current_epoch} {os.getpid()}\n")
        time.sleep(self.seconds)


def trained() -> list[tuple[float, int, int]]:
    """What Log wrote: (lr, epochs before, process) of each training."""
    if not Path("trained").exists():
        return []
    lines = (line.split() for line in Path("trained").read_text().splitlines())
    return [(float(lr), int(epochs), int(process)) for lr, epochs, process in lines]
