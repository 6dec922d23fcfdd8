"""The training step over tensors that stay where they are, so that it can be captured once and replayed."""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from optlab.data.batches import Batch, DeviceBatches
from optlab.engine.step import learn
from optlab.module import TrainingModule
from optlab.sums import Sums

AT_ONCE = 2**20  # bytes of inputs: batches smaller than that are gathered and normalised several together


class BufferedStep:
    """Gathers a batch by index, prepares it, and takes the training step with it: `step()`.

    What differs from step to step lies in buffers on the device: `order` (the epoch's permutation, int64 [samples]),
    `draws` (the random numbers of its augmentation, [samples, ...] by name) and `cursor` (the first sample of the next
    batch, int64 [], which the step itself moves on). So nothing is written between two replays.
    """

    def __init__(self, module: TrainingModule, batches: DeviceBatches, optimizer: Optimizer, bf16: bool) -> None:
        self.module, self.batches, self.optimizer = module, batches, optimizer
        self.device = module.device
        self.order = torch.arange(len(batches.arrays), device=self.device)
        self.cursor = torch.zeros((), dtype=torch.int64, device=self.device)
        self.lanes = torch.arange(batches.batch_size, device=self.device)
        self.draws: dict[str, Tensor] = {}
        # Around forward and loss only, and without a cache: it would keep weights as they were when it was filled.
        autocast = torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False)
        self.precision: AbstractContextManager[Any] = autocast if bf16 else nullcontext()
        self._next = 0  # where the cursor stands, known without asking the device
        self._together = batches_together(module, batches)
        self._first = 0  # of the batches that are gathered, the first one's number
        self._gathered: tuple[Tensor, Tensor] | None = None  # their inputs and targets, one behind the other

    @property
    def sums(self) -> Sums:
        return self.module.sums["train"]

    def begin_epoch(self) -> None:
        """Take up the epoch's order and random numbers."""
        self._gathered = None
        order, draws = self.batches.order(), self.batches.draws()
        if order is not None:
            self.order.copy_(order)
        for name, draw in draws.items():
            self.draws.setdefault(name, torch.empty_like(draw)).copy_(draw)

    def aim(self, index: int) -> None:
        """Set the cursor for batch number `index` of the epoch, where it does not stand there already."""
        if index != self._next:
            self.cursor.fill_(index * self.batches.batch_size)
        self._next = index + 1

    def __call__(self) -> None:
        """The step at the cursor, over a full batch."""
        places = self.cursor + self.lanes
        self.cursor.add_(self.batches.batch_size)
        draws = {name: draw.index_select(0, places) for name, draw in self.draws.items()}
        self.learn_from(self.order.index_select(0, places), draws)

    def rehearse(self) -> None:
        """The step without moving on: several in a row would run over the end of the order."""
        self()
        self.cursor.sub_(self.batches.batch_size)

    def plain(self, index: int) -> None:
        """The step over batch number `index` of the epoch, without the buffers: also over a last batch of fewer."""
        if self._together == 1:
            self.learn_from(self.order[self.batches.mine(index)], self.batches.draw(index))
        else:
            inputs, targets = self.gathered(index)
            learn(self.module, Batch(inputs, targets, len(targets)), self.optimizer, self.precision)

    def gathered(self, index: int) -> tuple[Tensor, Tensor]:
        """Inputs, normalised, and targets of batch number `index`; those of the next ones are gathered with it."""
        size = self.batches.batch_size
        if self._gathered is None or not self._first <= index < self._first + self._together:
            self._first = index
            inputs, targets = self.batches.gather(self.order[index * size : (index + self._together) * size])
            self._gathered = self.batches.prepare(inputs, {}), targets
        begin = (index - self._first) * size
        inputs, targets = self._gathered
        return inputs[begin : begin + size], targets[begin : begin + size]

    def learn_from(self, chosen: Tensor, draws: dict[str, Tensor]) -> None:
        inputs, targets = self.batches.gather(chosen)
        batch = Batch(self.batches.prepare(inputs, draws), targets, len(chosen))
        learn(self.module, batch, self.optimizer, self.precision)


def batches_together(module: TrainingModule, batches: DeviceBatches) -> int:
    """How many batches are gathered and normalised at a time: a small one takes hardly less time than several.

    One where an augmentation takes a batch's own random numbers, and where other processes share it. Normalising is
    one multiplication and one addition a number, so the numbers are those of single batches, bit for bit.
    """
    if batches.draws_numbers or batches.world_size > 1:
        return 1
    return max(1, AT_ONCE // (batches.batch_size * math.prod(module.info.input_shape) * 4))
