import pytest
import torch

from optlab.data.arrays import Arrays, DataInfo, Samples, Source, Splits
from optlab.data.split import divide, split
from optlab.errors import UserError


def labelled(labels: list[int], classes: int = 3, start: int = 0) -> Arrays:
    """Samples that can be told apart: sample i has the one feature `start` + i."""
    return Arrays(torch.arange(start, start + len(labels)).float()[:, None], torch.tensor(labels))


def info(classes: int = 3) -> DataInfo:
    return DataInfo("made", "classification", (1,), tuple("abcdefghij"[:classes]), classes, None, None)


def made(counts: tuple[int, ...] = (50, 30, 20)) -> Source:
    ordered = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = ordered[torch.randperm(len(ordered), generator=torch.Generator().manual_seed(1))].tolist()
    return Source(info(len(counts)), labelled(labels), labelled([0, 1, 2], start=1000))


def ids(arrays: Samples | None) -> list[int]:
    return [] if arrays is None else arrays.inputs[:, 0].int().tolist()


def counts(arrays: Samples | None) -> list[int]:
    assert arrays is not None
    return arrays.targets.bincount().tolist()


@pytest.mark.parametrize(
    ("val_size", "per_class"),
    [(0.1, [5, 3, 2]), (10, [5, 3, 2]), (0.25, [13, 7, 5]), (1, [1, 0, 0]), (97, [49, 29, 19])],
)
def test_validation_is_stratified_with_an_exact_total(val_size: float, per_class: list[int]) -> None:
    # 0.25 of 50, 30 and 20 are 12.5, 7.5 and 5: the tie of the remainders goes to the first class.
    splits = split(made(), val_size=val_size, split_seed=0)
    assert counts(splits.val) == per_class[: len(counts(splits.val))]
    assert len(splits.train) == 100 - sum(per_class)


def test_training_and_validation_are_disjoint_complete_and_in_their_original_order() -> None:
    splits = split(made(), val_size=0.3, split_seed=0)
    train, val = ids(splits.train), ids(splits.val)
    assert sorted(train + val) == list(range(100))
    assert train == sorted(train)
    assert val == sorted(val)
    assert ids(splits.test) == [1000, 1001, 1002]


def test_the_split_is_fixed_by_its_seed_alone() -> None:
    torch.manual_seed(1)
    first = split(made(), val_size=0.3, split_seed=0)
    torch.manual_seed(2)
    again, other = (split(made(), val_size=0.3, split_seed=seed) for seed in (0, 1))
    assert ids(first.val) == ids(again.val)
    assert ids(first.val) != ids(other.val)
    assert (other.split_seed, other.fingerprint) == (1, first.fingerprint)


def test_inputs_keep_their_targets() -> None:
    source = made()
    splits = split(source, val_size=0.3, split_seed=3)
    for part in (splits.train, splits.val):
        assert part is not None
        assert torch.equal(part.targets, source.train.targets[ids(part)])


def test_no_validation_keeps_all_for_training() -> None:
    splits = split(made(), val_size=0, split_seed=0)
    assert splits.val is None
    assert ids(splits.train) == list(range(100))


def test_a_validation_part_that_the_data_brings_is_used_as_it_is() -> None:
    source = made()
    own = labelled([2, 0], start=500)
    splits = split(Source(source.info, source.train, source.test, own), val_size=0.5, split_seed=0)
    assert ids(splits.val) == [500, 501]
    assert len(splits.train) == 100


def test_training_on_the_test_part_keeps_it_as_the_test_part() -> None:
    source = made()
    swapped = Source(source.info, source.test, source.train)
    splits = split(swapped, val_size=0.1, split_seed=0, train_split="test")
    assert sorted(ids(splits.train) + ids(splits.val)) == ids(splits.test) == list(range(100))


def test_a_class_never_gives_its_last_sample() -> None:
    # Shares of 9 / 12: 7.5 of 10 and 0.75 of 1 and 1; by remainders alone both single samples would go.
    source = Source(info(), labelled([0] * 10 + [1, 2]), labelled([0]))
    splits = split(source, val_size=9, split_seed=0)
    assert counts(splits.train) == [1, 1, 1]
    assert counts(splits.val) == [9]
    with pytest.raises(UserError, match=r"val_size would take 10 of the 12 samples .* type at most 9"):
        split(source, val_size=10, split_seed=0)


def test_a_class_without_samples_is_no_error() -> None:
    source = Source(info(), labelled([0, 2] * 10), labelled([0]))
    assert counts(split(source, val_size=4, split_seed=0).val) == [2, 0, 2]


def test_regression_is_split_at_random() -> None:
    line = DataInfo("line", "regression", (1,), (), 1, None, None)
    x = torch.arange(20.0)[:, None]
    source = Source(line, Arrays(x, 2 * x), Arrays(x, x))
    splits: list[Splits] = [split(source, val_size=0.25, split_seed=seed) for seed in (0, 1)]
    assert [len(s.train) for s in splits] == [15, 15]
    assert ids(splits[0].val) != ids(splits[1].val)
    assert sorted(ids(splits[0].train) + ids(splits[0].val)) == list(range(20))


@pytest.mark.parametrize(
    ("val_size", "message"),
    [
        (100, r"dataset.val_size=100 does not fit the 100 samples of made; .* from 1 to 99, or 0"),
        (-1, "dataset.val_size=-1 does not fit"),
        (1.0, "dataset.val_size=1.0 is not a size; type a fraction above 0 and below 1"),
        (-0.1, "dataset.val_size=-0.1 is not a size"),
        (float("nan"), "dataset.val_size=nan is not a size"),
        (0.001, r"dataset.val_size=0.001 of the 100 samples of made leaves none held out"),
        (0.999, "leaves none kept for training"),
    ],
)
def test_a_size_that_cannot_be_is_refused(val_size: float, message: str) -> None:
    with pytest.raises(UserError, match=message):
        split(made(), val_size=val_size, split_seed=0)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(UserError, match=r"dataset\.split_seed=-1 is negative"):
        split(made(), val_size=0.1, split_seed=-1)


@pytest.mark.parametrize("part", ["train", "val", "test"])
@pytest.mark.parametrize("label", [3, -1])
def test_a_label_outside_the_classes_is_refused(part: str, label: int) -> None:
    parts = {"train": labelled([0, 1, 2]), "val": labelled([0]), "test": labelled([0])}
    parts[part] = labelled([0, label, 1])
    message = f"label {label} is outside the 3 classes of made \\(allowed: 0 to 2\\)"
    with pytest.raises(UserError, match=message):
        split(Source(info(), parts["train"], parts["test"], parts.get("val")), val_size=0, split_seed=0)


@pytest.mark.parametrize("part", ["train", "test"])
def test_an_empty_part_is_refused(part: str) -> None:
    parts = {"train": labelled([0, 1, 2]), "test": labelled([0])}
    parts[part] = Arrays(torch.zeros(0, 1), torch.zeros(0, dtype=torch.int64))
    with pytest.raises(UserError, match=f"made has no {part} samples"):
        split(Source(info(), parts["train"], parts["test"], parts.get("val")), val_size=0, split_seed=0)


def test_a_test_part_and_a_validation_part_are_drawn_from_streams_of_their_own() -> None:
    arrays = made().train
    held = [divide(arrays.targets, 0.2, 7, info(), option=option)[1].tolist() for option in ("test_size", "val_size")]
    assert held[0] != held[1]
