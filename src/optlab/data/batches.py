"""Batches by index over a split that lies on the device: no per-sample Python, no worker processes."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from optlab.data.arrays import Samples
from optlab.data.augment import Augmentation
from optlab.seeds import generator


class Batch(NamedTuple):
    """One step's samples on this process.

    `size` counts the samples of all processes: a mean over the step divides by it.
    """

    inputs: Tensor  # float32 [n, channels, height, width] or [n, features]
    targets: Tensor  # int64 [n] or float32 [n, width]
    size: int


class DeviceBatches:
    """The batches of a split, epoch after epoch.

    The order of an epoch and the augmentation of a batch are derived from (seed, epoch, batch) alone. In distributed
    training every process draws the same numbers and takes every `world_size`-th sample of each batch, so the global
    batches are those of a single process and each sample is seen once an epoch.

    Who trains says where an epoch starts (`begin_epoch`). For Lightning it is a stateful loader: after
    `load_state_dict` the epoch goes on behind the batches that were already seen.
    """

    def __init__(
        self,
        arrays: Samples,
        augmentation: Augmentation,
        *,
        batch_size: int,
        seed: int = 0,
        train: bool = False,
        shuffle: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.arrays = arrays
        self.augmentation = augmentation
        self.batch_size = batch_size
        self.seed = seed
        self.train = train
        self.shuffle = shuffle
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self.start = 0
        self.seen = 0
        self._drawn: tuple[int, dict[str, Tensor]] = (-1, {})  # an epoch, and the random numbers of its augmentation

    def begin_epoch(self, epoch: int, seen: int = 0) -> None:
        """Make the next iteration that of this epoch, behind the batches that were already `seen`."""
        self.epoch, self.start, self.seen = epoch, seen, seen

    def __len__(self) -> int:
        return -(-len(self.arrays) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        order = self.order()
        for index in range(self.start, len(self)):
            self.seen = index + 1
            yield self.batch(order, index)

    def order(self) -> Tensor | None:
        """The epoch's permutation of the samples on the device; None where they keep their order."""
        if not self.shuffle:
            return None
        order = torch.randperm(len(self.arrays), generator=generator(self.seed, "order", self.epoch))
        return order.to(self.arrays.device)

    def batch(self, order: Tensor | None, index: int) -> Batch:
        mine = self.mine(index)
        if order is None:
            inputs, targets = self.arrays.part(mine)
        else:
            inputs, targets = self.gather(order[mine])
        return Batch(self.prepare(inputs, self.draw(index)), targets, self.size(index))

    # -- what a batch is made by, for those who make it in another order

    def size(self, index: int) -> int:
        """The samples of a batch: `batch_size`, or fewer in the last one."""
        return min(self.batch_size, len(self.arrays) - index * self.batch_size)

    def mine(self, index: int) -> slice:
        """Where in the epoch the samples of this process' share of a batch stand."""
        begin = index * self.batch_size
        return slice(begin + self.rank, begin + self.size(index), self.world_size)

    def gather(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """The stored inputs and the targets of the samples `chosen` (int64 [n])."""
        return self.arrays.take(chosen)

    @property
    def draws_numbers(self) -> bool:
        """Whether the augmentation takes random numbers."""
        return self.train and type(self.augmentation).draw is not Augmentation.draw

    def draws(self) -> dict[str, Tensor]:
        """The random numbers of the epoch's augmentation: tensors [samples, ...] by name, in the epoch's order."""
        if not self.draws_numbers:
            return {}
        if self._drawn[0] != self.epoch:
            self._drawn = self.epoch, self.draw_epoch()
        return self._drawn[1]

    def draw_epoch(self) -> dict[str, Tensor]:
        """Draw them on the device.

        On a CPU each batch has a stream of its own. A GPU draws all from one: its numbers are others in any case, and
        to start a handful of kernels for each batch would take it longer than the batch itself.
        """
        device = self.arrays.device
        if device.type != "cpu":
            stream = generator(self.seed, "augment", self.epoch, device=device)
            return self.augmentation.draw(len(self.arrays), stream)
        batches = [self.draw_batch(index) for index in range(len(self))]
        return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}

    def draw_batch(self, index: int) -> dict[str, Tensor]:
        """Draw those of a whole batch from its own stream."""
        stream = generator(self.seed, "augment", self.epoch, index, device=self.arrays.device)
        return self.augmentation.draw(self.size(index), stream)

    def draw(self, index: int) -> dict[str, Tensor]:
        """Those of this process' share of a batch: tensors [n, ...] by name."""
        mine = self.mine(index)
        return {name: each[mine] for name, each in self.draws().items()}

    def prepare(self, inputs: Tensor, draws: dict[str, Tensor]) -> Tensor:
        """Stored inputs as the network takes them: augmented where this is the training split, and normalised."""
        return self.augmentation.train(inputs, draws) if self.train else self.augmentation.eval(inputs)

    def state_dict(self) -> dict[str, int]:
        return {"seen": self.seen}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.start = self.seen = state["seen"]
