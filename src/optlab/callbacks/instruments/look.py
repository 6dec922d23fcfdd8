"""One look at a step: what is kept before it, and what becomes of it behind it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning import LightningModule, Trainer
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from optlab.adapters.torch import normalises_batches
from optlab.callbacks.instruments.again import dense, gradient_of, loss_again, parts_of
from optlab.callbacks.instruments.layers import Layers
from optlab.callbacks.instruments.measures import Sums, idle_units, inner, noise_of, ratio, readings, squared
from optlab.callbacks.moment import Moment
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
    weights: Tensor  # [n], of all layers
    seen: list[Seen] = field(default_factory=list)
    parts: list[tuple[int, Tensor]] = field(default_factory=list)  # samples and gradient [n] of micro-batches
    gradient: Tensor | None = None  # [n], before clipping
    handle: RemovableHandle | None = None

    def keep(self, layers: Layers) -> None:
        """Keep the gradients: clipping changes them in place, and so do some optimizers."""
        self.gradient = layers.flat(dense(p.grad, p) for p in layers.parameters)

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
        self.initial = None if initial is None else layers.flat(initial)
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

    def weights(self) -> Tensor:
        """All weights that are trained, as they are; [n]."""
        return self.layers.flat(p.detach() for p in self.layers.parameters)

    def sums(self) -> tuple[Tensor, Tensor]:
        """The epoch's sum of losses so far, and what it is divided by."""
        sums = self.state.sums["train"]
        weight = torch.full_like(sums.loss, sums.samples) if sums.positions is None else sums.positions.to(sums.loss)
        return sums.loss.clone(), weight

    # -- before the step

    def before(self, batch: Any, index: int) -> Before:
        """What is kept before the first batch of a step."""
        parameters = self.layers.parameters
        before = Before(self.trainer.global_step, self.weights())
        self.begin_batch(before, batch, index)
        first = before.seen[0]
        if self.own is not None and self.divides and first.batch is not None and first.moment is not None:
            for part in parts_of(first.batch, self.micro_batches, self.least):
                gradient = gradient_of(self.own, self.trainer, part, first.moment, parameters)
                before.parts.append((part.size, self.layers.flat(gradient)))
        if self.state.engine == "loop":  # in which Lightning says nothing of single steps
            before.handle = self.trainer.optimizers[0].register_step_pre_hook(lambda *_: before.keep(self.layers))
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
        if before.gradient is None and self.sees_gradients:
            before.keep(self.layers)
        samples = sum(seen.batch.size for seen in before.seen if seen.batch is not None) or math.nan
        fixed, noise = self.sums_of_layers(before, samples)
        losses = [torch.stack([seen.loss, self.loss_after(seen) * seen.weight, seen.weight]) for seen in before.seen]
        shared = self.over_processes(torch.cat([noise / self.trainer.world_size, *losses]))
        numbers = torch.cat([fixed, shared]).tolist()  # the one look at the device
        layers = self.layers.layers
        sums, rest = [], numbers[EACH * len(layers) :]
        for layer, noise_here in zip(layers, rest, strict=False):
            gg, ww, dd, gd, aa, idle, *numbers = numbers
            idle = idle if before.gradient is not None else math.nan
            sums.append(Sums(gg, ww, dd, gd, aa, noise_here, idle, layer.units))
        together = readings(sum(sums[1:], sums[0]), samples) | self.losses(rest[len(layers) :]) | {"clipped": clipped}
        each = ((layer.name, readings(one, samples)) for layer, one in zip(layers, sums, strict=True))
        epoch, step = self.trainer.current_epoch + 1, self.trainer.global_step
        return [
            Row(epoch, step, name, {key: known(values.get(key)) for key in BY_NAME})
            for name, values in ((ALL, together), *each)
        ]

    def sums_of_layers(self, before: Before, samples: float) -> tuple[Tensor, Tensor]:
        """What is the same on every process, [layers * EACH] (see `Sums`), and an estimate of tr(S) by layer [layers].

        The latter is from the samples of this process.
        """
        update = self.weights() - before.weights
        nothing = torch.full_like(update, math.nan)
        gradient = nothing if before.gradient is None else before.gradient
        moved = nothing if self.initial is None else before.weights - self.initial + update
        apart = [part - gradient for _, part in before.parts]
        sizes = [layer.part.stop - layer.part.start for layer in self.layers.layers]
        squares = squared([gradient, before.weights, update, moved, *apart], sizes)  # [4 + parts, layers]
        gg, ww, dd, aa = squares[:4]
        fixed = torch.stack([gg, ww, dd, inner(gradient, update, sizes), aa, self.idle(gradient).to(gg)], 1)
        if not apart:
            return fixed.reshape(-1), torch.full_like(gg, math.nan)
        noise = [part * noise_of(1.0, size, samples) for part, (size, _) in zip(squares[4:], before.parts, strict=True)]
        return fixed.reshape(-1), torch.stack(noise).mean(0)

    def idle(self, gradient: Tensor) -> Tensor:
        """The units of each layer without a gradient; [layers], 0 where a layer has none."""
        size, none = gradient.abs(), torch.zeros((), dtype=torch.int64, device=gradient.device)
        return torch.stack(
            [
                idle_units([size[part].view(layer.units, -1) for part in layer.of_units]) if layer.units else none
                for layer in self.layers.layers
            ]
        )

    def over_processes(self, mine: Tensor) -> Tensor:
        """What each has of its own samples, added up."""
        if self.trainer.world_size == 1:
            return mine
        shared: Tensor = self.trainer.strategy.reduce(mine, reduce_op="sum")
        return shared

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
