"""What only the called classes and functions know of a config, looked at before anything is loaded or written."""

from typing import Literal

from lightning import Trainer

from optlab import lightning_class, losses, networks, optimizers, quality, standard, tracking
from optlab.config.node import fields
from optlab.config.schema import BOUNDS_OF_OTHERS, Call, Config, Dataset
from optlab.config.signature import check_call, check_value, locate
from optlab.data.augment import AUGMENTATIONS
from optlab.errors import UserError
from optlab.inputs import MAY_TAKE, makes_source

OF_EVERY_DATASET = fields(Dataset).keys() - {"name", "_target_"}


def check_config(config: Config) -> None:
    """Raise UserError for the first thing in a config that cannot work.

    Checks the arguments of every group against the signature of its class or function, the optimizer by taking a step
    with it, and Lightning's keys. Knows nothing of the data yet.
    """
    check_value("dataset.augment", config.dataset.augment, Literal[*AUGMENTATIONS])
    check_bounds("optimizer", config.optimizer)
    optimizers.check(config.optimizer)
    networks.check(config.model)
    if config.ckpt is None:  # which brings its own weights
        networks.check_weights(config.model.plain)
    lightning_class.check(config)
    losses.check(config.loss.plain)
    quality.own.check(config.metrics)
    check_call("lr", config.lr.plain, given={"optimizer", "horizon"})
    check_dataset(config.dataset)
    for name, callback in config.callbacks.items():
        if callback is not None:
            check_call(f"callbacks.{name}", callback.plain)
            check_bounds(f"callbacks.{name}", callback)
            if str(monitor := callback.arguments.get("monitor")).startswith("test/"):
                raise UserError(
                    f"callbacks.{name}.monitor={monitor}: nothing is chosen on the test split; "
                    f"type callbacks.{name}.monitor=val/loss"
                )
    standard.check_callbacks(config.callbacks)
    standard.check_trainer(config.trainer, config.callbacks)
    check_call("trainer", config.trainer.arguments, function=Trainer)
    tracking.check(config.logger)


def check_dataset(dataset: Dataset) -> None:
    """Raise UserError for what the class or function of a data set does not take."""
    optional = fields(Dataset).keys() & {key for key in MAY_TAKE if not fields(Dataset)[key].is_required()}
    ours = makes_source(locate("dataset", dataset.target))
    asked = {key for key in optional if ours and dataset.plain.get(key) is not None}
    options = {key: value for key, value in dataset.plain.items() if key in asked or key not in OF_EVERY_DATASET}
    given = OF_EVERY_DATASET - asked if ours else OF_EVERY_DATASET | ({"train", "split"} - options.keys())
    check_call("dataset", options, given=given)


def check_bounds(group: str, option: Call) -> None:
    """Raise UserError for an argument outside the bounds that its class does not check itself."""
    for key, hint in BOUNDS_OF_OTHERS.get(option.target, {}).items():
        if key in option.arguments:
            check_value(f"{group}.{key}", option.arguments[key], hint)
