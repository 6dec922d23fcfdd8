"""The random numbers of an epoch: drawn once, and the same for whoever asks, and in what order ever."""

import pytest
import torch
from tests.data.test_augment import images, info
from torch import Tensor

from optlab.data.arrays import Arrays
from optlab.data.augment import Augmentation, augmentation
from optlab.data.batches import DeviceBatches
from optlab.seeds import generator

SAMPLES, BATCH, SEED = 37, 16, 5  # batches of 16, 16 and 5


def batches_of(name: str, rank: int = 0, world_size: int = 1) -> DeviceBatches:
    arrays = Arrays(images(SAMPLES), torch.arange(SAMPLES))
    options = {"batch_size": BATCH, "seed": SEED, "train": True, "shuffle": True}
    return DeviceBatches(arrays, augmentation(name, info()), rank=rank, world_size=world_size, **options)  # type: ignore[arg-type]


def epoch_of(batches: DeviceBatches, epoch: int, seen: int = 0) -> list[tuple[Tensor, Tensor]]:
    batches.begin_epoch(epoch, seen)
    return [(batch.inputs, batch.targets) for batch in batches]


def assert_same(found: list[tuple[Tensor, Tensor]], expected: list[tuple[Tensor, Tensor]]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert all(map(torch.equal, one, other))


@pytest.mark.parametrize("name", ["crop_flip", "deepobs"])
def test_each_batch_has_its_stream(name: str) -> None:
    made, x = augmentation(name, info()), images(SAMPLES)
    for epoch in (0, 3):
        order = torch.randperm(SAMPLES, generator=generator(SEED, "order", epoch))
        expected = []
        for index, chosen in enumerate(order.split(BATCH)):
            draws = made.draw(len(chosen), generator(SEED, "augment", epoch, index))
            expected.append((made.train(x[chosen], draws), chosen))
        assert_same(epoch_of(batches_of(name), epoch), expected)


def test_an_epoch_goes_on_with_its_numbers() -> None:
    whole = epoch_of(batches_of("crop_flip"), 2)
    assert_same(epoch_of(batches_of("crop_flip"), 2, seen=1), whole[1:])
    used = batches_of("crop_flip")
    epoch_of(used, 1)
    assert_same(epoch_of(used, 2), whole)
    assert not torch.equal(epoch_of(used, 3)[0][0], whole[0][0])


def test_processes_share_each_batch_and_its_numbers() -> None:
    one = epoch_of(batches_of("deepobs"), 4)
    shares = [epoch_of(batches_of("deepobs", rank, 3), 4) for rank in range(3)]
    for batch, *parts in zip(one, *shares, strict=True):
        for rank, part in enumerate(parts):
            assert all(torch.equal(of_one[rank::3], of_part) for of_one, of_part in zip(batch, part, strict=True))


def test_numbers_are_drawn_once_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    cls = type(augmentation("crop_flip", info()))
    draw = cls.draw

    def counted(self: Augmentation, n: int, stream: torch.Generator) -> dict[str, Tensor]:
        drawn.append(n)
        return draw(self, n, stream)

    monkeypatch.setattr(cls, "draw", counted)
    batches = batches_of("crop_flip")
    for epoch in (0, 1):
        for _ in epoch_of(batches, epoch):
            batches.draws()
        assert drawn == [16, 16, 5] * (epoch + 1)
    assert sum(each.nbytes for each in batches.draws().values()) == 3 * SAMPLES  # a byte for each number


def test_evaluation_draws_nothing() -> None:
    batches = batches_of("crop_flip")
    batches.train = False
    assert batches.draws() == batches.draw(0) == {}
