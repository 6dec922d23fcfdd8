"""A LightningModule of a user's own in a run: its steps and hooks, with optlab's optimizer, sums and record beside.

The module of such a run is of a class made of `UsersModule` and the user's class, so that Lightning finds a module of
theirs: `self.log`, `self.trainer`, `self.hparams`, hooks and manual optimization are what they are anywhere.
"""

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

from lightning import LightningModule
from lightning.pytorch.utilities.data import extract_batch_size
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau

from optlab import lightning_class
from optlab.adapters.lightning import batches_done, published
from optlab.config.schema import Config
from optlab.create import create
from optlab.data.arrays import DataInfo
from optlab.data.batches import Batch
from optlab.engine.labels import LabelsWatched
from optlab.errors import UserError
from optlab.lightning_class import LOADERS, RATES, class_of, has, is_own
from optlab.networks.build import what_failed
from optlab.rules.logged import at_test
from optlab.run_module import RunModule, RunState
from optlab.seeds import default_stream

log = logging.getLogger(__name__)


class UsersState(RunState):
    """The state beside a user's module: of its steps it knows the loss that they return."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        assert self.config.module is not None
        self.label = self.config.module.label
        self.owns_optimizer = is_own(self.config)
        self._counted = 0  # the batch of the epoch whose loss was counted last
        self._watch: LabelsWatched | None = LabelsWatched(self.label, self.info)

    def watched(self, step: Callable[[], Any]) -> Any:
        """What the step returns; as long as its outputs may be fewer than the classes, labels are looked at."""
        if self._watch is None:
            return step()
        with self._watch:
            output = step()
        if not self._watch.narrow:
            self._watch = None
        return output

    def begin_epoch(self) -> None:
        super().begin_epoch()
        self._counted = 0

    def count(self, output: Any, batch: Any) -> None:
        """Add the loss that a training step returned for a batch; one that returned None counts for nothing."""
        number = batches_done(self.module.trainer)
        loss = output.get("loss") if isinstance(output, Mapping) else output
        # LBFGS asks for the same batch several times; the first is at the weights before the step, as for the others.
        if number == self._counted or not isinstance(loss, Tensor) or loss.numel() != 1:
            return
        self._counted = number
        samples = extract_batch_size(batch)
        sums = self.sums["train"]
        sums.loss.add_(loss.detach().reshape(()), alpha=samples)
        sums.samples += samples

    def means(self, part: str, sums: Sequence[float]) -> dict[str, float]:
        """The training loss; nothing where a module that steps its optimizers itself returns none.

        Raises:
            UserError: no step so far has returned a loss, and so none has learned anything.
        """
        metrics = super().means(part, sums)
        if not math.isnan(metrics["train/loss"]) or self.sums[part].samples:
            return metrics
        if self.module.automatic_optimization:
            raise UserError(
                f"module={self.label}: training_step returned no loss for any batch, so nothing is learned; "
                "let it return the loss, or a dict with it under 'loss'"
            )
        return {}

    def step_plateau(self) -> None:
        if not self.owns_optimizer:
            super().step_plateau()
            return
        trainer = self.module.trainer
        for each in trainer.lr_scheduler_configs:
            value = published(trainer).get(str(each.monitor))
            due = each.interval == "epoch" and (trainer.current_epoch + 1) % each.frequency == 0
            if isinstance(each.scheduler, ReduceLROnPlateau) and due and value is not None:
                each.scheduler.step(float(value))

    def save(self, checkpoint: dict[str, Any]) -> None:
        """As of every run, and of the module's hyperparameters those that are data: others could not be read again."""
        super().save(checkpoint)
        kept = checkpoint.get("hyper_parameters")
        if isinstance(kept, Mapping):
            checkpoint["hyper_parameters"] = {name: value for name, value in kept.items() if is_data(value)}


class UsersModule(RunModule):
    """Stands before a user's class among the bases of the class of a run."""

    run_state: UsersState

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Batches are what such modules expect, `inputs, targets = batch`."""
        pair = (batch.inputs, batch.targets) if isinstance(batch, Batch) else batch
        return super().on_before_batch_transfer(pair, dataloader_idx)

    def log(self, name: str, *args: Any, **options: Any) -> None:
        """As of every run; what a validation step logs when it stands in for the test step is of the test."""
        super().log(at_test(name) if self.trainer.testing else name, *args, **options)

    def on_train_start(self) -> None:
        super().on_train_start()
        if self.run_state.owns_optimizer:
            group = self.trainer.optimizers[0].param_groups[0]
            self.run_state.lr = float(group.get("initial_lr", group["lr"]))  # schedules keep the one before them

    def configure_optimizers(self) -> Any:
        if not self.run_state.owns_optimizer:
            return super().configure_optimizers()
        made = super(RunModule, self).configure_optimizers()
        if made is None:
            raise UserError(
                f"optimizer=own: configure_optimizers of module={self.run_state.label} gives no optimizer; "
                "let it return one, or type another optimizer"
            )
        return made

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """The user's own where the schedules are theirs; a plateau's at the end of an epoch is stepped already."""
        ours = not self.run_state.owns_optimizer
        by_epoch = any(
            each.scheduler is scheduler and each.interval == "epoch" for each in self.trainer.lr_scheduler_configs
        )
        if ours or (isinstance(scheduler, ReduceLROnPlateau) and by_epoch):
            super().lr_scheduler_step(scheduler, metric)
        else:
            super(RunModule, self).lr_scheduler_step(scheduler, metric)


def is_data(value: Any) -> bool:
    """Whether a checkpoint may hold it: tensors, and what JSON knows."""
    if isinstance(value, Tensor):
        return True
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


# -- the class of a run


def in_a_run(cls: type[LightningModule]) -> type[UsersModule]:
    """The user's class with what a run needs before it.

    The data are the run's, so its own loaders are not asked, nor what prepares the data for them. Where it has no
    `test_step`, the test split is looked at by its `validation_step`, with the hooks around that.
    """
    body: dict[str, Any] = {name: getattr(cls, name) for name in ("__module__", "__qualname__", "__doc__")}
    body["training_step"] = counted(cls.training_step)
    replaced = [name for name in LOADERS if has(cls, name)]
    if replaced:
        replaced += [name for name in ("prepare_data", "setup") if has(cls, name)]
        log.info("module: %s of %s not used, the data are those of dataset=", ", ".join(replaced), cls.__name__)
    body |= {name: getattr(LightningModule, name) for name in (*replaced, "prepare_data")}
    if has(cls, "validation_step") and not has(cls, "test_step"):
        log.info("module: %s has no test_step, so its validation_step looks at the test split", cls.__name__)
        body |= as_test(cls)
    made: type[UsersModule] = type(cls.__name__, (UsersModule, cls), body)
    return made


def counted(step: Callable[..., Any]) -> Callable[..., Any]:
    """The training step, with its loss counted. Lightning asks the signature of what is wrapped."""

    @wraps(step)
    def training_step(self: UsersModule, *args: Any, **options: Any) -> Any:
        output = self.run_state.watched(lambda: step(self, *args, **options))
        self.run_state.count(output, args[0] if args else options["batch"])
        return output

    return training_step


def as_test(cls: type[LightningModule]) -> dict[str, Any]:
    """The step and hooks of validation under the names of the test's."""
    step = cls.validation_step

    @wraps(step)
    def test_step(self: UsersModule, *args: Any, **options: Any) -> Any:
        return step(self, *args, **options)

    def on_test_epoch_start(self: UsersModule) -> None:
        cls.on_validation_epoch_start(self)

    def on_test_epoch_end(self: UsersModule) -> None:
        cls.on_validation_epoch_end(self)
        self.run_state.collect()

    return {"test_step": test_step, "on_test_epoch_start": on_test_epoch_start, "on_test_epoch_end": on_test_epoch_end}


def build(config: Config, info: DataInfo, overrides: Sequence[str] = ()) -> UsersModule:
    """The module of a run: made by the user's constructor, in the stream of initial weights.

    Raises:
        UserError: it cannot be made, has nothing to train, or steps optimizers itself which it is not to have.
    """
    assert config.module is not None
    label = config.module.label
    module: UsersModule = make(config, info, in_a_run(class_of(config.module)))
    if not any(parameter.requires_grad for parameter in module.parameters()) and not is_own(config):
        raise UserError(f"module={label}: has no weights to train; let its constructor make them")
    if not module.automatic_optimization and not is_own(config):
        raise UserError(f"module={label}: steps its optimizers itself; type optimizer=own")
    module.run_state = UsersState(module, module, config, info, overrides)
    named = arguments(config, info)
    lr = config.optimizer.lr
    if is_own(config) and lr > 0 and lr not in [named.get(name) for name in RATES]:
        said = next((f"module.{name}={named[name]}" for name in RATES if name in named), None)
        why = f"{said} counts" if said else f"the constructor of {label} takes no {' or '.join(RATES)}"
        log.info("optimizer.lr=%s is not used: optimizer=own, and %s", lr, why)
    shown = ", ".join(f"{name}={value}" for name, value in named.items() if not isinstance(value, dict))
    log.info("module: %s(%s) takes its own steps; model= and loss= are not used", label, shown)
    return module


def make(config: Config, info: DataInfo, cls: type[LightningModule]) -> Any:
    """An object of the user's class, or of one made of it, in the stream of initial weights.

    Raises:
        UserError: its constructor fails.
    """
    assert config.module is not None
    try:
        with default_stream(config.seed, "weights"):
            return create({"_target_": f"{__name__}.call", **arguments(config, info)}, cls)
    except UserError:
        raise
    except Exception as error:  # whatever a user's constructor raises
        raise UserError(f"module={config.module.label} cannot be built: {what_failed(error)}") from error


def arguments(config: Config, info: DataInfo) -> dict[str, Any]:
    """What the constructor is called with: what was typed, and what the data and the optimizer give."""
    assert config.module is not None
    options = {key: value for key, value in config.module.plain.items() if key not in ("name", "_target_")}
    return options | lightning_class.given(config, info)


def call(cls: type[LightningModule], **arguments: Any) -> LightningModule:
    """The class called, by a name that a config can give."""
    return cls(**arguments)
