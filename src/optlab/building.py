"""What a run builds of its config and its data: the module, and a schedule like the one it will have.

What network, loss, metrics, optimizer or schedule refuse is refused here, before a run begins.
"""

import logging
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch

from optlab import checkpoint, losses, networks
from optlab.adapters.torch import normalises_batches
from optlab.config.schema import Config
from optlab.create import create
from optlab.data.arrays import Splits
from optlab.data.streamed import Stream, Streamed, size_of
from optlab.engine import MODULES, Choice, EngineModule, users
from optlab.errors import UserError
from optlab.hardware import compile_network, use_cpu_kernels
from optlab.lightning_class import is_own
from optlab.lr import Horizon
from optlab.objective import validates
from optlab.quality import own
from optlab.rules.tasks import task_of
from optlab.run_module import RunModule, RunState

log = logging.getLogger(__name__)

FEW = 4  # samples whose targets losses and metrics are tried on


def build_module(
    config: Config,
    data: Splits,
    overrides: Sequence[str] = (),
    engine: Choice | None = None,
    saved: checkpoint.Checkpoint | None = None,
) -> RunModule:
    """The module of a run; the weights that the config asks for are those of `saved` where there is such a one."""
    module: RunModule
    if config.module is None:
        module = build_own(config, data, overrides, engine, saved)
    else:
        module = users.build(config, data.info, overrides)
    module.run_state.fingerprint = data.fingerprint
    module.run_state.validates = validates(config, data)
    if not is_own(config):
        try_out(module.run_state, config, data)
    return module


def build_own(
    config: Config,
    data: Splits,
    overrides: Sequence[str],
    engine: Choice | None,
    saved: checkpoint.Checkpoint | None,
) -> EngineModule:
    """optlab's own module, of the network and the loss that the config names."""
    module = MODULES[engine.name if engine else "eager"](config, data.info, overrides)
    network, options, info, test = module.network, config.model.plain, data.info, data.test
    first = networks.start(network, options, info, config.seed) if saved is None else saved.weights
    module.run_state.weights = first
    few = test.sample(FEW).targets if isinstance(test, (Streamed, Stream)) else test.targets[:FEW].cpu()
    networks.try_out(network, options, info, wanted=task_of(info.task).shape(info.outputs, few.shape[1:]))
    losses.try_out(module.loss, config.loss.name, info, few)
    own.try_out(module.of_own, info, few)
    if config.channels_last and config.optimizer.channels_last and data.info.is_image:
        module.network.to(memory_format=torch.channels_last)
    if config.cpu_kernels:
        report = use_cpu_kernels(module.network, config.trainer)
        module.run_state.kernels = dict(report.layers)
        log.info("cpu_kernels: %s", report)
    if config.trainer.compile:
        log.info(compile_network(module.network, config.trainer))
    return module


def try_out(state: RunState, config: Config, data: Splits) -> None:
    """Build optimizer and schedule once, so that what they refuse is refused before a run begins."""
    build_schedule(state.build_optimizer(), config, data)
    last = (size_of(data.train) or 0) % config.batch_size
    if config.module is None and normalises_batches(state.network) and last == 1:
        try:
            deepcopy(state.network)(data.info.zeros(1))
        except ValueError as error:
            raise UserError(
                f"batch_size={config.batch_size} leaves a last batch of one sample, which batch norm cannot take "
                f"({error}); type batch_size={config.batch_size + 1}"
            ) from error


def build_schedule(optimizer: torch.optim.Optimizer, config: Config, data: Splits) -> Any:
    """A schedule like the run's; how long that is in earnest, Lightning knows when training begins."""
    count = size_of(data.train)  # None: unknown before an epoch is over, and as long as the run is then
    batches = config.trainer.max_steps if count is None else -(-count // config.batch_size)
    epochs = max(1, config.trainer.max_epochs)
    return create(config.lr.plain, optimizer, Horizon(steps=batches * epochs, steps_per_epoch=batches))
