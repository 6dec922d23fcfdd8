"""Files of images: finding each of them once, whatever links lead to it, and the same ones in several places."""

from __future__ import annotations

import hashlib
import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from optlab.errors import UserError

log = logging.getLogger(__name__)

# torchvision.datasets.folder.IMG_EXTENSIONS, without importing torchvision
EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
NO_FOLDERS = ("__MACOSX",)  # what an archive made on a Mac holds besides

LARGEST_FILE = 2**30  # bytes of an image; /proc/kcore, for one, says that it has 128 TiB

_Id = tuple[int, int]  # device and inode: what a folder really is, by whatever path


def counts(name: str) -> bool:
    """Whether a file or folder of this name is looked at: hidden ones are not."""
    return not name.startswith(".") and name not in NO_FOLDERS


def listed(names: Iterable[str], limit: int = 5) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def find_images(path: str | Path) -> list[str]:
    """The image files in a folder and all folders below it, sorted; or the one file that `path` names.

    Raises:
        UserError: nothing is there, or a folder without images.
    """
    path = Path(path).expanduser()
    if path.is_file():
        return [str(path)]
    if not path.is_dir():
        raise UserError(f"{path} is neither a file nor a folder; type the path of an image or of a folder of images")
    return find_images_in([path])[0]


def find_images_in(folders: Sequence[Path]) -> list[list[str]]:
    """The image files in each folder and all folders below it, sorted.

    A link to a folder is followed unless its files are found elsewhere below `folders`, or it leads to a folder that
    holds one of them: each real folder counts once. Hidden files and folders, `__MACOSX` and what is no regular file
    (a fifo, a device) are left out. As strings: 60,000 objects of the type Path need 30 MiB more.

    Raises:
        UserError: a folder without images, or one that cannot be listed.
    """
    walk = _Walk(folders)
    for folder, found in zip(folders, walk.found, strict=True):
        if not found:
            raise UserError(f"{folder} holds no images; a file counts as one with {', '.join(EXTENSIONS)}")
    if walk.links:
        log.warning("left out, as these links lead to folders that are read anyway: %s", listed(sorted(walk.links)))
    if walk.no_files:
        log.warning("left out, as these are no regular files: %s", listed(sorted(walk.no_files)))
    return [sorted(found) for found in walk.found]


class _Walk:
    """Goes through the folders as they lie first, and through links to other folders afterwards."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.found: list[list[str]] = [[] for _ in folders]
        self.links: list[str] = []  # that were not followed
        self.no_files: list[str] = []
        self._waiting: list[tuple[str, int]] = []  # links to folders, and which of `folders` they stand below
        above = {folder for each in folders for folder in (*each.resolve().parents, *each.absolute().parents)}
        self._seen = {_id_of(folder) for folder in [*folders, *above]}
        for number, folder in enumerate(folders):
            self._list(str(folder), number)
        while self._waiting:
            waiting, self._waiting = sorted(self._waiting), []
            for link, number in waiting:
                if self._is_new(link):
                    self._list(link, number)
                else:
                    self.links.append(link)

    def _is_new(self, folder: str) -> bool:
        this = _id_of(folder)
        if this in self._seen:
            return False
        self._seen.add(this)
        return True

    def _list(self, folder: str, number: int) -> None:
        stack = [folder]
        while stack:
            try:
                with os.scandir(stack.pop()) as entries:
                    for entry in filter(lambda entry: counts(entry.name), entries):
                        if entry.is_dir(follow_symlinks=False):
                            if self._is_new(entry.path):
                                stack.append(entry.path)
                        elif entry.is_symlink() and entry.is_dir():
                            self._waiting.append((entry.path, number))
                        elif entry.name.lower().endswith(EXTENSIONS):
                            (self.found[number] if entry.is_file() else self.no_files).append(entry.path)
            except OSError as error:
                what = f"{error.filename or folder} cannot be listed ({error.strerror})"
                raise UserError(f"{what}; check its permissions") from error


def _id_of(folder: str | Path) -> _Id:
    try:
        status = os.stat(folder)  # noqa: PTH116 -- of a string
    except OSError as error:
        raise UserError(f"{folder} cannot be listed ({error.strerror}); check its permissions") from error
    return status.st_dev, status.st_ino


def same_files(parts: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Files of one content that stand in two parts of a data set: by the names of the parts, one of each part.

    Only files of a size that occurs in both parts are read.

    Raises:
        UserError: a file that cannot be read.
    """
    sizes = {part: _by_size(files) for part, files in parts.items()}
    contents: dict[str, bytes] = {}

    def content(file: str) -> bytes:
        if file not in contents:
            try:
                with open(file, "rb") as opened:  # noqa: PTH123 -- of a string
                    contents[file] = hashlib.file_digest(opened, "blake2b").digest()
            except OSError as error:
                raise UserError(f"{file} cannot be read ({error.strerror}); repair it or take it out") from error
        return contents[file]

    shared: dict[tuple[str, str], list[tuple[str, str]]] = {}
    names = list(parts)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            pairs = []
            for size in sorted(sizes[one].keys() & sizes[other].keys()):
                if size > LARGEST_FILE:
                    continue  # no image: reading it in earnest says so
                known = {content(file): file for file in reversed(sizes[one][size])}
                pairs += [(known[content(file)], file) for file in sizes[other][size] if content(file) in known]
            if pairs:
                shared[one, other] = pairs
    return shared


def _by_size(files: Sequence[str]) -> dict[int, list[str]]:
    sizes: dict[int, list[str]] = defaultdict(list)
    for file in files:
        sizes[os.stat(file).st_size].append(file)  # noqa: PTH116 -- of a string
    return sizes
