"""Samples of any rank and type in the form in which they are stored: see `Arrays`."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from optlab.data.decide import check_finite
from optlab.errors import UserError

log = logging.getLogger(__name__)

COLOURS = (1, 3)  # channels by which an axis is known to be that of channels


def stored(values: Tensor, name: str) -> Tensor:
    """A batch of inputs [n, ...] as it is stored.

    uint8 images are pixels and stay so, as [n, channels, height, width] in channels_last; whole numbers of other types
    are tokens, int64; everything else is float32 and used as it is.

    Raises:
        UserError: numbers that are not finite, or of no type that a network takes.
    """
    if values.is_complex():
        raise UserError(f"{name}: the inputs are complex numbers; give real and imaginary parts as two channels")
    if values.dim() == 1:
        values = values[:, None]
    if values.dtype == torch.uint8 and values.dim() == 3:
        values = values[:, None]
    if has_channels_last(tuple(values.shape[1:])):
        values = values.movedim(-1, 1)
    if values.is_floating_point() or values.dtype == torch.bool or (values.dtype == torch.uint8 and values.dim() != 4):
        values = values.float()
        check_finite(values, f"{name}: the inputs")
    elif values.dtype != torch.uint8:
        values = values.long()
    if values.dim() == 4:
        return values.contiguous(memory_format=torch.channels_last) if values.shape[1] > 1 else values.contiguous()
    return values.contiguous()


def has_channels_last(shape: tuple[int, ...]) -> bool:
    """Whether samples of this shape look like [height, width, channels], where a network takes channels first."""
    return len(shape) == 3 and shape[-1] in COLOURS and shape[0] not in COLOURS


def say_layout(shape: tuple[int, ...], name: str) -> None:
    """Say where the axes of samples, as they came, are taken for those of pictures."""
    if has_channels_last(shape):
        log.info("%s: samples of %s are taken for [height, width, channels]", name, "x".join(map(str, shape)))
