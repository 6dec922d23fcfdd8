"""What a class of pytorch_optimizer has to do to be allowed, and which classes do it.

python scripts/conformance.py              the verdict, with its reason, on every class of the package
python scripts/conformance.py Lion Adan    on some of them
"""

import argparse
import inspect
import io
import math
import warnings
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import pytorch_optimizer
import torch
from torch import Tensor, nn

from optlab import optimizers

STEPS = 24
CUT = 7  # not a multiple of the usual update intervals (2, 5, 6, 10)


class Problem:
    """A small classification problem with a convolution, a norm and two linear layers, on fixed data."""

    def __init__(self, memory_format: torch.memory_format = torch.contiguous_format) -> None:
        generator = torch.Generator().manual_seed(0)
        self.targets = torch.arange(24) % 3
        self.images = torch.randn(24, 2, 4, 4, generator=generator) + self.targets.view(-1, 1, 1, 1) * 0.5
        self.images = self.images.contiguous(memory_format=memory_format)
        self.model = nn.Sequential(
            *(
                nn.Conv2d(2, 4, 3, padding=1, bias=False),
                nn.BatchNorm2d(4),
                nn.ReLU(),
                nn.Conv2d(4, 4, 3, padding=1),
            ),
            *(nn.ReLU(), nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 3)),
        )
        for p in self.model.parameters():
            fan_in = math.prod(p.shape[1:])
            p.data = torch.randn(p.shape, generator=generator) / fan_in**0.5 if p.ndim > 1 else p.data.fill_(0.5)
        self.model.to(memory_format=memory_format)

    def closure(self, optimizer: torch.optim.Optimizer) -> Callable[[], Tensor]:
        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.model(self.images), self.targets)
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        return closure

    def train(self, optimizer: Any, steps: int) -> list[float]:
        """As Lightning does: the closure goes into the step."""
        return [optimizer.step(self.closure(optimizer)).item() for _ in range(steps)]

    def weights(self) -> list[Tensor]:
        return [p.detach().clone() for p in self.model.parameters()]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


class Conformance:
    """The checks, each of which returns None or the reason why the class fails."""

    def __init__(self, cls: Any) -> None:
        self.cls = cls
        self.names = list(inspect.signature(cls).parameters)
        self.lr = inspect.signature(cls).parameters["lr"].default if "lr" in self.names else None

    def build(self, problem: Problem, params: Any = None, **arguments: Any) -> Any:
        return self.cls(list(problem.model.parameters()) if params is None else params, **arguments)

    def trained(self, steps: int = STEPS, **arguments: Any) -> list[Tensor]:
        """The weights after training from the start."""
        problem = Problem()
        problem.train(self.build(problem, **arguments), steps)
        return problem.weights()

    @cached_property
    def expected(self) -> list[Tensor]:
        torch.manual_seed(0)
        return self.trained()

    def takes_lr(self) -> str | None:
        return None if isinstance(self.lr, int | float) else "has no plain lr"

    def has_one_mode(self) -> str | None:
        return "has train and eval modes" if hasattr(self.cls, "eval") else None

    def reduces_the_loss(self) -> str | None:
        for lr in dict.fromkeys([self.lr, 1e-3, 1e-2, 1e-1]):
            problem = Problem()
            losses = problem.train(self.build(problem, lr=lr), 3 * STEPS)
            if math.isfinite(losses[-1]) and losses[-1] < 0.7 * losses[0]:
                return None
        return "does not reduce the loss"

    def is_repeatable(self) -> str | None:
        problem = Problem()
        torch.manual_seed(1)  # `expected` was trained under another seed
        state = torch.get_rng_state()
        problem.train(self.build(problem), STEPS)
        if not torch.equal(state, torch.get_rng_state()):
            return "draws from the global generator"
        return None if same(problem.weights(), self.expected) else "differs from run to run"

    def continues(self) -> str | None:
        problem = Problem()
        optimizer = self.build(problem)
        problem.train(optimizer, CUT)
        saved = io.BytesIO()
        torch.save({"model": problem.model.state_dict(), "optimizer": optimizer.state_dict()}, saved)
        saved.seek(0)
        problem.train(optimizer, STEPS - CUT)
        loaded = torch.load(saved, weights_only=True)
        restored = Problem()
        optimizer = self.build(restored)
        restored.model.load_state_dict(loaded["model"])
        optimizer.load_state_dict(loaded["optimizer"])
        restored.train(optimizer, STEPS - CUT)
        return None if same(problem.weights(), restored.weights()) else "continues differently from a checkpoint"

    def steps_plainly(self) -> str | None:
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
        if "weight_decay" not in self.names:
            return None
        decayed = self.trained(weight_decay=0.1)
        if any(torch.equal(a, b) for a, b in zip(decayed, self.trained(weight_decay=0.0), strict=True)):
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


CHECKS = [
    name for name in vars(Conformance) if not name.startswith("_") and name not in ("build", "trained", "expected")
]


def classes() -> Iterator[Any]:
    for _, cls in sorted(vars(pytorch_optimizer).items()):
        if not (inspect.isclass(cls) and issubclass(cls, torch.optim.Optimizer)):
            continue
        if cls.__module__.startswith("pytorch_optimizer"):
            yield cls


def verdict(cls: Any) -> str | None:
    """None, or why the class fails."""
    if cls.__name__ in optimizers.NON_COMMERCIAL:
        return "licence forbids commercial use"
    conformance = Conformance(cls)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for check in CHECKS:
            try:
                reason: str | None = getattr(conformance, check)()
            except Exception as error:
                reason = f"{check}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            if reason:
                return reason
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="CLASS", help="classes to test (default: all)")
    names = parser.parse_args().names
    torch.set_num_threads(1)
    known = {cls.__name__: cls for cls in classes()}
    for name in names or known:
        reason = verdict(known[name]) if name in known else "no such class"
        print(f"{name:24}{reason or 'passes'}", flush=True)


if __name__ == "__main__":
    main()
