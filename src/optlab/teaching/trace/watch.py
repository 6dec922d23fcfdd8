"""The callback that watches a run and keeps, of the steps asked for, the tensors before and after each line.

It reads and copies; of what the run computes it changes nothing. What it evaluates itself (the same batch once more)
leaves weights, buffers and random streams as they were. When it has seen enough it raises `Finished` from a hook.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.optim import Optimizer

from optlab.adapters.lightning import evaluation_precision
from optlab.adapters.torch import buffers_of, random_state, set_random_state
from optlab.config.schema import Trace as Options
from optlab.errors import UserError
from optlab.module import TrainingModule
from optlab.run_module import state_of
from optlab.teaching.formulas import options

Tell = Callable[..., None]
Tensors = dict[str, Tensor]  # by the name of the parameter
NOT_HYPERPARAMETERS = ("params", "names")  # keys of an optimizer's group


class Finished(Exception):
    """All steps asked for were seen: the run ends here, between two lines of a step."""


@dataclass
class Seen:
    """One step, as it was computed. Tensors are copies."""

    step: int
    epoch: int
    batch: int
    batches: list[Any] = field(default_factory=list)  # one, or those whose gradients are gathered
    random: list[Tensor] = field(default_factory=list)  # the default stream before each of their forward passes
    outputs: list[Tensor] = field(default_factory=list)
    targets: list[Tensor] = field(default_factory=list)
    losses: list[Tensor] = field(default_factory=list)
    grad_before: float | None = None  # norms, before and after zero_grad
    grad_zeroed: float | None = None
    gathered: list[float | None] = field(default_factory=list)  # norms after each backward pass
    backwards: int = 0
    zeroed: bool = False
    gradients: Tensors = field(default_factory=dict)  # before clipping
    read: Tensors = field(default_factory=dict)  # what the optimizer reads
    weights_before: Tensors = field(default_factory=dict)
    weights_after: Tensors = field(default_factory=dict)
    state_before: dict[str, dict[str, Any]] = field(default_factory=dict)
    state_after: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)  # hyperparameters
    in_force: list[dict[str, Any]] = field(default_factory=list)  # the same, of each of the optimizer's groups
    classes: dict[str, str] = field(default_factory=dict)  # the full name of the class of each parameter's optimizer
    loss_after: float | None = None
    next_loss: float | None = None

    @property
    def loss(self) -> float | None:
        """The mean over the batches of the step, by which the network is trained."""
        values = [float(each) for each in self.losses]
        return math.fsum(values) / len(values) if values else None

    @property
    def evaluations(self) -> int:
        return self.backwards - max(0, len(self.batches) - 1)


class Watch(Callback):
    """Keeps the steps of a run that are asked for.

    Args:
        options: the config's `trace`.
        accumulate: the batches of a step.
        tell: says a key of the words, with its fields.
    """

    def __init__(self, options: Options, accumulate: int, tell: Tell) -> None:
        self.tell = tell
        self.options = options
        self.accumulate = accumulate
        self.seen: list[Seen] = []
        self.first: dict[str, Tensor] = {}  # weights and buffers before the first step that is shown
        self.kept: dict[str, Any] = {}  # by the optimizer, as state_dict, before that step: for a demo
        self.total: int | None = None  # the steps of the whole run
        self.settles: Callable[[Mapping[str, nn.Parameter]], None] = lambda parameters: None
        self._wanted: list[int] = []
        self._now: Seen | None = None
        self._waiting: Seen | None = None  # for the loss of the batch behind it
        self._open = False  # forward and backward of a step are under way
        self._handles: list[Any] = []
        self._trainer: Trainer | None = None

    # -- the run begins

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        steps = trainer.estimated_stepping_batches
        self.total = int(steps) if math.isfinite(steps) and steps >= 0 else None
        self._wanted = wanted(self.options, trainer.global_step, self.total, self.tell)
        self.settles(self.parameters(pl_module))
        self._trainer = trainer
        for optimizer in trainer.optimizers:
            self._handles.append(optimizer.register_step_pre_hook(self.before_step))
        if isinstance(pl_module, TrainingModule):
            self._handles.append(pl_module.network.register_forward_pre_hook(partial(self.before_forward, pl_module)))
            self._handles.append(pl_module.loss.register_forward_hook(self.behind_loss))
        if self._wanted[0] > trainer.global_step:
            self.tell("trace.training", step=self._wanted[0])

    def parameters(self, module: LightningModule) -> dict[str, nn.Parameter]:
        """What is trained, by name."""
        return {name: p for name, p in state_of(module).network.named_parameters() if p.requires_grad}

    # -- forward

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        shows = bool(self._wanted) and trainer.global_step >= self._wanted[0]
        if self._now is None:
            if not shows and self._waiting is None:
                return
            self._now = Seen(trainer.global_step, trainer.current_epoch + 1, batch_idx + 1)
            if shows:
                self.begin(trainer, pl_module, self._now)
        self._now.batches.append(batch)
        self._open = True

    def begin(self, trainer: Trainer, module: LightningModule, seen: Seen) -> None:
        """Copy what the step is about to change."""
        if not self.first:
            self.first = {name: each.detach().clone() for name, each in state_of(module).network.state_dict().items()}
            if self.options.demo is not None:  # of modules with one optimizer
                self.kept = deepcopy(trainer.optimizers[0].state_dict())
        named = self.parameters(module)
        seen.weights_before = copies(named)
        for optimizer in trainer.optimizers:
            names = names_of(optimizer, named)
            seen.state_before |= {name: copy_of(optimizer.state.get(p, {})) for p, name in names.items()}

    def before_forward(self, module: TrainingModule, network: nn.Module, inputs: Any) -> None:
        if self._open and self._now is not None and len(self._now.random) < len(self._now.batches):
            self._now.random.append(random_state(module.device))

    def behind_loss(self, loss: nn.Module, given: tuple[Any, ...], value: Any) -> None:
        now = self._now
        if self._open and now is not None and len(now.losses) < len(now.batches):
            now.outputs.append(given[0].detach().clone())
            now.targets.append(given[1].detach().clone())
            now.losses.append(value.detach().clone())

    # -- zero_grad and backward

    def on_before_zero_grad(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        if self._open and self._now is not None and not self._now.zeroed:
            self._now.zeroed = True
            self._now.grad_before = norm_of_gradients(self.parameters(pl_module))

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        now = self._now
        if not self._open or now is None:
            return
        if now.backwards == 0:
            now.grad_zeroed = norm_of_gradients(self.parameters(pl_module))
        now.backwards += 1
        if len(now.losses) < len(now.batches):  # of a user's own module; Lightning has divided it
            now.losses.append(loss.detach().clone() * (self.accumulate if pl_module.automatic_optimization else 1))

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        now = self._now
        if self._open and now is not None and now.weights_before and len(now.gathered) < len(now.batches):
            now.gathered.append(norm_of_gradients(self.parameters(pl_module)))

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        now = self._now
        if now is None or not now.weights_before:
            return
        for p, name in names_of(optimizer, self.parameters(pl_module)).items():
            if name not in now.gradients and p.grad is not None:
                now.gradients[name] = copied(p.grad)

    # -- step

    def before_step(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Have the gradients looked at between the backward pass, which the closure holds, and the rule behind it."""
        if self._now is None or self._trainer is None:
            return None
        named = self.parameters(self._trainer.lightning_module)
        if (closure := kwargs.get("closure") or next(iter(args[1:]), None)) is None:
            self.reading(optimizer, named)
            return None

        def watched() -> Any:
            result = closure()
            self.reading(optimizer, named)
            return result

        if "closure" in kwargs:
            return args, {**kwargs, "closure": watched}
        return (args[0], watched, *args[2:]), kwargs

    def reading(self, optimizer: Optimizer, named: Mapping[str, nn.Parameter]) -> None:
        """The optimizer is about to read its gradients."""
        now = self._now
        if now is None:
            return
        if self._waiting is not None:
            self._waiting.next_loss = now.loss
            self._waiting = None
            if not self._wanted:
                raise Finished
        if not now.weights_before:
            return
        names = names_of(optimizer, named)
        cls = type(optimizer)
        for group in optimizer.param_groups:
            known = options(optimizer, group).items()
            settings = {key: plain(value) for key, value in known if key not in NOT_HYPERPARAMETERS}
            if len(now.in_force) < len(optimizer.param_groups):
                now.in_force.append(settings)
            for p in group["params"]:
                if (name := names.get(p)) is not None and name not in now.groups:
                    now.groups[name] = settings
                    now.classes[name] = f"{cls.__module__}.{cls.__qualname__}"
                    if p.grad is not None:
                        now.read[name] = copied(p.grad)

    # -- behind the step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now, self._open = self._now, False
        if now is None or trainer.global_step == now.step:  # gradients are gathered for a step to come
            return
        self._now = None
        if not now.weights_before:
            return
        named = self.parameters(pl_module)
        now.weights_after = copies(named)
        for optimizer in trainer.optimizers:
            names = names_of(optimizer, named)
            now.state_after |= {name: copy_of(optimizer.state.get(p, {})) for p, name in names.items()}
        now.loss_after = self.again(trainer, pl_module, now)
        self.seen.append(now)
        self._wanted = self._wanted[1:]  # several optimizers of a module's own count several steps a batch
        self._waiting = now

    def again(self, trainer: Trainer, module: LightningModule, seen: Seen) -> float | None:
        """The loss of the step's batches with the weights as they are now; None where only the user's class knows."""
        if not isinstance(module, TrainingModule):
            return None
        losses = []
        with undisturbed(module, module.device), torch.no_grad(), evaluation_precision(trainer):
            for batch, random in zip(seen.batches, seen.random, strict=True):
                set_random_state(random, module.device)
                losses.append(float(module.evaluate(batch)[0]))
        return math.fsum(losses) / len(losses)

    def let_go(self) -> None:
        """Take the hooks off again."""
        while self._handles:
            self._handles.pop().remove()


def wanted(options: Options, now: int, total: int | None, tell: Tell) -> list[int]:
    """The steps to be shown, of a run that goes on at step `now` and has `total` steps.

    Raises:
        UserError: a step that is behind, or beyond the run's end.
    """
    if total is not None and now >= total:
        raise UserError(f"mode=trace: the run is complete ({total} steps); type trainer.max_epochs=100 to train on")
    if options.at is None:
        last = now + options.steps if total is None else min(now + options.steps, total)
        if last < now + options.steps:
            tell("trace.fewer", total=total, shown=last - now)
        return list(range(now, last))
    if not options.at:
        raise UserError("trace.at=[]: names no step; type trace.at=[0,100]")
    for step in options.at:
        if step < now:
            raise UserError(f"trace.at: step {step} is behind, ckpt= goes on at step {now}; type trace.at=[{now}]")
        if total is not None and step >= total:
            raise UserError(
                f"trace.at: this run has {total} steps, 0 to {total - 1}, and no step {step}; type "
                f"trace.at=[{total - 1}], or more epochs with trainer.max_epochs=100"
            )
    return sorted(set(options.at))


# -- tensors


def copies(named: Mapping[str, nn.Parameter]) -> Tensors:
    return {name: copied(p) for name, p in named.items()}


def copied(tensor: Tensor) -> Tensor:
    """On the CPU, where there is float64 to measure in."""
    return tensor.detach().to("cpu", copy=True)


def copy_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter's state in an optimizer; lists (of L-BFGS) hold tensors of the whole network and are left out."""
    kept = {key: value for key, value in state.items() if isinstance(value, (Tensor, bool, int, float))}
    return {key: copied(value) if isinstance(value, Tensor) else value for key, value in kept.items()}


def plain(value: Any) -> Any:
    """A hyperparameter as a number, text or list: on GPUs an lr is a tensor."""
    return value.item() if isinstance(value, Tensor) and value.numel() == 1 else value


def names_of(optimizer: Optimizer, named: Mapping[str, nn.Parameter]) -> dict[nn.Parameter, str]:
    """The names of an optimizer's parameters."""
    of = {p: name for name, p in named.items()}
    return {p: of[p] for group in optimizer.param_groups for p in group["params"] if p in of}


def norm_of_gradients(named: Mapping[str, nn.Parameter]) -> float | None:
    """Over all parameters; None where none has a gradient."""
    return norm([p.grad for p in named.values() if p.grad is not None])


def norm(tensors: Sequence[Tensor]) -> float | None:
    """The Euclidean norm over all elements, summed in float64; None of no tensors."""
    if not tensors:
        return None
    return math.sqrt(math.fsum(float(each.detach().cpu().double().square().sum()) for each in tensors))


@contextmanager
def undisturbed(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Within the block a network may be evaluated: buffers and random streams are put back."""
    places = buffers_of(network)
    before = [dict(place) for place in places]
    values = [{name: each.clone() for name, each in place.items() if each is not None} for place in places]
    random = random_state(device), random_state(torch.device("cpu"))
    try:
        yield
    finally:
        for place, tensors, kept in zip(places, before, values, strict=True):
            place.clear()
            place.update(tensors)
            for name, value in kept.items():
                tensors[name].copy_(value)  # type: ignore[union-attr]
        set_random_state(random[0], device)
        set_random_state(random[1], torch.device("cpu"))
