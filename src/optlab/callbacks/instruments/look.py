"""One look at a step: what is kept before it, and what becomes of it behind it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning import LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from optlab.adapters.torch import normalises_batches
from optlab.callbacks.instruments.again import Moment, dense, gradients_of, loss_again, parts_of
from optlab.callbacks.instruments.layers import Layers
from optlab.callbacks.instruments.measures import (
    Sums,
    idle_units,
    noise_of,
    products,
    ratio,
    readings,
    squared_distance,
)
from optlab.data.batches import Batch
from optlab.module import TrainingModule
from optlab.rules.instruments import ALL, BY_NAME, Row
from optlab.run_module import state_of

EACH = 6  # numbers of a layer that are the same on every process


@dataclass
class Seen:
    """One batch of a step.

    Attributes:
        batch: None of a module of a user's own, whose batches may be anything.
        moment: before the step over it.
        loss, weight: what the sums of the epoch held then; behind the batch, what it added to them.
    """

    batch: Batch | None
    moment: Moment | None
    loss: Tensor
    weight: Tensor


@dataclass
class Before:
    """A step under way."""

    step: int  # steps taken before it
    weights: list[Tensor]  # a vector a layer
    seen: list[Seen] = field(default_factory=list)
    parts: list[tuple[int, list[Tensor]]] = field(default_factory=list)  # samples and gradient of micro-batches
    gradients: list[Tensor] | None = None  # as the optimizer was given them, before clipping
    handle: RemovableHandle | None = None

    def keep(self, parameters: Sequence[nn.Parameter]) -> None:
        """Keep the gradients: clipping changes them in place, and so do some optimizers."""
        self.gradients = [dense(p.grad, p).clone() for p in parameters]

    def close(self) -> None:
        if self.handle is not None:
            self.handle.remove()


class Look:
    """Measures steps of a run.

    Args:
        initial: the weights that the run began with, as `Layers` has its parameters; None where nothing tells them.
        micro_batches: see `Instruments`.
    """

    def __init__(
        self,
        trainer: Trainer,
        module: LightningModule,
        layers: Layers,
        initial: Sequence[Tensor] | None,
        micro_batches: int,
    ) -> None:
        self.trainer, self.layers, self.micro_batches = trainer, layers, micro_batches
        self.state = state_of(module)
        self.own = module if isinstance(module, TrainingModule) else None  # whose steps can be computed again
        self.sees_gradients = self.own is not None or module.automatic_optimization
        self.initial = None if initial is None else self.by_layer(initial)
        # float16 keeps no gradient of a loss that is not scaled up.
        self.divides = self.own is not None and micro_batches > 0 and not str(trainer.precision).startswith("16")
        self.least = 2 if normalises_batches(self.state.network) else 1  # samples of a micro-batch

    def missing(self) -> str:
        """The quantities that this run cannot have, with the reason; "" where it has all."""
        whole = "loss_change needs the same batch again, snr and noise_scale parts of it"
        reasons = []
        if not self.sees_gradients:
            reasons.append("what needs a gradient, as this module steps its optimizers itself")
        elif self.own is None:
            reasons.append(
                f"loss_change, snr, noise_scale: the training_step of one's own is not called again ({whole})"
            )
        elif not self.divides:
            reasons.append("snr and noise_scale")
        if self.initial is None:
            reasons.append("distance, as nothing tells the weights that the run began with")
        return "; ".join(reasons)

    def by_layer(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        return [self.layers.flat(layer, tensors) for layer in self.layers.layers]

    def sums(self) -> tuple[Tensor, Tensor]:
        """The epoch's sum of losses so far, and what it is divided by."""
        sums = self.state.sums["train"]
        weight = torch.full_like(sums.loss, sums.samples) if sums.positions is None else sums.positions.to(sums.loss)
        return sums.loss.clone(), weight

    # -- before the step

    def before(self, batch: Any, index: int) -> Before:
        """What is kept before the first batch of a step."""
        parameters = self.layers.parameters
        before = Before(self.trainer.global_step, self.by_layer([p.detach() for p in parameters]))
        self.begin_batch(before, batch, index)
        first = before.seen[0]
        if self.own is not None and self.divides and first.batch is not None and first.moment is not None:
            for part in parts_of(first.batch, self.micro_batches, self.least):
                gradient = gradients_of(self.own, self.trainer, part, first.moment, parameters)
                before.parts.append((part.size, self.by_layer(gradient)))
        if self.state.engine == "loop":  # in which Lightning says nothing of single steps
            before.handle = self.trainer.optimizers[0].register_step_pre_hook(lambda *_: before.keep(parameters))
        return before

    def begin_batch(self, before: Before, batch: Any, index: int) -> None:
        """The same of each of its batches."""
        moment = Moment(self.own.network, self.own.device) if self.own is not None else None
        before.seen.append(Seen(self.samples_of(batch, index), moment, *self.sums()))

    def samples_of(self, batch: Any, index: int) -> Batch | None:
        """The batch; fast engines give its number alone."""
        if self.own is None:
            return None
        if isinstance(batch, Batch):
            return batch
        batches = self.state.train_batches
        return batches.batch(batches.order(), index)

    # -- behind it

    def end_batch(self, before: Before) -> None:
        """Behind each batch of the step, before the next begins."""
        last = before.seen[-1]
        loss, weight = self.sums()
        last.loss, last.weight = loss - last.loss, weight - last.weight

    @torch.no_grad()
    def rows(self, before: Before, clipped: float) -> list[Row]:
        """What the step did: a row for all layers, and one for each.

        Args:
            clipped: the share of clipped steps; NaN where none is clipped.
        """
        before.close()
        parameters, layers = self.layers.parameters, self.layers.layers
        if before.gradients is None and self.sees_gradients:
            before.keep(parameters)
        fixed = self.on_every_process(before)
        shared = self.over_processes(before)
        numbers = torch.cat([fixed, shared.to(fixed.device)]).tolist()  # the one look at the device
        sums: list[Sums] = []
        for number, layer in enumerate(layers):
            gg, ww, dd, gd, aa, idle = numbers[number * EACH : (number + 1) * EACH]
            noise, units = numbers[len(fixed) + number], layer.units or 0
            sums.append(Sums(gg, ww, dd, gd, aa, noise, idle if units else 0, units))
        samples = sum(seen.batch.size for seen in before.seen if seen.batch is not None) or math.nan
        together = sum(sums[1:], sums[0])
        values = readings(together, samples) | self.losses(numbers[len(fixed) + len(layers) :]) | {"clipped": clipped}
        named = [
            (ALL, values),
            *((layer.name, readings(one, samples)) for layer, one in zip(layers, sums, strict=True)),
        ]
        epoch, step = self.trainer.current_epoch + 1, self.trainer.global_step
        return [Row(epoch, step, name, {key: known(values.get(key)) for key in BY_NAME}) for name, values in named]

    def on_every_process(self, before: Before) -> Tensor:
        """What is the same on all: for each layer its products, and its idle units; float64 [layers * 6]."""
        after = self.by_layer([p.detach() for p in self.layers.parameters])
        found: list[Tensor] = []
        for number, (layer, old, new) in enumerate(zip(self.layers.layers, before.weights, after, strict=True)):
            nothing = torch.full_like(old, math.nan)
            gradient = nothing if before.gradients is None else self.layers.flat(layer, before.gradients)
            first = nothing if self.initial is None else self.initial[number]
            found.append(products(gradient, old, new - old, new - first))
            if layer.units and before.gradients is not None:
                found.append(idle_units([before.gradients[place] for place in layer.unit_places]).reshape(1).to(old))
            else:
                found.append(nothing[:1])
        return torch.cat(found)

    def over_processes(self, before: Before) -> Tensor:
        """What each has of its own samples, put together: noise by layer, and of each batch the losses and weight."""
        noise = self.noise(before)
        losses = [torch.stack([seen.loss, self.loss_after(seen) * seen.weight, seen.weight]) for seen in before.seen]
        mine = torch.cat([noise / self.trainer.world_size, *losses])
        if self.trainer.world_size == 1:
            return mine
        shared: Tensor = self.trainer.strategy.reduce(mine, reduce_op="sum")
        return shared

    def noise(self, before: Before) -> Tensor:
        """The estimate of tr(S) of each layer from the samples of this process; float64 [layers]."""
        found = before.weights[0].new_full((len(before.weights),), math.nan)
        if not before.parts or before.gradients is None:
            return found
        whole = self.by_layer(before.gradients)
        samples = sum(seen.batch.size for seen in before.seen if seen.batch is not None)
        found.zero_()
        for size, part in before.parts:
            squared = torch.stack([squared_distance(one, all_) for one, all_ in zip(part, whole, strict=True)])
            found += squared * noise_of(1.0, size, samples) / len(before.parts)
        return found

    def loss_after(self, seen: Seen) -> Tensor:
        if self.own is None or seen.batch is None or seen.moment is None:
            return torch.full_like(seen.loss, math.nan)
        return loss_again(self.own, self.trainer, seen.batch, seen.moment).to(seen.loss)

    def losses(self, numbers: Sequence[float]) -> dict[str, float]:
        """The loss that the step followed, and how much it changed; of several batches it is their mean.

        Args:
            numbers: for each batch its sum of losses before, and after, and what both are divided by.
        """
        triples = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
        means = [(ratio(old, weight), ratio(new, weight)) for old, new, weight in triples]
        share = 1 / self.trainer.accumulate_grad_batches
        old, new = (share * sum(side) for side in zip(*means, strict=True))
        return {"loss": old, "loss_change": new - old}


def known(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
