"""Dividing samples: validation out of training, and a test part out of data that comes without one."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from optlab.data.arrays import Arrays, DataInfo, Samples, Source, Splits, fingerprint
from optlab.data.streamed import Stream, size_of
from optlab.data.targets import check_targets
from optlab.errors import UserError
from optlab.rules.tasks import task_of

# One seed draws the test part and then the validation part: each needs a stream of its own.
_STREAMS = {"test_size": 0, "val_size": 1}


def split(
    source: Source,
    *,
    val_size: float | int,
    split_seed: int,
    train_split: Literal["train", "test"] = "train",
) -> Splits:
    """Takes validation out of training: stratified by class or by set of labels, at random for other targets.

    Args:
        val_size: a fraction in [0, 1) of the training samples, or a whole number of them; 0 leaves validation
            out. A data set that brings its own validation part keeps it, and `val_size` is not used.
        split_seed: fixes which samples are taken; everything else that is random in a run has other seeds.
        train_split: `test` trains on the test samples, which then also stay the test part: the accuracy is no
            longer an estimate for new data. It exists to repeat published runs that did so.

    Raises:
        UserError: an empty part, a label outside the classes, or a `val_size` that leaves a class nothing to
            train on.
    """
    for part, arrays in source.parts().items():
        _check(arrays, source.info, part)
    everything = source.test if train_split == "test" else source.train
    train: Samples = everything
    val: Samples | None = source.val
    if val is None and val_size != 0:
        if isinstance(everything, Stream):
            raise UserError(
                f"dataset.val_size={val_size}: {source.info.name} is an IterableDataset, which cannot be divided; "
                "type dataset.val_size=0, or give it a part of its own for validation"
            )
        kept, held = divide(everything.targets, val_size, split_seed, source.info, option="val_size")
        train, val = everything.subset(kept), everything.subset(held)
    return Splits(source.info, train, val, source.test, split_seed, fingerprint(source), source.not_guaranteed)


def holdout(arrays: Arrays, size: float | int, seed: int, info: DataInfo) -> tuple[Arrays, Arrays]:
    """Divides data that comes without a test part into what is kept and what is held out; see `divide`."""
    kept, held = divide(arrays.targets, size, seed, info, option="test_size")
    return arrays.select(kept), arrays.select(held)


def divide(
    targets: Tensor, size: float | int, seed: int, info: DataInfo, *, option: Literal["val_size", "test_size"]
) -> tuple[Tensor, Tensor]:
    """Where the samples to keep and those to hold out stand (int64), both in their original order.

    Args:
        targets: of all samples.
        size: a fraction in (0, 1), or a whole number of samples.
        option: the setting that `size` comes from, for messages; each has its own random stream.

    Raises:
        UserError: the size is out of range, or some class would keep no sample.
    """
    if seed < 0:
        raise UserError(f"dataset.split_seed={seed} is negative; type a whole number from 0")
    count = _count(size, len(targets), info.name, option)
    rng = np.random.default_rng([_STREAMS[option], seed])
    held = _held(targets, count, info, option, rng)
    is_held = np.zeros(len(targets), dtype=bool)
    is_held[held] = True
    kept = np.flatnonzero(~is_held)
    if len(kept) + count != len(targets) or len(held) != count:
        raise RuntimeError("the split is not disjoint: a sample was held out twice")
    return torch.from_numpy(kept), torch.from_numpy(np.flatnonzero(is_held))


def _check(arrays: Samples, info: DataInfo, part: str) -> None:
    if size_of(arrays) == 0:
        raise UserError(f"{info.name} has no {part} samples; a run needs at least one")
    check_targets(arrays.targets, info, part)


def _count(size: float | int, n: int, name: str, option: str) -> int:
    """The number of samples that `size` means out of `n`."""
    allowed = f"a fraction above 0 and below 1, or a whole number from 1 to {n - 1}"
    if option == "val_size":
        allowed += ", or 0 for no validation"
    if isinstance(size, int):
        if not 0 < size < n:
            raise UserError(f"dataset.{option}={size} does not fit the {n} samples of {name}; type {allowed}")
        return size
    if not 0 < size < 1:
        raise UserError(f"dataset.{option}={size} is not a size; type {allowed}")
    count = math.floor(size * n + 0.5)
    if not 0 < count < n:
        left = "held out" if count == 0 else "kept for training"
        raise UserError(f"dataset.{option}={size} of the {n} samples of {name} leaves none {left}; type {allowed}")
    return count


def _held(targets: Tensor, count: int, info: DataInfo, option: str, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of the `count` samples to hold out."""
    answers = task_of(info.task).answers
    if answers == "one" or (answers == "yes_no" and info.outputs == 1):
        labels = targets.reshape(-1).numpy().astype(np.int64, copy=False)
        sizes = np.bincount(labels, minlength=task_of(info.task).names(info.outputs))
        spare = np.maximum(sizes - 1, 0)  # no class gives its last sample
        if count > spare.sum():
            raise UserError(
                f"dataset.{option} would take {count} of the {len(labels)} samples of {info.name}, and some "
                f"class would keep none; type at most {spare.sum()}"
            )
        return _stratified(labels, _shares(sizes, spare, count, np.arange(len(sizes))), rng)
    if answers == "yes_no":
        _, labels = np.unique(targets.numpy(), axis=0, return_inverse=True)
        labels = labels.reshape(-1)
        sizes = np.bincount(labels)
        # Most sets of labels may be rare; which of them give a sample is drawn, or it would be those that come first.
        return _stratified(labels, _shares(sizes, sizes, count, rng.permutation(len(sizes))), rng)
    return rng.permutation(len(targets))[:count]


def _shares(
    sizes: NDArray[np.int64], spare: NDArray[np.int64], count: int, ties: NDArray[np.int64]
) -> NDArray[np.int64]:
    """How many samples each group gives, by largest remainder, and none more than it can spare.

    Args:
        ties: the groups in the order in which equal remainders are served.
    """
    # In whole numbers, as the remainders of equal groups must tie exactly.
    quota, remainder = np.divmod(sizes * count, sizes.sum())
    shares = np.minimum(quota, spare)
    order = ties[np.argsort(-remainder[ties], kind="stable")]
    while (missing := count - int(shares.sum())) > 0:
        shares[order[shares[order] < spare[order]][:missing]] += 1
    return shares


def _stratified(labels: NDArray[np.int64], shares: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """As many indices of each group's samples as it gives."""
    members = [rng.permutation(np.flatnonzero(labels == label)) for label in range(len(shares))]
    return np.concatenate([indices[:share] for indices, share in zip(members, shares, strict=True)])
