"""Optimizers that are broken in one way each, and the check that is meant for it; the command that says so."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from optlab.commands import conformance as command
from optlab.conformance import CHECKS, Check, examine


class Plain(torch.optim.Optimizer):
    """Gradient descent with momentum and weight decay: a class of a user's own that is right."""

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float = 0.05, momentum: float = 0.5, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = self.loss_of(closure)
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.move(p, group)
        return loss

    def loss_of(self, closure: Callable[[], Tensor] | None) -> Any:
        with torch.enable_grad():
            return None if closure is None else closure()

    def move(self, p: nn.Parameter, group: dict[str, Any]) -> None:
        before = self.state[p].get("before", torch.zeros_like(p))
        assert p.grad is not None
        step = before * group["momentum"] + p.grad + group["weight_decay"] * p
        self.state[p]["before"] = step
        p.add_(step, alpha=-group["lr"])


class NoLr(Plain):
    def __init__(self, params: Iterable[nn.Parameter], lr: Any = None, weight_decay: float = 0.0) -> None:
        super().__init__(params, lr or 0.05, weight_decay=weight_decay)


class TwoModes(Plain):
    def eval(self) -> None:
        """Swaps weights."""


class Deaf(Plain):
    def step(self, closure: Any = None) -> Any:
        super().step(closure)
        return None


class Climbs(Plain):
    def move(self, p: nn.Parameter, group: dict[str, Any]) -> None:
        super().move(p, group | {"lr": -group["lr"]})


class Draws(Plain):
    def move(self, p: nn.Parameter, group: dict[str, Any]) -> None:
        torch.rand(1)
        super().move(p, group)


class Forgets(Plain):
    def __init__(self, params: Iterable[nn.Parameter], lr: float = 0.05, weight_decay: float = 0.0) -> None:
        super().__init__(params, lr, weight_decay=weight_decay)
        self.count = 0

    def step(self, closure: Any = None) -> Any:
        self.count += 1
        for group in self.param_groups:
            group["momentum"] = min(0.5, self.count / 100)
        return super().step(closure)


class NeedsTwoGradients(Plain):
    """Evaluates the loss again where it can."""

    def loss_of(self, closure: Callable[[], Tensor] | None) -> Any:
        super().loss_of(closure)
        if closure is not None:
            for group in self.param_groups:
                for p in group["params"]:
                    p.mul_(0.999)
        return super().loss_of(closure)


class KeepsItsLr(Plain):
    def __init__(self, params: Iterable[nn.Parameter], lr: float = 0.05, weight_decay: float = 0.0) -> None:
        super().__init__(params, lr, weight_decay=weight_decay)
        self.rate = lr

    def move(self, p: nn.Parameter, group: dict[str, Any]) -> None:
        super().move(p, group | {"lr": self.rate})


class DecaysNothing(Plain):
    def move(self, p: nn.Parameter, group: dict[str, Any]) -> None:
        super().move(p, group | {"weight_decay": 0.0})


class Views(Plain):
    def move(self, p: nn.Parameter, group: dict[str, Any]) -> None:
        p.data.view(-1)
        super().move(p, group)


class MovesAll(Plain):
    def step(self, closure: Any = None) -> Any:
        loss = super().step(closure)
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    p.mul_(0.999)
        return loss


class Raises(Plain):
    def move(self, p: nn.Parameter, group: dict[str, Any]) -> None:
        if p.isnan().any():
            raise ValueError("NaN")
        super().move(p, group)


BROKEN = {
    "takes_lr": NoLr,
    "has_one_mode": TwoModes,
    "gives_the_loss_back": Deaf,
    "reduces_the_loss": Climbs,
    "is_repeatable": Draws,
    "continues": Forgets,
    "steps_plainly": NeedsTwoGradients,
    "follows_the_schedule": KeepsItsLr,
    "decays_weights": DecaysNothing,
    "takes_channels_last": Views,
    "skips_unused_parameters": MovesAll,
    "takes_what_is_not_finite": Raises,
}


def test_one_that_is_right_passes_all() -> None:
    assert [(check.name, reason) for check, reason in examine(Plain)] == [(name, None) for name in BROKEN]


def test_one_that_cannot_step_is_not_asked_for_the_rest() -> None:
    asked = [check.name for check, _ in examine(BROKEN["gives_the_loss_back"])]
    assert asked[-1] == "gives_the_loss_back"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_each_fault_is_found_by_the_check_meant_for_it(check: Check) -> None:
    ((_, reason),) = examine(BROKEN[check.name], checks=[check])
    assert reason is not None


MINE = f"{__name__}.Plain"


def test_the_command_says_what_passed_and_what_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([MINE, "lr=0.1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "passed  has an lr"
    assert lines[-1].endswith(f"optimizer._target_={MINE} optimizer.lr=0.1 trains with it")


def test_the_command_says_what_failed_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([f"{__name__}.Draws"]) == 1
    out = capsys.readouterr().out
    assert "FAILED  repeats bit for bit: draws from the global generator\n        draw from a torch.Generator" in out
    assert out.endswith("Draws: 1 of 12 checks failed\n")


def test_it_finds_a_module_where_one_stands(capsys: pytest.CaptureFixture[str]) -> None:
    Path("own_rule.py").write_text("import torch\nclass Rule(torch.optim.SGD):\n    pass\n")
    assert command.main(["own_rule.Rule", "lr=0.1", "momentum=0.9"]) == 0
    assert "all 12 checks passed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["torch.nn.Linear"], "torch.nn.Linear: not a subclass of torch.optim.Optimizer"),
        (["nowhere.Rule"], "nowhere.Rule: cannot be imported"),
        ([MINE, "beta=1"], "beta: Plain takes no such argument; it takes lr, momentum, weight_decay"),
        (["lr=1"], "lr=1: of which class?"),
        ([f"{__name__}.Plain", "lr={"], "lr={: not key=value"),
    ],
)
def test_what_cannot_be_checked_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(words) == 1
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
