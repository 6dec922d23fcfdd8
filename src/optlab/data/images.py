"""Image files, read into one tensor."""

from __future__ import annotations

import io
import os
import stat
import struct
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from pydantic import Field
from torch import Tensor

from optlab.data.arrays import images_from_nhwc
from optlab.data.files import LARGEST_FILE
from optlab.data.memory import check_memory
from optlab.errors import UserError

_Pixels = Annotated[int, Field(ge=1)]
ImageSize = _Pixels | Annotated[Sequence[_Pixels], Field(min_length=2, max_length=2)]

_CHUNK = 64  # files a thread reads at a time
# What Pillow's readers raise for files that are not what they claim to be.
_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def height_width(image_size: ImageSize) -> tuple[int, int]:
    """(height, width) of a square's side, or of [height, width]."""
    if isinstance(image_size, int):
        return image_size, image_size
    height, width = image_size
    return height, width


def read_images(paths: Sequence[str | Path], image_size: ImageSize, channels: int) -> Tensor:
    """Decodes image files, upright as their EXIF data says, and resizes them (bilinear, antialiased).

    Args:
        image_size: pixels, of a square or as [height, width]; the aspect ratio is not kept.
        channels: 1 for grey, 3 for RGB; transparency is dropped.

    Returns:
        uint8 [n, channels, height, width], channels_last, in the order of `paths`.

    Raises:
        UserError: a file that cannot be read, or more images than fit into memory.
    """
    if channels not in (1, 3):
        raise UserError(f"channels={channels} is not possible for image files; type 1 for grey or 3 for RGB")
    height, width = height_width(image_size)
    check_memory(
        len(paths) * height * width * channels,
        f"{len(paths)} images of {height}x{width} pixels",
        "type a smaller dataset.image_size, or dataset.memory=false to read them batch by batch",
    )
    pixels = np.empty((len(paths), height, width, channels), dtype=np.uint8)

    def fill(start: int) -> None:
        for i in range(start, min(start + _CHUNK, len(paths))):
            pixels[i] = decode(paths[i], height, width, channels)

    # Threads, as Pillow lets go of the interpreter lock while it decodes and resizes.
    pool = ThreadPoolExecutor(_cores())
    try:
        for _ in pool.map(fill, range(0, len(paths), _CHUNK)):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
    return images_from_nhwc(pixels)


def decode(path: str | Path, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """One file as uint8 [height, width, channels]."""
    check_is_file(path)
    try:
        with Image.open(io.BytesIO(Path(path).read_bytes())) as image:
            # JPEG only: a photo many times too large is decoded at 1/2, 1/4 or 1/8, still twice too large.
            image.draft(None, (2 * width, 2 * height))
            upright = ImageOps.exif_transpose(image) if "exif" in image.info else image
            converted = _to_mode(upright, "L" if channels == 1 else "RGB")
            if converted.size != (width, height):
                converted = converted.resize((width, height), Image.Resampling.BILINEAR)
            return np.asarray(converted).reshape(height, width, channels)
    except _UNREADABLE as error:
        reason = "not an image" if isinstance(error, UnidentifiedImageError) else " ".join(str(error).split())
        raise UserError(f"{path} cannot be read as an image ({reason}); repair it or take it out") from error


def check_is_file(path: str | Path) -> None:
    """Raise UserError for what is no regular file: opening a fifo waits for ever, and a device has no end."""
    try:
        status = Path(path).stat()
    except OSError as error:
        raise UserError(f"{path} cannot be read as an image ({error.strerror}); repair it or take it out") from error
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{path} cannot be read as an image (not a regular file); take it out")
    if status.st_size > LARGEST_FILE:
        raise UserError(
            f"{path} cannot be read as an image ({status.st_size / 2**30:.0f} GiB are no image); take it out"
        )


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == mode:
        return image
    if image.mode.startswith("I;16"):
        # Pillow would clip 16-bit grey at 255 instead of scaling it.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert(mode)
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode} have no fixed range; save it with 8 bits a channel")
    if "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert(mode)


def _cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
