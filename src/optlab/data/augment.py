"""Augmentation and normalisation of whole batches, on the device where the batch lies.

Random numbers are drawn first, a row per sample, and applied afterwards: what happens to a sample depends on
its own row only, so the processes of a distributed run may share a batch without changing any sample.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from optlab.data.arrays import DataInfo
from optlab.errors import UserError


class Augmentation:
    """Normalises and changes nothing else: (x / pixel_max - mean) / std per channel.

    Inputs that are not uint8 (vectors, regression) pass through unchanged.
    """

    name: ClassVar[str] = "none"

    def __init__(self, info: DataInfo) -> None:
        channels = info.input_shape[0] if info.is_image else 1
        mean = torch.tensor(info.mean or (0.0,) * channels, dtype=torch.float64)
        std = torch.tensor(info.std or (1.0,) * channels, dtype=torch.float64)
        # One multiplication and one addition a pixel, instead of a division, a subtraction and a division.
        self._scale = (1 / (info.pixel_max * std)).float().view(-1, 1, 1)
        self._shift = (-mean / std).float().view(-1, 1, 1)
        self._laid_out: dict[tuple[torch.device, torch.memory_format], tuple[Tensor, Tensor]] = {}

    def draw(self, n: int, generator: Generator) -> dict[str, Tensor]:
        """The random numbers for `n` samples: tensors with first dimension n, on `generator.device`."""
        return {}

    def train(self, images: Tensor, draws: dict[str, Tensor]) -> Tensor:
        """uint8 [batch, channels, height, width] -> float32 of the same shape, augmented and normalised."""
        return self.eval(images)

    def eval(self, images: Tensor) -> Tensor:
        """uint8 [batch, channels, height, width] -> float32 of the same shape, normalised only."""
        if images.dtype != torch.uint8:
            return images
        layout = torch.contiguous_format if images.is_contiguous() else torch.channels_last
        place = images.device, layout
        if place not in self._laid_out:
            # A value for each pixel, in the order of the pixels: with one for each channel, the innermost loop over
            # channels_last images would have three turns, and take five times as long.
            whole = [
                each.expand(1, *images.shape[1:]).to(images.device).contiguous(memory_format=layout)
                for each in (self._scale, self._shift)
            ]
            self._laid_out[place] = whole[0], whole[1]
        scale, shift = self._laid_out[place]
        return images.float().mul_(scale).add_(shift)


class CropFlip(Augmentation):
    """Zero padding, a random crop back to the image's size, and a horizontal flip of every second image.

    As torchvision's `RandomCrop(size, padding=4)` and `RandomHorizontalFlip()`, before normalisation.
    """

    name = "crop_flip"
    padding: ClassVar[int] = 4  # pixels on each side

    def __init__(self, info: DataInfo) -> None:
        super().__init__(info)
        if not info.is_image:
            raise UserError(f"dataset.augment={self.name} needs images, and {info.name} has none; type augment=none")

    def draw(self, n: int, generator: Generator) -> dict[str, Tensor]:
        """`top` and `left` (uint8 [n], 0 to 2 * padding) and `flip` (bool [n])."""
        device, high = generator.device, 2 * self.padding + 1
        # A byte each: an epoch's are kept.
        return {
            "top": torch.randint(high, (n,), generator=generator, device=device, dtype=torch.uint8),
            "left": torch.randint(high, (n,), generator=generator, device=device, dtype=torch.uint8),
            "flip": torch.rand(n, generator=generator, device=device) < 0.5,
        }

    def train(self, images: Tensor, draws: dict[str, Tensor]) -> Tensor:
        return self.eval(crop_flip(images, draws["top"], draws["left"], draws["flip"], self.padding))


class DeepOBS(CropFlip):
    """The augmentation of DeepOBS' CIFAR-10 problems, whose colour steps work on the 0 to 255 scale.

    Crop and flip, brightness, saturation (in HSV), contrast, then per-image standardisation, which also takes
    the place of the data set's mean and std at test time. Schneider, Balles and Hennig, "DeepOBS: A Deep
    Learning Optimizer Benchmark Suite", ICLR 2019; bounds from its `tensorflow/datasets/cifar10.py`. On this
    scale the brightness step moves a pixel by at most a quarter of one of 256 levels: it is kept, as part of
    the benchmark.
    """

    name = "deepobs"
    brightness: ClassVar[float] = 63 / 255  # largest change, either way
    saturation: ClassVar[tuple[float, float]] = (0.5, 1.5)  # range of the factor
    contrast: ClassVar[tuple[float, float]] = (0.2, 1.8)  # range of the factor

    def __init__(self, info: DataInfo) -> None:
        super().__init__(info)
        if info.input_shape[0] != 3:
            raise UserError(
                f"dataset.augment=deepobs needs 3 channels, and {info.name} has {info.input_shape[0]}; "
                "type dataset.augment=crop_flip or none"
            )
        self._to_255 = 255.0 / info.pixel_max

    def draw(self, n: int, generator: Generator) -> dict[str, Tensor]:
        """As `crop_flip`, with `brightness`, `saturation` and `contrast` (float32 [n])."""

        def uniform(low: float, high: float) -> Tensor:
            return torch.rand(n, generator=generator, device=generator.device).mul_(high - low).add_(low)

        return super().draw(n, generator) | {
            "brightness": uniform(-self.brightness, self.brightness),
            "saturation": uniform(*self.saturation),
            "contrast": uniform(*self.contrast),
        }

    def train(self, images: Tensor, draws: dict[str, Tensor]) -> Tensor:
        images = crop_flip(images, draws["top"], draws["left"], draws["flip"], self.padding)
        x = images.float().mul_(self._to_255).add_(draws["brightness"].view(-1, 1, 1, 1))
        x = adjust_contrast(adjust_saturation(x, draws["saturation"]), draws["contrast"])
        return standardise(x)

    def eval(self, images: Tensor) -> Tensor:
        return standardise(images.float().mul_(self._to_255))


def crop_flip(images: Tensor, top: Tensor, left: Tensor, flip: Tensor, padding: int) -> Tensor:
    """Pads with zeros, crops [height, width] at (top, left) of the padded image, flips where `flip` is true.

    Args:
        images: [batch, channels, height, width], of any dtype.
        top, left: uint8 or int64 [batch], from 0 to 2 * padding.
        flip: bool [batch].

    Returns:
        The same shape and dtype, channels_last.
    """
    batch, channels, height, width = images.shape
    padded_height, padded_width = height + 2 * padding, width + 2 * padding
    padded = images.new_zeros(batch, padded_height, padded_width, channels)
    padded[:, padding:-padding, padding:-padding] = images.permute(0, 2, 3, 1)

    x = torch.arange(width, device=images.device)
    columns = left[:, None] + torch.where(flip[:, None], width - 1 - x, x)  # [batch, width]
    first_row = torch.arange(batch, device=images.device) * padded_height + top
    rows = first_row[:, None] + torch.arange(height, device=images.device)  # [batch, height]
    # A pixel is one row of a matrix [pixels of the batch, channels], so one index_select moves them all.
    pixels = rows[:, :, None] * padded_width + columns[:, None, :]
    cropped = padded.view(-1, channels).index_select(0, pixels.view(-1))
    return cropped.view(batch, height, width, channels).permute(0, 3, 1, 2)


def adjust_saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Multiplies HSV saturation by `factor` [batch], clipped to [0, 1], as `tf.image.adjust_saturation`.

    With hue and value fixed, a channel's distance to the value (the largest channel) is proportional to the
    saturation, so the way through HSV and back is one interpolation. Where the largest channel is not above
    0, saturation is defined as 0.
    """
    value, smallest = images.amax(1, keepdim=True), images.amin(1, keepdim=True)
    # saturation = spread / value, and factor * saturation <= 1
    limit = value.clamp(min=0) / (value - smallest).clamp(min=torch.finfo(images.dtype).tiny)
    return value + (images - value) * torch.minimum(factor.view(-1, 1, 1, 1), limit)


def adjust_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """(x - mean) * factor + mean with the mean of each image's channel, as `tf.image.adjust_contrast`."""
    return torch.lerp(images.mean((2, 3), keepdim=True), images, factor.view(-1, 1, 1, 1))


def standardise(images: Tensor) -> Tensor:
    """(x - mean) / max(std, 1 / sqrt(values)) over each image, as `tf.image.per_image_standardization`."""
    values = images[0].numel()
    centred = images - images.mean((1, 2, 3), keepdim=True)
    # The norm of what is centred: torch.std_mean takes ten times as long on the CPU.
    std = torch.linalg.vector_norm(centred, dim=(1, 2, 3), keepdim=True) * values**-0.5
    return centred.div_(std.clamp_(min=values**-0.5))


AUGMENTATIONS: dict[str, type[Augmentation]] = {a.name: a for a in (Augmentation, CropFlip, DeepOBS)}


def augmentation(name: str, info: DataInfo) -> Augmentation:
    """The augmentation of that name, for that data set; raises UserError for a name that is not known."""
    if name not in AUGMENTATIONS:
        raise UserError(f"dataset.augment={name} is not known; type one of {', '.join(AUGMENTATIONS)}")
    return AUGMENTATIONS[name](info)
