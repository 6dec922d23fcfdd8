"""The data of a run: loaded once, split, checked against the config, and cut into batches on the device."""

import inspect
import json
import math
from collections.abc import Callable, MutableMapping
from dataclasses import replace
from functools import partial
from typing import Any, get_type_hints

import torch
from lightning import Trainer

from optlab.config.schema import Config
from optlab.config.signature import locate
from optlab.create import create
from optlab.data.arrays import DataInfo, Samples, Source, Splits
from optlab.data.augment import augmentation
from optlab.data.batches import DeviceBatches
from optlab.data.shared import SharedSources
from optlab.data.sources import there
from optlab.data.sources.wrapped import Options, source_of
from optlab.data.split import split
from optlab.data.streamed import OwnOrderBatches, Stream, Streamed, StreamedBatches, size_of
from optlab.data.targets import class_weights
from optlab.errors import UserError
from optlab.rules.tasks import task_of

Sources = MutableMapping[str, Source]
# What our losses need of targets, by their names.
NEEDS = {
    "cross_entropy": "classes",
    "bce": "0 or 1 as floats",
    **dict.fromkeys(("mse", "l1", "huber"), "numbers, or one class a sample"),
}
# What every option of the group `dataset` may have and a function is given where its signature names it.
MAY_TAKE = ("split_seed", "val_size", "task", "outputs", "test_size", "memory", "workers")


EVAL_BATCH, EVAL_BATCH_ON_GPU = 128, 2048
MOST_VALUES = 2048 * 3 * 64 * 64  # of a batch on a GPU: 2,048 colour images of 64x64 pixels


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
    function = locate("dataset", dataset.target)
    takes = inspect.signature(function).parameters
    # A function that holds a part out itself does so by the same seed.
    settings |= {key: dataset.plain[key] for key in MAY_TAKE if key in takes and dataset.plain.get(key) is not None}
    options = {key: dataset.plain.get(key) for key in MAY_TAKE}
    key = json.dumps([settings, {} if makes_source(function) else options], sort_keys=True)
    source = loaded(key, partial(make_source, config, settings), sources)
    splits = split(source, val_size=dataset.val_size, split_seed=dataset.split_seed, train_split=dataset.train_split)
    if dataset.class_weights is None:
        return splits
    if dataset.class_weights == "balanced" and isinstance(splits.train, Stream):
        raise UserError("dataset.class_weights=balanced counts classes, and an IterableDataset cannot be; type a list")
    weights = class_weights(dataset.class_weights, splits.train.targets, splits.info)
    return replace(splits, info=replace(splits.info, class_weights=weights))


def missing(config: Config) -> str | None:
    """What has to be downloaded before a run of this config, in words; None for nothing. Nothing is read.

    Raises:
        UserError: files of the data set are missing that cannot be fetched.
    """
    return there.missing(locate("dataset", config.dataset.target), config.dataset.arguments)


def loaded(key: str, make: Callable[[], Source], sources: Sources | None) -> Source:
    """The data set of this key, from `sources` where it stands there already."""
    if sources is None:
        return make()
    if (source := sources.get(key)) is None:
        source = sources.load(key, make) if isinstance(sources, SharedSources) else make()
    sources.clear()  # a sweep over data sets keeps one in memory at a time
    sources[key] = source
    return source


def make_source(config: Config, settings: dict[str, Any]) -> Source:
    """What the data set's class or function makes, as a `Source`."""
    dataset, function = config.dataset, locate("dataset", config.dataset.target)
    if makes_source(function):
        made: Source = create(settings)
        return made
    options = Options(
        name=getattr(function, "__name__", dataset.target.rpartition(".")[2]),
        task=dataset.task,
        outputs=dataset.outputs,
        test_size=dataset.test_size,
        split_seed=dataset.split_seed,
        memory=dataset.memory,
        workers=dataset.workers,
    )
    return source_of(lambda **part: create(settings, **part), function, options, tuple(settings))


def check_against_data(config: Config, data: Splits) -> None:
    """Raise UserError for what only the data set shows to be impossible."""
    name, count = data.info.name, size_of(data.train)
    if count is None and config.trainer.max_steps == -1:
        raise UserError(
            f"{name} does not say how many samples it has, so that no schedule knows its end; give it __len__, or type "
            "trainer.max_steps=1000 trainer.max_epochs=-1"
        )
    if count is not None and config.batch_size > count:
        raise UserError(
            f"batch_size={config.batch_size}: {name} has {count:,} training samples; type batch_size={count} or less"
        )
    augmentation(config.dataset.augment, data.info)  # refuses what it is not for
    part = config.trainer.limit_train_batches
    if isinstance(part, float) and count is not None and int(-(-count // config.batch_size) * part) == 0:
        raise UserError(f"trainer.limit_train_batches={part}: is less than one batch; type a number of batches")
    if config.module is None:
        check_loss(config, data.info)
    keeps_best = any(each is not None and each.arguments.get("best") for each in config.callbacks.values())
    if config.test_weights == "best" and not keeps_best:
        raise UserError("test_weights=best needs callbacks.checkpoint.best=true, or type test_weights=last")
    if config.test_weights == "best" and data.val is None:
        raise UserError("test_weights=best needs a validation split to choose on; type test_weights=last")


def check_loss(config: Config, info: DataInfo) -> None:
    """Raise UserError for one of our losses that is not for such targets."""
    task, loss = task_of(info.task), config.loss.name
    if loss in NEEDS and loss not in task.losses:
        raise UserError(
            f"loss={loss} needs {NEEDS[loss]}, and {info.name} has {task.words} as targets; type loss={task.loss}"
        )


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
    if isinstance(arrays, Stream):
        if trainer.world_size > 1:
            raise UserError(f"{info.name} is an IterableDataset, which several processes cannot share; use one device")
        kind = OwnOrderBatches
    elif isinstance(arrays, Streamed):
        kind = StreamedBatches
    return kind(
        arrays.to(device),
        augmentation(config.dataset.augment, info),
        batch_size=config.batch_size if train else eval_batch_size(config, info, device),
        seed=config.seed,
        train=train,
        shuffle=train and config.shuffle,
        rank=trainer.global_rank,
        world_size=trainer.world_size,
    )


def eval_batch_size(config: Config, info: DataInfo, device: torch.device) -> int:
    """Samples of a batch of validation and test: as typed, else 128, and on a GPU up to 2,048.

    There a batch of a small network is bound by the launching of its kernels. Larger samples get fewer, so that memory
    suffices wherever it does for training; and where the trainer counts batches, these stay the same on any device.
    """
    if config.eval_batch_size is not None:
        return config.eval_batch_size
    limits = config.trainer.limit_val_batches, config.trainer.limit_test_batches
    counted = any(limit is not None and (isinstance(limit, int) or limit < 1) for limit in limits)
    if device.type == "cpu" or counted:
        return EVAL_BATCH
    values = math.prod(info.input_shape) * (info.outputs if task_of(info.task).answers == "positions" else 1)
    return max(EVAL_BATCH, min(EVAL_BATCH_ON_GPU, MOST_VALUES // values))


def describe_data(data: Splits) -> dict[str, Any]:
    return {
        "train": size_of(data.train),
        "val": size_of(data.val) if data.val is not None else 0,
        "test": size_of(data.test),
        "split_seed": data.split_seed,
        "fingerprint": data.fingerprint,
        **data.info.to_dict(),
        **({"streamed": True, "not_guaranteed": list(data.not_guaranteed)} if is_streamed(data) else {}),
    }


def is_streamed(data: Splits) -> bool:
    """Whether the samples that a run trains on are read while it trains."""
    return isinstance(data.train, (Streamed, Stream))
