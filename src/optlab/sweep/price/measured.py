"""What is known of a configuration's cost: the same for all its learning rates, seeds and numbers of epochs."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from optlab.config.schema import Config
from optlab.record import identity

# What two runs may differ in and still cost the same, by the path in the config. Lengths are counted apart.
FREE = ("seed", "lr", "metric", "test_weights", "trainer.max_epochs", "trainer.max_steps", "dataset.split_seed")
# What changes the cost of a run and is no part of its identity.
TELLING = ("mode", "engine", "eval_batch_size", "cpu_kernels", "callbacks", "trainer.compile", "trainer.threads")


@dataclass(frozen=True)
class Measured:
    """The cost of a run, in parts.

    Attributes:
        step_ms: milliseconds of a training step, evaluation left out.
        epoch_steps: batches of an epoch; None where the data do not say how many samples they have.
        epoch_ms: milliseconds of an epoch besides its steps: validation, the row in metrics.csv, checkpoints.
        run_ms: milliseconds of a run besides its epochs: building network and trainer, and the record.
        test_ms: milliseconds of the test split, which tuning runs leave out.
        host_mib: resident memory of the process at its highest, PyTorch itself included.
        device_mib: memory of the device at its highest, in MiB; None on a CPU.
        metric: what a run is judged by, as far as that is known before it validates.
        run_bytes: of the run's folder: its checkpoints, above all.
        source: ten steps that were taken for this, or runs on disk.
        left_out: what the config asks for and these numbers do not count.
    """

    step_ms: float
    epoch_steps: int | None
    epoch_ms: float
    run_ms: float
    test_ms: float
    host_mib: float | None
    device_mib: float | None
    run_bytes: int
    metric: str = ""
    source: Literal["steps", "runs"] = "steps"
    left_out: tuple[str, ...] = ()

    def seconds(self, config: Config, *, epochs_done: int = 0) -> float:
        """Of a run of this configuration from its first epoch, or from behind some, to its record."""
        epochs, steps = length(config, self.epoch_steps)
        share = max(0.0, 1 - epochs_done / epochs) if epochs > 0 else 1.0
        tested = self.test_ms if config.phase != "tune" and config.mode == "train" else 0.0
        return (share * (steps * self.step_ms + epochs * self.epoch_ms) + self.run_ms + tested) / 1000


def length(config: Config, epoch_steps: int | None) -> tuple[float, float]:
    """Epochs and batches of a run, as far as its config says; it may end earlier (early stopping, divergence)."""
    if config.mode == "find_lr":
        return 0.0, float(config.find_lr.steps * config.find_lr.seeds * config.trainer.accumulate_grad_batches)
    epochs, limit = config.trainer.max_epochs, config.trainer.max_steps
    epochs = epochs if config.until is None else min(epochs, config.until)
    batches = limit * config.trainer.accumulate_grad_batches if limit != -1 else None
    if epoch_steps is None:
        return float(max(epochs, 1)), float(batches or 0)
    steps = epochs * epoch_steps if epochs != -1 else batches or 0
    steps = min(steps, batches) if batches is not None else steps
    return steps / epoch_steps, float(steps)


def told(value: Any) -> Any:
    """What of an optimizer's argument tells what its step costs."""
    if isinstance(value, list):
        return any(value)
    is_number = isinstance(value, float) or (value == 0 and not isinstance(value, bool))
    return value != 0 if is_number else value


def configuration(config: Config) -> str:
    """What names the cost of a run: equal for two configs whose runs cost the same."""
    kept = identity(config.plain)
    for path in FREE:
        *parents, key = path.split(".")
        node: Any = kept
        for parent in parents:
            node = node.get(parent, {})
        node.pop(key, None)
    # A learning rate costs nothing. A number of evaluations a step does, so does a switch, and whether there is any
    # momentum or weight decay at all: 0 and 0.0 say that there is none.
    optimizer = {key: value for key, value in kept["optimizer"].items() if key != "lr"}
    kept["optimizer"] = {key: told(value) for key, value in optimizer.items()}
    for path in TELLING:
        value: Any = config.plain
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        kept[f"told {path}"] = value
    kept.pop("find_lr", None)
    return json.dumps(kept, sort_keys=True)
