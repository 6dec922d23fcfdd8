"""`dataset=torch dataset._target_=...`: data sets of torch's kind, in memory and streamed."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import Train, words_of
from tests.data.made_datasets import PIXELS, X, Y

from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.data.arrays import Splits
from optlab.data.streamed import Streamed, StreamedBatches
from optlab.errors import UserError
from optlab.inputs import load_data
from optlab.record import RunRecord

MINE = "dataset._target_=tests.data.made_datasets."


def typed(name: str, *words: str) -> list[str]:
    return ["dataset=torch", f"{MINE}{name}", *words]


def load(name: str, *words: str) -> Splits:
    return load_data(Config.parse(resolve(compose(words_of(*typed(name, *words))))))


def losses(record: RunRecord) -> dict[str, Any]:
    return {name: value for name, value in record.metrics.items() if "/" in name}


def test_a_map_style_data_set_is_read_once_and_divided_by_the_split_seed() -> None:
    data = load("Vectors")
    assert not isinstance(data.train, Streamed)
    assert data.val is not None
    parts = [data.train, data.val, data.test]
    assert [len(part) for part in parts] == [108, 12, 30]
    together = torch.cat([part.inputs for part in parts])
    assert torch.equal(together[together[:, 0].argsort()], X[X[:, 0].argsort()])
    assert (data.info.name, data.info.task, data.info.outputs) == ("Vectors", "classification", 2)
    assert load("Vectors", "dataset.split_seed=1").test.inputs[0].tolist() != data.test.inputs[0].tolist()


def test_pictures_are_pixels_and_keep_their_classes() -> None:
    data = load("Pictures")
    assert data.info.classes == ("owl", "cat", "dog")
    assert data.info.input_shape == (3, 8, 7)
    assert data.train.inputs.dtype == torch.uint8
    assert data.train.inputs.is_contiguous(memory_format=torch.channels_last)
    assert data.info.mean is not None
    assert sorted(data.train.targets.bincount().tolist()) == [14, 14, 15]
    assert int(data.test.inputs[0].permute(1, 2, 0).sum()) in PIXELS.sum((1, 2, 3), dtype=int).tolist()


@pytest.mark.parametrize("name", ["TwoParts", "ThreeParts", "pair", "named", "Module"])
def test_parts_come_from_train_split_or_a_pair(name: str) -> None:
    data = load(name)
    assert torch.equal(data.test.inputs, X[100:])
    assert torch.equal(data.test.targets[:, 0], Y[100:].float())
    assert data.info.task == "binary"
    assert data.val is not None
    assert len(data.val) == (20 if name == "ThreeParts" else 10)


@pytest.mark.parametrize("name", ["Vectors", "Pictures"])
def test_streamed_samples_give_the_same_bits_as_samples_in_memory(train: Train, name: str) -> None:
    augment = "dataset.augment=crop_flip" if name == "Pictures" else "dataset.augment=none"
    words = typed(name, augment, "batch_size=16", "engine=eager")
    memory = train(*words, folder="memory")
    streamed = train(*words, "dataset.memory=false", "dataset.workers=2", folder="streamed")
    assert losses(streamed) == losses(memory)
    assert streamed.data["streamed"] is True
    assert any("fingerprint is over 64" in sentence for sentence in streamed.data["not_guaranteed"])
    assert "streamed" not in memory.data


def test_what_samples_draw_is_the_same_with_any_number_of_workers(train: Train) -> None:
    runs = [train(*typed("Noisy", f"dataset.workers={n}"), folder=f"{n}") for n in (0, 2)]
    assert losses(runs[0]) == losses(runs[1])
    assert runs[0].data["streamed"] is True  # as its samples are drawn anew each time
    assert any("drawn anew" in sentence for sentence in runs[0].data["not_guaranteed"])
    other = train(*typed("Noisy", "seed=1"), folder="other")
    assert losses(other) != losses(runs[0])


def test_an_epoch_goes_on_behind_what_was_seen_and_epochs_differ() -> None:
    data = load("Noisy", "dataset.memory=false")
    from optlab.data.augment import augmentation

    def batches(epoch: int, seen: int = 0) -> list[torch.Tensor]:
        made = StreamedBatches(
            data.train, augmentation("none", data.info), batch_size=50, seed=3, train=True, shuffle=True
        )
        made.begin_epoch(epoch, seen)
        return [batch.inputs for batch in made]

    whole = batches(1)
    assert [len(inputs) for inputs in whole] == [50, 50, 8]
    assert all(map(torch.equal, batches(1, seen=1), whole[1:]))
    assert not torch.equal(batches(2)[0], whole[0])


def test_several_processes_share_each_batch() -> None:
    data = load("Vectors", "dataset.memory=false", "dataset.workers=0")
    from optlab.data.augment import augmentation

    def batches(**place: int) -> list[Any]:
        plain = augmentation("none", data.info)
        return list(StreamedBatches(data.train, plain, batch_size=107, train=True, shuffle=True, **place))

    whole = batches()
    for rank in (0, 1):
        for mine, all_ in zip(batches(rank=rank, world_size=2), whole, strict=True):
            assert torch.equal(mine.inputs, all_.inputs[rank::2])
            assert mine.size == all_.size
    assert batches(rank=1, world_size=2)[1].inputs.shape == (0, 6)
    assert batches(rank=1, world_size=2)[1].targets.dtype == torch.int64


@pytest.mark.parametrize("name", ["Flow", "SizedFlow"])
def test_an_iterable_data_set_is_streamed_in_its_own_order(train: Train, name: str) -> None:
    words = typed(name, "dataset.val_size=0", "batch_size=32", "trainer.max_epochs=-1", "trainer.max_steps=7")
    first, again = (train(*words, folder=folder) for folder in ("first", "again"))
    assert losses(first) == losses(again)
    assert first.steps == 7
    assert first.epochs == 2  # of four batches each
    assert first.data["train"] == (None if name == "Flow" else 100)
    assert any("order of the data set" in sentence for sentence in first.data["not_guaranteed"])


def test_tokens_stay_whole_numbers_with_a_class_for_each() -> None:
    data = load("Tokens")
    assert (data.info.task, data.info.outputs, data.info.input_shape, data.info.tokens) == ("dense", 4, (5,), True)
    assert data.train.inputs.dtype == data.train.targets.dtype == torch.int64
    assert data.train.targets.shape[1:] == (5,)
    streamed = load("Tokens", "dataset.memory=false")
    inputs, targets = streamed.train.take(torch.tensor([3, 1]))
    expected = data.train.take(torch.tensor([3, 1]))
    assert torch.equal(inputs, expected[0])
    assert torch.equal(targets, expected[1])


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("Broken", (), r"Broken: sample 77 cannot be read \(ValueError: no such photo; dataset\.workers=0 traceback"),
        ("Ragged", (), r"inputs of one sample are float32 \[3\], and of another float32 \[4\]; resize, crop or pad"),
        ("nothing", (), "dataset._target_ makes int .* and should make a torch.utils.data.Dataset"),
        ("Flow", (), r"dataset\.val_size=0\.1: Flow is an IterableDataset, which cannot be divided"),
        ("Vectors", ("dataset.task=dense",), r"dataset\.task=dense needs a class for each position"),
        ("Vectors", ("dataset.outputs=1",), r"dataset\.outputs=1: the targets of Vectors need 2"),
        ("Tokens", ("dataset.outputs=3",), r"label 3 is outside the 3 classes of Tokens .*; type dataset\.outputs=4"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line(name: str, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load(name, *words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            typed("Vectors", "dataset.memory=false", "engine=loop"),
            "engine=loop: not possible, because the data are",
        ),
        (typed("Flow", "dataset.val_size=0"), r"does not say how many samples .* type trainer\.max_steps=1000"),
        (["dataset=mnist", "+dataset.workers=2"], r"dataset\.workers: mnist takes no 'workers'"),
        (typed("Vectors", "+dataset.colour=red"), r"dataset\.colour: Vectors takes no 'colour'"),
    ],
)
def test_what_does_not_go_together_is_refused_before_a_run_begins(
    train: Train, tmp_path: Path, words: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        train(*words)
    assert not (tmp_path / "run").exists()


def test_a_fingerprint_is_of_the_samples_and_their_number() -> None:
    one, again, other = (load(name, "dataset.memory=false").fingerprint for name in ("Vectors", "Vectors", "Tokens"))
    assert one == again != other
    assert len(one) == 16
    json.dumps(load("Vectors", "dataset.memory=false").info.to_dict())
