from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from optlab.data import huggingface
from optlab.data.streamed import Streamed
from optlab.errors import UserError

datasets = pytest.importorskip("datasets")
PIXELS = np.random.default_rng(0).integers(0, 256, (30, 6, 5, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures with a train and a test part."""
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["owl", "cat"])})
    parts = {
        part: datasets.Dataset.from_dict(
            {"image": [Image.fromarray(each) for each in PIXELS[rows]], "label": [i % 2 for i in range(30)][rows]},
            features=features,
        )
        for part, rows in (("train", slice(0, 20)), ("test", slice(20, 30)))
    }
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "birds")
    return tmp_path / "birds"


def test_pictures_and_labels_are_found_by_their_usual_names(folder: Path) -> None:
    source = huggingface(path=folder)
    assert (source.info.name, source.info.classes, source.info.input_shape) == ("birds", ("owl", "cat"), (3, 6, 5))
    assert torch.equal(source.test.inputs.permute(0, 2, 3, 1), torch.from_numpy(PIXELS[20:]))
    assert source.train.targets.tolist() == [0, 1] * 10
    streamed = huggingface(path=folder, memory=False)
    assert isinstance(streamed.train, Streamed)
    assert torch.equal(streamed.train.inputs, source.train.inputs)
    assert torch.equal(streamed.train.targets, source.train.targets)
    assert streamed.info == source.info


def test_a_single_data_set_of_columns_is_divided(tmp_path: Path) -> None:
    rows = {"words": [[i, i + 1, i + 2] for i in range(20)], "price": [i / 2 for i in range(20)]}
    datasets.Dataset.from_dict(rows).save_to_disk(tmp_path / "prices")
    source = huggingface(path=tmp_path / "prices", input="words", target="price")
    assert (len(source.train), len(source.test)) == (16, 4)
    assert (source.info.task, source.info.tokens) == ("regression", True)
    with pytest.raises(UserError, match=r"dataset\.target=cost: there is no such column; it has words, price"):
        huggingface(path=tmp_path / "prices", input="words", target="cost")
    with pytest.raises(UserError, match=r"dataset\.input is needed: of words, price"):
        huggingface(path=tmp_path / "prices")


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"type dataset\.path=FOLDER"):
        huggingface(path=None)
    with pytest.raises(UserError, match="no such folder"):
        huggingface(path=tmp_path / "nowhere")
    with pytest.raises(UserError, match="is no folder that datasets' save_to_disk wrote"):
        huggingface(path=tmp_path)
