"""The class of a LightningModule of a user's own (`module=mine`): whether it can be trained, and what it is given."""

import inspect
from typing import Any

from lightning import LightningModule

from optlab import networks
from optlab.config.schema import Config, Module
from optlab.config.signature import check_call, locate
from optlab.data.arrays import DataInfo
from optlab.errors import UserError
from optlab.optimizers import Own

RATES = ("lr", "learning_rate")  # what constructors call the learning rate
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader", "predict_dataloader")
BATCHES_OF_OURS = ("RunningSums", "TestCurve", "Predictions")  # callbacks that look into optlab's own batches or steps


def is_own(config: Config) -> bool:
    """Whether the optimizer is that of the module's `configure_optimizers` (`optimizer=own`)."""
    return config.optimizer.target == f"{Own.__module__}.{Own.__name__}"


def class_of(module: Module) -> type[LightningModule]:
    """The class that `_target_` names.

    Raises:
        UserError: there is none, it is no LightningModule, or it has no `training_step`.
    """
    cls: Any = locate("module", module.target)
    named = f"module._target_={module.target}"
    if not inspect.isclass(cls):
        raise UserError(f"{named}: is no class; name a class that inherits from lightning.LightningModule")
    if not issubclass(cls, LightningModule):
        if any(base.__module__.startswith("pytorch_lightning") for base in cls.__mro__):
            raise UserError(
                f"{named}: inherits from pytorch_lightning, another package than lightning; write `import lightning`"
            )
        raise UserError(f"{named}: is no lightning.LightningModule; a network is model._target_={module.target}")
    if not has(cls, "training_step"):
        raise UserError(f"{named}: has no training_step, which gives the loss of a batch")
    return cls


def has(cls: type[LightningModule], hook: str) -> bool:
    """Whether the class defines a hook itself."""
    return getattr(cls, hook, None) is not getattr(LightningModule, hook, None)


def validates(config: Config) -> bool:
    """Whether the module of the config can be looked at on validation: optlab's own always."""
    return config.module is None or has(class_of(config.module), "validation_step")


def tests(config: Config) -> bool:
    """Whether it can be tested: by its `test_step`, or else by its `validation_step`."""
    return validates(config) or (config.module is not None and has(class_of(config.module), "test_step"))


def given(config: Config, info: DataInfo) -> dict[str, Any]:
    """What the constructor is given besides what was typed, where its signature takes it.

    Input shape and outputs of the data, as networks are, and the learning rate.
    """
    assert config.module is not None
    return networks.given(config.module.plain, info) | rates(config.module, config.optimizer.lr)


def rates(module: Module, lr: float) -> dict[str, float]:
    taken = inspect.signature(class_of(module)).parameters
    names = [name for name in RATES if name in taken and name not in module.arguments]
    return {names[0]: lr} if names and lr > 0 else {}


def unused(config: Config) -> list[tuple[str, str]]:
    """What was asked for of optlab's own module, and what another does itself in its place."""
    asked = (
        (f"engine={config.engine}", config.engine in ("loop", "graph"), "takes its steps"),
        ("trainer.compile=true", config.trainer.compile, "takes its steps"),
        ("cpu_kernels=true", config.cpu_kernels, "takes its steps"),
        (f"model.weights={config.model.weights}", config.model.weights is not None, "builds its network"),
        (f"model.freeze={config.model.freeze}", bool(config.model.freeze), "builds its network"),
        (f"metrics.{next(iter(config.metrics), '')}", bool(config.metrics), "logs its metrics"),
        ("dataset.class_weights", config.dataset.class_weights is not None, "weighs its loss"),
    )
    return [(word, does) for word, typed, does in asked if typed]


def check(config: Config) -> None:
    """Raise UserError where the module and the rest of the config do not go together, before the data is known."""
    if config.module is None:
        if is_own(config):
            raise UserError(
                "optimizer=own: stands for the configure_optimizers of a LightningModule of your own, and there is "
                "none; type module=NAME, or another optimizer"
            )
        return
    cls = class_of(config.module)
    options = config.module.plain
    check_call("module", options, function=cls, given={*networks.from_data(cls, options), *RATES} - options.keys())
    named = f"module={config.module.label}"
    if is_own(config):
        if not has(cls, "configure_optimizers"):
            raise UserError(f"optimizer=own: {named} has no configure_optimizers; type another optimizer")
        if config.lr.name != "constant":
            raise UserError(
                f"lr={config.lr.name}: optimizer=own brings its schedule along; leave lr out, or type another optimizer"
            )
    if wrong := unused(config):
        word, does = wrong[0]
        raise UserError(f"{word}: is for optlab's own module, and {named} {does} itself; leave it out")
    for name, callback in config.callbacks.items():
        if callback is not None and callback.target.rpartition(".")[2] in BATCHES_OF_OURS:
            raise UserError(f"callbacks.{name}: looks into optlab's own module; with {named} leave it out")
