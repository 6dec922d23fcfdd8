"""A table of numbers and categories: CSV or Parquet."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from optlab.data.arrays import Arrays, DataInfo, Source
from optlab.data.decide import Targets, decide
from optlab.data.files import listed
from optlab.data.memory import check_memory
from optlab.data.sources.assemble import Outputs, SplitSeed, TestSize
from optlab.data.sources.saved import existing
from optlab.data.split import divide
from optlab.errors import UserError
from optlab.rules.commands import install
from optlab.rules.nearest import nearest
from optlab.rules.tasks import TaskName

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

# For `existing`.
FILE = "dataset=table", "dataset.file=data.csv"
TEST_FILE = "dataset.test_file", "dataset.test_file=test.csv"

MOST_LEVELS = 100  # of a category; a column with more is a name or a text
MOST_CLASSES = 20  # whole numbers 0, 1, 2 ... up to here are classes, and beyond a quantity


def table(
    *,
    file: str | Path | None,
    target: str | Sequence[str] | None,
    test_file: str | Path | None = None,
    ignore: Sequence[str] = (),
    separator: str = ",",
    task: TaskName | None = None,
    outputs: Outputs | None = None,
    test_size: TestSize = 0.2,
    val_size: float | int = 0.1,
    split_seed: SplitSeed = 0,
) -> Source:
    """A row a sample: numbers standardised, categories as one-hot, both by what the training part holds.

    Training, validation and test are divided first; mean, std, medians and the levels of categories come from the
    training part alone. A missing number is the median, a missing or new category is all zeros. Targets that are
    numbers keep their unit; text, and whole numbers 0, 1, 2 ..., are classes.

    Args:
        file: CSV (also compressed), or Parquet.
        target: the column to predict, or several.
        test_file: a table with the same columns to test on; without one a part is held out.
        ignore: columns to leave out, such as names and numbers of rows.
        separator: between the columns of a CSV.
        task, outputs: what the targets are; None decides by their values and says so.
        test_size, val_size, split_seed: see `optlab.data.split.divide`.

    Raises:
        UserError: no such file or column, targets that are missing, a column of texts, or more than fits into memory.
    """
    path = existing(file, *FILE)
    if target in (None, "???", "") or not target:
        raise UserError("dataset=table needs the column to predict; type dataset.target=COLUMN")
    names = [target] if isinstance(target, str) else list(target)
    frame = _read(path, separator)
    features = _features(path, frame, names, ignore)
    frames = {"train": frame}
    if test_file is not None:
        frames["test"] = _read(existing(test_file, *TEST_FILE), separator)
        _columns(Path(test_file), frames["test"], [*features, *names], "dataset.test_file")
    return of_frames(
        path.stem,
        frames,
        names,
        features,
        task=task,
        outputs=outputs,
        test_size=test_size,
        val_size=val_size,
        split_seed=split_seed,
    )


def of_frames(
    name: str,
    frames: dict[str, pd.DataFrame],
    names: Sequence[str],
    features: Sequence[str],
    *,
    task: TaskName | None,
    outputs: int | None,
    test_size: float | int,
    val_size: float | int,
    split_seed: int,
) -> Source:
    """What `table` makes of a file, of tables that are there.

    Args:
        name: of the data set.
        frames: of "train", and "val" and "test" where there are such parts.
        names: the columns to predict.
        features: the columns to predict by.
    """
    frames = dict(frames)
    targets, found = _targets(name, frames, names, len(features), task, outputs)
    info = DataInfo(name, found.task, (1,), found.classes, found.outputs, None, None)
    if "test" not in frames:
        kept, held = divide(targets["train"], test_size, split_seed, info, option="test_size")
        everything = frames["train"]
        frames["test"], targets["test"] = everything.iloc[held.numpy()], targets["train"][held]
        frames["train"], targets["train"] = everything.iloc[kept.numpy()], targets["train"][kept]
    if val_size and "val" not in frames:
        kept, held = divide(targets["train"], val_size, split_seed, info, option="val_size")
        everything = frames["train"]
        frames["val"], targets["val"] = everything.iloc[held.numpy()], targets["train"][held]
        frames["train"], targets["train"] = everything.iloc[kept.numpy()], targets["train"][kept]
    columns = [_Column.measure(each, frames["train"][each]) for each in features]
    inputs = {part: _inputs(columns, each, part) for part, each in frames.items()}
    shape = (inputs["train"].shape[1],)
    info = DataInfo(name, found.task, shape, found.classes, found.outputs, None, None)
    _say(info, columns, names)
    parts = {part: Arrays(inputs[part], targets[part]) for part in inputs}
    return Source(info, parts["train"], parts["test"], parts.get("val"))


def _read(path: Path, separator: str) -> pd.DataFrame:
    import pandas as pd

    check_memory(4 * path.stat().st_size, f"the table {path.name}", "leave out rows or columns")
    try:
        is_parquet = path.suffix in (".parquet", ".pq")
        frame = pd.read_parquet(path) if is_parquet else pd.read_csv(path, sep=separator)
    except ImportError as error:
        raise UserError(f"{path}: Parquet needs pyarrow; type {install('parquet')}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not in UTF-8, or no CSV; save it as CSV in UTF-8") from error
    except Exception as error:  # pandas and pyarrow raise of many types for damaged files
        reason = " ".join(str(error).split())
        raise UserError(f"{path} cannot be read as a table ({reason:.200})") from error
    frame.columns = [str(name).strip() for name in frame.columns]
    if len(frame) == 0:
        raise UserError(f"{path} has no rows")
    if len(set(frame.columns)) < len(frame.columns):
        raise UserError(f"{path}: a column stands there twice; give each a name of its own")
    if len(frame.columns) == 1:
        other = next((each for each in (";", "\t", "|", ",") if each in frame.columns[0]), None)
        hint = f"; type dataset.separator={other!r}" if other else ""
        raise UserError(f"{path} has one column only ({frame.columns[0]:.60}){hint}")
    return frame


def _columns(path: Path, frame: pd.DataFrame, wanted: Sequence[str], key: str) -> None:
    """Raise UserError for a column that is not there."""
    known = list(frame.columns)
    for name in wanted:
        if name not in known:
            close = nearest(name, known)
            lower = [each for each in known if each.lower() == name.lower()]
            hint = f"did you mean {(lower or close)[0]}?" if lower or close else f"it has {listed(known, 12)}"
            raise UserError(f"{key}: {path} has no column {name}; {hint}")


def _features(path: Path, frame: pd.DataFrame, targets: Sequence[str], ignore: Sequence[str]) -> list[str]:
    _columns(path, frame, targets, "dataset.target")
    _columns(path, frame, ignore, "dataset.ignore")
    features = [str(name) for name in frame.columns if name not in (*targets, *ignore)]
    if not features:
        raise UserError(f"{path} has no columns besides the targets ({', '.join(targets)})")
    return features


# -- targets


def _targets(
    name: str,
    frames: dict[str, pd.DataFrame],
    columns: Sequence[str],
    features: int,
    task: TaskName | None,
    outputs: int | None,
) -> tuple[dict[str, Tensor], Targets]:
    """The targets of each part in the form of their task."""
    for part, frame in frames.items():
        for column in columns:
            if missing := int(frame[column].isna().sum()):
                where = "" if part == "train" else f" of {part}"
                raise UserError(f"dataset.target={column} is missing in {missing:,} rows{where}; take them out")
    classes: list[str] = []
    if len(columns) == 1 and _is_class(frames["train"][columns[0]], task):
        column = columns[0]
        levels = sorted({level for frame in frames.values() for level in frame[column].unique().tolist()})
        classes = [str(level) for level in levels]
        place = {level: number for number, level in enumerate(levels)}
        raw = {part: torch.tensor([place[v] for v in frame[column].tolist()]) for part, frame in frames.items()}
    else:
        raw = {}
        for part, frame in frames.items():
            for column in columns:
                if not _is_number(frame[column]):
                    raise UserError(
                        f"dataset.target={column} holds text, as {frame[column].iloc[0]!s:.40}; "
                        "several targets, and a regression, need numbers"
                    )
            raw[part] = torch.from_numpy(frame[list(columns)].to_numpy(dtype=np.float64, copy=True))
    labels = task in ("binary", "multilabel")
    guess: TaskName | None = task or (None if classes or labels or _all_zero_one(raw) else "regression")
    found = decide(list(raw.values()), (features,), name, task=guess, outputs=outputs, classes=classes)
    if task is None:
        few = found.task == "regression" and len(columns) == 1 and _are_few_whole_numbers(frames["train"][columns[0]])
        hint = "; dataset.task=classification takes each number as a class" if few else ""
        log.info("%s: the targets look like task=%s (%d outputs)%s", name, found.task, found.outputs, hint)
    if found.task == "regression" and not classes:
        found = Targets(found.task, found.outputs, ())
    return {part: found.of(each, name) for part, each in raw.items()}, found


def _all_zero_one(raw: dict[str, Tensor]) -> bool:
    return all(bool(((each == 0) | (each == 1)).all()) for each in raw.values())


def _is_number(column: pd.Series[Any]) -> bool:
    return column.dtype.kind in "iufb"


def _is_class(column: pd.Series[Any], task: TaskName | None) -> bool:
    """Whether a single target is a class: text, true or false, or whole numbers 0, 1, 2 ..."""
    if task in ("classification", "binary"):
        return True
    if task is not None:
        return False
    if not _is_number(column) or column.dtype.kind == "b":
        return True
    levels = sorted(column.unique().tolist())
    return _are_few_whole_numbers(column) and levels == list(range(len(levels)))


def _are_few_whole_numbers(column: pd.Series[Any]) -> bool:
    return column.dtype.kind in "iu" and column.nunique() <= MOST_CLASSES


# -- inputs


@dataclass(frozen=True)
class _Column:
    """How a column becomes inputs, by what the training part holds."""

    name: str
    levels: tuple[str, ...] = ()  # of a category
    median: float = 0.0
    mean: float = 0.0
    std: float = 1.0

    @property
    def is_category(self) -> bool:
        return bool(self.levels)

    @classmethod
    def measure(cls, name: str, column: pd.Series[Any]) -> _Column:
        if _is_number(column):
            values = column.to_numpy(dtype=np.float64, copy=True, na_value=np.nan)
            if np.isinf(values).any():
                raise UserError(f"column {name} holds infinite numbers; repair them, or type dataset.ignore=[{name}]")
            known = values[~np.isnan(values)]
            if known.size == 0:
                raise UserError(f"column {name} holds nothing in the training part; type dataset.ignore=[{name}]")
            median = float(np.median(known))
            filled = np.where(np.isnan(values), median, values)
            # The mean of equal numbers is not always that number, and then their std is a rounding error.
            std = float(filled.std()) if filled.min() < filled.max() else 1.0
            return cls(name, (), median, float(filled.mean()), std)
        levels = tuple(sorted({str(level) for level in column.dropna().unique()}))
        if not levels:
            raise UserError(f"column {name} holds nothing in the training part; type dataset.ignore=[{name}]")
        if len(levels) > MOST_LEVELS:
            raise UserError(
                f"column {name} holds {len(levels):,} different texts (such as {levels[0]:.40}), and a category may "
                f"have {MOST_LEVELS}; type dataset.ignore=[{name}]"
            )
        return cls(name, levels)

    def inputs(self, column: pd.Series[Any], part: str) -> Tensor:
        """float32 [n, 1] of a number, [n, levels] of a category."""
        if self.is_category:
            place = {level: number for number, level in enumerate(self.levels)}
            texts = [None if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)]
            if new := {text for text in texts if text is not None and text not in place}:
                log.info(
                    "%s of %s: all zeros for what training does not hold: %s", self.name, part, listed(sorted(new))
                )
            chosen = torch.zeros(len(texts), len(self.levels))
            for row, text in enumerate(texts):
                if text in place:
                    chosen[row, place[text]] = 1.0
            return chosen
        if not _is_number(column):
            raise UserError(f"column {self.name} holds numbers in the training part and text in that of {part}")
        values = column.to_numpy(dtype=np.float64, copy=True, na_value=np.nan)
        filled = np.where(np.isnan(values), self.median, values)
        return torch.from_numpy((filled - self.mean) / self.std).float()[:, None]


def _inputs(columns: Sequence[_Column], frame: pd.DataFrame, part: str) -> Tensor:
    for column in columns:
        if missing := int(frame[column.name].isna().sum()):
            filled = "all zeros" if column.is_category else f"the median of training, {column.median:g}"
            log.info("%s is missing in %s rows of %s: %s stands for it", column.name, f"{missing:,}", part, filled)
    return torch.cat([column.inputs(frame[column.name], part) for column in columns], dim=1)


def _say(info: DataInfo, columns: Sequence[_Column], targets: Sequence[str]) -> None:
    numbers = [column for column in columns if not column.is_category]
    levels = sum(len(column.levels) for column in columns)
    log.info(
        "%s: %d numbers, standardised, and %d categories as %d one-hot inputs, by the training part; target %s%s",
        info.name,
        len(numbers),
        len(columns) - len(numbers),
        levels,
        ", ".join(targets),
        " in its own unit" if info.task == "regression" else "",
    )
