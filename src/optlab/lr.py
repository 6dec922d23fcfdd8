"""Learning-rate schedules: torch's own schedulers with their horizon filled in, stepped after every optimizer
step.

Each function takes an optimizer whose groups have their own base lr, the horizon of the run and the keys of
its yaml. The lr of optimizer step t = 0, 1, ... is the one set after t calls of `scheduler.step()`;
`horizon.steps` calls in all are within every schedule. Warm-up takes the first `warmup_fraction` of the
steps, rounded to whole ones, W of them: step t runs at (t + 1) / (W + 1) of the base lr, and the main
schedule starts at the base lr in step W and has the remaining steps as its horizon.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

from optlab.errors import UserError

WarmupFraction = Annotated[float, Field(ge=0, lt=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Factor = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True)
class Horizon:
    """How long a run is, in optimizer steps."""

    steps: int  # of the whole run
    steps_per_epoch: int


def constant(optimizer: Optimizer, horizon: Horizon, *, warmup_fraction: WarmupFraction = 0.0) -> LRScheduler:
    """The base lr throughout."""
    main = ConstantLR(optimizer, factor=1.0, total_iters=horizon.steps)
    return _after_warmup(main, _warmup_steps(horizon, warmup_fraction))


def step(
    optimizer: Optimizer,
    horizon: Horizon,
    *,
    step_size: Annotated[int, Field(ge=1)],
    gamma: Factor = 0.1,
    warmup_fraction: WarmupFraction = 0.0,
) -> LRScheduler:
    """Times `gamma` every `step_size` epochs, counted from the end of the warm-up."""
    main = StepLR(optimizer, step_size=step_size * horizon.steps_per_epoch, gamma=gamma)
    return _after_warmup(main, _warmup_steps(horizon, warmup_fraction))


def multistep(
    optimizer: Optimizer,
    horizon: Horizon,
    *,
    milestones: Sequence[Fraction],
    gamma: Factor = 0.1,
    warmup_fraction: WarmupFraction = 0.0,
) -> LRScheduler:
    """Times `gamma` at each milestone, a fraction of the whole run, warm-up included.

    Raises UserError for a milestone within the warm-up.
    """
    warmup = _warmup_steps(horizon, warmup_fraction)
    for milestone in milestones:
        if milestone <= warmup_fraction:
            raise UserError(
                f"lr.milestones: {milestone} lies within the warm-up (lr.warmup_fraction={warmup_fraction}): "
                "use milestones behind it"
            )
    steps = [max(1, round(milestone * horizon.steps) - warmup) for milestone in milestones]
    main = MultiStepLR(optimizer, steps, gamma=gamma)
    return _after_warmup(main, warmup)


def exponential(
    optimizer: Optimizer, horizon: Horizon, *, gamma: Factor = 0.9, warmup_fraction: WarmupFraction = 0.0
) -> LRScheduler:
    """Times `gamma` an epoch, spread evenly over the epoch's steps."""
    main = ExponentialLR(optimizer, gamma=gamma ** (1 / horizon.steps_per_epoch))
    return _after_warmup(main, _warmup_steps(horizon, warmup_fraction))


def cosine(
    optimizer: Optimizer,
    horizon: Horizon,
    *,
    eta_min: Annotated[float, Field(ge=0)] = 0.0,
    warmup_fraction: WarmupFraction = 0.0,
) -> LRScheduler:
    """Half a cosine from the base lr to `eta_min`, reached after the last step (Loshchilov and Hutter, 2017,
    eq. 5).

    Raises UserError where `eta_min` is above a group's base lr.
    """
    lowest = min(float(group["lr"]) for group in optimizer.param_groups)
    if eta_min > lowest:
        raise UserError(f"lr.eta_min={eta_min} is above the learning rate {lowest}: use a smaller one, or 0")
    warmup = _warmup_steps(horizon, warmup_fraction)
    main = CosineAnnealingLR(optimizer, T_max=horizon.steps - warmup, eta_min=eta_min)
    return _after_warmup(main, warmup)


def linear(
    optimizer: Optimizer,
    horizon: Horizon,
    *,
    end_factor: Annotated[float, Field(ge=0, le=1)] = 0.0,
    warmup_fraction: WarmupFraction = 0.0,
) -> LRScheduler:
    """A straight line from the base lr to `end_factor` times the base lr, reached after the last step."""
    warmup = _warmup_steps(horizon, warmup_fraction)
    main = LinearLR(optimizer, start_factor=1.0, end_factor=end_factor, total_iters=horizon.steps - warmup)
    return _after_warmup(main, warmup)


def onecycle(
    optimizer: Optimizer,
    horizon: Horizon,
    *,
    warmup_fraction: WarmupFraction = 0.3,
    div_factor: Annotated[float, Field(ge=1)] = 25.0,
    final_div_factor: Annotated[float, Field(ge=1)] = 1e4,
    anneal_strategy: Literal["cos", "linear"] = "cos",
    cycle_momentum: bool = False,
    base_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.85,
    max_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.95,
) -> LRScheduler:
    """Up to the base lr and down again in one cycle (Smith and Topin, 2018); the base lr is the peak.

    It starts at base / `div_factor` and ends in the last step at base / (`div_factor` `final_div_factor`).
    Raises UserError for `cycle_momentum` with an optimizer that has neither momentum nor betas.
    """
    if cycle_momentum and not _has_momentum(optimizer):
        raise UserError(
            f"lr.cycle_momentum=true: {type(optimizer).__name__} runs without momentum here: "
            "use lr.cycle_momentum=false, or an optimizer with momentum or betas"
        )
    rise = warmup_fraction if warmup_fraction > 0 else 0.3
    if rise * horizon.steps == 1.0:
        # The rise would end in the very step it starts in, and torch divides by its length. Just below, the
        # run starts at the peak.
        rise *= 1 - 1e-9
    return OneCycleLR(
        optimizer,
        max_lr=[float(group["lr"]) for group in optimizer.param_groups],
        total_steps=horizon.steps,
        pct_start=rise,
        anneal_strategy=anneal_strategy,
        cycle_momentum=cycle_momentum,
        base_momentum=base_momentum,
        max_momentum=max_momentum,
        div_factor=div_factor,
        final_div_factor=final_div_factor,
    )


def plateau(
    optimizer: Optimizer,
    horizon: Horizon,
    *,
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1,
    patience: Annotated[int, Field(ge=0)] = 10,
    threshold: Annotated[float, Field(ge=0)] = 1e-4,
    cooldown: Annotated[int, Field(ge=0)] = 0,
    min_lr: Annotated[float, Field(ge=0)] = 0.0,
) -> ReduceLROnPlateau:
    """Times `factor` once the loss has not improved for more than `patience` epochs; takes no note of `horizon`.

    To be stepped once an epoch with the validation loss; the other schedules are stepped once an optimizer
    step.
    """
    return ReduceLROnPlateau(
        optimizer,
        mode="min",
        factor=factor,
        patience=patience,
        threshold=threshold,
        cooldown=cooldown,
        min_lr=min_lr,
    )


def _warmup_steps(horizon: Horizon, warmup_fraction: float) -> int:
    return min(round(warmup_fraction * horizon.steps), horizon.steps - 1)


def _after_warmup(main: LRScheduler, steps: int) -> LRScheduler:
    if steps == 0:
        return main
    warmup = LinearLR(main.optimizer, start_factor=1 / (steps + 1), total_iters=steps)
    return SequentialLR(main.optimizer, [warmup, main], milestones=[steps])


def _has_momentum(optimizer: Optimizer) -> bool:
    """Whether every group has what OneCycleLR cycles, above 0: cycling would switch a momentum of 0 on."""
    if "betas" in optimizer.defaults:
        return all("betas" in group for group in optimizer.param_groups)
    return "momentum" in optimizer.defaults and all(group.get("momentum") for group in optimizer.param_groups)
