"""A source from parts that were read into memory, whatever they were read from."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from optlab.data.arrays import Arrays, DataInfo, Samples, Source
from optlab.data.decide import decide
from optlab.data.forms import say_layout, stored
from optlab.data.sources.channel_statistics import Mean, Std, channel_statistics
from optlab.data.split import divide
from optlab.errors import UserError
from optlab.rules.tasks import TaskName

log = logging.getLogger(__name__)

TestSize = Annotated[float, Field(gt=0, lt=1)] | Annotated[int, Field(ge=1)]
SplitSeed = Annotated[int, Field(ge=0)]
Outputs = Annotated[int, Field(ge=1)]

Raw = Mapping[str, tuple[Tensor, Tensor]]  # inputs and targets as they came, of "train" and perhaps "val" and "test"


def assemble(
    name: str,
    parts: Raw,
    *,
    task: TaskName | None = None,
    outputs: int | None = None,
    classes: Sequence[str] = (),
    test_size: float | int = 0.2,
    split_seed: int = 0,
    mean: Mean | None = None,
    std: Std | None = None,
) -> Source:
    """Decides what the targets are, holds a test part out where there is none, and measures the pixels.

    Args:
        name: of the data set.
        task, outputs, classes: of the targets, where the user or the data says them.
        test_size, split_seed: see `optlab.data.split.divide`.
        mean, std: of pixels; see `channel_statistics`.

    Raises:
        UserError: parts that do not fit each other, or targets of no task.
    """
    for part, (x, y) in parts.items():
        if len(x) != len(y):
            raise UserError(f"{name}: {part} has {len(x):,} inputs and {len(y):,} targets; each needs one")
        if len(x) == 0:
            raise UserError(f"{name} has no {part} samples; a run needs at least one")
        if x.shape[1:] != parts["train"][0].shape[1:]:
            theirs, ours = (list(each.shape[1:]) for each in (x, parts["train"][0]))
            raise UserError(f"{name}: samples of {part} have the shape {theirs}, and those of train {ours}")
    say_layout(tuple(parts["train"][0].shape[1:]), name)
    inputs = {part: stored(x, name) for part, (x, _) in parts.items()}
    shape = tuple(inputs["train"].shape[1:])
    found = decide([y for _, y in parts.values()], shape, name, task=task, outputs=outputs, classes=classes)
    if task is None:
        log.info("%s: the targets look like task=%s (%d outputs)", name, found.task, found.outputs)
    tokens = inputs["train"].dtype == torch.int64
    info = DataInfo(name, found.task, shape, found.classes, found.outputs, None, None, tokens=tokens)
    arrays: dict[str, Samples] = {part: Arrays(inputs[part], found.of(y, name)) for part, (_, y) in parts.items()}
    if "test" not in arrays:
        everything = arrays["train"]
        kept, held = divide(everything.targets, test_size, split_seed, info, option="test_size")
        arrays["train"], arrays["test"] = everything.subset(kept), everything.subset(held)
    info = scaled(info, arrays["train"], mean, std)
    return Source(info, arrays["train"], arrays["test"], arrays.get("val"))


def scaled(info: DataInfo, train: Samples, mean: Mean | None, std: Std | None) -> DataInfo:
    """`info` with the statistics of pixels; other inputs are used as they are.

    Raises:
        UserError: a mean or std for inputs that are no pixels.
    """
    if train.part(slice(0, 1))[0].dtype == torch.uint8:
        return channel_statistics(info, train, mean, std)
    for option, given in (("mean", mean), ("std", std)):
        if given is not None:
            raise UserError(f"dataset.{option}={list(given)} is for pixels (uint8), and {info.name} has numbers")
    return info
