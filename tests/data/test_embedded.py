import subprocess
import sys

import pytest
import torch

from optlab.data import Source, digits, fake, line
from optlab.data.arrays import fingerprint
from optlab.data.split import split


@pytest.fixture(scope="module")
def sixteen_levels() -> Source:
    return digits()


def test_digits_have_a_fixed_stratified_test_part(sixteen_levels: Source) -> None:
    source = sixteen_levels
    assert (len(source.train), len(source.test)) == (1437, 360)
    counts = source.test.targets.bincount()
    assert counts.sum() == 360
    assert int(counts.min()) == 35
    assert int(counts.max()) == 37
    # Results of different versions are comparable as long as this holds.
    assert fingerprint(source) == "792955a1bbf8c130"


def test_digits_are_images_of_sixteen_levels(sixteen_levels: Source) -> None:
    info, inputs = sixteen_levels.info, sixteen_levels.train.inputs
    assert info.input_shape == tuple(inputs.shape[1:]) == (1, 8, 8)
    assert info.classes == tuple("0123456789")
    assert inputs.dtype == torch.uint8
    assert int(inputs.max()) == info.pixel_max == 16


def test_the_test_part_of_digits_does_not_depend_on_the_split_seed(sixteen_levels: Source) -> None:
    first, other = (split(sixteen_levels, val_size=0.1, split_seed=seed) for seed in (0, 1))
    assert torch.equal(first.test.inputs, other.test.inputs)
    assert first.val is not None
    assert other.val is not None
    assert not torch.equal(first.val.inputs, other.val.inputs)
    assert first.val.targets.bincount().tolist() == other.val.targets.bincount().tolist()


def test_the_line() -> None:
    source = line()
    assert source.train.inputs.tolist() == [[1.0], [2.0], [3.0]]
    assert source.train.targets.tolist() == [[3.0], [5.0], [7.0]]
    assert source.test.inputs.tolist() == [[4.0], [5.0], [6.0]]
    assert source.info.task == "regression"
    assert (source.info.outputs, source.info.classes, source.info.mean) == (1, (), None)
    steeper = line(n=2, slope=-1.0, intercept=0.5)
    assert steeper.test.targets.tolist() == [[-2.5], [-3.5]]


@pytest.mark.parametrize(("channels", "size", "shape"), [(1, 8, (1, 8, 8)), (5, [4, 6], (5, 4, 6))])
def test_fake_images_have_any_shape(channels: int, size: int | list[int], shape: tuple[int, ...]) -> None:
    source = fake(samples=35, test_samples=7, channels=channels, image_size=size, classes=7)
    assert source.info.input_shape == tuple(source.train.inputs.shape[1:]) == shape
    assert source.train.targets.bincount().tolist() == [5] * 7
    assert len(source.test) == 7
    assert len(source.info.std or ()) == channels


def test_fake_images_are_fixed_by_their_seed_and_brighter_by_class() -> None:
    first, again, other = (fake(seed=seed) for seed in (0, 0, 1))
    assert fingerprint(first) == fingerprint(again) != fingerprint(other)
    means = torch.stack([first.test.inputs[first.test.targets == k].float().mean() for k in range(10)])
    assert bool((means.diff() > 3).all())


def test_importing_the_package_imports_neither_sklearn_nor_torchvision() -> None:
    check = "import sys, optlab.data; sys.exit(bool({'sklearn', 'torchvision'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
