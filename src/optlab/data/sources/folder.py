"""A folder of class folders with image files."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch.utils.data import Dataset

from optlab.data.arrays import Arrays, DataInfo, Source
from optlab.data.decide import Targets
from optlab.data.files import counts, find_images_in, listed, same_files
from optlab.data.images import ImageSize, decode, height_width, read_images
from optlab.data.reading import Reader
from optlab.data.sources.channel_statistics import Mean, Std, channel_statistics
from optlab.data.split import divide
from optlab.data.streamed import Streamed, default_workers
from optlab.errors import UserError

log = logging.getLogger(__name__)

MEASURED = 2048  # images that mean and std are measured on, where they do not lie in memory
MANY = 2000  # images that take longer to read than one likes to wait without a word
_LAYOUT = "it should hold one folder a class, like {root}/cat/1.jpg and {root}/dog/1.jpg"

Files = dict[str, list[str]]  # the image files of each class, by its name
Labelled = list[tuple[str, int]]  # image files with their labels


def image_folder(
    *,
    root: str | Path | None,
    image_size: ImageSize = 32,
    channels: Literal[1, 3] = 3,
    test_size: Annotated[float, Field(gt=0, lt=1)] | Annotated[int, Field(ge=1)] = 0.2,
    split_seed: Annotated[int, Field(ge=0)] = 0,
    mean: Mean | None = None,
    std: Std | None = None,
    memory: bool | None = None,
    workers: Annotated[int, Field(ge=0)] | None = None,
) -> Source:
    """Any images sorted into folders by class; labels follow the sorted folder names.

    `root/train` and `root/test` (and `root/val`) are used as such. Without `root/test`, or when the class
    folders lie in `root` itself, the test part is held out, stratified. Hidden files and folders do not count, nor what
    is no regular file, and each real folder counts once, whatever links lead to it. Files of one content in two parts
    are named in a warning.

    Args:
        root: the folder.
        image_size: pixels, of a square or as [height, width]; every image is resized to it.
        channels: 1 for grey, 3 for RGB.
        test_size: fraction or number of images to hold out where there is no test folder.
        split_seed: fixes which images are held out.
        mean, std: per channel, on the [0, 1] scale; None measures them on the training images.
        memory: False decodes the images while a run trains, for more than fit into memory.
        workers: processes that decode them then; None: as many as the run has threads, and 8 at most.

    Raises:
        UserError: no such folder, fewer than two classes, a class without images, parts with different
            classes, a file that cannot be read, or more images than fit into memory.
    """
    files = _find_parts(existing_folder(root))
    classes = tuple(files["train"])
    _check_same_classes(files)
    unscaled = DataInfo(
        "image_folder", "classification", _shape(channels, image_size), classes, len(classes), None, None
    )
    samples = {part: _mixed(of) for part, of in files.items()}
    if "test" not in samples:
        labels = torch.tensor([label for _, label in samples["train"]])
        kept, held = divide(labels, test_size, split_seed, unscaled, option="test_size")
        everything = samples["train"]
        samples["train"], samples["test"] = ([everything[i] for i in rows.tolist()] for rows in (kept, held))
    _warn_of_shared({part: [path for path, _ in of] for part, of in samples.items()})
    if memory is False:
        return _streamed(samples, unscaled, mean, std, workers)
    parts = _read_parts(samples, image_size, channels)
    return Source(
        channel_statistics(unscaled, parts["train"], mean, std), parts["train"], parts["test"], parts.get("val")
    )


class _Photos(Dataset[Any]):
    """Image files, each decoded when it is asked for."""

    def __init__(self, samples: Labelled, shape: tuple[int, ...]) -> None:
        self.samples, self.shape = samples, shape

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        path, label = self.samples[index]
        channels, height, width = self.shape
        return torch.from_numpy(decode(path, height, width, channels).copy()).permute(2, 0, 1), label


def _streamed(
    samples: dict[str, Labelled], info: DataInfo, mean: Mean | None, std: Std | None, workers: int | None
) -> Source:
    """All parts as files that are decoded while a run trains; what tells the data apart are names, sizes and pixels."""
    form = Targets(info.task, info.outputs, info.classes)
    parts: dict[str, Streamed] = {}
    for part, of in samples.items():
        reader = Reader(_Photos(of, info.input_shape), info.name)
        labels = torch.tensor([label for _, label in of])
        facts = "\n".join(f"{Path(path).parent.name}/{Path(path).name} {Path(path).stat().st_size}" for path, _ in of)
        example = (torch.zeros(1, *info.input_shape, dtype=torch.uint8), labels[:1])
        parts[part] = Streamed(reader, form, labels, torch.arange(len(of)), example, workers, facts)
    said = ["images are decoded anew each epoch: the fingerprint is over names and sizes of files, and 64 of each part"]
    train = parts["train"]
    if (mean is None or std is None) and len(train) > MEASURED:
        said.append(f"mean and std of the pixels are those of {MEASURED} training images, evenly spread")
    count, readers = sum(map(len, parts.values())), default_workers() if workers is None else workers
    log.info("image_folder: %s images, decoded while training by %d workers", f"{count:,}", readers)
    info = channel_statistics(info, train.sample(MEASURED), mean, std)
    return Source(info, train, parts["test"], parts.get("val"), tuple(said))


def _shape(channels: int, image_size: ImageSize) -> tuple[int, int, int]:
    return (channels, *height_width(image_size))


def existing_folder(root: str | Path | None) -> Path:
    """The folder of images, which is there; raises UserError."""
    if root is None or str(root) in ("???", ""):
        raise UserError("dataset=image_folder needs a folder; type dataset.root=FOLDER")
    path = Path(root).expanduser()
    if not path.is_dir():
        what = "a file, not a folder" if path.exists() else "no folder"
        raise UserError(f"dataset.root={root} is {what}; " + _LAYOUT.format(root="FOLDER"))
    return path


def _find_parts(root: Path) -> dict[str, Files]:
    """The files of train, and of test and val where these exist."""
    if not (root / "train").is_dir():
        return {"train": _find_classes(root)}
    return {part: _find_classes(root / part) for part in ("train", "val", "test") if (root / part).is_dir()}


def _find_classes(root: Path) -> Files:
    folders = _class_folders(root)
    if not folders:
        raise UserError(f"{root} has no class folders; " + _LAYOUT.format(root=root))
    if len(folders) == 1:
        inner = f", or dataset.root={folders[0]}" if _class_folders(folders[0]) else ""
        raise UserError(
            f"{root} has only one class folder ({folders[0].name}), and a classifier needs two; add another{inner}"
        )
    real: dict[Path, str] = {}
    for folder in folders:
        if (other := real.setdefault(folder.resolve(), folder.name)) != folder.name:
            raise UserError(f"{root}: {other} and {folder.name} are one and the same folder; take one of them out")
    return {folder.name: found for folder, found in zip(folders, find_images_in(folders), strict=True)}


def _class_folders(folder: Path) -> list[Path]:
    """The folders in a folder; not a link to itself or to one above it, in which all classes are."""
    above = {folder.resolve(), *folder.resolve().parents}
    found = sorted(path for path in folder.iterdir() if counts(path.name) and path.is_dir())
    if links := [path.name for path in found if path.resolve() in above]:
        log.warning("left out, as these links lead to %s or above it: %s", folder, listed(links))
    return [path for path in found if path.name not in links]


def _check_same_classes(files: dict[str, Files]) -> None:
    for part, classes in files.items():
        extra = sorted(classes.keys() - files["train"].keys())
        missing = sorted(files["train"].keys() - classes.keys())
        if extra or missing:
            differences = [f"{part}/ has {listed(extra)}"] * bool(extra)
            differences += [f"{part}/ lacks {listed(missing)}"] * bool(missing)
            raise UserError(
                f"the classes of train/ and {part}/ differ ({' and '.join(differences)}); "
                "both need folders of the same names"
            )


def _warn_of_shared(parts: dict[str, list[str]]) -> None:
    """Say which files stand in two parts: what is trained on, tests nothing."""
    for (one, other), pairs in same_files(parts).items():
        shown = listed([a if a == b else f"{a} = {b}" for a, b in pairs], 3)
        log.warning("%s of the images of %s stand in %s too: %s", f"{len(pairs):,}", other, one, shown)


def _read_parts(samples: dict[str, Labelled], image_size: ImageSize, channels: int) -> dict[str, Arrays]:
    """All parts, read as one so that the memory they need is checked before the first is read."""
    count = sum(map(len, samples.values()))
    if count > MANY:
        log.info("reading %s images", f"{count:,}")
    images = read_images([path for part in samples.values() for path, _ in part], image_size, channels)
    inputs = torch.split_with_sizes(images, [len(part) for part in samples.values()])
    targets = [torch.tensor([label for _, label in part]) for part in samples.values()]
    return {part: Arrays(x, y) for part, x, y in zip(samples, inputs, targets, strict=True)}


def _mixed(classes: Files) -> Labelled:
    """Every file with its label, the classes spread evenly.

    In a folder one class comes after the other; with `shuffle=false` a network would see them so, and learn nothing.
    """
    placed = [
        ((i + 0.5) / len(files), label, path)
        for label, files in enumerate(classes.values())
        for i, path in enumerate(files)
    ]
    return [(path, label) for _, label, path in sorted(placed)]
