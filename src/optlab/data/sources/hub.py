"""Data sets that Hugging Face's `datasets` saved to a folder (`save_to_disk`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from torch.utils.data import Dataset

from optlab.data.arrays import Source
from optlab.data.files import listed
from optlab.data.reading import INPUT_NAMES, TARGET_NAMES
from optlab.data.sources.assemble import Outputs, SplitSeed, TestSize
from optlab.data.sources.wrapped import PARTS, Options, of_datasets
from optlab.errors import UserError
from optlab.rules.commands import install
from optlab.rules.tasks import TaskName


def huggingface(
    *,
    path: str | Path | None,
    input: str | None = None,
    target: str | None = None,
    task: TaskName | None = None,
    outputs: Outputs | None = None,
    test_size: TestSize = 0.2,
    split_seed: SplitSeed = 0,
    memory: bool | None = None,
    workers: Annotated[int, Field(ge=0)] | None = None,
) -> Source:
    """A folder that `save_to_disk` wrote: a DatasetDict with train (and validation, test), or a single data set.

    Nothing is downloaded. Pictures must be of one size; text must be tokens.

    Args:
        path: the folder.
        input, target: columns; None takes image and label, or other usual names.
        task, outputs, test_size, split_seed, memory, workers: as for `dataset=torch`.

    Raises:
        UserError: no such folder or column, or samples that cannot be used.
    """
    parts = _load(path)
    columns = parts["train"].column_names
    inputs, targets = (
        _column(columns, wanted, names, key)
        for wanted, names, key in ((input, INPUT_NAMES, "input"), (target, TARGET_NAMES, "target"))
    )
    made = {part: _Rows(rows, inputs, targets) for part, rows in parts.items()}
    name = Path(str(path)).name
    options = Options(name, task, outputs, test_size, split_seed, memory, workers)
    return of_datasets(dict(made), options)


class _Rows(Dataset[Any]):
    """Pairs of two columns; with `targets` and `classes`, as torchvision's data sets have them."""

    def __init__(self, rows: Any, inputs: str, targets: str) -> None:
        self.rows, self.columns = rows, (inputs, targets)
        self.classes = tuple(getattr(rows.features[targets], "names", None) or ())
        self.targets = rows.with_format("numpy", columns=[targets])[:][targets] if self.classes else None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        row = self.rows[index]
        return row[self.columns[0]], row[self.columns[1]]


def existing_folder(path: str | Path | None) -> Path:
    """The folder that `save_to_disk` wrote, as far as there is one; raises UserError."""
    if path is None or str(path) in ("???", ""):
        raise UserError("dataset=huggingface needs a folder; type dataset.path=FOLDER")
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise UserError(f"dataset.path={path}: no such folder; write one with datasets' save_to_disk")
    return folder


def _load(path: str | Path | None) -> dict[str, Any]:
    folder = existing_folder(path)
    try:
        from datasets import DatasetDict, load_from_disk
    except ImportError as error:
        raise UserError(f"dataset=huggingface needs datasets; type {install('huggingface')}") from error
    try:
        found = load_from_disk(str(folder))
    except Exception as error:  # datasets and pyarrow raise of many types
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"dataset.path={path} is no folder that datasets' save_to_disk wrote ({reason})") from error
    if not isinstance(found, DatasetDict):
        return {"train": found}
    parts = {part: found[word] for part, words in PARTS.items() for word in words if word in found}
    if "train" not in parts:
        raise UserError(f"dataset.path={path} has {', '.join(map(str, found))}, and no train")
    return parts


def _column(columns: list[str], wanted: str | None, names: tuple[str, ...], key: str) -> str:
    if wanted is not None:
        if wanted not in columns:
            raise UserError(f"dataset.{key}={wanted}: there is no such column; it has {listed(columns, 12)}")
        return wanted
    found = next((name for name in names if name in columns), None)
    if found is None:
        raise UserError(f"dataset.{key} is needed: of {listed(columns, 12)}, type dataset.{key}=COLUMN")
    return found
