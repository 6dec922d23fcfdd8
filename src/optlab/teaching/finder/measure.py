"""The range test: a run of some hundred steps whose lr rises geometrically from step to step, and its losses.

Source: L. N. Smith, "Cyclical Learning Rates for Training Neural Networks" (2015), section 3.3, "LR range test".

The steps are those of a run in the eager engine, by Lightning: the run's own batches in their order with their
augmentation, its loss, precision, clipping, accumulated gradients and closures. There are no loggers, checkpoints or
validation.
"""

from pathlib import Path

import numpy as np

from optlab.adapters.generators import keeping_generators
from optlab.building import build_module
from optlab.callbacks import Interruption
from optlab.checkpoint import Checkpoint
from optlab.config.schema import Config, FindLr
from optlab.data.arrays import Splits
from optlab.engine import Choice
from optlab.errors import UserError
from optlab.hardware import build_trainer
from optlab.inputs import batches
from optlab.teaching.finder.curve import RangeTest
from optlab.teaching.finder.ramp import Over, Ramp

CONSTANT = {"name": "constant", "_target_": "optlab.lr.constant"}
SPARE = 100  # optimizers that a module of a user's own may step with each batch, at most


def geometric(options: FindLr) -> list[float]:
    """The lr of each step, both ends included."""
    return [float(lr) for lr in np.geomspace(options.low, options.high, options.steps)]


def range_test(
    config: Config, data: Splits, seed: int, saved: Checkpoint | None = None, interruption: Interruption | None = None
) -> RangeTest:
    """One test from the first weights of a seed, or from those of a checkpoint.

    It builds network, optimizer and trainer of its own, and the process' random streams are afterwards as they were.

    Raises:
        UserError: the run could not be made either, or the module never gives a loss.
    """
    config = prepared(config, seed)
    with keeping_generators():
        trainer_callbacks = [ramp := Ramp(geometric(config.find_lr)), *([interruption] if interruption else [])]
        trainer = build_trainer(config, Path(), trainer_callbacks)
        module = build_module(config, data, engine=Choice("eager"), saved=saved)
        if saved is not None:
            saved.check_state(module, {"name": module.run_state.name})
            module.load_state_dict(saved.state_dict)
        try:
            trainer.fit(module, batches(config, data.info, data.train, trainer, train=True))
        except Over as over:
            ended = str(over)
        else:
            raise UserError(
                f"mode=find_lr: training ended after {len(ramp.losses)} of {len(ramp.lrs)} steps by itself; leave out "
                "what ends it"
            )
    n = len(ramp.losses)
    return RangeTest(seed, np.array(ramp.lrs[:n]), np.array(ramp.losses), ramp.start, ended)


def prepared(config: Config, seed: int) -> Config:
    """The config as a range test runs it: on one device, with nothing beside the steps.

    A batch is as large as that of all processes together would be, so one device sees the run's own batches.
    """
    steps = config.find_lr.steps + 1
    ours = {"max_epochs": -1, "max_steps": steps * SPARE, "limit_val_batches": 0, "compile": False, "profiler": None}
    left_out = ("devices", "num_nodes", "strategy", "min_epochs", "min_steps", "max_time")
    trainer = {key: value for key, value in config.trainer.plain.items() if key not in left_out}
    return config.with_(
        seed=seed, trainer=trainer | ours | {"devices": 1}, lr=CONSTANT, callbacks={}, cpu_kernels=False, ckpt=None
    )
