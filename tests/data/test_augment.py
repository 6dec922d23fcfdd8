import colorsys
import math

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from optlab.data.arrays import DataInfo, images_from_nhwc
from optlab.data.augment import (
    AUGMENTATIONS,
    DeepOBS,
    adjust_contrast,
    adjust_saturation,
    augmentation,
    crop_flip,
    standardise,
)
from optlab.errors import UserError

MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.2, 0.15)


def info(channels: int = 3, pixel_max: float = 255.0) -> DataInfo:
    shape = (channels, 9, 7)
    mean, std = MEAN[:channels], STD[:channels]
    return DataInfo("made", "classification", shape, ("a", "b"), 2, mean, std, pixel_max)


VECTORS = DataInfo("line", "regression", (1,), (), 1, None, None)


def images(n: int = 12, channels: int = 3) -> Tensor:
    """uint8 [n, channels, 9, 7]: not square, so that rows and columns cannot be mixed up."""
    rng = np.random.default_rng(0)
    return images_from_nhwc(rng.integers(0, 256, (n, 9, 7, channels), dtype=np.uint8))


def draws_for(name: str, n: int = 12, seed: int = 0, channels: int = 3) -> dict[str, Tensor]:
    return augmentation(name, info(channels)).draw(n, Generator().manual_seed(seed))


def normalised(x: Tensor, pixel_max: float = 255.0) -> Tensor:
    mean, std = (torch.tensor(v[: x.shape[1]]).view(-1, 1, 1) for v in (MEAN, STD))
    return (x.float() / pixel_max - mean) / std


def cropped_by_hand(image: Tensor, top: int, left: int, flip: bool, padding: int) -> Tensor:
    """One image [channels, height, width]."""
    _, height, width = image.shape
    result = torch.zeros_like(image)
    for row in range(height):
        for column in range(width):
            y = row + top - padding
            x = (width - 1 - column if flip else column) + left - padding
            if 0 <= y < height and 0 <= x < width:
                result[:, row, column] = image[:, y, x]
    return result


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_evaluation_only_normalises(name: str) -> None:
    x = images()
    result = augmentation(name, info()).eval(x)
    expected = standardise(x.float()) if name == "deepobs" else normalised(x)
    torch.testing.assert_close(result, expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_none_trains_on_the_evaluation_images(channels: int) -> None:
    x = images(channels=channels) % 17
    none = augmentation("none", info(channels, pixel_max=16.0))
    assert none.draw(12, Generator()) == {}
    torch.testing.assert_close(none.train(x, {}), normalised(x, pixel_max=16.0))


def test_images_without_mean_and_std_are_scaled_to_one() -> None:
    plain = DataInfo("made", "classification", (3, 9, 7), ("a", "b"), 2, None, None)
    torch.testing.assert_close(augmentation("none", plain).eval(images()), images().float() / 255)


def test_vectors_pass_through() -> None:
    x = torch.randn(4, 1, generator=Generator().manual_seed(0))
    none = augmentation("none", VECTORS)
    assert none.train(x, {}) is x
    assert none.eval(x) is x


@pytest.mark.parametrize("channels", [1, 3])
def test_crop_flip_agrees_with_one_image_at_a_time(channels: int) -> None:
    x, draws = images(200, channels), draws_for("crop_flip", 200, channels=channels)
    rows = zip(x, *(draws[key].tolist() for key in ("top", "left", "flip")), strict=True)
    expected = torch.stack([cropped_by_hand(image, top, left, flip, 4) for image, top, left, flip in rows])
    assert torch.equal(crop_flip(x, draws["top"], draws["left"], draws["flip"], 4), expected)
    result = augmentation("crop_flip", info(channels)).train(x, draws)
    torch.testing.assert_close(result, normalised(expected))


def test_crop_flip_draws_every_offset_and_flips_half() -> None:
    draws = draws_for("crop_flip", 9000)
    for key in ("top", "left"):
        counts = draws[key].bincount()
        assert len(counts) == 9
        assert counts.min() > 850
    assert draws["flip"].float().mean().item() == pytest.approx(0.5, abs=0.02)


def test_deepobs_draws_within_its_bounds() -> None:
    draws = draws_for("deepobs", 9000)
    for key, low, high in (("brightness", -63 / 255, 63 / 255), ("saturation", 0.5, 1.5), ("contrast", 0.2, 1.8)):
        margin = 0.01 * (high - low)
        assert low <= draws[key].min() < low + margin
        assert high - margin < draws[key].max() <= high


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 1.5, 100.0])
def test_saturation_agrees_with_the_way_through_hsv(factor: float) -> None:
    x = images().float()
    x[0] = 0.0  # black
    x[1] = 90.0  # grey
    expected = torch.empty_like(x)
    for i in np.ndindex(12, 9, 7):
        hue, saturation, value = colorsys.rgb_to_hsv(*(x[i[0], :, i[1], i[2]] / 255).tolist())
        rgb = colorsys.hsv_to_rgb(hue, min(1.0, saturation * factor), value)
        expected[i[0], :, i[1], i[2]] = torch.tensor(rgb) * 255
    result = adjust_saturation(x, torch.full((12,), factor))
    torch.testing.assert_close(result, expected, atol=1e-3, rtol=1e-5)


def test_saturation_of_negative_values_is_that_of_tensorflow() -> None:
    # Brightness can push black below 0. Saturation is 0 where the largest channel is not positive, else it is
    # (largest - smallest) / largest times the factor, at most 1.
    pixels = torch.tensor([[-0.2, -0.2, -0.1], [0.0, 0.0, 0.0], [1.0, -0.5, 0.25]]).view(3, 3, 1, 1)
    expected = torch.tensor([[-0.1, -0.1, -0.1], [0.0, 0.0, 0.0], [1.0, 0.0, 0.5]]).view(3, 3, 1, 1)
    torch.testing.assert_close(adjust_saturation(pixels, torch.full((3,), 0.9)), expected)


def test_contrast_is_taken_about_the_mean_of_each_images_channel() -> None:
    x, factors = images().float(), torch.linspace(0.2, 1.8, 12)
    for image, factor, result in zip(x, factors, adjust_contrast(x, factors), strict=True):
        for channel in range(3):
            mean = image[channel].mean()
            torch.testing.assert_close(result[channel], (image[channel] - mean) * factor + mean)


def test_standardisation_of_each_image() -> None:
    x = images().float()
    x[0] = 7.0
    x[1] = torch.linspace(0, 0.01, x[1].numel()).view_as(x[1])
    least = 1 / math.sqrt(3 * 9 * 7)
    for image, result in zip(x, standardise(x), strict=True):
        values = image.double()
        std = max(values.std(correction=0).item(), least)
        torch.testing.assert_close(result.double(), (values - values.mean()) / std, atol=1e-5, rtol=1e-5)


def test_deepobs_takes_its_steps_in_order() -> None:
    x, draws = images(), draws_for("deepobs")
    result = augmentation("deepobs", info()).train(x, draws)
    for i in range(12):
        row = {key: value[i] for key, value in draws.items()}
        image = cropped_by_hand(x[i], int(row["top"]), int(row["left"]), bool(row["flip"]), DeepOBS.padding)
        step = image.float()[None] + row["brightness"]
        step = adjust_saturation(step, row["saturation"][None])
        step = adjust_contrast(step, row["contrast"][None])
        torch.testing.assert_close(result[i], standardise(step)[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_one_seed_gives_one_result(name: str) -> None:
    torch.manual_seed(1)
    made = augmentation(name, info())
    first = made.train(images(), draws_for(name, seed=5))
    torch.manual_seed(2)
    assert torch.equal(first, augmentation(name, info()).train(images(), draws_for(name, seed=5)))
    if name != "none":
        assert not torch.equal(first, made.train(images(), draws_for(name, seed=6)))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_sample_depends_on_its_own_draws_only(name: str) -> None:
    made, x, draws = augmentation(name, info()), images(), draws_for(name)
    whole = made.train(x, draws)
    for part in (slice(0, 12, 2), slice(1, 12, 2), slice(4, 7)):
        sliced = made.train(x[part], {key: value[part] for key, value in draws.items()})
        torch.testing.assert_close(sliced, whole[part], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_images_stay_channels_last_and_unchanged(name: str) -> None:
    made, x = augmentation(name, info()), images()
    before = x.clone()
    for result in (made.train(x, draws_for(name)), made.eval(x)):
        assert result.dtype == torch.float32
        assert result.shape == x.shape
        assert result.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(x, before)


def test_both_memory_formats_and_no_image_at_all_are_normalised_alike() -> None:
    made, x = augmentation("none", info()), images()
    assert made.eval(x[:0]).shape == (0, *x.shape[1:])  # a process of a distributed run may have none of a batch
    last = made.eval(x)
    first = made.eval(x.contiguous())
    assert first.is_contiguous()
    assert torch.equal(first, last)
    torch.testing.assert_close(first, normalised(x))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"dataset\.augment=flip is not known; type one of none, crop_flip, deepobs"):
        augmentation("flip", info())


@pytest.mark.parametrize("name", ["crop_flip", "deepobs"])
def test_vectors_cannot_be_augmented(name: str) -> None:
    with pytest.raises(UserError, match=f"dataset.augment={name} needs images, and line has none"):
        augmentation(name, VECTORS)


def test_deepobs_needs_colours() -> None:
    with pytest.raises(UserError, match="needs 3 channels, and made has 1"):
        augmentation("deepobs", info(channels=1))
