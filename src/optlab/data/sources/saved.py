"""Arrays that were saved to a file: .npz, .pt, or two .npy."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from optlab.data.arrays import Source
from optlab.data.memory import check_memory
from optlab.data.sources.assemble import Outputs, SplitSeed, TestSize, assemble
from optlab.data.sources.channel_statistics import Mean, Std
from optlab.errors import UserError
from optlab.rules.tasks import TaskName

# For `existing`.
FILE = "dataset=arrays", "dataset.file=data.npz"
TARGETS_FILE = "dataset.targets", "dataset.targets=y.npy"

INPUTS = ("x", "X", "inputs", "images", "data", "features")
TARGETS = ("y", "Y", "targets", "labels", "target", "label")
PARTS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
LAYOUT = "x and y, or x_train, y_train, x_test and y_test (also inputs and targets, images and labels)"
_UNREADABLE = (OSError, ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, pickle.UnpicklingError)


def saved_arrays(
    *,
    file: str | Path | None,
    targets: str | Path | None = None,
    task: TaskName | None = None,
    outputs: Outputs | None = None,
    test_size: TestSize = 0.2,
    split_seed: SplitSeed = 0,
    mean: Mean | None = None,
    std: Std | None = None,
) -> Source:
    """Arrays from a .npz or .pt file with names such as x and y, or from two .npy files.

    Names with a part (x_train, y_train, x_val, y_val, x_test, y_test; train_images ...) are used as such; without a
    test part one is held out. uint8 images are pixels; other whole numbers are tokens (int64), everything else is
    float32 and used as it is. Targets of text are classes by their sorted names; `classes` in the file names classes.
    Nothing that is pickled is read.

    Args:
        file: the file, or the .npy of the inputs.
        targets: the .npy of the targets.
        task: what the targets are; None decides by their values and says so.
        outputs: number of classes, where the file does not have samples of all.
        test_size: fraction or number of samples to hold out where there is no test part.
        split_seed: fixes which samples are held out.
        mean, std: per channel of pixels, on the [0, 1] scale; None measures them on the training part.

    Raises:
        UserError: no such file, one that is damaged or holds objects, no arrays of these names, of different lengths,
            or more than fits into memory.
    """
    path = existing(file, *FILE)
    content = read(path)
    if path.suffix == ".npy":
        if targets is None:
            raise UserError(f"dataset.file={file} holds one array; type dataset.targets=FILE.npy for its targets")
        other = existing(targets, *TARGETS_FILE)
        content = {"x": only(content), "y": only(read(other))}
    elif targets is not None:
        raise UserError(
            f"dataset.targets={targets} goes with inputs in a .npy, and {path.name} holds both; leave it out"
        )
    found = find_parts(path, content)
    parts, classes = with_labels(f"dataset.file={path}", found, content.get("classes"))
    return assemble(
        path.stem,
        parts,
        task=task,
        outputs=outputs,
        classes=classes,
        test_size=test_size,
        split_seed=split_seed,
        mean=mean,
        std=std,
    )


def existing(file: str | Path | None, what: str, example: str) -> Path:
    """The path of a file that is there; raises UserError."""
    if file is None or str(file) in ("???", ""):
        raise UserError(f"{what} needs a file; type {example}")
    path = Path(file).expanduser()
    if not path.is_file():
        near = sorted(each.name for each in path.parent.glob(f"*{path.suffix}")) if path.parent.is_dir() else []
        there = f"; there is {', '.join(near[:5])}" if near else ""
        raise UserError(
            f"{example.partition('=')[0]}={file}: {'not a file' if path.exists() else 'no such file'}{there}"
        )
    return path


def read(path: Path) -> dict[str, Any]:
    """The arrays of a file by name; a .npy has one, without a name."""
    readers = {".npz": _read_npz, ".npy": _read_npy, ".pt": _read_pt, ".pth": _read_pt}
    if path.suffix not in readers:
        raise UserError(f"dataset.file={path}: must be a .npz, .pt or .npy file")
    try:
        return readers[path.suffix](path)
    except _UNREADABLE as error:
        if "allow_pickle" in str(error) or isinstance(error, pickle.UnpicklingError):
            raise UserError(
                f"dataset.file={path} holds Python objects, which could run the code of whoever wrote it; nothing was "
                "run: save plain arrays of numbers or text"
            ) from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"dataset.file={path} cannot be read as {path.suffix} ({reason:.200})") from error


def _read_npz(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        _check_fits(path, sum(entry.file_size for entry in archive.infolist()))
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _read_npy(path: Path) -> dict[str, Any]:
    _check_fits(path, path.stat().st_size)
    return {"": np.load(path, allow_pickle=False)}


def _read_pt(path: Path) -> dict[str, Any]:
    _check_fits(path, path.stat().st_size)
    content = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(content, (tuple, list)) and len(content) == 2:
        content = dict(zip(("x", "y"), content, strict=True))
    if not isinstance(content, dict):
        raise UserError(f"dataset.file={path} holds a {type(content).__name__}; save a dict with {LAYOUT}")
    return {str(name): value for name, value in content.items()}


def _check_fits(path: Path, size: int) -> None:
    # Twice: arrays are copied into the form in which they are stored.
    check_memory(2 * size, f"the arrays of {path.name}", "type dataset=torch with a Dataset that reads them in parts")


def only(content: Mapping[str, Any]) -> Any:
    return next(iter(content.values()))


def find_parts(path: Path, content: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Inputs and targets of each part, by the names that they have."""
    found = {}
    for part, words in PARTS.items():
        inputs, targets = (_named(content, kinds, words) for kinds in (INPUTS, TARGETS))
        if inputs is not None and targets is not None:
            found[part] = (inputs, targets)
    if "train" not in found:
        inputs, targets = (_named(content, kinds, ("",)) for kinds in (INPUTS, TARGETS))
        if inputs is None or targets is None or "test" in found:
            has = ", ".join(map(str, content)) or "nothing"
            raise UserError(f"dataset.file={path} has no training samples: it should hold {LAYOUT}, and holds {has}")
        found = {"train": (inputs, targets), **found}
    return found


def _named(content: Mapping[str, Any], kinds: tuple[str, ...], parts: tuple[str, ...]) -> Any:
    for name in _names(kinds, parts):
        if name in content:
            return content[name]
    return None


def _names(kinds: tuple[str, ...], parts: tuple[str, ...]) -> Iterator[str]:
    for kind in kinds:
        for part in parts:
            yield from (f"{kind}_{part}", f"{part}_{kind}") if part else (kind,)


def with_labels(
    what: str, found: Mapping[str, tuple[Any, Any]], classes: Any = None
) -> tuple[dict[str, tuple[Tensor, Tensor]], list[str]]:
    """The parts as tensors, targets of text as whole numbers, and the names of the classes.

    Args:
        what: holds them, for messages: "dataset.file=data.npz".
    """
    names = [] if classes is None else [str(name) for name in np.asarray(classes).ravel()]
    arrays = {part: (as_array(what, x), as_array(what, y)) for part, (x, y) in found.items()}
    if any(y.dtype.kind in "US" for _, y in arrays.values()):
        names = names or sorted({str(label) for _, y in arrays.values() for label in np.unique(y)})
        place = {name: number for number, name in enumerate(names)}
        arrays = {part: (x, _numbered(what, y, place)) for part, (x, y) in arrays.items()}
    parts = {part: (as_tensor(what, x), as_tensor(what, y)) for part, (x, y) in arrays.items()}
    return parts, names


def _numbered(what: str, labels: np.ndarray[Any, Any], place: Mapping[str, int]) -> np.ndarray[Any, Any]:
    if unknown := sorted({str(label) for label in np.unique(labels)} - place.keys()):
        raise UserError(f"{what}: the label {unknown[0]!r} is none of its classes ({', '.join(place)})")
    numbers = [place[str(label)] for label in labels.ravel().tolist()]
    return np.array(numbers, dtype=np.int64).reshape(labels.shape)


def as_array(what: str, value: Any) -> np.ndarray[Any, Any]:
    array = value.numpy() if isinstance(value, Tensor) else np.asarray(value)
    if array.dtype.kind not in "biufcUS" or array.ndim == 0:
        raise UserError(f"{what}: an array of {array.dtype} and {array.ndim} axes holds no samples")
    return array


def as_tensor(what: str, array: np.ndarray[Any, Any]) -> Tensor:
    """The tensor of an array of any byte order and any type that NumPy knows."""
    if array.dtype.kind in "US":
        raise UserError(f"{what}: the inputs are text; save them as numbers (tokens)")
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)
    return torch.from_numpy(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False)))
