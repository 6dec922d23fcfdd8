"""The data of a run: loaded once, split, checked against the config, and cut into batches on the device."""

import inspect
import json
from collections.abc import Callable, MutableMapping
from typing import Any, get_type_hints

from lightning import Trainer

from optlab.config.schema import Config
from optlab.config.signature import locate
from optlab.create import create
from optlab.data.arrays import DataInfo, Samples, Source, Splits
from optlab.data.augment import augmentation
from optlab.data.batches import DeviceBatches
from optlab.data.split import split
from optlab.errors import UserError

Sources = MutableMapping[str, Source]
# What every option of the group `dataset` may have and a function is given where its signature names it.
MAY_TAKE = ("split_seed", "val_size", "task", "outputs", "test_size", "memory", "workers")


def makes_source(function: Callable[..., Any]) -> bool:
    """Whether a function says that it makes a `Source`, as those of `optlab.data` do."""
    try:
        return get_type_hints(function).get("return") is Source
    except (NameError, TypeError):  # annotations that cannot be read say nothing
        return False


def load_data(config: Config, sources: Sources | None = None) -> Splits:
    """The data set of the config, split; loaded once for all runs that share `sources`."""
    dataset = config.dataset
    settings = {"_target_": dataset.target, **dataset.arguments}
    takes = inspect.signature(locate("dataset", dataset.target)).parameters
    # A function that holds a part out itself does so by the same seed.
    settings |= {key: dataset.plain[key] for key in MAY_TAKE if key in takes and key in dataset.plain}
    key = json.dumps(settings, sort_keys=True)
    source = (sources or {}).get(key) or create(settings)
    if sources is not None:
        sources.clear()  # a sweep over data sets keeps one in memory at a time
        sources[key] = source
    return split(source, val_size=dataset.val_size, split_seed=dataset.split_seed, train_split=dataset.train_split)


def check_against_data(config: Config, data: Splits) -> None:
    """Raise UserError for what only the data set shows to be impossible."""
    name = data.info.name
    if config.batch_size > len(data.train):
        raise UserError(
            f"batch_size={config.batch_size}: {name} has {len(data.train):,} training samples; "
            f"type batch_size={len(data.train)} or less"
        )
    augmentation(config.dataset.augment, data.info)  # refuses what it is not for
    part = config.trainer.limit_train_batches
    if isinstance(part, float) and int(-(-len(data.train) // config.batch_size) * part) == 0:
        raise UserError(f"trainer.limit_train_batches={part}: is less than one batch; type a number of batches")
    if config.module is None and data.info.task == "regression" and config.loss.name == "cross_entropy":
        raise UserError(f"loss=cross_entropy needs classes, and {name} has numbers as targets; type loss=mse")
    keeps_best = any(each is not None and each.arguments.get("best") for each in config.callbacks.values())
    if config.test_weights == "best" and not keeps_best:
        raise UserError("test_weights=best needs callbacks.checkpoint.best=true, or type test_weights=last")
    if config.test_weights == "best" and data.val is None:
        raise UserError("test_weights=best needs a validation split to choose on; type test_weights=last")


def batches(
    config: Config,
    info: DataInfo,
    arrays: Samples,
    trainer: Trainer,
    *,
    train: bool,
    kind: type[DeviceBatches] = DeviceBatches,
) -> DeviceBatches:
    device = trainer.strategy.root_device
    return kind(
        arrays.to(device),
        augmentation(config.dataset.augment, info),
        batch_size=config.batch_size if train else config.eval_batch_size,
        seed=config.seed,
        train=train,
        shuffle=train and config.shuffle,
        rank=trainer.global_rank,
        world_size=trainer.world_size,
    )


def describe_data(data: Splits) -> dict[str, Any]:
    return {
        "train": len(data.train),
        "val": len(data.val) if data.val is not None else 0,
        "test": len(data.test),
        "split_seed": data.split_seed,
        "fingerprint": data.fingerprint,
        **data.info.to_dict(),
    }
