"""The checks, each with what to do where a class fails it."""

import inspect
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from optlab import optimizers
from optlab.adapters.output import warnings_raised
from optlab.adapters.torch import seeded
from optlab.conformance.problem import Problem, same

STEPS = 24
CUT = 7  # not a multiple of the usual update intervals (2, 5, 6, 10)


class Conformance:
    """The checks, each of which returns None or the reason why the class fails.

    Args:
        cls: a subclass of `torch.optim.Optimizer`.
        arguments: for its `__init__`, besides the parameters; its defaults for the others.
    """

    def __init__(self, cls: Any, arguments: Mapping[str, Any] | None = None) -> None:
        self.cls = cls
        self.arguments = dict(arguments or {})
        self.names = optimizers.arguments_of(cls)
        parameters = inspect.signature(cls).parameters
        self.lr = self.arguments.get("lr", parameters["lr"].default if "lr" in parameters else None)

    def build(self, problem: Problem, params: Any = None, **arguments: Any) -> Any:
        return self.cls(list(problem.model.parameters()) if params is None else params, **self.arguments | arguments)

    def trained(self, steps: int = STEPS, **arguments: Any) -> list[Tensor]:
        """The weights after training from the start."""
        problem = Problem()
        problem.train(self.build(problem, **arguments), steps)
        return problem.weights()

    @cached_property
    def expected(self) -> list[Tensor]:
        with seeded(0):
            return self.trained()

    @cached_property
    def undecayed(self) -> list[Tensor]:
        """The weights after training without weight decay: mostly what is expected, as that is its default."""
        default = inspect.signature(self.cls).parameters["weight_decay"].default
        plain = self.arguments.get("weight_decay", default) == 0
        return self.expected if plain else self.trained(weight_decay=0.0)

    def takes_lr(self) -> str | None:
        return None if isinstance(self.lr, int | float) else "has no plain lr"

    def has_one_mode(self) -> str | None:
        return "has train and eval modes" if hasattr(self.cls, "eval") else None

    def gives_the_loss_back(self) -> str | None:
        problem, losses = Problem(), list[Tensor]()
        optimizer = self.build(problem)

        def closure() -> Tensor:
            losses.append(problem.closure(optimizer)())
            return losses[-1]

        given = optimizer.step(closure)
        if not losses:
            return "does not call the closure that its step is given"
        is_loss = isinstance(given, Tensor) and given.numel() == 1
        return None if is_loss else f"its step gives {type(given).__name__} back, and not the closure's loss"

    def reduces_the_loss(self) -> str | None:
        for lr in dict.fromkeys([self.lr, 1e-3, 1e-2, 1e-1]):
            problem = Problem()
            losses = problem.train(self.build(problem, lr=lr), 3 * STEPS)
            if math.isfinite(losses[-1]) and losses[-1] < 0.7 * losses[0]:
                return None
        return "does not reduce the loss"

    def is_repeatable(self) -> str | None:
        expected, problem = self.expected, Problem()
        with seeded(1):  # `expected` was trained under another
            state = torch.get_rng_state()
            problem.train(self.build(problem), STEPS)
            draws = not torch.equal(state, torch.get_rng_state())
        if draws:
            return "draws from the global generator"
        return None if same(problem.weights(), expected) else "differs from run to run"

    def continues(self) -> str | None:
        problem = Problem()
        optimizer = self.build(problem)
        problem.train(optimizer, CUT)
        saved = io.BytesIO()
        torch.save({"model": problem.model.state_dict(), "optimizer": optimizer.state_dict()}, saved)
        saved.seek(0)
        loaded = torch.load(saved, weights_only=True)
        restored = Problem()
        optimizer = self.build(restored)
        restored.model.load_state_dict(loaded["model"])
        optimizer.load_state_dict(loaded["optimizer"])
        restored.train(optimizer, STEPS - CUT)
        return None if same(restored.weights(), self.expected) else "continues differently from a checkpoint"

    def steps_plainly(self) -> str | None:
        if needs_closure(self.cls):
            return None  # which the eager engine gives
        problem = Problem()
        optimizer = self.build(problem)
        for _ in range(STEPS):
            problem.closure(optimizer)()
            optimizer.step()
        return None if same(problem.weights(), self.expected) else "a closure changes the step"

    def follows_the_schedule(self) -> str | None:
        problem = Problem()
        optimizer = self.build(problem)
        problem.train(optimizer, CUT)
        for group in optimizer.param_groups:
            group["lr"] *= 0.1
        problem.train(optimizer, 3)
        return "ignores a change of lr" if same(problem.weights(), self.trained(CUT + 3)) else None

    def decays_weights(self) -> str | None:
        decayed = self.trained(weight_decay=0.1)
        if any(torch.equal(a, b) for a, b in zip(decayed, self.undecayed, strict=True)):
            return "does not apply its weight decay to every parameter"
        problem = Problem()
        weight, bias = nn.Parameter(torch.ones(4, 3)), nn.Parameter(torch.ones(4))  # their gradients stay 0
        split = [
            {"params": [*problem.model.parameters(), weight]},
            {"params": [bias], "weight_decay": 0.0},
        ]
        optimizer = self.build(problem, split, weight_decay=0.1)
        for _ in range(STEPS):
            problem.closure(optimizer)()
            weight.grad, bias.grad = torch.zeros_like(weight), torch.zeros_like(bias)
            optimizer.step()
        if not (weight < 1).all():
            return "weight decay does not shrink a weight without gradient"
        if not torch.equal(bias, torch.ones(4)):
            return "weight decay 0 of a group is not kept"
        return None

    def takes_channels_last(self) -> str | None:
        problem, expected = Problem(torch.channels_last), Problem()
        for each in (problem, expected):  # in float64, so that rounding is not taken for a difference
            each.images = each.images.double()
            each.model.double()
            each.train(self.build(each), 3)
        for p, other in zip(problem.weights(), expected.weights(), strict=True):
            if not torch.allclose(p, other, rtol=1e-4, atol=1e-6):
                return "differs on channels_last weights"
        return None

    def skips_unused_parameters(self) -> str | None:
        problem = Problem()
        unused = nn.Parameter(torch.ones(3, 3))
        optimizer = self.build(problem, [*problem.model.parameters(), unused])
        problem.train(optimizer, 3)
        return None if torch.equal(unused, torch.ones(3, 3)) else "moves a parameter without gradient"

    def takes_what_is_not_finite(self) -> str | None:
        problem = Problem()
        problem.images.fill_(float("nan"))  # so are the loss and all gradients
        problem.train(self.build(problem), 2)
        return None


@dataclass(frozen=True)
class Check:
    """One thing that an optimizer has to do, and what to do where it does not."""

    name: str  # of the method
    title: str
    advice: str


CHECKS = (
    Check("takes_lr", "has an lr", "give __init__ an lr with a number as its default, or type lr=0.01"),
    Check("has_one_mode", "has one mode", "a run never calls train() and eval() of an optimizer; do without them"),
    Check(
        "gives_the_loss_back",
        "calls its closure",
        "def step(self, closure=None): call it under torch.enable_grad(), and return what it returns; "
        "the other checks need that, and are not tried",
    ),
    Check("reduces_the_loss", "learns", "check the sign of the step (p.add_(grad, alpha=-lr)), and the default lr"),
    Check("is_repeatable", "repeats bit for bit", "draw from a torch.Generator of its own, or not at all"),
    Check(
        "continues",
        "continues bit for bit",
        "keep what a step needs in self.state[p] and param_groups, as tensors and numbers, not in attributes",
    ),
    Check("steps_plainly", "steps without a closure", "the gradients are there when step() is called without one"),
    Check("follows_the_schedule", "follows the schedule", "read group['lr'] in each step, not once in __init__"),
    Check(
        "decays_weights",
        "decays weights",
        "apply group['weight_decay'] to every parameter of its group, also where the gradient is 0",
    ),
    Check(
        "takes_channels_last",
        "takes channels_last",
        "use reshape() of p and p.grad alike, not view(); or write channels_last: false in its yaml",
    ),
    Check("skips_unused_parameters", "skips what has no gradient", "leave out each p with p.grad is None"),
    Check(
        "takes_what_is_not_finite",
        "takes gradients that are NaN",
        "do not raise: a run that diverges is a result, which is recorded where the loss shows it",
    ),
)
OF_THE_LIST = tuple(check for check in CHECKS if check.name not in ("gives_the_loss_back", "takes_what_is_not_finite"))


def examine(
    cls: Any, arguments: Mapping[str, Any] | None = None, checks: Iterable[Check] = CHECKS
) -> Iterator[tuple[Check, str | None]]:
    """Each check that applies, with the reason why the class fails it or None, as it comes.

    What the class raises or warns of is a reason against it. Most checks step with a closure, so one that cannot is not
    asked for the rest, which it would fail for that reason alone.
    """
    conformance = Conformance(cls, arguments)
    for check in checks:
        if check.name == "decays_weights" and "weight_decay" not in conformance.names:
            continue
        with warnings_raised():
            try:
                reason: str | None = getattr(conformance, check.name)()
            except Exception as error:  # whatever the class does
                reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        yield check, reason
        if reason is not None and check.name == "gives_the_loss_back":
            return


def verdict(cls: Any) -> str | None:
    """None, or the first reason why a class of pytorch_optimizer fails."""
    if cls.__name__ in optimizers.NON_COMMERCIAL:
        return "licence forbids commercial use"
    return next((reason for _, reason in examine(cls, checks=OF_THE_LIST) if reason), None)


def notes(cls: Any) -> list[str]:
    """What is no failure and yet good to know."""
    names, said = optimizers.arguments_of(cls), []
    if not set(optimizers.ACCELERATED) & set(names):
        said.append("neither fused nor capturable: on an NVIDIA GPU its steps are not captured, and cost more")
    if "weight_decay" not in names:
        said.append("no weight_decay, so optimizer.decay_bias_and_norm=false is refused")
    if needs_closure(cls):
        said.append("its step needs a closure, so runs take it by the eager engine")
    return said


def needs_closure(cls: Any) -> bool:
    closure = inspect.signature(cls.step).parameters.get("closure")
    return closure is not None and closure.default is closure.empty
