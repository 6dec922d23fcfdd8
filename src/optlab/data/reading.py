"""Samples of a `torch.utils.data.Dataset`, read one by one, by this process or by workers, and put into batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from optlab.adapters.generators import keeping_generators, seed_generators
from optlab.data.forms import stored
from optlab.errors import UserError, name_of

Pair = tuple[Tensor, Tensor]  # inputs and targets
Address = tuple[int, int]  # the place of a sample in its data set, and the seed that it is read with

INPUT_NAMES = ("image", "img", "pixel_values", "input", "inputs", "input_ids", "x", "features", "data")
TARGET_NAMES = ("label", "labels", "target", "targets", "y", "fine_label", "class")


@dataclass(frozen=True)
class Trouble:
    """What went wrong in reading, as a worker hands it back: an exception would lose its words on the way."""

    text: str


@dataclass(frozen=True)
class Reader:
    """Reads samples: inputs in the form in which they are stored, targets as they come.

    Args:
        dataset: gives a pair, or a dict, of tensors, arrays, pictures or numbers.
        name: of the data set, for messages.
    """

    dataset: Any
    name: str

    def read(self, addresses: Sequence[Address]) -> Pair | Trouble | None:
        """The samples at these addresses as a batch; None for no addresses."""
        pairs: list[Pair] = []
        for row, seed in addresses:
            seed_generators(seed)
            try:
                pairs.append(pair_of(self.dataset[row]))
            except Exception as error:  # whatever a user's own class raises
                return Trouble(f"{self.name}: sample {row} cannot be read ({_reason(error)})")
        try:
            return self.batch(pairs) if pairs else None
        except UserError as error:
            return Trouble(str(error))

    def batch(self, pairs: Sequence[Pair]) -> Pair:
        """Samples as one batch; raises UserError where they are of several shapes or types."""
        for what, column in (("inputs", [x for x, _ in pairs]), ("targets", [y for _, y in pairs])):
            for other in column:
                if other.shape != column[0].shape or other.dtype != column[0].dtype:
                    a, b = (f"{str(each.dtype)[6:]} {list(each.shape)}" for each in (column[0], other))
                    raise UserError(
                        f"{self.name}: the {what} of one sample are {a}, and of another {b}; "
                        "resize, crop or pad in the data set, so that all have one form"
                    )
        return stored(torch.stack([x for x, _ in pairs]), self.name), torch.stack([y for _, y in pairs])


def _reason(error: Exception) -> str:
    return f"{name_of(error)}: {' '.join(str(error).split())}; dataset.workers=0 traceback=true shows where"


def pair_of(sample: Any) -> Pair:
    """Inputs and target of a sample as tensors.

    Raises:
        UserError: it is no pair and no dict with such.
    """
    if isinstance(sample, Mapping):
        found = [
            next((sample[name] for name in names if name in sample), None) for names in (INPUT_NAMES, TARGET_NAMES)
        ]
        if None in [type(each) if each is not None else None for each in found]:
            raise UserError(f"a sample has {', '.join(map(str, sample))}, and should have image and label, or x and y")
        inputs, target = found
    elif isinstance(sample, (tuple, list)) and len(sample) == 2:
        inputs, target = sample
    else:
        kind = f"{len(sample)} values" if isinstance(sample, (tuple, list)) else type(sample).__name__
        raise UserError(f"a sample is {kind}, and should be a pair: inputs and target")
    return as_tensor(inputs), as_tensor(target)


def as_tensor(value: Any) -> Tensor:
    """What a sample holds as a tensor; pictures as [channels, height, width]."""
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, Image.Image):
        picture = value if value.mode in ("L", "RGB") else value.convert("L" if value.mode == "1" else "RGB")
        pixels = torch.from_numpy(np.array(picture))
        return pixels[None] if pixels.dim() == 2 else pixels.permute(2, 0, 1)
    if isinstance(value, (bool, int, float, list, tuple, np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.kind in "biufc":
            if isinstance(value, (float, list, tuple)) and array.dtype == np.float64:
                array = array.astype(np.float32)
            if array.dtype.kind == "u" and array.dtype.itemsize > 1:
                array = array.astype(np.int64)
            return torch.from_numpy(np.array(array))
    raise UserError(f"a sample holds {type(value).__name__}, and should hold tensors, arrays, pictures or numbers")


# -- in workers


class _ByAddress(Dataset[Any]):
    """What a worker reads from: `__getitems__` is called with the addresses of a batch."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def __getitem__(self, address: Address) -> Any:
        return self.reader.read([address])

    def __getitems__(self, addresses: list[Address]) -> Any:
        return self.reader.read(addresses)


class _InOrder(IterableDataset[Any]):
    """Batches of a data set that gives its samples in an order of its own."""

    def __init__(self, reader: Reader, batch_size: int, seed: int) -> None:
        self.reader, self.batch_size, self.seed = reader, batch_size, seed

    def __iter__(self) -> Iterator[Any]:
        seed_generators(self.seed)
        waiting: list[Pair] = []
        try:
            for sample in self.reader.dataset:
                waiting.append(pair_of(sample))
                if len(waiting) == self.batch_size:
                    yield self.reader.batch(waiting)
                    waiting = []
            if waiting:
                yield self.reader.batch(waiting)
        except UserError as error:
            yield Trouble(f"{self.reader.name}: {error}")
        except Exception as error:  # whatever a user's own class raises
            yield Trouble(f"{self.reader.name}: a sample cannot be read ({_reason(error)})")


def read_batches(
    reader: Reader, batches: Sequence[list[Address]], *, workers: int = 0, pin: bool = False
) -> Iterator[Pair | None]:
    """Batch after batch, None for one without addresses; the workers end with the iteration.

    Raises:
        UserError: a sample that cannot be read, or that is of another form than the others.
    """
    workers = min(workers, len(batches))
    yield from _read(DataLoader(_ByAddress(reader), batch_sampler=batches, **_options(workers, pin)))


def read_in_order(
    reader: Reader, *, batch_size: int, seed: int, workers: int = 0, pin: bool = False
) -> Iterator[Pair | None]:
    """The batches of a data set that gives its samples in an order of its own, drawn from this seed."""
    dataset = _InOrder(reader, batch_size, seed)
    yield from _read(DataLoader(dataset, batch_size=None, **_options(workers, pin)))


def _options(workers: int, pin: bool) -> dict[str, Any]:
    # The generator is asked for the workers' own seeds, which reading replaces; the default one must not be.
    return {"num_workers": workers, "pin_memory": pin, "collate_fn": _as_it_is, "generator": torch.Generator()}


_END: Any = object()


def _as_it_is(batch: Any) -> Any:
    return batch


def _read(loader: Iterable[Any]) -> Iterator[Pair | None]:
    with keeping_generators():
        iterator = iter(loader)
    while True:
        with keeping_generators():  # without workers it is this process that reads
            found = next(iterator, _END)
        if found is _END:
            return
        if isinstance(found, Trouble):
            raise UserError(found.text)
        yield None if found is None else (found[0], found[1])
