"""Advice of real runs: what is recorded, printed and logged."""

import json
from pathlib import Path

import pytest
from lightning import LightningModule, Trainer
from torch import nn

from optlab.callbacks import Instruments
from optlab.models import MLP
from optlab.record import RunRecord
from optlab.rules.instruments import INSTRUMENTS_FILE
from tests.commandline import command
from tests.conftest import Train, words_of

MEASURED = ("callbacks=instruments", "callbacks.checkpoint=null", "callbacks.progress=null", "trainer.max_epochs=8")
SLOW = (*MEASURED, "optimizer=sgd", "optimizer.lr=1e-3")  # a hundredth of a good lr


def test_advice_is_recorded_printed_and_logged_with_what_to_type() -> None:
    done = command(*words_of(*SLOW), "hydra.run.dir=run")
    assert done.code == 0, done.err
    (said,) = json.loads(Path("run/run.json").read_text())["advice"]
    assert (said["kind"], said["fields"]["words"]) == ("lr_too_small", "optimizer.lr=0.01")
    printed = done.out.splitlines()
    at = printed.index(f"advice: {said['text']}")
    assert any("training time" in line for line in printed[:at])
    assert printed[at + 1].endswith("optimizer=sgd optimizer.lr=0.01")
    assert said["text"] in Path("run/train.log").read_text()


def test_a_run_without_instruments_has_none_whatever_lies_in_its_folder(train: Train, tmp_path: Path) -> None:
    train(*SLOW, "trainer.max_epochs=1", folder="run")
    assert (tmp_path / "run" / INSTRUMENTS_FILE).exists()
    assert train("optimizer=sgd", folder="run").advice is None
    assert not (tmp_path / "run" / INSTRUMENTS_FILE).exists()


class Damaged(Instruments):
    """Another program writes into the file meanwhile."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        with Path("run", INSTRUMENTS_FILE).open("a") as file:
            file.write("1,2\n")


def test_damaged_instruments_cost_the_advice_and_nothing_else(train: Train) -> None:
    record = train("optimizer=sgd", f"+callbacks.mine._target_={__name__}.Damaged", folder="run")
    assert (record.status, record.advice) == ("finished", None)


# -- runs that were really measured


class Huge(MLP):
    """Deep, with weights that are ten times too large: activations and gradients grow with every layer."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__(input_shape, outputs, hidden=(32, 32, 32))
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight)
                layer.weight.data *= 10


class Dead(MLP):
    """The biases of its first layer hold every unit below 0."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__(input_shape, outputs, hidden=(32, 32))
        first: nn.Linear = self.layers[1]  # type: ignore[assignment]
        nn.init.constant_(first.bias, -10)


def network(name: str) -> tuple[str, str]:
    return "model=linear", f"model._target_={__name__}.{name}"


CLIPPED = "trainer.gradient_clip_val=1"


@pytest.mark.parametrize(
    ("words", "kind", "subject", "typed"),
    [
        (("optimizer=sgd", "optimizer.lr=1e-3"), "lr_too_small", "", "optimizer.lr=0.01"),
        (("optimizer=sgd", "optimizer.lr=30"), "lr_too_large", "", "optimizer.lr=3"),
        (("optimizer=adam", "optimizer.lr=1e-5"), "lr_too_small", "", "optimizer.lr=0.0001"),
        (
            ("optimizer=sgd", "optimizer.lr=0.01", *network("Huge")),
            "gradients_explode",
            None,
            "trainer.gradient_clip_val=1",
        ),
        (("optimizer=sgd", "optimizer.lr=0.1", *network("Dead")), "dead_units", "layers.1", ""),
    ],
)
def test_a_run_with_a_fault_is_told_which(
    words: tuple[str, ...], kind: str, subject: str | None, typed: str, train: Train
) -> None:
    advice = train(*MEASURED, *words).advice
    assert advice is not None
    assert advice[0]["kind"] == kind, advice
    assert subject in (None, advice[0]["subject"])
    assert advice[0]["fields"]["words"] == typed, advice
    assert len(advice) == 1


@pytest.mark.parametrize(
    "words", ["optimizer=sgd optimizer.lr=0.3", "optimizer=momentum", "optimizer=adam optimizer.lr=0.01"]
)
def test_a_good_run_is_told_nothing(words: str, train: Train) -> None:
    assert train(*MEASURED, "trainer.max_epochs=15", *words.split()).advice == []
    assert RunRecord.read(Path("run")).advice == []
