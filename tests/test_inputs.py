"""The data of a run on its device: what is uploaded, and how many samples a batch of evaluation has."""

import copy
import gc
import pickle
import weakref

import pytest
import torch

from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.data.arrays import Arrays, Subset
from optlab.inputs import Sources, eval_batch_size, load_data
from tests.conftest import words_of

META, GPU, CPU = torch.device("meta"), torch.device("cuda", 0), torch.device("cpu")


def config_of(*words: str) -> Config:
    return Config.parse(resolve(compose(words_of(*words))))


def test_runs_that_share_a_data_set_upload_it_once() -> None:
    sources: Sources = {}
    seen: list[torch.Tensor] = []
    for words in ((), ("dataset.split_seed=3", "optimizer=adam"), ("dataset.val_size=0.5",)):
        data = load_data(config_of(*words), sources)
        assert data.val is not None
        train, val, test = (part.to(META) for part in (data.train, data.val, data.test))
        assert isinstance(train, Subset)
        assert isinstance(val, Subset)
        assert isinstance(test, Arrays)
        assert train.of is val.of
        assert {each.device for each in (train, val, test)} == {META}
        seen += [train.of.inputs, test.inputs]
    assert seen[0] is seen[2] is seen[4]
    assert seen[1] is seen[3] is seen[5]


def test_the_upload_ends_with_its_data_set() -> None:
    sources: Sources = {}
    uploaded = weakref.ref(load_data(config_of(), sources).test.to(META))
    assert uploaded() is not None
    load_data(config_of("dataset=fake", "dataset.samples=64"), sources)
    gc.collect()
    assert uploaded() is None


def test_a_part_on_a_device_has_its_own_samples() -> None:
    whole = Arrays(torch.arange(12.0).view(6, 2), torch.arange(6))
    part = whole.subset(torch.tensor([4, 1, 5]))
    moved = Subset(whole.to(CPU), part.rows)
    assert whole.to(CPU) is whole
    assert moved.take(torch.tensor([2, 0]))[1].tolist() == [5, 4]
    assert len(part.to(META)) == 3
    assert part.to(META).take(torch.tensor([0], device=META))[0].shape == (1, 2)


def test_copies_of_arrays_leave_those_of_a_gpu_behind() -> None:
    whole = Arrays(torch.zeros(2, 1), torch.zeros(2))
    whole.to(META)
    assert whole.copies
    assert not copy.deepcopy(whole).copies
    assert not pickle.loads(pickle.dumps(whole)).copies


@pytest.mark.parametrize(
    ("words", "on_gpu", "on_cpu"),
    [
        ((), 2048, 128),
        (("eval_batch_size=100",), 100, 100),
        (("dataset=fake", "dataset.image_size=224"), 167, 128),
        (("dataset=fake", "dataset.image_size=512"), 128, 128),
        (("trainer.limit_val_batches=1",), 128, 128),
        (("trainer.limit_test_batches=0.5",), 128, 128),
        (("trainer.limit_test_batches=1.0",), 2048, 128),
    ],
)
def test_a_gpu_evaluates_in_large_batches(words: tuple[str, ...], on_gpu: int, on_cpu: int) -> None:
    config = config_of(*words)
    info = load_data(
        config_of(*words, *(["dataset.samples=40", "dataset.test_samples=10"] if "dataset=fake" in words else []))
    ).info
    assert (eval_batch_size(config, info, GPU), eval_batch_size(config, info, CPU)) == (on_gpu, on_cpu)
