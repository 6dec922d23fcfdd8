import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from optlab.data import files, memory
from optlab.data import images as module
from optlab.data.files import find_images
from optlab.data.images import read_images
from optlab.errors import UserError


def pixels(height: int = 8, width: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path: Path, array: np.ndarray, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def test_images_of_the_right_size_are_read_pixel_by_pixel(tmp_path: Path) -> None:
    made = [pixels(seed=i) for i in range(130)]
    paths = [save(tmp_path / f"{i:03}.png", array) for i, array in enumerate(made)]
    images = read_images(paths, [8, 6], 3)
    assert images.shape == (130, 3, 8, 6)
    assert images.dtype == torch.uint8
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert np.array_equal(images.permute(0, 2, 3, 1).numpy(), np.stack(made))


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp", "tif", "ppm"])
def test_images_are_resized_with_antialiasing(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"1.{suffix}", pixels(9, 15))
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGB").resize((5, 5), Image.Resampling.BILINEAR))
    assert np.array_equal(read_images([path], 5, 3)[0].permute(1, 2, 0).numpy(), expected)


def test_a_large_photo_decoded_at_a_reduced_scale_looks_the_same(tmp_path: Path) -> None:
    y, x = np.mgrid[0:600, 0:800]
    photo = np.stack([x / 800, y / 600, (x + y) / 1400], axis=-1) * 255
    path = save(tmp_path / "1.jpg", photo.astype(np.uint8), quality=95)
    with Image.open(path) as image:
        expected = np.asarray(image.resize((16, 16), Image.Resampling.BILINEAR)).astype(int)
    read = read_images([path], 16, 3)[0].permute(1, 2, 0).numpy().astype(int)
    assert np.abs(read - expected).max() <= 3


def test_grey_and_colour_are_converted(tmp_path: Path) -> None:
    colour, grey = save(tmp_path / "1.png", pixels()), save(tmp_path / "2.png", pixels()[..., 0])
    images = read_images([colour, grey], [8, 6], 1)
    assert images.shape == (2, 1, 8, 6)
    with Image.open(colour) as image:
        assert np.array_equal(images[0, 0].numpy(), np.asarray(image.convert("L")))
    for channel in read_images([grey], [8, 6], 3)[0]:
        assert np.array_equal(channel.numpy(), pixels()[..., 0])


def test_transparency_and_palettes_are_read_as_colours(tmp_path: Path) -> None:
    flat = np.zeros((4, 4, 3), dtype=np.uint8)
    flat[:2] = (200, 10, 30)
    Image.fromarray(np.dstack([flat, np.full((4, 4), 128, np.uint8)])).save(tmp_path / "1.png")
    palette = Image.fromarray(flat).quantize(2)
    palette.save(tmp_path / "2.png", transparency=b"\x80\xff")
    images = read_images([tmp_path / "1.png", tmp_path / "2.png"], 4, 3)
    for image in images:
        assert np.array_equal(image.permute(1, 2, 0).numpy(), flat)


def test_16_bit_grey_is_scaled(tmp_path: Path) -> None:
    values = np.array([[0, 256, 32768, 65535]], dtype=np.uint16)
    path = save(tmp_path / "1.png", values)
    assert read_images([path], [1, 4], 1)[0, 0].tolist() == [[0, 1, 128, 255]]


def test_a_photo_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    path = save(tmp_path / "1.png", pixels(), exif=exif)
    upright = read_images([path], [6, 8], 3)[0].permute(1, 2, 0).numpy()
    assert np.array_equal(upright, np.rot90(pixels(), k=-1))


@pytest.mark.parametrize(
    "content",
    [b"", b"this is text", b"\xff\xd8\xff\xe0 not a jpeg", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"],
    ids=["empty", "text", "jpeg header", "png header"],
)
def test_a_file_that_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    good, bad = save(tmp_path / "1.png", pixels()), tmp_path / "2.jpg"
    bad.write_bytes(content)
    with pytest.raises(UserError, match=r"2\.jpg cannot be read as an image \(.+\); repair it") as caught:
        read_images([good, bad], 8, 3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_truncated_image_is_named(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"1.{suffix}", pixels(64, 64))
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(UserError, match=rf"1\.{suffix} cannot be read as an image"):
        read_images([path], 8, 3)


@pytest.fixture
def no_file(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Something with the name of an image that is no regular file; what opens it all the same finds an end."""
    path = tmp_path / "photos" / "1.png"
    path.parent.mkdir()
    if request.param == "folder":
        path.mkdir()
    elif request.param == "device":
        path.symlink_to("/dev/null")
    elif request.param == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            os.chdir(path.parent)  # the path of a socket is short
            server.bind(path.name)
    else:
        os.mkfifo(path)
        Thread(target=lambda: path.write_bytes(b""), daemon=True).start()  # waits until somebody reads
    yield path
    if request.param == "fifo":
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))


@pytest.mark.parametrize("no_file", ["fifo", "device", "socket", "folder"], indirect=True)
def test_what_is_no_regular_file_is_not_opened(no_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.Image, "open", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(UserError, match=r"1\.png cannot be read as an image \(not a regular file\); take it out"):
        read_images([no_file], 8, 3)
    if not no_file.is_dir():
        with pytest.raises(UserError, match="holds no images"):
            find_images(no_file.parent)
        with pytest.raises(UserError, match="neither a file nor a folder"):
            find_images(no_file)


def test_a_file_beyond_any_image_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "1.png"
    with path.open("wb") as file:
        file.truncate(2 * files.LARGEST_FILE)  # without taking the space
    with pytest.raises(UserError, match="2 GiB are no image"):
        read_images([path], 8, 3)


def test_pixels_without_a_range_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "1.tif", np.ones((4, 4), dtype=np.float32))
    with pytest.raises(UserError, match=r"1\.tif .* save it with 8 bits"):
        read_images([path], 4, 1)


def test_channels_other_than_grey_and_colour_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="channels=2 is not possible"):
        read_images([save(tmp_path / "1.png", pixels())], 4, 2)


def test_more_images_than_fit_into_memory_are_refused_before_any_is_read(tmp_path: Path) -> None:
    missing = tmp_path / "none.png"
    with pytest.raises(UserError, match=r"1000 images of 100000x100000 pixels need \d+\.\d GiB .* \d+\.\d GiB are"):
        read_images([missing] * 1000, 100_000, 3)


def test_memory_is_not_checked_where_the_system_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    assert len(read_images([save(tmp_path / "1.png", pixels())], 4, 3)) == 1


def test_images_are_found_in_all_folders_in_a_fixed_order(tmp_path: Path) -> None:
    for name in ("b/2.PNG", "b/10.jpeg", "a/deep/1.Jpg", "0.webp", ".hidden/1.jpg", "a/._1.jpg", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [str(Path(path).relative_to(tmp_path)) for path in find_images(tmp_path)]
    assert found == ["0.webp", "a/deep/1.Jpg", "b/10.jpeg", "b/2.PNG"]


def test_one_file_is_itself_and_what_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "photo").touch()
    assert find_images(str(tmp_path / "photo")) == [str(tmp_path / "photo")]
    with pytest.raises(UserError, match="nowhere is neither a file nor a folder"):
        find_images(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty holds no images; a file counts as one with \.jpg"):
        find_images(tmp_path / "empty")


def test_a_folder_that_cannot_be_listed_is_named() -> None:
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    (root / "closed").mkdir(mode=0)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)  # root may list every folder, nobody may not
        with pytest.raises(UserError, match="closed cannot be listed"):
            find_images(root)
    finally:
        os.seteuid(user)
        (root / "closed").chmod(0o700)
        shutil.rmtree(root)
