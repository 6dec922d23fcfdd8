"""What a data set is made of: tensors on the host, what they mean, and a fingerprint of their content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from optlab.rules.tasks import TaskName


@dataclass(frozen=True)
class DataInfo:
    """What a network, a loss and a reader of results need to know about a data set, without its tensors."""

    name: str
    task: TaskName  # what the targets are: see `optlab.rules.tasks`
    input_shape: tuple[int, ...]  # (channels, height, width) for images, (features,) for vectors
    # Names of the classes (two for binary), of the labels or of the numbers, in their order; () where there are none.
    classes: tuple[str, ...]
    outputs: int  # of the network: the number of classes, of labels, of numbers; 1 for binary
    mean: tuple[float, ...] | None  # per channel, on the [0, 1] scale; None: inputs are used as they are
    std: tuple[float, ...] | None
    pixel_max: float = 255.0  # the stored value that means 1.0
    tokens: bool = False  # whole numbers, int64, as they are; else inputs of a network are float32
    class_weights: tuple[float, ...] | None = None  # one a class, for the loss; None: all count alike

    @property
    def is_image(self) -> bool:
        return len(self.input_shape) == 3

    def zeros(self, n: int) -> Tensor:
        """Inputs of `n` samples without content, of the shape and type that a network gets."""
        return torch.zeros(n, *self.input_shape, dtype=torch.int64 if self.tokens else torch.float32)

    def to_dict(self) -> dict[str, Any]:
        """As lists, strings and numbers only: fit for JSON and for a checkpoint read with `weights_only`."""
        return {
            "name": self.name,
            "task": self.task,
            "input_shape": list(self.input_shape),
            "classes": list(self.classes),
            "outputs": self.outputs,
            "mean": None if self.mean is None else list(self.mean),
            "std": None if self.std is None else list(self.std),
            "pixel_max": self.pixel_max,
            # What came later stands there where it says something.
            **({"tokens": True} if self.tokens else {}),
            **({"class_weights": list(self.class_weights)} if self.class_weights else {}),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> DataInfo:
        """The inverse of `to_dict`."""
        as_tuples = {
            key: None if values.get(key) is None else tuple(values[key])
            for key in ("input_shape", "classes", "mean", "std", "class_weights")
        }
        merged: dict[str, Any] = {**values, **as_tuples}
        return cls(**merged)


class Copies(dict[torch.device, "Arrays"]):
    """Copies of arrays on other devices; whoever pickles or copies the arrays gets none of them."""

    def __reduce__(self) -> tuple[type[Copies], tuple[()]]:
        return Copies, ()


@dataclass(frozen=True)
class Arrays:
    """Samples with their targets. Images of several channels lie in memory as channels_last."""

    inputs: Tensor  # uint8 [n, channels, height, width], or float32 [n, features]
    targets: Tensor  # int64 [n], float32 [n, outputs], or int64 [n, *positions]
    copies: Copies = field(default_factory=Copies, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets):
            raise ValueError(f"{len(self.inputs)} inputs with {len(self.targets)} targets")

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def device(self) -> torch.device:
        return self.inputs.device

    def take(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs and targets at `indices` (int64 [m]), copied, in the same memory format."""
        return take(self.inputs, indices), self.targets.index_select(0, indices)

    def part(self, where: slice) -> tuple[Tensor, Tensor]:
        """Inputs and targets of a slice, not copied."""
        return self.inputs[where], self.targets[where]

    def subset(self, rows: Tensor) -> Subset:
        """The samples at `rows` (int64 [m]), not copied."""
        return Subset(self, rows)

    def select(self, indices: Tensor) -> Arrays:
        """The samples at `indices` (int64 [m]), copied, in the same memory format."""
        return Arrays(*self.take(indices))

    def to(self, device: torch.device) -> Arrays:
        """Itself where it lies there already; elsewhere a copy that lives as long as these arrays.

        So all parts and all runs that share a data set upload it once. Of several devices the last one is remembered.
        """
        if device == self.device:
            return self
        if device not in self.copies:
            self.copies.clear()
            self.copies[device] = Arrays(self.inputs.to(device), self.targets.to(device))
        return self.copies[device]


@dataclass(frozen=True)
class Subset:
    """Some samples of other arrays, without a copy: a split costs no second data set in memory.

    To read, it is as `Arrays`; `inputs` and `targets` are copied when they are asked for.
    """

    of: Arrays
    rows: Tensor  # int64 [n], where the samples stand in `of`

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def inputs(self) -> Tensor:
        return take(self.of.inputs, self.rows)

    @property
    def targets(self) -> Tensor:
        return self.of.targets.index_select(0, self.rows)

    @property
    def device(self) -> torch.device:
        return self.of.device

    def take(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs and targets of the samples at `indices` (int64 [m]), copied."""
        return self.of.take(self.rows.index_select(0, indices))

    def part(self, where: slice) -> tuple[Tensor, Tensor]:
        """Inputs and targets of a slice, copied."""
        return self.of.take(self.rows[where])

    def subset(self, rows: Tensor) -> Subset:
        return Subset(self.of, self.rows.index_select(0, rows))

    def to(self, device: torch.device) -> Subset:
        """Itself where it lies there already; else the same of the copy that all parts of the arrays share."""
        return self if device == self.device else Subset(self.of.to(device), self.rows.to(device))


class Samples(Protocol):
    """Samples that a run may be given: `Arrays`, a `Subset` of them, or what is read anew each epoch (`streamed`)."""

    def __len__(self) -> int: ...

    @property
    def inputs(self) -> Tensor: ...

    @property
    def targets(self) -> Tensor: ...

    @property
    def device(self) -> torch.device: ...

    def take(self, indices: Tensor) -> tuple[Tensor, Tensor]: ...

    def part(self, where: slice) -> tuple[Tensor, Tensor]: ...

    def subset(self, rows: Tensor) -> Samples: ...

    def to(self, device: torch.device) -> Samples: ...


@dataclass(frozen=True)
class Source:
    """A data set as it comes, before training and validation are split."""

    info: DataInfo
    train: Samples
    test: Samples
    val: Samples | None = None  # only when the data set brings its own
    not_guaranteed: tuple[str, ...] = ()  # of data that is read anew each epoch, in sentences

    def parts(self) -> dict[str, Samples]:
        """The parts that exist, by name."""
        named = {"train": self.train, "val": self.val, "test": self.test}
        return {name: arrays for name, arrays in named.items() if arrays is not None}


@dataclass(frozen=True)
class Splits:
    """What a run trains on, chooses on and is tested on."""

    info: DataInfo
    train: Samples
    val: Samples | None
    test: Samples
    split_seed: int
    fingerprint: str  # of the source, so it does not depend on how it was split
    not_guaranteed: tuple[str, ...] = ()  # see `Source`


def images_from_nhwc(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> Tensor:
    """uint8 [n, height, width, channels] as a tensor [n, channels, height, width] in channels_last."""
    n, height, width, channels = pixels.shape
    tensor = torch.from_numpy(np.ascontiguousarray(pixels))
    # One channel is both formats at once; the plain strides are what other code expects then.
    return tensor.reshape(n, 1, height, width) if channels == 1 else tensor.permute(0, 3, 1, 2)


def take(inputs: Tensor, indices: Tensor) -> Tensor:
    """`inputs[indices]` along the first dimension, keeping channels_last.

    A sample is one block of memory in either format, so it is copied as one: plain indexing walks
    channels_last images element by element and takes twice as long.
    """
    if inputs.dim() == 4 and not inputs.is_contiguous():
        return inputs.permute(0, 2, 3, 1).index_select(0, indices).permute(0, 3, 1, 2)
    return inputs.index_select(0, indices)


def fingerprint(source: Source) -> str:
    """16 hex digits of SHA-256 over dtype, shape and values of every part, in any memory format alike.

    Of samples that do not lie in memory it is over some of them: see their `digest`.
    """
    digest = hashlib.sha256()
    for part, arrays in source.parts().items():
        if not isinstance(arrays, (Arrays, Subset)):
            digest.update(f"{part}/streamed\n".encode() + arrays.digest())  # type: ignore[attr-defined]
            continue
        for kind, tensor in (("inputs", arrays.inputs), ("targets", arrays.targets)):
            digest.update(f"{part}/{kind} {tensor.dtype} {list(tensor.shape)}\n".encode())
            # Channels last is how images are stored, so this order needs no copy.
            ordered = tensor.permute(0, 2, 3, 1) if tensor.dim() == 4 else tensor
            digest.update(ordered.contiguous().numpy().data)
    return digest.hexdigest()[:16]
