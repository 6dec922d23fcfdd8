"""Data sets of torch's kind: `torch.utils.data.Dataset`, read into memory once where they fit, otherwise streamed."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args, get_type_hints

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.utils.data import IterableDataset

from optlab.data.arrays import Arrays, DataInfo, Samples, Source
from optlab.data.decide import Targets, decide, infer
from optlab.data.forms import say_layout
from optlab.data.memory import check_memory, fits
from optlab.data.reading import Pair, Reader, pair_of, read_batches, read_in_order
from optlab.data.sources.assemble import scaled
from optlab.data.split import divide
from optlab.data.streamed import Stream, Streamed, default_workers
from optlab.errors import UserError
from optlab.rules.tasks import IGNORED, TaskName

if TYPE_CHECKING:
    from lightning import LightningDataModule

log = logging.getLogger(__name__)

TWICE = 8  # samples that are read twice, to see whether they are the same again
MEASURED = 512  # images that mean and std of streamed pixels are measured on
CHUNK = 64  # samples read at a time
PARTS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
TEST_SIZE = 0.2


@dataclass(frozen=True)
class Options:
    """What may be typed about any such data set; see conf/dataset/torch.yaml."""

    name: str
    task: TaskName | None = None
    outputs: int | None = None
    test_size: float | int | None = None
    split_seed: int = 0
    memory: bool | None = None
    workers: int | None = None

    @property
    def readers(self) -> int:
        return default_workers() if self.workers is None else self.workers


def source_of(make: Callable[..., Any], function: Callable[..., Any], options: Options, typed: Sequence[str]) -> Source:
    """The source of what a class or function makes: a `Source` as it is, or data sets of torch's kind.

    Args:
        make: calls `function` with what was typed, and with what is added.
        function: whose signature says whether it makes one part at a time (`train=`, `split=`), as torchvision's do.
        typed: the names of the arguments that were typed.

    Raises:
        UserError: it makes none, or samples that cannot be used.
    """
    made = _parts(make, function, typed)
    if isinstance(made, Source):
        return made
    if "train" not in made:
        raise UserError(f"dataset: {options.name} gives {', '.join(made)} and no part to train on")
    for part, dataset in made.items():
        if not hasattr(dataset, "__getitem__") and not isinstance(dataset, IterableDataset):
            kind = type(dataset).__name__
            raise UserError(
                f"dataset._target_ makes {kind} ({part}), and should make a torch.utils.data.Dataset, a pair of "
                "them (train, test), or an optlab.data.Source"
            )
    return of_datasets(made, options)


def _parts(make: Callable[..., Any], function: Callable[..., Any], typed: Sequence[str]) -> Source | dict[str, Any]:
    """What was made, by the names of its parts."""
    from lightning import LightningDataModule  # which readers of data have no need of otherwise

    takes = inspect.signature(function).parameters
    if "train" in takes and "train" not in typed:
        return {"train": make(train=True), "test": make(train=False)}
    if "split" in takes and "split" not in typed:
        known = _words(function, "split")
        names = {part: next((word for word in words if word in known), None) for part, words in PARTS.items()}
        named = {part: word for part, word in names.items() if word}
        return {part: make(split=word) for part, word in (named or {"train": "train", "test": "test"}).items()}
    made = make()
    if isinstance(made, Source):
        return made
    if isinstance(made, LightningDataModule):
        return parts_of_module(made)
    if isinstance(made, Mapping):
        return {part: made[word] for part, words in PARTS.items() for word in words if word in made}
    if isinstance(made, (tuple, list)) and len(made) in (2, 3) and not torch.is_tensor(made[0]):
        return dict(zip(("train", "test") if len(made) == 2 else ("train", "val", "test"), made, strict=True))
    return {"train": made}


def _words(function: Callable[..., Any], argument: str) -> tuple[Any, ...]:
    """The words that an argument takes, where it is annotated with them (Literal): others must not be tried."""
    try:
        target = function.__init__ if inspect.isclass(function) else function
        hint = get_type_hints(target).get(argument)
    except (NameError, TypeError):
        return ()
    return get_args(hint) if getattr(hint, "__origin__", None) is Literal else ()


def parts_of_module(module: LightningDataModule) -> dict[str, Any]:
    """The data sets of a LightningDataModule; batch size, order and collation are optlab's."""
    from lightning import LightningDataModule

    module.prepare_data()
    module.setup("fit")
    module.setup("test")
    loaders = {"train": module.train_dataloader, "val": module.val_dataloader, "test": module.test_dataloader}
    parts = {}
    for part, loader in loaders.items():
        if getattr(loader, "__func__", loader) is not getattr(LightningDataModule, loader.__name__):
            parts[part] = loader().dataset
    log.info("%s: its data sets are used; batches, their order and size are optlab's", type(module).__name__)
    return parts


@dataclass(frozen=True)
class _Part:
    """A part of a data set as it was looked at, before it is known what its targets are.

    Args:
        first: its first samples, as they came.
        inputs: of all samples, where the part is in memory.
        raw: the targets of all samples as they came; of positions, the largest of each sample.
    """

    name: str
    reader: Reader
    first: Pair
    drawn: bool = False
    inputs: Tensor | None = None
    raw: Tensor | None = None

    @property
    def is_stream(self) -> bool:
        return isinstance(self.reader.dataset, IterableDataset)

    def __len__(self) -> int:
        return len(self.reader.dataset)


def of_datasets(made: dict[str, Any], options: Options) -> Source:
    """Each part read into memory or streamed, and a test part held out where there is none."""
    if isinstance(made["train"], IterableDataset) and "test" not in made:
        raise UserError(
            f"{options.name} is an IterableDataset, of which no test part can be held out; let it take train= or "
            "split=, or make a pair (train, test)"
        )
    looked = [_look(part, Reader(dataset, options.name)) for part, dataset in made.items()]
    shape = tuple(looked[0].first[0].shape[1:])
    for part in looked:
        if part.first[0].shape[1:] != shape:
            theirs = list(part.first[0].shape[1:])
            raise UserError(
                f"{options.name}: samples of {part.name} have the shape {theirs}, those of train {list(shape)}"
            )
    say_layout(_as_it_came(looked[0]), options.name)
    task = options.task or infer([part.first[1] for part in looked], shape, options.name)
    read = [_read(part, task == "dense", options) for part in looked]
    form = _form(read, shape, task, options, getattr(made["train"], "classes", ()))
    parts = {part.name: _samples(part, form, options) for part in read}
    tokens = looked[0].first[0].dtype == torch.int64
    info = DataInfo(options.name, form.task, shape, form.classes, form.outputs, None, None, tokens=tokens)
    if "test" not in parts:
        size = TEST_SIZE if options.test_size is None else options.test_size
        kept, held = divide(parts["train"].targets, size, options.split_seed, info, option="test_size")
        parts["train"], parts["test"] = parts["train"].subset(kept), parts["train"].subset(held)
    train, sentences = parts["train"], _not_guaranteed(read, parts)
    if isinstance(train, (Stream, Streamed)):
        pixels = looked[0].first[0].dtype == torch.uint8
        train = train.sample(MEASURED if pixels else 1)
        if pixels:
            sentences.append(f"mean and std of the pixels are those of {len(train)} training samples, evenly spread")
    info = scaled(info, train, None, None)
    return Source(info, parts["train"], parts["test"], parts.get("val"), tuple(sentences))


def _look(name: str, reader: Reader) -> _Part:
    """The first samples of a part, and whether they are others when they are read with another seed."""
    if isinstance(reader.dataset, IterableDataset):
        first = next(read_in_order(reader, batch_size=CHUNK, seed=0), None)
        again = first
    else:
        rows = range(min(TWICE, len(reader.dataset)))
        first, again = read_batches(reader, [[(row, seed) for row in rows] for seed in (1, 2)])
    if first is None or again is None:
        raise UserError(f"{reader.name} has no {name} samples; a run needs at least one")
    drawn = not (torch.equal(first[0], again[0]) and torch.equal(first[1], again[1]))
    return _Part(name, reader, first, drawn)


def _as_it_came(part: _Part) -> tuple[int, ...]:
    """The shape of a sample before its axes are put in order."""
    return () if part.is_stream else tuple(pair_of(part.reader.dataset[0])[0].shape)


def _read(part: _Part, dense: bool, options: Options) -> _Part:
    """The part with its inputs, where it fits into memory, and its targets.

    A streamed data set that has its targets in an attribute, as torchvision's have, is asked for nothing else.
    """
    if part.is_stream:
        return replace(part, raw=part.first[1])
    count = len(part)
    needed = count * sum(each[0].numel() * each.element_size() for each in part.first)
    if options.memory or (options.memory is None and not part.drawn and fits(needed)):
        remedy = "type dataset.memory=false to read them batch by batch"
        check_memory(needed, f"the {count:,} samples of {options.name}", remedy)
        if part.drawn:
            log.warning("dataset.memory=true: %s draws its samples anew each time; they are read once", options.name)
        inputs, targets = torch.empty(0), list[Tensor]()
        for found, rows in _all(part, options, "reading into memory"):
            if not targets:
                layout = (
                    torch.channels_last if found[0].dim() == 4 and found[0].shape[1] > 1 else torch.contiguous_format
                )
                inputs = torch.empty((count, *found[0].shape[1:]), dtype=found[0].dtype, memory_format=layout)
            if found[0].shape[1:] != inputs.shape[1:] or found[0].dtype != inputs.dtype:
                raise UserError(
                    f"{options.name}: its samples are of several forms; resize, crop or pad in the data set"
                )
            inputs[rows] = found[0]
            targets.append(found[1])
        return replace(part, inputs=inputs, raw=torch.cat(targets))
    why = "dataset.memory=false" if options.memory is False else "its samples are drawn anew each time"
    if options.memory is None and not part.drawn:
        why = f"{needed / 2**30:.1f} GiB do not fit into memory"
    log.info("%s: %s is streamed by %d workers (%s)", options.name, part.name, options.readers, why)
    if (known := _attribute(part)) is not None:
        return replace(part, raw=known)
    found_targets = [pair[1] for pair, _ in _all(part, options, "reading the targets once")]
    return replace(part, raw=torch.cat([_largest(each) for each in found_targets] if dense else found_targets))


def _largest(targets: Tensor) -> Tensor:
    return targets.flatten(1).amax(1, keepdim=True)


def _attribute(part: _Part) -> Tensor | None:
    """What a data set has as its `targets`, where these are what its samples give."""
    known = getattr(part.reader.dataset, "targets", None)
    if known is None or len(known) != len(part) or part.first[1].dim() != 1:
        return None
    try:
        found = torch.as_tensor(known)
    except (TypeError, ValueError, RuntimeError):
        return None
    same = found.shape == (len(part),) and torch.equal(found[: len(part.first[1])], part.first[1].to(found.dtype))
    return found if same else None


def _all(part: _Part, options: Options, what: str) -> Iterator[tuple[Pair, slice]]:
    """Batches over all samples in their order, and where they stand, with a bar where it takes long."""
    starts = range(0, len(part), CHUNK)
    ends = [min(start + CHUNK, len(part)) for start in starts]
    addresses = [[(row, row) for row in range(start, end)] for start, end in zip(starts, ends, strict=True)]
    workers = options.readers if len(addresses) > 8 * options.readers else 0
    found = read_batches(part.reader, addresses, workers=workers)
    words = f"{options.name} ({part.name}): {what}"
    if len(addresses) >= CHUNK:
        log.info("%s, %s samples", words, f"{len(part):,}")
    console = Console(stderr=True)
    quiet = len(addresses) < CHUNK or not console.is_terminal
    bar = track(found, words, total=len(addresses), console=console, transient=True, disable=quiet)
    for pair, start, end in zip(bar, starts, ends, strict=True):
        assert pair is not None
        yield pair, slice(start, end)


def _form(
    parts: Sequence[_Part], shape: tuple[int, ...], task: TaskName, options: Options, classes: Sequence[object]
) -> Targets:
    raw = [part.raw for part in parts if part.raw is not None]
    if task != "dense" and options.task is None:
        task = infer(raw, shape, options.name)
    found = decide(
        raw, shape, options.name, task=task, outputs=options.outputs, classes=[str(each) for each in classes]
    )
    if options.task is None:
        log.info("%s: the targets look like task=%s (%d outputs)", options.name, found.task, found.outputs)
    return found


def _samples(part: _Part, form: Targets, options: Options) -> Samples:
    assert part.raw is not None
    if part.is_stream:
        workers = 1 if options.workers is None else options.workers
        log.info("%s: %s is an IterableDataset, streamed by %d workers", options.name, part.name, workers)
        return Stream(part.reader, form, _length(part.reader.dataset), part.first, workers)
    if part.inputs is not None:
        return Arrays(part.inputs, form.of(part.raw, options.name))
    known = torch.full((len(part), 1), IGNORED) if form.task == "dense" else form.of(part.raw, options.name)
    first = (part.first[0][:1], part.first[1][:1])
    return Streamed(part.reader, form, known, torch.arange(len(part)), first, options.workers)


def _length(dataset: Any) -> int | None:
    try:
        return len(dataset)
    except TypeError:
        return None


def _not_guaranteed(read: Sequence[_Part], parts: Mapping[str, Samples]) -> list[str]:
    """What holds for samples in memory and not for these, in sentences."""
    sentences = []
    if any(isinstance(samples, Streamed) for samples in parts.values()):
        sentences += [
            "samples are read anew each epoch: the fingerprint is over 64 of each part, their number and their targets",
            "what a sample draws repeats only if it draws from the default generators of Python, NumPy or torch",
        ]
    if any(part.drawn and part.inputs is None for part in read) and len(read) < len(PARTS):
        sentences.append("what is held out of a part is drawn anew each time as the rest of it is")
    if any(part.is_stream for part in read):
        sentences.append("samples come in the order of the data set, the same for all runs only if it repeats it")
    if any(isinstance(samples, Stream) and samples.length is None for samples in parts.values()):
        sentences.append("how many samples there are is not known before an epoch is over")
    return sentences
