"""What changes between two epochs is noticed, and what replays leave otherwise than the step is found out."""

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning import Callback
from torch import Tensor, nn

from optlab.engine import compare
from optlab.errors import UserError
from tests.conftest import Train
from tests.engine.recorded import Recorded
from tests.engine.test_engines import NOISY, assert_same

HERE = "tests.engine.test_frozen"
WORDS = ("batch_size=64", "trainer.max_epochs=1")
NETWORK = ("model=linear", f"model._target_={HERE}.Changing")


class Changing(nn.Module):
    """A network with most of what somebody may change."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        size = torch.Size(input_shape).numel()
        self.first = nn.Sequential(nn.Flatten(), nn.Linear(size, 8), nn.BatchNorm1d(8), nn.Dropout(0.2))
        self.last = nn.Linear(8, outputs)
        self.slope, self.act = 0.1, nn.functional.leaky_relu

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.last(self.act(self.first(x), self.slope))
        return output


def other_memory(net: Any, optimizer: Any) -> None:
    net.last.weight.data = net.last.weight.data * 0.5


def other_layer(net: Any, optimizer: Any) -> None:
    net.first[3] = nn.Identity()


CHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "requires_grad": lambda net, optimizer: net.first[1].weight.requires_grad_(False),
    "training": lambda net, optimizer: net.first[2].eval(),
    "dropout": lambda net, optimizer: setattr(net.first[3], "p", 0.6),
    "attribute": lambda net, optimizer: setattr(net, "slope", 0.5),
    "function": lambda net, optimizer: setattr(net, "act", lambda x, slope: torch.relu(x)),
    "hook": lambda net, optimizer: net.last.register_forward_hook(lambda module, given, output: output * 2),
    "gradient": lambda net, optimizer: net.last.weight.register_hook(lambda gradient: gradient * 0.5),
    "layer": other_layer,
    "memory": other_memory,
    "momentum": lambda net, optimizer: optimizer.param_groups[0].update(momentum=0.5),
    "group": lambda net, optimizer: optimizer.add_param_group({"params": [net.late]}),
    "state": lambda net, optimizer: optimizer.state.clear(),
}


class Changes(Callback):
    """Changes one thing at the beginning of each epoch but the first, or at a step within one."""

    every_batch, every_n_steps = False, 10

    def __init__(self, changes: list[str], step: int | None = None) -> None:
        self.changes = [CHANGES[change] for change in changes]
        self.step = step

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        if CHANGES["group"] in self.changes:
            net = pl_module.network
            net.late = nn.Parameter(torch.ones(8))
            net.first.append(Scale(net.late))

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch > 0 and self.step is None:
            self.changes[trainer.current_epoch - 1](pl_module.network, trainer.optimizers[0])


class ChangesWithin(Changes):
    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        if trainer.global_step == self.step:
            self.changes[0](pl_module.network, trainer.optimizers[0])


class Scale(nn.Module):
    def __init__(self, scale: nn.Parameter) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


def changing(changes: list[str], kind: str = "Changes") -> tuple[str, ...]:
    callback = (f"+callbacks.changes._target_={HERE}.{kind}", f"+callbacks.changes.changes=[{','.join(changes)}]")
    return (*WORDS, *NETWORK, "optimizer=momentum", *callback, f"trainer.max_epochs={1 + len(changes)}")


@pytest.mark.parametrize(
    "changes",
    [
        ["training", "dropout", "attribute", "function", "hook", "layer"],
        ["requires_grad", "gradient", "memory", "momentum", "group", "state"],
    ],
    ids=["layers", "tensors"],
)
def test_what_changes_between_epochs_is_part_of_the_step(
    changes: list[str], train: Train, captures: list[Recorded], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    train(*changing(changes), "engine=eager", folder="eager")
    assert train(*changing(changes), "engine=graph", folder="graph").numerics["engine"] == "graph"
    assert len(captures) == 1 + len(changes)
    assert sum("the step is captured again, because " in message for message in caplog.messages) == len(changes)
    assert_same(Path("eager"), Path("graph"))


def test_what_changes_within_an_epoch_is_noticed_behind_the_callback(train: Train, captures: list[Recorded]) -> None:
    words = (*changing(["dropout"], "ChangesWithin"), "+callbacks.changes.step=31")
    train(*words, "engine=eager", folder="eager")
    train(*words, "engine=graph", folder="graph")
    assert len(captures) == 2
    assert_same(Path("eager"), Path("graph"))


def test_what_stays_is_captured_once(train: Train, captures: list[Recorded]) -> None:
    train(*WORDS, *NOISY, "optimizer=adam", "engine=graph", "trainer.max_epochs=3")
    assert len(captures) == 1


# -- the check of a replay


def at(self: Recorded, name: str) -> list[Any]:
    return [each for each in self.operators if name in str(each.function)]


def counts_twice(self: Recorded) -> None:
    (adam,) = at(self, "_fused_adam_")
    for step in adam.args[5]:
        step.add_(1)


def sums_twice(self: Recorded) -> None:
    next(each.args[0] for each in self.operators if each.args and is_loss_sum(each.args[0])).mul_(2)


def goes_on_by_one_more(self: Recorded) -> None:
    next(
        each.args[0] for each in self.operators if str(each.function).startswith("aten.add_") and is_cursor(each)
    ).add_(1)


def is_loss_sum(each: Any) -> bool:
    return isinstance(each, Tensor) and each.dtype == torch.float64 and each.ndim == 0


def is_cursor(operator: Any) -> bool:
    return bool(operator.args[0].dtype == torch.int64 and operator.args[1:] == (64,))


WRONG = {"step": counts_twice, "sum of losses": sums_twice, "cursor": goes_on_by_one_more}


@pytest.mark.parametrize("what", WRONG)
def test_a_replay_that_leaves_something_else_is_not_trusted(
    what: str, train: Train, captures: list[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = Recorded.replay

    def wrong(self: Recorded) -> None:
        replay(self)
        WRONG[what](self)

    monkeypatch.setattr(Recorded, "replay", wrong)
    with pytest.raises(UserError, match=f"because a replay leaves another {what} than the step: "):
        train(*WORDS, "optimizer=adam", "engine=graph")


@pytest.mark.parametrize(("kind", "lr"), [(torch.optim.RMSprop, 1e-3), (torch.optim.Adagrad, 1e-2)])
def test_noise_of_a_step_is_no_fault_of_a_replay_and_another_lr_is(kind: Any, lr: float) -> None:
    torch.manual_seed(0)
    start = torch.randn(20_000, dtype=torch.float64)
    normal = torch.randn(20_000, dtype=torch.float64)
    gradient = normal * normal.abs()  # more of them near 0, as in a network

    def stepped(noise: float = 0.0, factor: float = 1.0) -> list[Tensor]:
        weight = nn.Parameter(start.clone())
        weight.grad = gradient + noise * torch.randn(20_000, dtype=torch.float64)
        kind([weight], lr=lr * factor).step()
        return [weight.detach()]

    before: Any = SimpleNamespace(kinds=["vector of weights"], copies=[start])
    once, again, noisy = stepped(1e-5), stepped(1e-5), stepped(1e-5)
    assert compare.distance(noisy, once) > compare.FLOOR * compare.distance(once, [start])
    assert compare.fault(before, noisy, once, again) is None
    assert compare.fault(before, noisy, once, once) is None  # two steps may agree by chance
    for factor in (0.9, 1.1):
        assert "another vector of weights" in str(compare.fault(before, stepped(1e-5, factor), once, once))
