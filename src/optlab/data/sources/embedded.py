"""Data that needs no download: scikit-learn's digits, a line, random images."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from optlab.adapters.sklearn import read_digits
from optlab.data.arrays import Arrays, DataInfo, Source, images_from_nhwc
from optlab.data.images import ImageSize, height_width
from optlab.data.sources.channel_statistics import Mean, Std, channel_statistics
from optlab.data.split import holdout

DIGITS_TEST_SIZE = 360


def digits(*, mean: Mean | None = None, std: Std | None = None) -> Source:
    """scikit-learn's 1,797 digits of 8x8 pixels: 1,437 to train on and always the same 360 to test on.

    Args:
        mean, std: of the channel, on the [0, 1] scale; None measures them on the 1,437.
    """
    images, target = read_digits()
    everything = Arrays(images_from_nhwc(images[..., None]), torch.from_numpy(target))
    classes = tuple(str(digit) for digit in range(10))
    unscaled = DataInfo("digits", "classification", (1, 8, 8), classes, 10, None, None, pixel_max=16.0)
    train, test = holdout(everything, DIGITS_TEST_SIZE, 0, unscaled)
    return Source(channel_statistics(unscaled, train, mean, std), train, test)


def line(*, n: Annotated[int, Field(ge=1)] = 3, slope: float = 2.0, intercept: float = 1.0) -> Source:
    """Regression: y = slope * x + intercept, trained on x = 1 ... n, tested on the next n whole numbers."""
    x = torch.arange(1, 2 * n + 1, dtype=torch.float32)[:, None]
    y = slope * x + intercept
    info = DataInfo("line", "regression", (1,), (), 1, None, None)
    return Source(info, Arrays(x[:n], y[:n]), Arrays(x[n:], y[n:]))


def fake(
    *,
    samples: Annotated[int, Field(ge=1)] = 1000,
    test_samples: Annotated[int, Field(ge=1)] = 200,
    channels: Annotated[int, Field(ge=1)] = 3,
    image_size: ImageSize = 32,
    classes: Annotated[int, Field(ge=2)] = 10,
    seed: Annotated[int, Field(ge=0)] = 0,
    mean: Mean | None = None,
    std: Std | None = None,
) -> Source:
    """Random images of any shape, a little brighter from class to class, so that there is something to learn.

    Args:
        image_size: pixels, of a square or as [height, width].
        seed: fixes the images and their labels.
        mean, std: per channel, on the [0, 1] scale; None measures them on the training images.
    """
    height, width = height_width(image_size)
    names = tuple(f"class {label}" for label in range(classes))
    unscaled = DataInfo("fake", "classification", (channels, height, width), names, classes, None, None)
    generator = torch.Generator().manual_seed(seed)
    train = _noise(samples, unscaled, generator)
    test = _noise(test_samples, unscaled, generator)
    return Source(channel_statistics(unscaled, train, mean, std), train, test)


def _noise(n: int, info: DataInfo, generator: torch.Generator) -> Arrays:
    """Uniform pixels in a window of 192 levels that rises by 63 levels from the first class to the last."""
    channels, height, width = info.input_shape
    labels = torch.arange(n)[torch.randperm(n, generator=generator)] % info.outputs
    pixels = torch.randint(192, (n, height, width, channels), dtype=torch.uint8, generator=generator)
    pixels += (labels * 63 // (info.outputs - 1)).to(torch.uint8).view(-1, 1, 1, 1)
    return Arrays(images_from_nhwc(pixels.numpy()), labels)
