"""Ten steps of a configuration, to know what its runs cost: a run that is broken off, in a folder that is then gone.

It is made of the run's own parts (network, engine, precision, data, validation, checkpoints), so that it costs what
the run costs and is refused as the run would be. Nothing is left of it: no folder, no logger, no random number drawn.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from optlab.adapters.generators import keeping_generators
from optlab.adapters.lightning import callbacks_of
from optlab.adapters.loggers import telling_errors_alone
from optlab.adapters.process import freeing_memory
from optlab.adapters.torch import on_threads, set_float32_precision
from optlab.callbacks import Interruption
from optlab.check import check_config
from optlab.config.schema import Config
from optlab.data.arrays import Arrays
from optlab.data.streamed import size_of
from optlab.errors import Interrupted, UserError
from optlab.inputs import Sources, load_data
from optlab.record import CHECKPOINT_FOLDER
from optlab.run import Prepared, fit, loader, prepare
from optlab.standard import stand_in
from optlab.sweep.price.clock import EPOCHS, Clock, Enough
from optlab.sweep.price.measured import Measured
from optlab.sweep.shelf import scratch

STEPS = 10
SMALL_FILES = 20_000  # bytes of a run's record, its metrics, its config and its log
VALIDATIONS = 4  # batches of a short validation
FORWARD = 1 / 3  # of a training step, where there is no validation to measure: a backward pass costs two forward ones
CHECKPOINTS = "optlab.callbacks.Checkpoints"
KEPT = (CHECKPOINTS, "optlab.callbacks.Instruments")  # the others print, draw or end a run
# Keys of the Trainer that would end a short run, or make it another one.
LEFT_OUT = ("min_epochs", "min_steps", "max_time", "val_check_interval", "overfit_batches", "fast_dev_run")


class NotMeasured(Exception):
    """Why a configuration cannot be measured; its runs may work all the same."""


def measure(config: Config, sources: Sources | None = None, threads: int | None = None) -> Measured:
    """What a run of this config costs, from about ten steps, in less than a second where a step is short.

    Args:
        sources: data sets that are loaded already; filled.
        threads: CPU threads that the launcher gives a run, where its config does not say; None: torch chooses.

    Raises:
        UserError: the run would be refused.
        Interrupted: the user stopped it.
        NotMeasured: several processes make up a run, or the run's own code fails.
    """
    if parts := processes(config):
        raise NotMeasured(f"{parts} is made of several processes")
    short, left_out = shortened(config)
    interruption = Interruption()
    with (
        telling_errors_alone("optlab"),
        leaving_no_trace() as folder,
        interruption.listening(),
        on_threads(config.trainer.threads or threads),
    ):
        try:
            measured = attempt(short, config, folder, {} if sources is None else sources, interruption)
        except (UserError, Interrupted, NotMeasured):
            raise
        except Exception as error:
            raise NotMeasured(f"{type(error).__name__}: {' '.join(str(error).split())}") from error
    return Measured(**measured, left_out=left_out)


def attempt(
    short: Config, config: Config, folder: Path, sources: Sources, interruption: Interruption
) -> dict[str, Any]:
    """The fields of `Measured`."""
    check_config(config)
    set_float32_precision(config.tf32)
    data = load_data(config, sources)  # before the clock runs: a sweep loads its data once
    batches = limited(of(size_of(data.train), config.batch_size), config.trainer.limit_train_batches)
    short = short.with_(trainer=short.trainer.plain | {"limit_train_batches": min(STEPS, batches or STEPS)})
    began = time.perf_counter()
    prepared = prepare(short, folder, (), sources, interruption)
    set_up = time.perf_counter() - began
    device = prepared.trainer.strategy.root_device
    keeper = next((each for each in config.callbacks.values() if each is not None and each.target == CHECKPOINTS), None)
    last = folder / CHECKPOINT_FOLDER / "last.ckpt"
    clock = Clock(min(STEPS, batches or STEPS), last if keeper is not None else None)
    callbacks_of(prepared.trainer).append(clock)
    prepared.trainer.loggers = stand_in(callbacks_of(prepared.trainer))
    with suppress(Enough):
        fit(prepared)
    if interruption.signum is not None:
        raise Interrupted(interruption.signum)
    if not clock.step_seconds:
        raise NotMeasured("it took no step")
    step = clock.step_seconds
    validation, test = evaluations(prepared, config, clock, step)
    reserved = torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None
    return {
        "step_ms": 1000 * step,
        "epoch_steps": batches,
        "epoch_ms": 1000 * (clock.epoch_seconds + validation),
        "run_ms": 1000 * set_up,
        "test_ms": 1000 * test,
        "host_mib": prepared.recorder.memory.host(),
        "device_mib": None if reserved is None else to_the_end(reserved, prepared, clock) / 2**20,
        "metric": prepared.recorder.metric,
        "run_bytes": SMALL_FILES + last.stat().st_size * (1 + bool(keeper.plain.get("best", True)))
        if keeper is not None
        else SMALL_FILES,
    }


def evaluations(prepared: Prepared, config: Config, clock: Clock, step: float) -> tuple[float, float]:
    """Seconds an epoch that validation takes, and seconds of the test split."""
    data, settings = prepared.data, config.trainer
    evaluated = loader(prepared, data.train, train=False).batch_size  # nobody looks at the test split here

    def batches(split: Any, limit: float | None) -> int:
        return 0 if split is None else limited(of(size_of(split), evaluated), limit) or 0

    looked = batches(data.val, settings.limit_val_batches)
    one = FORWARD * step * evaluated / config.batch_size
    if looked and clock.validation_seconds is not None:
        one = clock.validation_seconds / min(looked, VALIDATIONS)
    return looked * one / (settings.check_val_every_n_epoch or 1), batches(data.test, settings.limit_test_batches) * one


def to_the_end(reserved: float, prepared: Prepared, clock: Clock) -> float:
    """Bytes of a GPU that a run takes which reserved so many while it trained: the test split comes on top.

    Its batches take no more than those of validation; where there were none, no more than a training step for as many
    samples.
    """
    data, config = prepared.data, prepared.config
    test = data.test.inputs.nbytes + data.test.targets.nbytes if isinstance(data.test, Arrays) else 0
    if clock.validation_seconds is None:
        reserved *= max(1.0, loader(prepared, data.train, train=False).batch_size / config.batch_size)
    return reserved + test


def processes(config: Config) -> str | None:
    """What of the config makes a run of several processes; None where it is one."""
    asked = config.trainer.plain
    several = [f"trainer.{key}={asked[key]}" for key in ("devices", "num_nodes") if asked.get(key) not in (None, 1)]
    if str(asked.get("strategy", "auto")) != "auto":
        several.append(f"trainer.strategy={asked['strategy']}")
    one_gpu = several == [f"trainer.devices={asked.get('devices')}"] and isinstance(asked["devices"], list)
    return None if one_gpu and len(asked["devices"]) == 1 else " ".join(several) or None


def shortened(config: Config) -> tuple[Config, tuple[str, ...]]:
    """The config with nothing beside what costs time, and what was left out of it.

    The schedule keeps its horizon: a short run is one that is broken off.
    """
    there = {name: each for name, each in config.callbacks.items() if each is not None}
    kept = {name: each for name, each in there.items() if each.target in KEPT}
    uncounted = tuple(f"callbacks.{name}" for name in there if name not in (*kept, "progress", "divergence"))
    settings = config.trainer
    short: dict[str, Any] = {key: value for key, value in settings.plain.items() if key not in LEFT_OUT}
    short |= {"profiler": None, "check_val_every_n_epoch": 1}
    if settings.max_epochs != -1:
        short["max_epochs"] = max(settings.max_epochs, EPOCHS + 1)
    if settings.max_steps != -1:
        short["max_steps"] = max(settings.max_steps, (EPOCHS + 1) * STEPS)
    if settings.validates:
        short["limit_val_batches"] = VALIDATIONS
    nothing: dict[str, Any] = {
        "ckpt": None,
        "until": None,
        "input": None,
        "logger": {},
        "metrics": {},
        "protocol": None,
        "test_weights": "last",
    }
    engine = {"engine": "eager"} if config.mode == "find_lr" else {}
    changed = config.with_(callbacks=kept, trainer=short, mode="train", phase="tune", **nothing, **engine)
    return changed, uncounted


def of(samples: int | None, batch_size: int) -> int | None:
    return None if samples is None else -(-samples // batch_size)


def limited(batches: int | None, limit: float | None) -> int | None:
    """The batches that one of `trainer.limit_..._batches` leaves: a number of them, or a share."""
    if batches is None:
        return limit if isinstance(limit, int) else None
    if limit is None:
        return batches
    return min(batches, limit) if isinstance(limit, int) else int(batches * limit)


@contextmanager
def leaving_no_trace() -> Iterator[Path]:
    """A folder for the time of the block, behind which memory and random numbers are as they were.

    A worker that is killed has its folder removed with those of its sweep.
    """
    with keeping_generators(), freeing_memory(), tempfile.TemporaryDirectory(prefix="optlab-", dir=scratch()) as folder:
        yield Path(folder)
