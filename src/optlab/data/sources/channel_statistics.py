"""What the data sets share: the mean and std of their channels, given or measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field

from optlab.data.arrays import DataInfo, Samples
from optlab.errors import UserError

Mean = Sequence[float]
Std = Sequence[Annotated[float, Field(gt=0)]]

_CHUNK = 1024  # images measured at a time, as bincount makes an int64 copy


def channel_statistics(info: DataInfo, train: Samples, mean: Mean | None, std: Std | None) -> DataInfo:
    """`info` with the given mean and std, and what is None measured on the training images.

    Raises:
        UserError: not one number a channel, or a std of 0.
    """
    channels = info.input_shape[0]
    for option, given in (("mean", mean), ("std", std)):
        if given is not None and len(given) != channels:
            raise UserError(
                f"dataset.{option}={list(given)} has {len(given)} numbers for the {channels} channels of "
                f"{info.name}; type one number a channel, or null to measure them"
            )
    if std is not None and min(std) <= 0:
        raise UserError(f"dataset.std={list(std)} divides the pixels; type numbers above 0")
    if mean is None or std is None:
        measured_mean, measured_std = _measure(train, info)
        mean, std = mean or measured_mean, std or measured_std
    return replace(info, mean=tuple(mean), std=tuple(std))


def _measure(arrays: Samples, info: DataInfo) -> tuple[list[float], list[float]]:
    """Mean and std (population) of each channel over all pixels, on the [0, 1] scale, exact to float64."""
    counts = torch.zeros(info.input_shape[0], 256, dtype=torch.int64)  # how often each value occurs
    for start in range(0, len(arrays), _CHUNK):
        chunk, _ = arrays.part(slice(start, start + _CHUNK))
        counts += torch.stack([torch.bincount(x.flatten(), minlength=256) for x in chunk.unbind(1)])
    if int((counts > 0).sum(1).min()) == 1:
        raise UserError(
            f"all training images of {info.name} have one and the same value in a channel, so its std is 0; "
            "check the images, or give dataset.mean and dataset.std"
        )
    share = counts.double() / counts.sum(1, keepdim=True)
    values = torch.arange(256, dtype=torch.float64) / info.pixel_max
    mean = share @ values
    std = (share * (values - mean[:, None]).square()).sum(1).sqrt()
    return mean.tolist(), std.tolist()
