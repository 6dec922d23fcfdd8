"""Data sets from a program, as a data set's function: arrays, tensors, tables of pandas, a torch Dataset, a Source."""

import inspect
import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset

from optlab.api.objects import DIGITS, digest
from optlab.data.arrays import Arrays, DataInfo, Source, fingerprint
from optlab.data.split import holdout
from optlab.errors import UserError

log = logging.getLogger(__name__)

TEST_PART = 0.2  # of data that comes in one piece
WANTED = (
    "give (inputs, targets) as arrays or tensors, (frame, 'column') of a table, ((train inputs, train targets), "
    "(test inputs, test targets)), a torch Dataset, a pair of them, or an optlab.data.Source"
)


def as_function(thing: Any) -> tuple[Callable[..., Any], str, str]:
    """A function that gives the data set, its name, and a hash of its content ("" for a function that has a path).

    Raises:
        UserError: it is none that can be used.
    """
    if inspect.isclass(thing) or inspect.isfunction(thing):
        from optlab.api.objects import name_of, path_of

        return thing, name_of(thing), "" if path_of(thing) else digest(thing)
    source = as_source(thing)
    return Given(source), source.info.name, fingerprint(source)[:DIGITS]


class Given:
    """A data set's function that gives what is there already."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __call__(self) -> Source:
        return self.source


def as_source(thing: Any) -> Source:
    """A data set with a training and a test part; where it comes in one piece a fifth is held out, always the same."""
    if isinstance(thing, Source):
        return thing
    if isinstance(thing, Dataset):
        return in_parts("data", [read(thing)])
    if isinstance(thing, (tuple, list)) and len(thing) == 2:
        first, second = thing
        if isinstance(first, pd.DataFrame) and isinstance(second, (str, pd.Series)):
            return in_parts("data", [of_table(first, second)])
        if isinstance(first, Dataset) and isinstance(second, Dataset):
            return in_parts("data", [read(first), read(second)])
        if all(isinstance(each, (tuple, list)) and len(each) == 2 for each in thing) and not is_list(first):
            return in_parts("data", [(as_array("inputs", x), as_array("targets", y)) for x, y in thing])
        return in_parts("data", [(as_array("inputs", first), as_array("targets", second))])
    raise UserError(f"dataset: a {type(thing).__name__} is no data set that can be used; {WANTED}")


def is_list(value: Any) -> bool:
    """Whether a value is a list of plain numbers, and so an array itself."""
    return all(isinstance(each, (int, float)) for each in value)


Piece = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def as_array(what: str, value: Any) -> np.ndarray[Any, Any]:
    array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
    if array.dtype == object or array.dtype.kind not in "biuf":
        raise UserError(f"dataset: {what} must be numbers, and these are {array.dtype}; {WANTED}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise UserError(f"dataset: {what} hold NaN or infinity; fill them in or drop their samples")
    return array


def of_table(frame: pd.DataFrame, target: str | pd.Series) -> Piece:
    """Inputs and targets of a table whose other columns are all numbers; texts as targets are classes."""
    if isinstance(target, str):
        if target not in frame:
            raise UserError(f"dataset: the table has no column {target!r}; it has {', '.join(map(str, frame))}")
        frame, target = frame.drop(columns=target), frame[target]
    if not_numbers := [str(name) for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]:
        raise UserError(
            f"dataset: column {not_numbers[0]} holds no numbers; write the table to a file and type dataset=table, "
            "which takes categories, or encode them with pandas.get_dummies"
        )
    values = target.to_numpy() if pd.api.types.is_numeric_dtype(target) else pd.factorize(target, sort=True)[0]
    return as_array("inputs", frame.to_numpy(dtype=np.float32)), as_array("targets", values)


def read(dataset: Dataset[Any]) -> Piece:
    """Every sample of a map-style Dataset, in memory."""
    if not hasattr(dataset, "__len__"):
        raise UserError("dataset: this Dataset has no length; name its class with dataset=torch to stream it")
    samples = [dataset[index] for index in range(len(dataset))]
    try:
        inputs, targets = zip(*samples, strict=True)
        return as_array("inputs", np.stack([np.asarray(x) for x in inputs])), as_array("targets", np.array(targets))
    except (TypeError, ValueError) as error:
        raise UserError(f"dataset: each sample must be (input, target), all of one shape ({error})") from error


def in_parts(name: str, pieces: Sequence[Piece]) -> Source:
    """A Source of a training part, and of a test part that is given or held out."""
    for inputs, targets in pieces:
        if len(inputs) != len(targets) or not len(inputs):
            raise UserError(f"dataset: {len(inputs)} inputs with {len(targets)} targets; give as many of both")
    arrays = [tensors(*piece) for piece in pieces]
    train = arrays[0]
    classes: tuple[str, ...] = ()
    if train.targets.dtype == torch.int64:
        labels = torch.cat([each.targets for each in arrays])
        if int(labels.min()) < 0:
            raise UserError(f"dataset: the class {int(labels.min())} is none; classes are 0, 1, 2 ...")
        classes = tuple(str(label) for label in range(int(labels.max()) + 1))
    shape = tuple(train.inputs.shape[1:])
    outputs = len(classes) or train.targets.shape[1]
    info = DataInfo(name, "classification" if classes else "regression", shape, classes, outputs, None, None)
    if len(arrays) == 2:
        return Source(info, train, arrays[1])
    train, test = holdout(train, max(1, round(TEST_PART * len(train))), 0, info)
    log.info("data: %s holds %d samples of %d out to test on, always the same", name, len(test), len(test) + len(train))
    return Source(info, train, test)


def tensors(inputs: np.ndarray[Any, Any], targets: np.ndarray[Any, Any]) -> Arrays:
    """Inputs as bytes (images) or float32, at least vectors; targets as class numbers or as vectors of numbers."""
    kept = inputs if inputs.dtype == np.uint8 and inputs.ndim == 4 else inputs.astype(np.float32)
    x, y = torch.tensor(kept), torch.tensor(targets)  # copies: what the program does to its own changes no run
    if targets.dtype.kind in "biu":
        return Arrays(x if x.ndim > 1 else x[:, None], y.to(torch.int64))
    y = y.to(torch.float32)
    return Arrays(x if x.ndim > 1 else x[:, None], y if y.ndim > 1 else y[:, None])
