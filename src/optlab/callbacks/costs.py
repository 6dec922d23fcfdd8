"""What an optimizer costs: the bytes of its state, the memory of its run, and what the parts of a step take.

Everything is looked at when training ends, behind the last epoch and its checkpoint and outside the training clock.
"""

import inspect
import logging
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor, nn
from torch.optim import Optimizer

from optlab.adapters.lightning import training_precision
from optlab.adapters.memory import MIB, forget_peak, peak_bytes
from optlab.adapters.torch import forget_gradients
from optlab.callbacks.moment import Moment
from optlab.data.batches import Batch
from optlab.data.streamed import Stream
from optlab.module import TrainingModule
from optlab.run_module import state_of

log = logging.getLogger(__name__)

SHARE = 50  # of so many steps of the run one may be spent on looking at their parts: 2 %
CLOCKED = ("cpu", "cuda")  # devices whose time within a step can be told
MOST = 6  # steps for that, the first of which is not counted


# -- the state of an optimizer


def trained(optimizers: Iterable[Optimizer]) -> int:
    """How many numbers the optimizers train."""
    weights = {id(p): p.numel() for each in optimizers for group in each.param_groups for p in group["params"]}
    return sum(weights.values())


def state_bytes(optimizers: Sequence[Optimizer]) -> int:
    """The memory that the state of the optimizers holds, in bytes.

    Counters count as what they are, one number a tensor. Memory that several tensors share counts once, and what they
    share with the weights not at all.
    """
    weights = (p for each in optimizers for group in each.param_groups for p in group["params"])
    known = {where for p in weights for where, _ in blocks(p)}
    held = {where: size for each in optimizers for where, size in blocks(each.state) if where not in known}
    return sum(held.values())


def blocks(value: Any) -> Iterator[tuple[tuple[str, int], int]]:
    """The blocks of memory that a value's tensors lie in: where each is, and how large, in bytes."""
    if isinstance(value, Mapping):
        for each in value.values():
            yield from blocks(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from blocks(each)
    elif isinstance(value, Tensor) and hasattr(value, "__tensor_flatten__"):  # one of several inside, as of 8 bits
        for name in value.__tensor_flatten__()[0]:
            yield from blocks(getattr(value, name))
    elif isinstance(value, Tensor) and value.layout is torch.sparse_coo:
        whole = value.coalesce()
        yield from blocks([whole.indices(), whole.values()])
    elif isinstance(value, Tensor) and value.numel():
        storage = value.untyped_storage()
        yield (str(value.device), storage.data_ptr()), storage.nbytes()


# -- memory


class PeakMemory:
    """The most memory that this process and its device held at a time since the run began, in MiB.

    It is that of the whole process, with Python, torch and the data set. Where the system cannot begin anew and an
    earlier run of the process held more, nobody knows the host's: None.
    """

    def __init__(self) -> None:
        self._fresh = forget_peak()
        self._before = peak_bytes()
        self._device: torch.device | None = None

    def begin_on(self, device: torch.device) -> None:
        """The device that the run trains on, with what lies there already."""
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self._device = device

    def host(self) -> float | None:
        peak = peak_bytes()
        return round(peak / MIB, 1) if peak and (self._fresh or peak > self._before) else None

    def device(self) -> float | None:
        """Of tensors, as `torch.cuda.max_memory_allocated` counts; None on a CPU."""
        return None if self._device is None else round(torch.cuda.max_memory_allocated(self._device) / MIB, 1)


# -- the parts of a step


@dataclass(frozen=True)
class Parts:
    """What a step over a full batch takes, in milliseconds: medians over `steps`.

    `forward` is network and loss; `optimizer` is the update, with forgetting and clipping the gradients. One that asks
    for the loss several times a step has all of these in `forward` and `backward`.
    """

    forward: float
    backward: float
    optimizer: float
    steps: int


def measured(trainer: Trainer, module: LightningModule, taken: int) -> Parts | None:
    """Take steps over one batch as Python takes them, and leave no trace.

    None where the run was so short (`taken` steps) that they would cost it more than 2 %, where several devices train,
    and where the step is a user's own, or its batches cannot be read again.
    """
    steps = min(MOST, taken // SHARE)
    if steps < 2 or not isinstance(module, TrainingModule) or not isinstance(trainer.strategy, SingleDeviceStrategy):
        return None
    if module.device.type not in CLOCKED:
        return None
    batches = state_of(module).train_batches
    if isinstance(batches.arrays, Stream):
        return None
    try:
        with undone(module, trainer.optimizers[0]):
            step = TimedStep(trainer, module, batches.batch(batches.order(), 0))
            spans = [step.take() for _ in range(steps)][1:]
            forward, backward, optimizer = (
                statistics.median(part) for part in zip(*map(step.read, spans), strict=True)
            )
    except Exception as error:  # memory may not suffice for another copy of the weights, a state may not be copied
        log.info("costs: the parts of a step are not measured (%s)", str(error).partition("\n")[0] or type(error))
        return None
    return Parts(forward, backward, optimizer, len(spans))


class TimedStep:
    """A training step over one batch with a clock between its parts."""

    def __init__(self, trainer: Trainer, module: TrainingModule, batch: Batch) -> None:
        self.trainer, self.module, self.batch = trainer, module, batch
        self.optimizer: Any = trainer.optimizers[0]
        closure = inspect.signature(type(self.optimizer).step).parameters.get("closure")
        self.asks = closure is not None and closure.default is closure.empty  # for the loss, as often as it likes
        self.on_gpu = module.device.type == "cuda"

    def now(self) -> Any:
        """A mark in time; a GPU's stands among its kernels."""
        if not self.on_gpu:
            return time.perf_counter()
        mark = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        mark.record()
        return mark

    def between(self, begin: Any, end: Any) -> float:
        """Milliseconds."""
        return float(begin.elapsed_time(end)) if self.on_gpu else 1000 * (end - begin)

    def take(self) -> list[Any]:
        """The marks of a step: its begin, three of each look at the loss, its end."""
        marks = [self.now()]

        def loss() -> Tensor:
            forget_gradients(self.optimizer)
            marks.append(self.now())
            with torch.enable_grad(), training_precision(self.trainer):
                found = self.module.evaluate(self.batch)[0]
            marks.append(self.now())
            torch.autograd.backward(found)
            marks.append(self.now())
            return found

        if self.asks:
            self.optimizer.step(loss)
        else:
            loss()
            clip(self.optimizer, self.trainer)
            self.optimizer.step()
        return [*marks, self.now()]

    def read(self, marks: Sequence[Any]) -> tuple[float, float, float]:
        """Milliseconds forward, backward and of the optimizer."""
        if self.on_gpu:
            torch.cuda.synchronize(self.module.device)
        looks = [marks[at : at + 3] for at in range(1, len(marks) - 1, 3)]
        forward = sum(self.between(look[0], look[1]) for look in looks)
        backward = sum(self.between(look[1], look[2]) for look in looks)
        return forward, backward, self.between(marks[0], marks[-1]) - forward - backward


def clip(optimizer: Optimizer, trainer: Trainer) -> None:
    """As the run clips its gradients."""
    if (limit := trainer.gradient_clip_val) is None:
        return
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    if str(trainer.gradient_clip_algorithm).rpartition(".")[2].lower() == "value":
        nn.utils.clip_grad_value_(parameters, limit)
    else:
        nn.utils.clip_grad_norm_(parameters, limit)


@contextmanager
def undone(module: LightningModule, optimizer: Optimizer) -> Iterator[None]:
    """Put weights, gradients, buffers, random streams, and the optimizer with its state back behind the block.

    The optimizer works on a copy of its state meanwhile, so that a state of whatever kind comes back as it was.
    """
    moment, parameters = Moment(module, module.device), list(module.parameters())
    weights, gradients = [p.detach().clone() for p in parameters], [p.grad for p in parameters]
    attributes, itself = dict(vars(optimizer)), {id(p): p for p in parameters}
    try:
        state, groups = deepcopy((optimizer.state, optimizer.param_groups), itself)  # of these weights, not of copies
        optimizer.state, optimizer.param_groups = state, groups
        for parameter in parameters:
            parameter.grad = None
        yield
    finally:
        vars(optimizer).clear()
        vars(optimizer).update(attributes)
        with torch.no_grad():
            for parameter, weight, gradient in zip(parameters, weights, gradients, strict=True):
                parameter.copy_(weight)
                parameter.grad = gradient
        moment.restore()


# -- the record


def costs(trainer: Trainer, memory: PeakMemory) -> dict[str, float | None]:
    """The record's `costs` but for the parts of a step, which need memory themselves."""
    numbers, state = trained(trainer.optimizers), state_bytes(trainer.optimizers)
    return {
        "trained_parameters": numbers,
        "state_bytes": state,
        "state_bytes_per_parameter": round(state / numbers, 4) if numbers else None,
        "peak_host_mib": memory.host(),
        "peak_device_mib": memory.device(),
    }


def parts_of_step(trainer: Trainer, module: LightningModule, taken: int) -> dict[str, float | None]:
    """What the record's `costs` say of the parts of a step; see `measured`."""
    parts = measured(trainer, module, taken)
    return {
        "forward_milliseconds": None if parts is None else round(parts.forward, 4),
        "backward_milliseconds": None if parts is None else round(parts.backward, 4),
        "optimizer_milliseconds": None if parts is None else round(parts.optimizer, 4),
        "measured_steps": 0 if parts is None else parts.steps,
    }
