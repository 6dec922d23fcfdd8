import gzip
import hashlib
import pickle
import struct
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.datasets as tv

from optlab.data import Source, cifar10, cifar100, fashion_mnist, mnist
from optlab.data.sources.downloads import to_download
from optlab.errors import UserError

NO_SERVER = "http://127.0.0.1:9/"  # the discard port, closed


Cifar = tuple[Path, np.ndarray, list[int]]  # folder, training images, labels
Idx = tuple[Callable[..., Source], Path, np.ndarray, np.ndarray]  # loader, folder, training images, labels


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def make_cifar(folder: Path, classes: int) -> tuple[np.ndarray, list[int]]:
    """CIFAR's pickles with four images a file; returns the training images [20, 3, 32, 32] and labels."""
    rng = np.random.default_rng(classes)
    pixels, labels = [], []
    folder.mkdir(parents=True)
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"] if classes == 10 else ["train", "test"]
    for name in names:
        n = 4 if classes == 10 else 20
        pixels.append(rng.integers(0, 256, (n, 3072), dtype=np.uint8))
        labels.append(rng.integers(0, classes, n).tolist())
        key = "labels" if classes == 10 else "fine_labels"
        (folder / name).write_bytes(pickle.dumps({"data": pixels[-1], key: labels[-1]}))
    meta, key = ("batches.meta", "label_names") if classes == 10 else ("meta", "fine_label_names")
    (folder / meta).write_bytes(pickle.dumps({key: [f"class{i}" for i in range(classes)]}))
    return np.vstack(pixels[:-1]).reshape(-1, 3, 32, 32), [x for part in labels[:-1] for x in part]


@pytest.fixture
def cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cifar:
    """A folder with a small `cifar-10-python.tar.gz`, whose checksums torchvision is told."""
    images, labels = make_cifar(tmp_path / "made" / "cifar-10-batches-py", 10)
    placed = tmp_path / "data"
    placed.mkdir()
    archive = placed / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "made" / "cifar-10-batches-py", "cifar-10-batches-py")
    folder = tmp_path / "made" / "cifar-10-batches-py"
    for attribute in ("train_list", "test_list"):
        sums = [[name, md5(folder / name)] for name, _ in getattr(tv.CIFAR10, attribute)]
        monkeypatch.setattr(tv.CIFAR10, attribute, sums)
    monkeypatch.setattr(tv.CIFAR10, "meta", tv.CIFAR10.meta | {"md5": md5(folder / "batches.meta")})
    monkeypatch.setattr(tv.CIFAR10, "tgz_md5", md5(archive))
    monkeypatch.setattr(tv.CIFAR10, "url", NO_SERVER + archive.name)
    return placed, images, labels


def write_idx(path: Path, array: np.ndarray) -> None:
    """The format of MNIST's files: magic number with type (8: uint8) and dimensions, sizes, values."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


@pytest.fixture(params=[("mnist", tv.MNIST), ("fashion_mnist", tv.FashionMNIST)], ids=lambda p: p[0])
def idx(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Idx:
    """(loader, folder, training images, labels) with the four .gz files placed by hand."""
    name, dataset = request.param
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (30, 28, 28), dtype=np.uint8), np.arange(30) % 10
    raw = tmp_path / "data" / dataset.__name__ / "raw"
    raw.mkdir(parents=True)
    for prefix, n in (("train", 30), ("t10k", 10)):
        write_idx(raw / f"{prefix}-images-idx3-ubyte.gz", images[:n])
        write_idx(raw / f"{prefix}-labels-idx1-ubyte.gz", labels[:n])
    monkeypatch.setattr(dataset, "resources", [(file, md5(raw / file)) for file, _ in dataset.resources])
    monkeypatch.setattr(dataset, "mirrors", [NO_SERVER])
    return {"mnist": mnist, "fashion_mnist": fashion_mnist}[name], tmp_path / "data", images, labels


def test_a_cifar_archive_placed_by_hand_is_used_without_the_network(cifar: Cifar) -> None:
    root, images, labels = cifar
    source = cifar10(root=root, download=False, mean=[0.4, 0.5, 0.6], std=[0.2, 0.2, 0.2])
    assert np.array_equal(source.train.inputs.numpy(), images)
    assert source.train.inputs.is_contiguous(memory_format=torch.channels_last)
    assert source.train.targets.tolist() == labels
    assert len(source.test) == 4
    assert source.info.classes[9] == "class9"
    assert (source.info.name, source.info.input_shape, source.info.outputs) == ("cifar10", (3, 32, 32), 10)
    assert (source.info.mean, source.info.std) == ((0.4, 0.5, 0.6), (0.2, 0.2, 0.2))
    assert sorted(path.name for path in root.iterdir()) == ["cifar-10-batches-py", "cifar-10-python.tar.gz"]


def test_what_is_there_is_seen_without_reading_it(cifar: Cifar, idx: Idx, tmp_path: Path) -> None:
    name, load = idx[0].__name__, idx[0]
    assert to_download("cifar10", cifar[0]) is None, "the archive"
    assert to_download(name, idx[1]) is None
    cifar10(root=cifar[0])
    load(root=idx[1])
    for archive in cifar[0].rglob("*.gz"):
        archive.unlink()
    assert to_download("cifar10", cifar[0], download=False) is None, "what was unpacked"
    assert to_download(name, idx[1], download=False) is None
    next(cifar[0].rglob("data_batch_3")).unlink()
    said = f"cifar10 is not in {cifar[0]}: it is downloaded first (cifar-10-python.tar.gz)"
    assert to_download("cifar10", cifar[0]) == said
    for missing in ("cifar10", "cifar100", "mnist", "fashion_mnist"):
        with pytest.raises(UserError, match=f"{missing} is missing or damaged in .*type dataset.download=true, place"):
            to_download(missing, tmp_path / "elsewhere", download=False)
    assert not (tmp_path / "elsewhere").exists()


def test_unpacked_cifar_files_are_enough(cifar: Cifar) -> None:
    root, images, _ = cifar
    cifar10(root=root)
    (root / "cifar-10-python.tar.gz").unlink()
    assert np.array_equal(cifar10(root=str(root)).train.inputs.numpy(), images)


def test_damaged_cifar_files_are_unpacked_again(cifar: Cifar) -> None:
    root, images, _ = cifar
    cifar10(root=root)
    (root / "cifar-10-batches-py" / "data_batch_3").write_bytes(b"damaged")
    assert np.array_equal(cifar10(root=root).train.inputs.numpy(), images)


def test_cifar100_has_fine_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cifar-100-python"
    images, labels = make_cifar(folder, 100)
    for attribute, name in (("train_list", "train"), ("test_list", "test")):
        monkeypatch.setattr(tv.CIFAR100, attribute, [[name, md5(folder / name)]])
    monkeypatch.setattr(tv.CIFAR100, "meta", tv.CIFAR100.meta | {"md5": md5(folder / "meta")})
    source = cifar100(root=tmp_path, download=False)
    assert source.train.targets.tolist() == labels
    assert np.array_equal(source.train.inputs.numpy(), images)
    assert (source.info.name, source.info.outputs) == ("cifar100", 100)


def test_mnist_files_placed_by_hand_are_used_without_the_network(idx: Idx) -> None:
    load, root, images, labels = idx
    source: Source = load(root=root, download=False)
    assert source.train.inputs.shape == (30, 1, 28, 28)
    assert np.array_equal(source.train.inputs[:, 0].numpy(), images)
    assert source.train.targets.tolist() == labels.tolist()
    assert len(source.test) == 10
    assert source.info.classes[7] in ("7", "Sneaker")
    assert source.info.mean == pytest.approx([images.mean() / 255])


def test_damaged_mnist_files_are_unpacked_again(idx: Idx) -> None:
    load, root, images, _ = idx
    load(root=root)
    unpacked = next(root.glob("*/raw/train-images-idx3-ubyte"))
    unpacked.write_bytes(unpacked.read_bytes()[:100])
    assert np.array_equal(load(root=root).train.inputs[:, 0].numpy(), images)


@pytest.mark.parametrize("damage", [lambda b: b[:5000], lambda b: b"", lambda b: b[:4] + b[8:]])
def test_damaged_mnist_files_without_archives_are_named(idx: Idx, damage: Callable[[bytes], bytes]) -> None:
    load, root, _, _ = idx
    load(root=root)
    for archive in root.glob("*/raw/*.gz"):
        archive.unlink()
    unpacked = next(root.glob("*/raw/train-images-idx3-ubyte"))
    unpacked.write_bytes(damage(unpacked.read_bytes()))
    with pytest.raises(UserError, match=r"raw are damaged \(.+\); delete that folder and run again"):
        load(root=root)


@pytest.mark.parametrize("download", [True, False])
def test_an_incomplete_archive_is_named_and_kept(cifar: Cifar, download: bool) -> None:
    root, _, _ = cifar
    archive = root / "cifar-10-python.tar.gz"
    archive.write_bytes(archive.read_bytes()[:1000])
    message = r"data/cifar-10-python\.tar\.gz is incomplete or corrupt \(1,000 bytes\); delete it and run again"
    with pytest.raises(UserError, match=message):
        cifar10(root=root, download=download)
    assert archive.stat().st_size == 1000


def test_an_incomplete_mnist_archive_is_named(idx: Idx) -> None:
    load, root, _, _ = idx
    archive = next(root.glob("*/raw/t10k-labels-idx1-ubyte.gz"))
    archive.write_bytes(b"")
    with pytest.raises(UserError, match=r"t10k-labels-idx1-ubyte\.gz is incomplete or corrupt \(0 bytes\)"):
        load(root=root)


@pytest.mark.parametrize("load", [cifar10, cifar100, mnist, fashion_mnist])
def test_no_network_says_how_to_go_on_and_leaves_nothing(
    load: Callable[..., Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for dataset in (tv.CIFAR10, tv.CIFAR100):
        monkeypatch.setattr(dataset, "url", NO_SERVER)
    for dataset in (tv.MNIST, tv.FashionMNIST):
        monkeypatch.setattr(dataset, "mirrors", [NO_SERVER, NO_SERVER])
    root = tmp_path / "new" / "data"
    with pytest.raises(UserError) as caught:
        load(root=root)
    message = str(caught.value)
    assert "\n" not in message
    assert "could not be downloaded (urlopen error [Errno 111] Connection refused)" in message
    archive, where = {
        "cifar10": ("cifar-10-python.tar.gz", root),
        "cifar100": ("cifar-100-python.tar.gz", root),
        "mnist": ("t10k-labels-idx1-ubyte.gz", root / "MNIST" / "raw"),
        "fashion_mnist": ("t10k-labels-idx1-ubyte.gz", root / "FashionMNIST" / "raw"),
    }[load.__name__]
    assert f"{archive} in {where} by hand, or type dataset=digits" in message
    assert not (tmp_path / "new").exists()


def test_downloading_can_be_forbidden(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"dataset.download is false; type dataset.download=true, place cifar-10-"):
        cifar10(root=tmp_path / "data", download=False)
    assert not (tmp_path / "data").exists()


def test_a_root_that_cannot_be_written_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(UserError, match=r"could not be downloaded \(.*data.*\); place"):
        cifar10(root=tmp_path / "data")


class Counting(SimpleHTTPRequestHandler):
    requests = 0
    cut = False

    def do_GET(self) -> None:
        type(self).requests += 1
        super().do_GET()

    def copyfile(self, source: Any, outputfile: Any) -> None:
        time.sleep(0.2)  # long enough for a second download to begin
        outputfile.write(source.read()[: 100 if self.cut else None])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(cifar: Cifar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Counting]]:
    handler = type("Handler", (Counting,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(cifar[0]))) as http:
        monkeypatch.setattr(tv.CIFAR10, "url", f"http://127.0.0.1:{http.server_port}/cifar-10-python.tar.gz")
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield handler
        http.shutdown()
        thread.join()


def test_a_download_by_two_at_once_is_one_download(cifar: Cifar, server: type[Counting], tmp_path: Path) -> None:
    _, images, _ = cifar
    cifar10(root=tmp_path / "alone")
    alone = server.requests
    assert alone > 0
    with ThreadPoolExecutor(2) as pool:
        sources = list(pool.map(lambda _: cifar10(root=tmp_path / "shared"), range(2)))
    assert server.requests == 2 * alone
    for source in sources:
        assert np.array_equal(source.train.inputs.numpy(), images)


def test_a_download_that_breaks_off_leaves_nothing(server: type[Counting], tmp_path: Path) -> None:
    server.cut = True
    with pytest.raises(UserError, match="cifar10 could not be downloaded"):
        cifar10(root=tmp_path / "new")
    assert not (tmp_path / "new").exists()
    server.cut = False
    assert len(cifar10(root=tmp_path / "new").train) == 20
