"""Both engines give the same run, and a run may be continued in either."""

import logging
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from optlab.adapters.torch import Captures
from optlab.config import compose
from optlab.engine import choice
from optlab.errors import UserError
from optlab.record import RunRecord
from optlab.run import run
from tests.conftest import Train, words_of
from tests.engine.recorded import Recorded
from tests.metrics import read_metrics
from tests.test_resume import StopAfter, weights, without_time

# 81 batches an epoch, the last one of 13 samples: a chunk of 50, and one of 31 with the short batch at its end.
WORDS = ("batch_size=16", "trainer.max_epochs=2")
IMAGES = ("dataset=fake", "dataset.samples=120", "dataset.image_size=8", "dataset.augment=crop_flip", "batch_size=16")


def assert_same(a: Path, b: Path) -> None:
    assert without_time(a) == without_time(b)
    expected, actual = weights(a), weights(b)
    assert all(torch.equal(actual[name], expected[name]) for name in expected)


def assert_engines_agree(train: Train, captures: list[Recorded], *words: str) -> tuple[RunRecord, RunRecord]:
    eager = train(*WORDS, "engine=eager", *words, folder="eager")
    assert not captures
    graph = train(*WORDS, "engine=graph", *words, folder="graph")
    assert (eager.environment["engine"], graph.environment["engine"]) == ("eager", "graph")
    assert len(captures) == 1
    # All steps but the first, which is taken before the capture, the second, and the short ones are replays (and one
    # replay is the comparison).
    short = graph.epochs
    assert graph.steps == eager.steps
    assert captures[0].replays >= graph.steps - 1 - short
    assert_same(Path("eager"), Path("graph"))
    assert eager.metrics == graph.metrics
    assert eager.id == graph.id
    return eager, graph


@pytest.mark.parametrize(
    "optimizer", ["sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop", "adagrad", "adadelta", "nadam", "asgd"]
)
def test_replayed_steps_are_the_steps(optimizer: str, train: Train, captures: list[Recorded]) -> None:
    assert_engines_agree(train, captures, f"optimizer={optimizer}")


class Noisy(torch.nn.Module):
    """A network with state that each step changes and random numbers that each step draws."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        size = torch.Size(input_shape).numel()
        self.layers = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.BatchNorm1d(size), torch.nn.Dropout(), torch.nn.Linear(size, outputs)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.layers(x)
        return output


NOISY = ("model=linear", "model._target_=tests.engine.test_engines.Noisy")


@pytest.mark.parametrize(
    "words",
    {
        "cosine": ["lr=cosine"],
        "warm_up": ["lr=linear", "lr.warmup_fraction=0.2"],
        "onecycle": ["lr=onecycle"],
        "plateau": ["lr=plateau", "lr.patience=0", "lr.threshold=0.9", "trainer.max_epochs=4"],
        "augmentation": [*IMAGES, "model=linear"],
        "deepobs": [*IMAGES, "model=linear", "dataset.augment=deepobs"],
        "dropout": NOISY,
        "regression": ["dataset=line", "model=linear", "loss=mse", "batch_size=2", "optimizer.lr=0.01"],
        "unshuffled": ["shuffle=false"],
        "bf16": ["trainer.precision=bf16-mixed"],
        "max_steps": ["trainer.max_steps=70", "lr=cosine"],
        "within_validation": ["+trainer.val_check_interval=7"],
        "across_validation": ["+trainer.val_check_interval=30", "trainer.check_val_every_n_epoch=null"],
        "rare_validation": ["trainer.check_val_every_n_epoch=2"],
        "some_batches": ["trainer.limit_train_batches=60"],
        "rare_looks": ["callbacks.divergence.every_n_steps=1000"],
        "no_guard": ["callbacks.divergence=null"],
        "decay": ["optimizer=adamw", "optimizer.decay_bias_and_norm=false"],
    }.values(),
    ids=lambda words: words[0],
)
def test_every_way_to_train_is_the_same_in_both_engines(
    words: list[str], train: Train, captures: list[Recorded]
) -> None:
    assert_engines_agree(train, captures, *words)


class Stop(StopAfter):
    """Sends SIGINT at the first look from this step on; the run stops at the next."""

    every_batch = False

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if 0 < self.steps <= trainer.global_step:
            self.steps = 0
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("words", [("optimizer=adam", "lr=cosine"), NOISY], ids=["adam", "dropout"])
@pytest.mark.parametrize("order", [("graph", "graph"), ("graph", "eager"), ("eager", "graph")])
def test_a_run_interrupted_in_one_engine_goes_on_in_either(
    order: tuple[str, str], words: tuple[str, ...], train: Train, captures: list[Recorded], tmp_path: Path
) -> None:
    words = (*WORDS, *words, "trainer.max_epochs=3", "callbacks.divergence.every_n_steps=7")
    whole = train(*words, "engine=eager", folder="whole")
    stop = ("+callbacks.stop._target_=tests.engine.test_engines.Stop", "+callbacks.stop.steps=95")
    stopped = run(compose(words_of(*words, *stop, f"engine={order[0]}")), tmp_path / "stopped")
    assert stopped.status == "interrupted"
    content = torch.load("stopped/checkpoints/last.ckpt", weights_only=True)
    # Chunks end after 7, 14 ... 77, 81 (the epoch), 88, 95, 102 ... steps.
    assert content["global_step"] == stopped.steps == {"graph": 102, "eager": 96}[order[0]]
    ckpt = "ckpt=stopped/checkpoints/last.ckpt"
    continued = train(*words, ckpt, f"engine={order[1]}", folder="continued")
    assert continued.environment["engine"] == order[1]
    assert (continued.steps, continued.epochs) == (whole.steps, whole.epochs)
    assert_same(Path("whole"), Path("continued"))
    assert continued.metrics == whole.metrics


def test_divergence_is_found_at_the_next_look(train: Train, captures: list[Recorded]) -> None:
    words = (*WORDS, "optimizer=sgd", "optimizer.lr=1e30", "callbacks.divergence.every_n_steps=7")
    eager = train(*words, "engine=eager", folder="eager")
    graph = train(*words, "engine=graph", folder="graph")
    assert graph.status == eager.status == "diverged"
    assert graph.error == eager.error
    assert graph.error is not None
    assert "in epoch 1 (step 7)" in graph.error["message"]


def test_a_second_run_of_an_epoch_more_is_the_longer_run(train: Train, captures: list[Recorded]) -> None:
    train(*WORDS, "engine=graph", "trainer.max_epochs=3", folder="whole")
    train(*WORDS, "engine=graph", folder="first")
    train(*WORDS, "engine=graph", "trainer.max_epochs=3", "ckpt=first/checkpoints/last.ckpt", folder="second")
    assert_same(Path("whole"), Path("second"))


# -- what cannot be captured


REFUSED = {
    "trainer.accumulate_grad_batches=2": "trainer.accumulate_grad_batches=2",
    "trainer.precision=bf16-true": "trainer.precision=bf16-true",
    "optimizer=lbfgs": "LBFGS evaluates the loss itself",
    "optimizer=muon": "MuonAdamW has neither fused nor capturable steps",
    "callbacks=running_sums": "the callback RunningSums looks at every batch",
}


@pytest.mark.parametrize("word", REFUSED)
def test_what_stands_against_the_graph_is_said(
    word: str, train: Train, captures: list[Recorded], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(UserError, match=r"^engine=graph: not possible, because .*; type engine=auto$") as error:
        train(word, "engine=graph", "dataset=cifar10", "dataset.root=nowhere")  # before any data is looked for
    assert REFUSED[word] in str(error.value)
    record = train(word, "engine=auto", "trainer.max_epochs=1")
    engine = "loop" if word == "optimizer=muon" else "eager"
    assert record.environment["engine"] == engine
    assert f"engine: {engine}, because {REFUSED[word]}" in caplog.messages
    assert not captures


@pytest.mark.parametrize(
    "words",
    [
        ["trainer.gradient_clip_val=0.5"],
        ["trainer.gradient_clip_val=0.01", "trainer.gradient_clip_algorithm=value", "optimizer=adam"],
        ["trainer.gradient_clip_val=0.5", "trainer.precision=bf16-mixed"],
    ],
    ids=["norm", "value", "bf16"],
)
def test_clipping_is_part_of_the_step(words: list[str], train: Train, captures: list[Recorded]) -> None:
    short = ("trainer.max_epochs=1", "optimizer.lr=0.5")
    train(*WORDS, *short, "engine=eager", folder="free")
    train(*WORDS, *short, *words, "engine=loop", folder="loop")
    assert_engines_agree(train, captures, *short, *words)
    assert_same(Path("eager"), Path("loop"))
    assert without_time(Path("free")) != without_time(Path("loop"))


def test_several_processes_stand_against_the_graph(train: Train, captures: list[Recorded]) -> None:
    with pytest.raises(UserError, match="because DDPStrategy is for several processes; type engine=auto"):
        train("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=1", "engine=graph")


def test_auto_takes_the_graph_and_says_so(
    train: Train, captures: list[Recorded], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert train("trainer.max_epochs=1").environment["engine"] == "graph"
    assert sum(message.startswith("engine: graph (up to 50 replays") for message in caplog.messages) == 1
    assert len(captures) == 1


def test_without_a_gpu_auto_loops_in_silence_and_graph_is_refused(
    train: Train, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert train("trainer.max_epochs=1").environment["engine"] == "loop"
    assert not any(message.startswith("engine:") for message in caplog.messages)
    with pytest.raises(UserError, match="engine=graph needs an NVIDIA GPU, and this run is on cpu; type engine=auto"):
        train("engine=graph", "dataset=cifar10", "dataset.root=nowhere", folder="graph")
    assert not Path("graph").exists()


def test_callbacks_that_do_not_look_at_batches_do_not_stand_in_the_way(train: Train, captures: list[Recorded]) -> None:
    words = ["+callbacks.stopping._target_=lightning.pytorch.callbacks.EarlyStopping"]
    words += ["+callbacks.stopping.monitor=val/loss", "callbacks=default"]
    assert train(*words, "engine=graph", "trainer.max_epochs=1").environment["engine"] == "graph"


# -- what turns out not to be capturable when it is tried


def schedule_of_two(optimizer: Any, horizon: Any) -> Any:
    """The lr is constant, and the weight decay is not."""

    class Schedule(lr_scheduler.ConstantLR):
        def step(self, epoch: Any = None) -> None:
            super().step(epoch)
            self.optimizer.param_groups[0]["weight_decay"] = 1e-4 * self.last_epoch

    return Schedule(optimizer, factor=1.0, total_iters=1)


class Counting(torch.optim.SGD):
    """Counts its steps in Python."""

    def __init__(self, params: Any, lr: float = 0.1, fused: bool | None = None) -> None:
        super().__init__(params, lr=lr, fused=fused)

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["count"] = self.state[p].get("count", 0) + 1
        return super().step(closure)


class Averaging(torch.nn.Linear):
    """Replaces a buffer at each step in place of writing into it."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__(torch.Size(input_shape).numel(), outputs)
        self.mean: torch.Tensor
        self.register_buffer("mean", torch.zeros(self.in_features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(1)
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.mean(0)
        return super().forward(x - self.mean)


HERE = "tests.engine.test_engines"
UNCAPTURABLE = {
    "schedule": (["lr=constant", f"lr._target_={HERE}.schedule_of_two", "~lr.warmup_fraction"], "more than the lr"),
    "momentum": (["optimizer=momentum", "lr=onecycle", "lr.cycle_momentum=true"], "more than the lr"),
    "counter": (
        ["optimizer=custom", f"optimizer._target_={HERE}.Counting"],
        r"leaves another optimizer\.state\[\d\]\.count in Python",
    ),
    "buffer": (
        ["model=linear", f"model._target_={HERE}.Averaging"],
        r"leaves another network\._buffers\.?\w* in Python",
    ),
}


@pytest.mark.parametrize("name", UNCAPTURABLE)
def test_what_no_replay_would_repeat_is_found_out(
    name: str, train: Train, captures: list[Recorded], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    words, reason = UNCAPTURABLE[name]
    train(*WORDS, *words, "engine=eager", folder="eager")
    record = train(*WORDS, *words, "engine=auto", folder="auto")
    assert record.environment["engine"] == "loop"
    assert any(
        message.startswith("engine: loop, because") and re.search(reason, message) for message in caplog.messages
    )
    assert_same(Path("eager"), Path("auto"))
    with pytest.raises(UserError, match=f"engine=graph: not possible, .*{reason}"):
        train(*WORDS, *words, "engine=graph", folder="graph")


@pytest.mark.parametrize("when", ["warm_up", "capture", "replay"])
def test_a_capture_that_fails_leaves_no_trace(
    when: str, train: Train, captures: list[Recorded], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    original = getattr(Recorded, when)

    def failing(self: Recorded, *step: Any) -> None:
        original(self, *step)
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    monkeypatch.setattr(Recorded, when, failing)
    train(*WORDS, *NOISY, "engine=eager", folder="eager")
    record = train(*WORDS, *NOISY, "engine=auto", folder="auto")
    assert record.environment["engine"] == "loop"
    reason = "the step cannot be captured (operation not permitted when stream is capturing)"
    assert f"engine: loop, because {reason}" in caplog.messages
    assert_same(Path("eager"), Path("auto"))


def test_where_captures_are_over_the_run_loops(
    train: Train, captures: list[Recorded], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(Captures, "half_open", True)
    assert train("trainer.max_epochs=1").environment["engine"] == "loop"
    assert any("engine: loop, because an earlier capture failed" in message for message in caplog.messages)
    assert not captures


def test_a_replay_that_is_not_the_step_is_not_trusted(
    train: Train, captures: list[Recorded], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    replay = Recorded.replay

    def with_another_lr(self: Recorded) -> None:
        (lr,) = [operator.options["lr"] for operator in self.operators if "lr" in operator.options]
        lr.mul_(1.5)
        replay(self)
        lr.div_(1.5)

    monkeypatch.setattr(Recorded, "replay", with_another_lr)
    train(*WORDS, "optimizer=sgd", "optimizer.lr=0.125", "engine=eager", folder="eager")
    record = train(*WORDS, "optimizer=sgd", "optimizer.lr=0.125", "engine=auto", folder="auto")
    assert record.environment["engine"] == "loop"
    reason = "engine: loop, because a replay leaves another vector of weights than the step: "
    assert any(message.startswith(reason) for message in caplog.messages)
    assert_same(Path("eager"), Path("auto"))


def test_the_engine_may_change_without_making_another_run(train: Train) -> None:
    ids = {train(f"engine={name}", "trainer.max_epochs=1", folder=name).id for name in ("auto", "eager")}
    assert len(ids) == 1
    assert read_metrics(Path("auto/metrics.csv"))[0]["step"] == read_metrics(Path("eager/metrics.csv"))[0]["step"]


def test_chunks_are_as_long_as_the_config_says(
    train: Train, captures: list[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optlab.engine.module.STEPS_A_CHUNK", 4)
    assert choice.STEPS_A_CHUNK == 50
    assert_engines_agree(train, captures)
