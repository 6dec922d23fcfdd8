"""Captured steps on a GPU: `pytest -m gpu -n 0`."""

from pathlib import Path

import pytest
import torch

from tests.conftest import Train
from tests.engine.test_engines import IMAGES, NOISY, WORDS
from tests.test_resume import weights, without_time

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no NVIDIA GPU on this machine"),
]
GPU = ("trainer=gpu",)
OPTIMIZERS = ["sgd", "momentum", "adam", "adamw", "rmsprop", "adagrad", "adadelta", "adamax", "nadam", "radam", "asgd"]


def assert_same(a: str, b: str) -> None:
    assert without_time(Path(a)) == without_time(Path(b))
    expected, actual = weights(Path(a)), weights(Path(b))
    assert all(torch.equal(actual[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    "words",
    {
        **{name: [f"optimizer={name}", "lr=cosine"] for name in OPTIMIZERS},
        "augmentation": [*IMAGES, "model=linear"],
        "dropout": list(NOISY),
        "steps": ["trainer.max_steps=70"],
    }.values(),
    ids=" ".join,
)
def test_captured_steps_are_the_steps(words: list[str], train: Train) -> None:
    assert_engines(train, *words)
    assert_same("eager", "graph")


@pytest.mark.parametrize(
    "words",
    [["optimizer=adam", "lr=onecycle"], ["optimizer=sgd", "trainer.precision=bf16-mixed"], ["tf32=false"], [*IMAGES]],
    ids=" ".join,
)
def test_captured_convolutions_are_the_steps_within_rounding(words: list[str], train: Train) -> None:
    # Max-pooling's gradient is added in any order.
    assert_engines(train, "model=cnn", *words)
    for a, b in zip(without_time(Path("eager")), without_time(Path("graph")), strict=True):
        assert a["train/loss"] == pytest.approx(b["train/loss"], rel=0.02)


def assert_engines(train: Train, *words: str) -> None:
    eager = train(*WORDS, *GPU, *words, "engine=eager", folder="eager")
    graph = train(*WORDS, *GPU, *words, "engine=graph", folder="graph")
    assert graph.environment["engine"] == "graph"
    assert graph.steps == eager.steps


@pytest.mark.parametrize("order", [("graph", "eager"), ("eager", "graph"), ("graph", "graph")])
def test_a_run_on_a_gpu_goes_on_in_either_engine(order: tuple[str, str], train: Train) -> None:
    words = (*WORDS, *GPU, *NOISY, "lr=cosine", "trainer.max_epochs=3", "callbacks.divergence.every_n_steps=7")
    train(*words, "engine=eager", folder="whole")
    stop = ("+callbacks.stop._target_=tests.engine.test_engines.Stop", "+callbacks.stop.steps=95")
    assert train(*words, *stop, f"engine={order[0]}", folder="stopped").status == "interrupted"
    train(*words, "ckpt=stopped/checkpoints/last.ckpt", f"engine={order[1]}", folder="continued")
    assert_same("whole", "continued")


def test_a_network_that_reads_back_falls_back(train: Train) -> None:
    words = ("model=linear", "model._target_=tests.engine.test_gpu.ReadsBack")
    record = train(*WORDS, *GPU, *words, "engine=auto", folder="auto")
    assert record.environment["engine"] == "loop"
    train(*WORDS, *GPU, *words, "engine=eager", folder="eager")
    assert_same("eager", "auto")


class ReadsBack(torch.nn.Linear):
    """Asks for a number in the middle of a step, which no captured step can."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__(torch.Size(input_shape).numel(), outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.flatten(1) / max(1.0, x.max().item()))
