"""Samples that do not lie in memory: read batch by batch while a run trains, in the same order as if they did.

What `Arrays` promises holds here too: the order of an epoch comes from (seed, epoch), and so does what a sample draws
from the default generators of Python, NumPy and torch, whichever worker reads it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from optlab.data.arrays import Arrays
from optlab.data.batches import Batch, DeviceBatches
from optlab.data.decide import Targets
from optlab.data.reading import Address, Pair, Reader, read_batches, read_in_order
from optlab.errors import UserError
from optlab.seeds import derive, generator

MOST_WORKERS = 8
LOOKED_AT = 64  # samples of a part that its fingerprint is over
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Streamed:
    """Samples of a map-style data set, or some of them; to read, it is as `Arrays`.

    Args:
        known: the targets of all samples of the data set in the form of their task, by which it is split and checked;
            of a dense task, which would take as much memory as the inputs, one that says nothing for each sample.
        rows: int64 [n], where the samples stand in the data set.
        workers: processes that read; None: as many as this run has threads, and 8 at most.
        facts: what a fingerprint takes besides, such as names and sizes of files.
    """

    reader: Reader
    form: Targets
    known: Tensor
    rows: Tensor
    example: Pair  # inputs and targets [1, ...] of one sample
    workers: int | None = None
    facts: str = ""
    device: torch.device = CPU  # where batches go

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def targets(self) -> Tensor:
        return self.known.index_select(0, self.rows)

    @property
    def inputs(self) -> Tensor:
        """All of them, read now: for few samples."""
        return self.take(torch.arange(len(self)))[0]

    def take(self, indices: Tensor) -> Pair:
        """Inputs and targets of the samples at `indices` (int64 [m]), read now by this process."""
        addresses = [self.address(int(i), 0) for i in indices]
        [pair] = list(read_batches(self.reader, [addresses]))
        return self.formed(pair)

    def part(self, where: slice) -> Pair:
        """Inputs and targets of a slice, read now by this process."""
        return self.take(torch.arange(len(self))[where])

    def subset(self, rows: Tensor) -> Streamed:
        return replace(self, rows=self.rows.index_select(0, rows))

    def to(self, device: torch.device) -> Streamed:
        return replace(self, device=device)

    # -- what batches are made by

    def address(self, index: int, seed: int, *position: int) -> Address:
        """A sample, and the seed of what it draws at this position (epoch)."""
        row = int(self.rows[index])
        return row, derive(seed, "sample", *position, row)

    def formed(self, pair: Pair | None) -> Pair:
        """Inputs, and targets in the form of their task, on the device; of no samples where there are none."""
        inputs, raw = (each[:0] for each in self.example) if pair is None else pair
        targets = self.form.of(raw if pair else self.example[1], self.reader.name)[: len(inputs)]
        return to_device((inputs, targets), self.device)

    def spread(self, most: int) -> Tensor:
        """int64, at most so many indices, evenly spread over the samples."""
        return torch.arange(len(self)) if len(self) <= most else torch.linspace(0, len(self) - 1, most).long()

    def sample(self, most: int) -> Arrays:
        """At most so many samples, evenly spread, read now."""
        return Arrays(*replace(self, device=CPU).take(self.spread(most)))

    def digest(self) -> bytes:
        """SHA-256 over `facts`, the number of samples, their known targets, and LOOKED_AT samples evenly spread."""
        digest = hashlib.sha256(f"{self.facts}\n{len(self)}\n".encode())
        looked_at = self.sample(LOOKED_AT)
        for tensor in (self.targets, looked_at.inputs, looked_at.targets):
            digest.update(f"{tensor.dtype} {list(tensor.shape)}\n".encode())
            digest.update(tensor.contiguous().numpy().data)
        return digest.digest()


@dataclass(frozen=True)
class Stream:
    """Samples of an IterableDataset, which come in an order of its own and cannot be divided.

    Args:
        length: how many there are, where the data set says it (`__len__`).
        example: inputs and targets of its first samples.
    """

    reader: Reader
    form: Targets
    length: int | None
    example: Pair
    workers: int | None = None
    device: torch.device = CPU

    def __len__(self) -> int:
        if self.length is None:
            raise TypeError(f"{self.reader.name} has no length")
        return self.length

    @property
    def targets(self) -> Tensor:
        return self.form.of(self.example[1], self.reader.name)

    @property
    def inputs(self) -> Tensor:
        return self.example[0]

    def take(self, indices: Tensor) -> Pair:
        raise UserError(f"{self.reader.name} is an IterableDataset, which cannot be asked for single samples")

    def part(self, where: slice) -> Pair:
        raise UserError(f"{self.reader.name} is an IterableDataset, which cannot be asked for single samples")

    def subset(self, rows: Tensor) -> Stream:
        raise UserError(f"{self.reader.name} is an IterableDataset, which cannot be divided")

    def sample(self, most: int) -> Arrays:
        """Its first samples."""
        return Arrays(self.inputs[:most], self.targets[:most])

    def to(self, device: torch.device) -> Stream:
        return replace(self, device=device)

    def form_on_device(self, pair: Pair) -> Pair:
        return to_device((pair[0], self.form.of(pair[1], self.reader.name)), self.device)

    def digest(self) -> bytes:
        """SHA-256 over the length and the first samples."""
        digest = hashlib.sha256(f"{self.length}\n".encode())
        for tensor in self.example:
            digest.update(f"{tensor.dtype} {list(tensor.shape)}\n".encode())
            digest.update(tensor.contiguous().numpy().data)
        return digest.digest()


def to_device(pair: Pair, device: torch.device) -> Pair:
    """The pair there; what was pinned is copied while the host goes on."""
    return pair[0].to(device, non_blocking=True), pair[1].to(device, non_blocking=True)


def size_of(samples: Any) -> int | None:
    """How many samples there are; None for a stream that does not say it."""
    return samples.length if isinstance(samples, Stream) else len(samples)


def default_workers() -> int:
    """As many as this run computes with: a sweep gives each of its runs a share of the processor."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST_WORKERS, torch.get_num_threads(), cores)


class StreamedBatches(DeviceBatches):
    """The batches of samples that are read as they are needed; otherwise as `DeviceBatches`.

    Workers start with each epoch and end with it.
    """

    arrays: Any  # Streamed

    def order(self) -> Tensor | None:
        """The epoch's permutation, on the host, where it is needed; the same as of samples in memory."""
        if not self.shuffle:
            return None
        return torch.randperm(len(self.arrays), generator=generator(self.seed, "order", self.epoch))

    def __iter__(self) -> Iterator[Batch]:
        order = self.order()
        addresses = [self.addresses(order, index) for index in range(self.start, len(self))]
        yield from self.batches(read_batches(self.arrays.reader, addresses, **self.how()))

    def addresses(self, order: Tensor | None, index: int) -> list[Address]:
        begin = index * self.batch_size
        indices = range(begin + self.rank, begin + self.size(index), self.world_size)
        chosen = indices if order is None else (int(order[i]) for i in indices)
        position = (self.epoch,) if self.train else ()
        return [self.arrays.address(i, self.seed, *position) for i in chosen]

    def how(self) -> dict[str, Any]:
        workers = self.arrays.workers
        return {
            "workers": default_workers() if workers is None else workers,
            "pin": self.arrays.device.type == "cuda",
        }

    def batches(self, pairs: Iterator[Pair | None]) -> Iterator[Batch]:
        for index, pair in enumerate(pairs, start=self.start):
            self.seen = index + 1
            inputs, targets = self.arrays.formed(pair)
            yield Batch(self.prepare(inputs, self.draw(index)), targets, self.size(index))


class OwnOrderBatches(StreamedBatches):
    """The batches of a `Stream`: its order is its own, and an epoch is over when it ends."""

    arrays: Any  # Stream

    def __len__(self) -> int:
        return -(-len(self.arrays) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        stream: Stream = self.arrays
        if callable(set_epoch := getattr(stream.reader.dataset, "set_epoch", None)):
            set_epoch(self.epoch)
        seed = derive(self.seed, "stream", self.epoch if self.train else 0)
        pairs = read_in_order(stream.reader, batch_size=self.batch_size, seed=seed, **self.how())
        count = 0
        for index, pair in enumerate(pairs):
            count = index + 1
            if pair is None or index < self.start:  # seen before the run was interrupted
                continue
            # Lightning looks one batch ahead where there is no length, to know whether an epoch is over.
            self.seen = index if stream.length is None else index + 1
            inputs, targets = stream.form_on_device(pair)
            draws = {name: draw[: len(targets)] for name, draw in self.draw(index).items()}
            yield Batch(self.prepare(inputs, draws), targets, len(targets))
        self.seen = count

    def draw(self, index: int) -> dict[str, Tensor]:
        """The random numbers of a batch, drawn with it: nobody knows how many an epoch needs."""
        return self.draw_batch(index) if self.draws_numbers else {}

    def size(self, index: int) -> int:
        """As far as is known before: the last batch may be shorter."""
        return self.batch_size
