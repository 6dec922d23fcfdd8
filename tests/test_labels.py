"""A label outside the classes is a line that names both, whatever the data come from and whoever wrote the module."""

from pathlib import Path

import numpy as np
import pytest
import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.utils.data import Dataset

from optlab.errors import UserError
from tests.conftest import Train


class Narrow(LightningModule):
    """Three outputs, whatever the data; labels are folded to as many where it is asked for."""

    def __init__(self, fold: bool = False) -> None:
        super().__init__()
        self.fold = fold
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        inputs, labels = batch
        return nn.functional.cross_entropy(self.layers(inputs), labels % 3 if self.fold else labels)


class Turning(Dataset[tuple[Tensor, int]]):
    """Samples of four classes, whose `targets` say that there are three."""

    targets = tuple(i % 3 for i in range(40))

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.randn(4), self.targets[index] if index < 10 else 3


MODULE = ("module=custom", "module._target_=tests.test_labels.Narrow")


def written() -> list[str]:
    """The sources of a user's own data, with labels up to 3, where there are three classes."""
    labels = np.arange(40) % 4
    np.savez("made.npz", x=np.ones((40, 2), dtype=np.float32), y=labels)
    Path("made.csv").write_text("a,label\n" + "".join(f"{i},{label}\n" for i, label in enumerate(labels)))
    return ["dataset=arrays dataset.file=made.npz", "dataset=table dataset.file=made.csv dataset.target=label"]


def test_data_of_every_source_are_looked_at_before_a_run(train: Train) -> None:
    for words in written():
        with pytest.raises(UserError, match=r"label 3 is outside the 3 classes of made \(allowed: 0 to 2\)"):
            train(*words.split(), "dataset.outputs=3")
    assert not Path("run").exists()


def test_a_label_that_comes_up_while_a_run_streams(train: Train) -> None:
    words = ("dataset=torch", "dataset._target_=tests.test_labels.Turning", "dataset.workers=0", "batch_size=4")
    with pytest.raises(UserError, match=r"label 3 is outside the 3 classes of Turning \(allowed: 0 to 2\)"):
        train(*words)


def test_a_lightning_module_with_too_few_outputs(train: Train) -> None:
    with pytest.raises(
        UserError, match=r"module=Narrow: label 9 is outside the 3 classes of its outputs .* digits has 10"
    ):
        train(*MODULE)


def test_a_lightning_module_may_make_other_classes_of_the_labels(train: Train) -> None:
    assert train(*MODULE, "+module.fold=true", "trainer.max_epochs=1").status == "finished"
