"""CIFAR and MNIST through torchvision, which downloads their archives once and checks them."""

from __future__ import annotations

import logging
import pickle
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from optlab.data.arrays import Arrays, DataInfo, Source, images_from_nhwc
from optlab.data.sources.channel_statistics import Mean, Std, channel_statistics
from optlab.errors import UserError

log = logging.getLogger(__name__)

_SILENCE_SECONDS = 30.0  # a server that says nothing for this long counts as gone
# What torchvision and the readers below it raise for files that are damaged after their archive was unpacked.
_DAMAGED = (
    RuntimeError,
    OSError,
    ValueError,
    TypeError,
    KeyError,
    AssertionError,
    EOFError,
    pickle.UnpicklingError,
)


def cifar10(
    *, root: str | Path = "data", download: bool = True, mean: Mean | None = None, std: Std | None = None
) -> Source:
    """50,000 + 10,000 photos of 32x32 pixels in ten classes (Krizhevsky 2009).

    Args:
        root: folder of the data; `cifar-10-python.tar.gz` placed in it by hand is used as well.
        download: whether missing files may be fetched.
        mean, std: per channel, on the [0, 1] scale; None measures them on the training images.

    Raises:
        UserError: files that are missing and cannot be fetched, or damaged.
    """
    return _cifar("cifar10", root, download, mean, std)


def cifar100(
    *, root: str | Path = "data", download: bool = True, mean: Mean | None = None, std: Std | None = None
) -> Source:
    """50,000 + 10,000 photos of 32x32 pixels in 100 classes (Krizhevsky 2009).

    Arguments and errors as for `cifar10`; the archive is `cifar-100-python.tar.gz`.
    """
    return _cifar("cifar100", root, download, mean, std)


def mnist(
    *, root: str | Path = "data", download: bool = True, mean: Mean | None = None, std: Std | None = None
) -> Source:
    """60,000 + 10,000 handwritten digits of 28x28 pixels (LeCun et al. 1998).

    Arguments and errors as for `cifar10`; the four `*-ubyte.gz` files belong in `root/MNIST/raw`.
    """
    return _mnist("mnist", root, download, mean, std)


def fashion_mnist(
    *, root: str | Path = "data", download: bool = True, mean: Mean | None = None, std: Std | None = None
) -> Source:
    """60,000 + 10,000 pictures of clothes of 28x28 pixels in ten classes (Xiao et al. 2017).

    Arguments and errors as for `cifar10`; the four `*-ubyte.gz` files belong in `root/FashionMNIST/raw`.
    """
    return _mnist("fashion_mnist", root, download, mean, std)


@dataclass(frozen=True)
class _Files:
    """Where torchvision keeps a data set."""

    name: str
    dataset: Any  # the torchvision class
    root: Path
    unpacked: Path  # the folder it reads from
    archives: dict[Path, str]  # what is downloaded, with its MD5

    @property
    def names(self) -> str:
        return ", ".join(path.name for path in self.archives)

    @property
    def by_hand(self) -> str:
        folder = next(iter(self.archives)).parent
        return f"place {self.names} in {folder} by hand, or type dataset=digits, which needs no download"

    def read(self) -> tuple[Any, Any]:
        """The training and the test set; raises one of _DAMAGED when files are missing or damaged."""
        parts = self.dataset(self.root, train=True), self.dataset(self.root, train=False)
        for part in parts:
            if len(part.data) != len(part.targets) or len(part.data) == 0:
                raise ValueError(f"{len(part.data)} images with {len(part.targets)} labels")
        return parts

    def are_there(self) -> bool:
        """Whether nothing has to be downloaded, as far as their names say."""
        return all(path.exists() or path.with_suffix("").exists() for path in self.archives)

    def only_unpacked(self) -> bool:
        """Whether every .gz was unpacked and deleted: torchvision keeps such files, whatever they hold."""
        return all(path.with_suffix("").exists() and not path.exists() for path in self.archives)


@dataclass(frozen=True)
class _CifarFiles(_Files):
    """As torchvision reads them, but with one copy of the training images in memory instead of three."""

    def are_there(self) -> bool:
        unpacked = [self.unpacked / name for name, _ in (*self.dataset.train_list, *self.dataset.test_list)]
        return all(map(Path.exists, self.archives)) or all(map(Path.exists, unpacked))

    def read(self) -> tuple[Any, Any]:
        test = self.dataset(self.root, train=False)  # this checks the training files too
        pixels = np.empty((0, 32, 32, 3), dtype=np.uint8)
        targets: list[int] = []
        for name, _ in self.dataset.train_list:
            with (self.unpacked / name).open("rb") as file:
                entry = pickle.load(file, encoding="latin1")
            rows = entry["data"]  # uint8 [n, 3 * 32 * 32], plane by plane
            if not len(pixels):  # all files hold as many
                pixels = np.empty((len(self.dataset.train_list) * len(rows), 32, 32, 3), dtype=np.uint8)
            pixels[len(targets) : len(targets) + len(rows)] = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            targets += entry["labels"] if "labels" in entry else entry["fine_labels"]
        if len(targets) != len(pixels):
            raise ValueError(f"{len(pixels)} images with {len(targets)} labels")
        return SimpleNamespace(data=pixels, targets=targets, classes=test.classes), test


def to_download(name: str, root: str | Path = "data", download: bool = True) -> str | None:
    """What has to be downloaded before a data set can be read, in words; None where nothing is missing.

    Args:
        name: of one of the functions above.

    Raises:
        UserError: it is missing, and may not be fetched.
    """
    files = _files(name, root)
    if files.are_there():
        return None
    if not download:
        raise _missing(files)
    return f"{name} is not in {files.root}: it is downloaded first ({files.names})"


def _files(name: str, root: str | Path) -> _Files:
    from torchvision import datasets

    dataset = getattr(datasets, {"fashion_mnist": "FashionMNIST"}.get(name, name.upper()))
    root = Path(root).expanduser()
    if "mnist" in name:
        raw = root / dataset.__name__ / "raw"
        return _Files(name, dataset, root, raw, {raw / file: md5 for file, md5 in dataset.resources})
    return _CifarFiles(name, dataset, root, root / dataset.base_folder, {root / dataset.filename: dataset.tgz_md5})


def _cifar(name: str, root: str | Path, download: bool, mean: Mean | None, std: Std | None) -> Source:
    train, test = _load(_files(name, root), download)
    return _source(name, train, test, tuple(train.classes), mean, std)


def _mnist(name: str, root: str | Path, download: bool, mean: Mean | None, std: Std | None) -> Source:
    train, test = _load(_files(name, root), download)
    # MNIST's own names repeat themselves ("7 - seven").
    return _source(name, train, test, tuple(c.split(" - ")[0] for c in train.classes), mean, std)


def _source(name: str, train: Any, test: Any, classes: tuple[str, ...], mean: Mean | None, std: Std | None) -> Source:
    """torchvision's data ([n, height, width, 3] or [n, height, width]) and targets, converted as a whole."""

    def arrays(part: Any) -> Arrays:
        pixels = np.asarray(part.data)
        pixels = pixels[..., None] if pixels.ndim == 3 else pixels
        return Arrays(images_from_nhwc(pixels), torch.as_tensor(part.targets, dtype=torch.int64))

    train_arrays = arrays(train)
    shape = tuple(train_arrays.inputs.shape[1:])
    info = DataInfo(name, "classification", shape, classes, len(classes), None, None)
    return Source(channel_statistics(info, train_arrays, mean, std), train_arrays, arrays(test))


def _load(files: _Files, download: bool) -> tuple[Any, Any]:
    try:
        return files.read()
    except _DAMAGED as error:
        if files.only_unpacked():
            raise _damaged(files, error) from error
    return _fetch(files, download)


def _damaged(files: _Files, error: Exception) -> UserError:
    return UserError(
        f"the files of {files.name} in {files.unpacked} are damaged ({_reason(error)}); "
        "delete that folder and run again"
    )


def _missing(files: _Files) -> UserError:
    return UserError(
        f"{files.name} is missing or damaged in {files.root}, and dataset.download is false; type "
        f"dataset.download=true, {files.by_hand}"
    )


def _fetch(files: _Files, download: bool) -> tuple[Any, Any]:
    """Unpacks the archives, downloading those that are missing, and reads what they hold."""
    if not download and not all(path.exists() for path in files.archives):
        raise _missing(files)
    try:
        with _alone(files), _timeout(_SILENCE_SECONDS):
            with suppress(*_DAMAGED):
                return files.read()  # another process was here first
            _prepare(files)
            doing = "unpacking" if all(path.exists() for path in files.archives) else "downloading"
            log.info("%s %s in %s", doing, files.name, files.root)
            files.dataset(files.root, download=True)
    except (*_DAMAGED, HTTPException, RecursionError) as error:
        raise UserError(f"{files.name} could not be downloaded ({_reason(error)}); {files.by_hand}") from error
    try:
        return files.read()
    except _DAMAGED as error:
        raise _damaged(files, error) from error


def _prepare(files: _Files) -> None:
    """Clears the way for unpacking the archives that are there.

    Raises:
        UserError: one of them is damaged. torchvision would replace it, but it may be all there is.
    """
    from torchvision.datasets.utils import check_integrity

    for path, md5 in files.archives.items():
        if path.exists():
            if not check_integrity(str(path), md5):
                raise UserError(
                    f"{path} is incomplete or corrupt ({path.stat().st_size:,} bytes); delete it and run "
                    "again to download it anew, or place a complete copy there"
                )
            # What was unpacked from a .gz before may be damaged, and torchvision would keep it.
            path.with_suffix("").unlink(missing_ok=True)


@contextmanager
def _alone(files: _Files) -> Iterator[None]:
    """One process downloads while others of a run or sweep wait; a failure leaves nothing behind."""
    from filelock import FileLock
    from torchvision.datasets.utils import check_integrity

    folders = [files.unpacked, *files.unpacked.parents]
    new_folders = [folder for folder in folders if not folder.exists()]
    files.root.mkdir(parents=True, exist_ok=True)
    lock = files.root / f".{files.name}.lock"
    try:
        with FileLock(lock):
            before = {path for path in files.archives if path.exists()}
            try:
                yield
            except BaseException:  # Ctrl-C above all
                for path, md5 in files.archives.items():
                    if path not in before and not check_integrity(str(path), md5):
                        path.unlink(missing_ok=True)
                raise
    finally:
        lock.unlink(missing_ok=True)
        for folder in new_folders:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """torchvision waits for ever; only the default of new sockets reaches its requests."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _reason(error: BaseException) -> str:
    """The last line of the error, as torchvision lists one mirror a line."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip("<>") if lines else type(error).__name__
