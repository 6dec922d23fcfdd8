"""A place to try steps on: copies of the network as it was before the first step shown, and the run's batches.

What is tried here is beside the run and touches nothing of it.
"""

import math
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from optlab.adapters.lightning import evaluation_precision
from optlab.adapters.torch import set_random_state
from optlab.config.schema import Config
from optlab.config.schema import Optimizer as Settings
from optlab.data.batches import Batch
from optlab.errors import UserError
from optlab.module import TrainingModule
from optlab.run import Prepared
from optlab.teaching.trace.watch import Seen, Tensors, Watch, copies, norm, plain


@dataclass
class Taken:
    """What one step on a copy did."""

    loss: float | None = None  # before it
    after: float | None = None  # the same batch, behind it
    evaluations: int = 0
    gradients: Tensors = field(default_factory=dict)
    before: Tensors = field(default_factory=dict)
    weights: Tensors = field(default_factory=dict)  # behind it

    @property
    def gradient_norm(self) -> float | None:
        return norm([*self.gradients.values()])

    @property
    def update_norm(self) -> float | None:
        return norm([*self.changes.values()])

    @property
    def changes(self) -> Tensors:
        return {name: after.double() - self.before[name].double() for name, after in self.weights.items()}

    @property
    def dot(self) -> float:
        """Of the update with the gradient."""
        pairs = ((change, self.gradients[name]) for name, change in self.changes.items() if name in self.gradients)
        return math.fsum(float((change * gradient.double()).sum()) for change, gradient in pairs)

    @property
    def cosine(self) -> float | None:
        """Of the angle between the update and the negative gradient."""
        length = (self.update_norm or 0.0) * (self.gradient_norm or 0.0)
        return max(-1.0, min(1.0, -self.dot / length)) if length and math.isfinite(length) else None


class Bench:
    """Makes copies, and computes losses on them.

    Args:
        watch: what was seen of the run: weights, buffers and state before the first step shown, and these steps.
    """

    def __init__(self, config: Config, prepared: Prepared, watch: Watch) -> None:
        assert isinstance(prepared.module, TrainingModule)
        self.config, self.module, self.trainer = config, prepared.module, prepared.trainer
        self.device = prepared.trainer.strategy.root_device
        self.first, self.kept, self.seen = watch.first, watch.kept, watch.seen
        self.loss = deepcopy(prepared.module.loss).to(self.device)

    def network(self, settings: Settings) -> nn.Module:
        """A copy for an optimizer, in the memory layout that it takes."""
        network = deepcopy(self.module.network)
        network.load_state_dict(self.first)
        if not settings.channels_last:
            network = network.to(memory_format=torch.contiguous_format)
        return network.to(self.device).train()

    def optimizer(self, network: nn.Module, settings: Settings) -> Optimizer:
        """A new optimizer of a copy."""
        optimizer: Optimizer = self.module.run_state.build_optimizer(network, settings)
        return optimizer

    def keep_up(self, optimizer: Optimizer, seen: Seen) -> None:
        """Give a copy's optimizer, one of the run's own class, the hyperparameters that the run had in a step.

        A schedule changes lr, and some (onecycle) momentum or betas too.
        """
        for group, then in zip(optimizer.param_groups, seen.in_force, strict=True):
            for key, value in then.items():
                if key in group and plain(group[key]) != value:
                    group[key] = value

    def factors(self) -> list[float]:
        """By what the run's schedule multiplies the rate, in each step shown."""
        settings = self.config.optimizer
        base = float(self.optimizer(self.network(settings), settings).param_groups[0]["lr"])
        return [float(seen.in_force[0]["lr"]) / base if base else 1.0 for seen in self.seen]

    def precision(self) -> AbstractContextManager[Any]:
        return evaluation_precision(self.trainer)

    def loss_of(self, network: nn.Module, batch: Batch, random: Tensor | None) -> Tensor:
        """The mean loss of a batch, drawing what the run drew."""
        if random is not None:
            set_random_state(random, self.device)
        with self.precision():
            value: Tensor = self.loss(network(batch.inputs), batch.targets)
        return value

    def backward(self, network: nn.Module, seen: Seen) -> float:
        """Adds the gradient of a step's loss to what the copy has; returns the loss."""
        values = []
        for batch, random in zip(seen.batches, seen.random, strict=True):
            loss = self.loss_of(network, batch, random)
            torch.autograd.backward(loss / len(seen.batches))
            values.append(float(loss.detach()))
        return math.fsum(values) / len(values)

    @torch.no_grad()
    def again(self, network: nn.Module, seen: Seen) -> float:
        """The loss of a step's batches with the weights as they are; buffers of the copy stay."""
        spare = deepcopy(network)
        values = [float(self.loss_of(spare, *each)) for each in zip(seen.batches, seen.random, strict=True)]
        return math.fsum(values) / len(values)

    def clip(self, network: nn.Module) -> None:
        """As the run clips."""
        value = self.config.trainer.gradient_clip_val
        if value is None:
            return
        if self.config.trainer.plain.get("gradient_clip_algorithm") == "value":
            nn.utils.clip_grad_value_(network.parameters(), value)
        else:
            nn.utils.clip_grad_norm_(network.parameters(), value)

    def step(self, network: nn.Module, optimizer: Optimizer, seen: Seen) -> Taken:
        """A step as it should be: zero_grad, forward, backward, step."""
        taken = Taken(before=copies(trained(network)))

        def closure() -> float:
            optimizer.zero_grad()
            with torch.enable_grad():
                loss = self.backward(network, seen)
            if not taken.evaluations:
                taken.loss, taken.gradients = loss, gradients_of(network)
            taken.evaluations += 1
            self.clip(network)
            return loss

        optimizer.step(closure)
        taken.weights = copies(trained(network))
        taken.after = self.again(network, seen)
        return taken


def trained(network: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in network.named_parameters() if p.requires_grad}


def gradients_of(network: nn.Module) -> Tensors:
    return {name: p.grad.detach().to("cpu", copy=True) for name, p in trained(network).items() if p.grad is not None}


def check_own(config: Config, key: str) -> None:
    """Raise UserError where only a user's class knows how a loss comes about."""
    if config.module is not None:
        raise UserError(
            f"trace.{key}: module={config.module.label} takes its own steps, which cannot be taken on a copy; "
            f"leave trace.{key} out, or type model= and loss= in place of module="
        )
