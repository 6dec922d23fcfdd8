"""What an optimizer costs, as a run records it: its state, memory, and the parts of a step, which leave no trace."""

import logging
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from optlab.callbacks import costs, recorder
from optlab.callbacks.costs import state_bytes, trained
from optlab.record import RunRecord
from tests.conftest import Train
from tests.test_resume import without_time

ONE_EPOCH = ("trainer.max_epochs=1",)  # 21 steps
NOISY = ("model=linear", f"model._target_={__name__}.Noisy")


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs of 20 steps look at the parts of one."""
    monkeypatch.setattr(costs, "SHARE", 10)


def stepped(optimizer: type[Optimizer], **arguments: Any) -> Optimizer:
    torch.manual_seed(0)
    network = nn.Linear(100, 50)  # 5,050 numbers
    made: Any = optimizer(network.parameters(), **arguments)

    def closure() -> Tensor:
        made.zero_grad()
        loss: Tensor = network(torch.ones(2, 100)).square().sum()
        loss.backward()
        return loss

    for _ in range(2):
        made.step(closure)
    found: Optimizer = made
    return found


@pytest.mark.parametrize(
    ("optimizer", "arguments", "each", "counters"),
    [
        (torch.optim.SGD, {"lr": 0.1}, 0, 0),
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}, 4, 0),
        (torch.optim.RMSprop, {}, 4, 2),
        (torch.optim.Adam, {}, 8, 2),
        (torch.optim.Adam, {"amsgrad": True}, 12, 2),
    ],
)
def test_the_state_of_an_optimizer_in_bytes(
    optimizer: type[Optimizer], arguments: dict[str, Any], each: int, counters: int
) -> None:
    made = stepped(optimizer, **arguments)
    assert trained([made]) == 5050
    assert state_bytes([made]) == 5050 * each + 4 * counters


def test_that_of_lbfgs_has_its_history() -> None:
    made = stepped(torch.optim.LBFGS, max_iter=4, lr=0.001, history_size=3)
    (state,) = made.state.values()
    history = len(state["old_dirs"])
    assert history == 3
    vectors, scalars = 2 + 2 * history, 1 + 2 * history  # direction, last gradient, differences; two numbers for each
    assert state_bytes([made]) == 4 * (5050 * vectors + scalars)


def test_memory_that_is_shared_counts_once_and_that_of_the_weights_not_at_all() -> None:
    made = stepped(torch.optim.SGD, lr=0.1)
    weight = made.param_groups[0]["params"][0]
    flat = torch.zeros(1000)
    made.state[weight] = {"a": flat[:10], "b": [flat[10:20], {"c": flat}], "same": weight.detach().view(-1)}
    made.state[flat] = {"sparse": torch.eye(4).to_sparse(), "none": torch.empty(0)}
    assert state_bytes([made]) == 4000 + 4 * (2 * 8 + 4)


@pytest.mark.parametrize(
    "words",
    [
        ("engine=eager", "optimizer=adam"),
        ("engine=loop", "optimizer=momentum", "lr=cosine"),
        ("optimizer=lbfgs", "optimizer.max_iter=4", "trainer.gradient_clip_val=null"),
        ("optimizer=sgd", "trainer.gradient_clip_val=0.5"),
        ("optimizer=adam", "trainer.precision=bf16-mixed"),
    ],
)
def test_looking_at_the_parts_of_a_step_leaves_no_trace(
    words: tuple[str, ...], train: Train, monkeypatch: pytest.MonkeyPatch, often: None
) -> None:
    words = (*ONE_EPOCH, *NOISY, *words)
    looked = train(*words, folder="looked")
    assert looked.costs["measured_steps"] == 1
    parts = [looked.costs[f"{part}_milliseconds"] for part in ("forward", "backward", "optimizer")]
    assert all(part is not None and part > 0 for part in parts)
    monkeypatch.setattr(recorder, "parts_of_step", lambda *_: {})
    plain = train(*words, folder="plain")
    assert looked.metrics == plain.metrics, "the test comes behind the look"
    assert without_time(Path("looked")) == without_time(Path("plain"))


class Noisy(nn.Module):
    """Batch norm with its buffers, and dropout with its draws."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(input_shape), 16),
            nn.BatchNorm1d(16),
            nn.Dropout(),
            nn.Linear(16, outputs),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.layers(inputs)
        return outputs


def test_state_gradients_and_random_streams_are_the_same_objects_behind_it(
    train: Train, monkeypatch: pytest.MonkeyPatch, often: None
) -> None:
    before: dict[str, Any] = {}
    undone = costs.undone

    def watched(module: Any, optimizer: Optimizer) -> Any:
        before.update(
            optimizer=optimizer,
            state=optimizer.state,
            entries={p: {k: (v, v.clone()) for k, v in entry.items()} for p, entry in optimizer.state.items()},
            gradients=[(p, p.grad) for p in module.parameters()],
            weights=[(p, p.detach().clone()) for p in module.parameters()],
            buffers=[(b, b.clone()) for b in module.buffers()],
            random=torch.get_rng_state(),
        )
        return undone(module, optimizer)

    def look(*args: Any) -> Any:
        found = costs.parts_of_step(*args)
        optimizer = before["optimizer"]
        assert optimizer.state is before["state"]
        for p, entry in before["entries"].items():
            for key, (tensor, copy) in entry.items():
                assert optimizer.state[p][key] is tensor
                assert torch.equal(tensor, copy)
        assert all(p.grad is gradient for p, gradient in before["gradients"])
        assert all(torch.equal(p, copy) for p, copy in before["weights"])
        assert all(torch.equal(b, copy) for b, copy in before["buffers"])
        assert torch.equal(torch.get_rng_state(), before["random"])
        before["seen"] = True
        return found

    monkeypatch.setattr(costs, "undone", watched)
    monkeypatch.setattr(recorder, "parts_of_step", look)
    record = train(*ONE_EPOCH, *NOISY, "optimizer=adam")
    assert before["seen"]
    assert record.costs["measured_steps"] == 1


def test_what_a_run_records(train: Train) -> None:
    short = train("optimizer=adam", "trainer.max_epochs=1")
    assert short.costs["trained_parameters"] == short.network["parameters"]
    assert short.costs["state_bytes_per_parameter"] == pytest.approx(8, abs=0.1)
    assert 100 < (short.costs["peak_host_mib"] or 0) < 100_000
    assert short.costs["peak_device_mib"] is None
    assert short.costs["forward_milliseconds"] is None, "in 21 steps a look would be felt"
    assert RunRecord.read(Path("run")).costs == short.costs


def test_a_run_that_diverges_records_what_it_can(train: Train) -> None:
    record = train("optimizer=momentum", "optimizer.lr=1e30")
    assert record.status == "diverged"
    assert record.costs["state_bytes_per_parameter"] == 4
    assert record.timing["ended"] is not None


def test_a_look_that_fails_is_said_and_the_run_goes_on(
    train: Train, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, often: None
) -> None:
    def out_of_memory(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory\nand more")

    monkeypatch.setattr(costs, "deepcopy", out_of_memory)
    caplog.set_level(logging.INFO)
    record = train(*ONE_EPOCH, "optimizer=adam")
    assert record.status == "finished"
    assert record.costs["forward_milliseconds"] is None
    assert "costs: the parts of a step are not measured (CUDA out of memory)" in caplog.text
