"""Data sets from a program, as a data set's function: arrays, tensors, tables of pandas, Datasets of torch's kind.

Each goes the way of the command line: arrays that of `dataset=arrays`, tables of `dataset=table`, Datasets of
`dataset=torch`, with the same words (`task`, `outputs`, `test_size`, `memory`, `workers` ...).
"""

import hashlib
import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from optlab.api.contents import DIGITS, digest, path_of
from optlab.data.arrays import Source, fingerprint
from optlab.data.reading import Reader
from optlab.data.sources import table
from optlab.data.sources.assemble import assemble
from optlab.data.sources.saved import with_labels
from optlab.data.sources.wrapped import parts_of_module
from optlab.errors import UserError
from optlab.rules.tasks import TaskName

log = logging.getLogger(__name__)

NAME = "data"
LOOKED_AT = 64  # samples that a data set is known by whose state cannot be written down
PARTS = {1: ("train",), 2: ("train", "test"), 3: ("train", "val", "test")}
TABLES = (pd.DataFrame, pd.Series)
ARRAYS = (np.ndarray, Tensor, *TABLES)
WANTED = (
    "give (inputs, targets) as arrays or tensors, (frame, 'column') of a table, ((train inputs, train targets), "
    "(test inputs, test targets)), a torch Dataset, a pair of them (train, test), a LightningDataModule, or an "
    "optlab.data.Source"
)

Make = Callable[..., Any]
Frames = dict[str, tuple[pd.DataFrame, list[str]]]  # of each part, and the columns to predict


def as_function(thing: Any) -> tuple[Make, str, str]:
    """A function that gives the data set, its name, and a hash of its content ("" for a function that has a path).

    Raises:
        UserError: it is none that can be used.
    """
    if inspect.isclass(thing) or inspect.isfunction(thing):
        return thing, thing.__name__ if thing.__name__.isidentifier() else NAME, "" if path_of(thing) else digest(thing)
    if isinstance(thing, Source):
        return of_source(thing), thing.info.name, fingerprint(thing)[:DIGITS]
    make, content = maker(thing)
    make.__name__ = NAME
    return make, NAME, hashlib.sha256(content.encode()).hexdigest()[:DIGITS]


def maker(thing: Any) -> tuple[Make, str]:
    """The function that gives this data set, and a text that only this content has."""
    if datasets := datasets_of(thing):
        return (lambda: dict(datasets)), "\n".join(f"{part} {known_by(each)}" for part, each in datasets.items())
    pieces = pieces_of(thing)
    content = digest([[part, *map(known, piece)] for part, piece in pieces.items()])
    if any(isinstance(x, TABLES) for x, _ in pieces.values()):
        return of_frames({part: joined(*piece) for part, piece in pieces.items()}), content
    return of_arrays(pieces), content


# -- of torch's kind


def datasets_of(thing: Any) -> dict[str, Any]:
    """The data sets of torch's kind, by part; {} where it is something else."""
    if isinstance(thing, LightningDataModule):
        return parts_of_module(thing)
    if isinstance(thing, Mapping):
        given = dict(thing)
    else:
        several = tuple(thing) if isinstance(thing, (tuple, list)) and len(thing) in PARTS else (thing,)
        given = dict(zip(PARTS[len(several)], several, strict=True))
    if any(isinstance(each, DataLoader) for each in given.values()):
        log.info("dataset: of a DataLoader its data set is used; batches, their order and size are optlab's")
        given = {part: each.dataset if isinstance(each, DataLoader) else each for part, each in given.items()}
    return given if given and all(map(is_dataset, given.values())) else {}


def is_dataset(thing: Any) -> bool:
    """Whether this is of torch's kind, or of those that read like it, as Hugging Face's."""
    return isinstance(thing, Dataset) or type(thing).__module__.split(".")[0] == "datasets"


def known_by(dataset: Any) -> str:
    """A text that only this data set has: of its code and state, or else of some of its samples."""
    code = digest(type(dataset))
    try:
        return f"{code} {digest(dataset)}"
    except Exception as error:  # whatever its own code raises, as open files that cannot be written down
        if not hasattr(dataset, "__getitem__"):
            raise UserError(
                f"dataset: {type(dataset).__name__} cannot be told apart from another one ({error})"
            ) from error
    rows = sorted({int(row) for row in np.linspace(0, len(dataset) - 1, LOOKED_AT)}) if len(dataset) else []
    found = Reader(dataset, NAME).read([(row, 0) for row in rows])
    return f"{code} {len(dataset)} {digest(found)}"


# -- in memory


def of_source(source: Source) -> Make:
    def make() -> Source:
        return source

    return make


def pieces_of(thing: Any) -> dict[str, tuple[Any, Any]]:
    """Inputs and targets of each part.

    Raises:
        UserError: it is no data set.
    """
    if isinstance(thing, (tuple, list)) and len(thing) in (2, 3) and all(map(is_piece, thing)):
        return {part: (x, y) for part, (x, y) in zip(PARTS[len(thing)], thing, strict=True)}
    if isinstance(thing, (tuple, list)) and len(thing) == 2 and not any(map(is_dataset, thing)):
        return {"train": (thing[0], thing[1])}
    several = f" of {len(thing)} things" if isinstance(thing, (tuple, list)) else ""
    raise UserError(f"dataset: a {type(thing).__name__}{several} is no data set that can be used; {WANTED}")


def is_piece(value: Any) -> bool:
    """Whether this is inputs with their targets; a list of two lists of numbers is an array."""
    pair = isinstance(value, (tuple, list)) and len(value) == 2
    return pair and (isinstance(value, tuple) or isinstance(value[0], ARRAYS)) and not np.isscalar(value[0])


def known(value: Any) -> Any:
    """What inputs or targets are known by: tables by their columns and values."""
    if isinstance(value, pd.Series):
        return value.name, str(value.dtype), pd.util.hash_pandas_object(value, index=False).to_numpy()
    if isinstance(value, pd.DataFrame):
        return [known(value[name]) for name in value]
    return value if isinstance(value, (str, Tensor)) else np.asarray(value).copy()


def of_arrays(pieces: Mapping[str, tuple[Any, Any]]) -> Make:
    """A function for arrays, with the words of `dataset=arrays`."""

    def make(
        *, task: TaskName | None = None, outputs: int | None = None, test_size: float | int = 0.2, split_seed: int = 0
    ) -> Source:
        # Copies: what the program does to its own changes no run.
        arrays = {part: (copied(x), copied(y)) for part, (x, y) in pieces.items()}
        parts, classes = with_labels("dataset", arrays)
        return assemble(
            NAME, parts, task=task, outputs=outputs, classes=classes, test_size=test_size, split_seed=split_seed
        )

    for what, array in (each for piece in pieces.values() for each in zip(("inputs", "targets"), piece, strict=True)):
        check_array(what, array)
    return make


def copied(value: Any) -> np.ndarray[Any, Any]:
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    array: np.ndarray[Any, Any] = np.array(value)
    return array.astype(str) if array.dtype == object and all(isinstance(each, str) for each in array.flat) else array


def check_array(what: str, value: Any) -> None:
    """Raise UserError for what is no array of numbers, or of texts as targets."""
    try:
        array = value if isinstance(value, Tensor) else np.asarray(value)
    except ValueError as error:  # lists of several lengths
        raise UserError(f"dataset: {what} are of several shapes; {WANTED}") from error
    if isinstance(array, np.ndarray):
        texts = what == "targets" and (array.dtype.kind in "US" or all(isinstance(each, str) for each in array.flat))
        if not texts and array.dtype.kind not in "biuf":
            raise UserError(f"dataset: {what} must be numbers, and these are {array.dtype}; {WANTED}")
    if array.ndim == 0:
        raise UserError(f"dataset: {what} are one value, and should be one a sample; {WANTED}")


# -- tables


def joined(frame: Any, target: Any) -> tuple[pd.DataFrame, list[str]]:
    """A table with its targets as columns, and their names.

    Args:
        target: the name of a column or several, or the values of one or several, a row a sample.
    """
    if not isinstance(frame, pd.DataFrame):
        raise UserError(f"dataset: the inputs are a {type(frame).__name__}; give a table of columns, as a DataFrame")
    frame = frame.rename(columns=lambda name: str(name).strip())
    if isinstance(target, str) or (
        isinstance(target, (list, tuple))
        and all(isinstance(each, str) for each in target)
        and len(target) != len(frame)
    ):
        names = [target] if isinstance(target, str) else list(target)
        for name in names:
            if name not in frame:
                raise UserError(f"dataset: the table has no column {name!r}; it has {', '.join(map(str, frame))}")
        return frame, names
    values = pd.DataFrame(target.to_numpy() if isinstance(target, TABLES) else np.asarray(target))
    if len(values) != len(frame):
        raise UserError(f"dataset: {len(frame)} inputs with {len(values)} targets; give as many of both")
    given = list(target) if isinstance(target, pd.DataFrame) else [getattr(target, "name", None)]
    names = []
    for number, name in enumerate(given if len(given) == values.shape[1] else range(values.shape[1])):
        column = values.iloc[:, number].set_axis(frame.index).infer_objects()
        name = "target" if name is None else str(name)
        if name in frame and not frame[name].reset_index(drop=True).equals(column.reset_index(drop=True)):
            name = f"target {name}"
        frame = frame.assign(**{name: column})  # where the table has the target already, it is no input
        names.append(name)
    return frame, names


def of_frames(frames: Frames) -> Make:
    """A function for tables, with the words of `dataset=table`."""
    names = frames["train"][1]

    def make(
        *,
        task: TaskName | None = None,
        outputs: int | None = None,
        test_size: float | int = 0.2,
        val_size: float | int = 0.1,
        split_seed: int = 0,
    ) -> Source:
        parts = {part: frame for part, (frame, _) in frames.items()}
        return table.of_frames(
            NAME,
            parts,
            names,
            features,
            task=task,
            outputs=outputs,
            test_size=test_size,
            val_size=val_size,
            split_seed=split_seed,
        )

    features = [str(name) for name in frames["train"][0] if name not in names]
    for part, (frame, of_part) in frames.items():
        if missing := [name for name in features if name not in frame]:
            raise UserError(
                f"dataset: the table of {part} has no column {missing[0]!r}; it has {', '.join(map(str, frame))}"
            )
        if of_part != names:
            raise UserError(f"dataset: {part} has the targets {', '.join(of_part)}, and train {', '.join(names)}")
    if not features or not len(frames["train"][0]):
        raise UserError("dataset: the table has no rows, or no columns besides its targets")
    return make
