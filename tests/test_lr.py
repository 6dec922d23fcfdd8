import io
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from optlab import lr
from optlab.errors import UserError

HORIZON = lr.Horizon(steps=40, steps_per_epoch=8)
BASE = [0.1, 0.003]  # each group has its own base lr
SCHEDULES: dict[str, dict[str, Any]] = {
    "constant": {},
    "step": {"step_size": 2, "gamma": 0.5},
    "multistep": {"milestones": [0.5, 0.75], "gamma": 0.2},
    "exponential": {"gamma": 0.7},
    "cosine": {"eta_min": 0.001},
    "linear": {"end_factor": 0.1},
    "onecycle": {},
}


def optimizer(cls: Callable[..., Optimizer] = torch.optim.SGD, **arguments: Any) -> Optimizer:
    groups = [{"params": [nn.Parameter(torch.ones(2))], "lr": base} for base in BASE]
    return cls(groups, **arguments)


def build(name: str, warmup_fraction: float, horizon: lr.Horizon = HORIZON) -> tuple[Optimizer, LRScheduler]:
    opt = optimizer()
    return opt, getattr(lr, name)(opt, horizon, warmup_fraction=warmup_fraction, **SCHEDULES[name])


def run(opt: Optimizer, schedule: LRScheduler, steps: int) -> list[list[float]]:
    """The lr of each group in each step, with the scheduler called after every step."""
    values = []
    for _ in range(steps):
        values.append([group["lr"] for group in opt.param_groups])
        opt.step()
        schedule.step()
    return values


def lrs(name: str, warmup_fraction: float = 0.0, horizon: lr.Horizon = HORIZON) -> list[list[float]]:
    return run(*build(name, warmup_fraction, horizon), horizon.steps)


FORMULAS: dict[str, Callable[[int, float, int], float]] = {
    "constant": lambda t, base, steps: base,
    "step": lambda t, base, steps: base * 0.5 ** (t // 16),
    "exponential": lambda t, base, steps: base * 0.7 ** (t / 8),
    "cosine": lambda t, base, steps: 0.001 + (base - 0.001) * (1 + math.cos(math.pi * t / steps)) / 2,
    "linear": lambda t, base, steps: base * (1 - 0.9 * t / steps),
}


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("warmup", [0, 8])
def test_follows_its_formula_behind_the_warmup(name: str, warmup: int) -> None:
    values = lrs(name, warmup / 40)
    for g, base in enumerate(BASE):
        expected = [base * (t + 1) / (warmup + 1) for t in range(warmup)]
        expected += [FORMULAS[name](t, base, 40 - warmup) for t in range(40 - warmup)]
        assert [value[g] for value in values] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("warmup", [0, 8])
def test_milestones_are_parts_of_the_whole_run(warmup: int) -> None:
    values = [value[0] for value in lrs("multistep", warmup / 40)]
    assert values[warmup:] == pytest.approx([0.1] * (20 - warmup) + [0.02] * 10 + [0.004] * 10)


def test_a_single_step_runs_at_the_base_lr() -> None:
    assert lrs("multistep", horizon=lr.Horizon(1, steps_per_epoch=1)) == [BASE]


@pytest.mark.parametrize("fraction", [0.0, 0.25])
def test_onecycle_is_torchs(fraction: float) -> None:
    opt = optimizer()
    reference = lr_scheduler.OneCycleLR(
        opt, max_lr=BASE, total_steps=40, pct_start=fraction or 0.3, cycle_momentum=False
    )
    expected = run(opt, reference, 40)
    values = lrs("onecycle", fraction)
    assert values == expected
    peak = round((fraction or 0.3) * 40) - 1
    assert values[peak] == pytest.approx(BASE)
    assert values[0][0] == pytest.approx(0.1 / 25)
    assert values[-1][0] == pytest.approx(0.1 / 25 / 1e4)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("step", lambda opt: lr_scheduler.StepLR(opt, 16, 0.5)),
        ("multistep", lambda opt: lr_scheduler.MultiStepLR(opt, [20, 30], 0.2)),
        ("cosine", lambda opt: lr_scheduler.CosineAnnealingLR(opt, 40, 0.001)),
        ("linear", lambda opt: lr_scheduler.LinearLR(opt, 1.0, 0.1, 40)),
    ],
)
def test_is_torchs_own_schedule(name: str, reference: Callable[[Optimizer], LRScheduler]) -> None:
    opt = optimizer()
    assert lrs(name) == run(opt, reference(opt), 40)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("fraction", [0.0, 0.2])
@pytest.mark.parametrize("cut", [0, 3, 7, 8, 9, 25])
def test_continues_exactly_from_a_checkpoint(name: str, fraction: float, cut: int) -> None:
    whole = lrs(name, fraction)
    opt, schedule = build(name, fraction)
    run(opt, schedule, cut)
    saved = io.BytesIO()
    torch.save([opt.state_dict(), schedule.state_dict()], saved)
    saved.seek(0)
    opt_state, schedule_state = torch.load(saved, weights_only=True)
    opt, schedule = build(name, fraction)
    opt.load_state_dict(opt_state)
    schedule.load_state_dict(schedule_state)
    assert run(opt, schedule, 40 - cut) == whole[cut:]


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_short_runs_have_a_positive_lr_up_to_the_base(name: str, fraction: float, steps: int) -> None:
    for value in lrs(name, fraction, lr.Horizon(steps, steps_per_epoch=1)):
        assert all(0 < rate <= base * (1 + 1e-9) for rate, base in zip(value, BASE, strict=True))


def test_plateau_falls_after_patience_and_continues_from_a_checkpoint() -> None:
    losses = [1.0, 0.5, 0.6, 0.5, 0.7, 0.4, 0.4, 0.4, 0.4]

    def follow(opt: Optimizer, schedule: ReduceLROnPlateau, losses: Sequence[float]) -> list[float]:
        values = []
        for loss in losses:
            schedule.step(loss)
            values.append(opt.param_groups[0]["lr"])
        return values

    opt = optimizer()
    whole = follow(opt, lr.plateau(opt, HORIZON, factor=0.5, patience=1), losses)
    assert whole == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.025, 0.025])
    opt = optimizer()
    schedule = lr.plateau(opt, HORIZON, factor=0.5, patience=1)
    follow(opt, schedule, losses[:3])
    saved = io.BytesIO()
    torch.save([opt.state_dict(), schedule.state_dict()], saved)
    saved.seek(0)
    opt_state, schedule_state = torch.load(saved, weights_only=True)
    opt = optimizer()
    schedule = lr.plateau(opt, HORIZON, factor=0.5, patience=1)
    opt.load_state_dict(opt_state)
    schedule.load_state_dict(schedule_state)
    assert follow(opt, schedule, losses[3:]) == whole[3:]


def test_cycle_momentum_cycles_momentum_and_betas() -> None:
    opt = optimizer(momentum=0.9)
    schedule = lr.onecycle(opt, HORIZON, cycle_momentum=True)
    assert opt.param_groups[0]["momentum"] == 0.95
    run(opt, schedule, 11)
    assert opt.param_groups[0]["momentum"] == pytest.approx(0.85)
    adam = optimizer(torch.optim.Adam)
    lr.onecycle(adam, HORIZON, cycle_momentum=True)
    assert adam.param_groups[0]["betas"][0] == 0.95


def test_momentum_is_left_alone_by_default() -> None:
    opt = optimizer(momentum=0.8)
    run(opt, lr.onecycle(opt, HORIZON), 11)
    assert opt.param_groups[0]["momentum"] == 0.8


@pytest.mark.parametrize("opt", [optimizer(), optimizer(torch.optim.Adagrad)])
def test_cycle_momentum_needs_momentum(opt: Optimizer) -> None:
    with pytest.raises(UserError, match="cycle_momentum"):
        lr.onecycle(opt, HORIZON, cycle_momentum=True)


def test_milestone_within_the_warmup_is_refused() -> None:
    with pytest.raises(UserError, match=r"0\.1 lies within the warm-up"):
        lr.multistep(optimizer(), HORIZON, milestones=[0.1, 0.5], warmup_fraction=0.2)


def test_eta_min_above_the_lr_is_refused() -> None:
    with pytest.raises(UserError, match=r"eta_min=0\.05 is above the learning rate 0\.003"):
        lr.cosine(optimizer(), HORIZON, eta_min=0.05)
