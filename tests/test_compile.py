"""`trainer.compile=true` changes speed and nothing else; it is real compiling, with the C++ compiler of the machine."""

import ctypes
import itertools
import logging
import os
import shlex
import shutil
import stat
import sys
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from optlab.errors import UserError
from optlab.models import CNN, CNN3C3D
from pooled_convolutions import build, compile_layers
from pooled_convolutions.convolution import CompiledConv2d, knows
from pooled_convolutions.max_pool import CompiledMaxPool2d
from tests.conftest import Train

SHORT = ("batch_size=431", "trainer.max_epochs=2", "callbacks=default", "callbacks.progress=null")

needs_compiler = pytest.mark.skipif(
    shutil.which(os.environ.get("CXX", "g++")) is None, reason="there is no C++ compiler"
)
needs_kernels = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which(os.environ.get("CXX", "g++")) is None,
    reason="the kernels are for Linux with a C++ compiler",
)


@needs_compiler
def test_a_compiled_network_learns_the_same_and_its_checkpoint_serves_an_uncompiled_one(train: Train) -> None:
    plain = train("model=linear", *SHORT, folder="plain")
    compiled = train("model=linear", *SHORT, "trainer.compile=true", folder="compiled")
    assert compiled.id == plain.id
    for name in ("train/loss", "val/loss", "test/loss"):
        assert compiled.metrics[name] == pytest.approx(plain.metrics[name], rel=1e-4)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    went_on = train(
        "model=linear", SHORT[0], *SHORT[2:], "trainer.max_epochs=3", "ckpt=compiled/checkpoints/last.ckpt", folder="on"
    )
    assert went_on.epochs == 3


@needs_kernels
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_own_kernels_learn_the_same_and_say_that_they_are_used(
    train: Train, precision: str, caplog: pytest.LogCaptureFixture
) -> None:
    words = ("model=cnn", *SHORT, f"trainer.precision={precision}")
    plain = train(*words, folder="plain")
    with caplog.at_level(logging.INFO):
        compiled = train(*words, "trainer.compile=true", folder="compiled")
    half = precision == "bf16-mixed"
    for name in ("train/loss", "val/loss", "test/loss"):
        assert compiled.metrics[name] == pytest.approx(plain.metrics[name], rel=1e-2 if half else 1e-5)
    assert compiled.id == plain.id
    known = " and 3 x convolution" if knows(torch.bfloat16 if half else torch.float32) else ""
    assert f"compile: 3 x max-pooling{known}, with the ReLU behind a pooling, by kernels" in caplog.text
    state, expected = (
        torch.load(f"{folder}/checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for folder in ("compiled", "plain")
    )
    assert list(state) == list(expected)


def test_without_a_compiler_one_line_says_what_to_install(train: Train) -> None:
    with (
        torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",)}),
        pytest.raises(UserError, match=r"trainer.compile=true needs a C\+\+ compiler.*apt-get install g\+\+"),
    ):
        train("trainer.compile=true")


# -- the kernels beside PyTorch's operations


def images(*shape: int, dtype: torch.dtype, kind: str = "random") -> Tensor:
    found = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    if kind == "ties":
        found = found.round()  # -0.0 among them
    if kind == "not finite":
        found[found > 1.5] = float("nan")
        found[found < -1.5] = float("-inf")
    return found.to(dtype).to(memory_format=torch.channels_last).requires_grad_()


def both_ways(pooled: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """The pooled images and the gradient of their sum, weighed at random so that order shows."""
    weights = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(1)).to(pooled.dtype)
    (gradient,) = torch.autograd.grad(pooled, pixels, weights)
    return pooled.detach(), gradient


def same_bits(ours: Tensor, theirs: Tensor) -> bool:
    """Equal, and signs of zero and strides too; of a NaN only that it is one."""
    ours, theirs = (
        tensor.float().masked_fill(tensor.isnan(), 0.5).clone(memory_format=torch.preserve_format)
        for tensor in (ours, theirs)
    )
    return torch.equal(ours.view(torch.int32), theirs.view(torch.int32)) and ours.stride() == theirs.stride()


def compiled(pooling: nn.MaxPool2d, *, relu: bool) -> nn.Module:
    network = nn.Sequential(deepcopy(pooling), *([nn.ReLU()] if relu else []))
    assert compile_layers(network, torch.float32) == {"max-pooling": 1}
    return network


def assert_same(pixels: Tensor, pooling: nn.MaxPool2d, *, relu: bool) -> None:
    """The kernels' numbers are PyTorch's, bit for bit."""
    expected = pooling(pixels).relu() if relu else pooling(pixels)
    found = compiled(pooling, relu=relu)(pixels)
    assert found.dtype == pixels.dtype
    assert found.grad_fn.name() == "MaxPoolBackward"
    for ours, theirs in zip(both_ways(found, pixels), both_ways(expected, pixels), strict=True):
        assert torch.equal(ours.isnan(), theirs.isnan())
        assert same_bits(ours, theirs)


WINDOWS = {
    "2x2": nn.MaxPool2d(2),
    "2x2, ceil": nn.MaxPool2d(2, ceil_mode=True),
    "2x2, padded": nn.MaxPool2d(2, padding=1),
    "2x2 in steps of 1": nn.MaxPool2d((2, 2), [1]),  # type: ignore[arg-type]
    "2x2 in steps of 3": nn.MaxPool2d([2], 3),  # type: ignore[arg-type]
    "2x2 in steps of 1 and 2": nn.MaxPool2d(2, (1, 2), padding=(0, 1)),
    "3x3 in steps of 2": nn.MaxPool2d(3, 2),
    "3x3 in steps of 2, padded": nn.MaxPool2d(3, 2, padding=1, ceil_mode=True),
    "3x3 in steps of 3 and 2": nn.MaxPool2d(3, (3, 2), padding=(1, 0)),
}


@needs_kernels
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("window", WINDOWS)
def test_every_window_gives_pytorchs_numbers(window: str, dtype: torch.dtype) -> None:
    sizes = ((8, 8), (7, 9), (11, 6))
    kinds = ("random", "ties", "not finite")
    for (height, width), channels, kind, relu in itertools.product(sizes, (32, 33, 48, 64), kinds, (False, True)):
        assert_same(images(2, channels, height, width, dtype=dtype, kind=kind), WINDOWS[window], relu=relu)


@needs_kernels
@pytest.mark.parametrize("window", ["2x2", "3x3 in steps of 2"])
def test_threads_share_the_lines(window: str) -> None:
    """More elements than one thread takes alone, and a number of lines that does not divide."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for relu in (False, True):
            assert_same(images(5, 48, 31, 17, dtype=torch.float32, kind="ties"), WINDOWS[window], relu=relu)
    finally:
        torch.set_num_threads(before)


@needs_kernels
def test_what_the_kernels_do_not_know_or_do_slower_is_pytorchs() -> None:
    layer = compiled(nn.MaxPool2d(2), relu=True)
    last = torch.channels_last
    for pixels in (
        torch.randn(2, 32, 4, 4, dtype=torch.float64).to(memory_format=last),
        torch.randn(2, 31, 4, 4).to(memory_format=last),
        torch.randn(32, 4, 4),
        torch.randn(2, 32, 4, 4),  # whose output keeps that layout, and can be viewed as vectors
    ):
        pooled, expected = layer(pixels.requires_grad_()), nn.functional.max_pool2d(pixels, 2).relu()
        assert same_bits(pooled.detach(), expected.detach())
        assert pooled.grad_fn.name() == "ReluBackward0"


@needs_kernels
def test_a_second_derivative_and_a_second_backward_are_refused_not_wrong() -> None:
    pixels = images(1, 32, 4, 4, dtype=torch.float32)
    pooled = compiled(nn.MaxPool2d(2), relu=False)(pixels)
    (gradient,) = torch.autograd.grad((pooled**2).sum(), pixels, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
    pooled = compiled(nn.MaxPool2d(2), relu=False)(pixels)
    pooled.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        pooled.sum().backward()


# -- which layers they take


@needs_kernels
@pytest.mark.parametrize(
    ("network", "joined"),
    [
        (CNN((3, 32, 32), 10), True),
        (CNN((3, 32, 32), 10, activation="gelu"), False),
        (CNN3C3D((3, 32, 32), 10), True),
    ],
    ids=["cnn", "cnn with gelu", "cnn_3c3d"],
)
def test_the_networks_of_optlab_stay_what_they_were(network: nn.Module, joined: bool) -> None:
    network.to(memory_format=torch.channels_last)
    pixels = torch.rand(4, 3, 32, 32).to(memory_format=torch.channels_last)
    layers, names, expected = list(network.modules()), list(network.state_dict()), network(pixels)
    convolutions = sum(type(first) is nn.Conv2d for first in layers) if joined and knows(torch.float32) else 0
    found = compile_layers(network, torch.float32)
    assert found == {"max-pooling": 3} | ({"convolution": convolutions} if convolutions else {})
    assert sum(isinstance(layer, CompiledMaxPool2d) for layer in network.modules()) == 3
    assert sum(isinstance(layer, CompiledConv2d) for layer in network.modules()) == convolutions
    assert list(network.modules()) == layers
    assert list(network.state_dict()) == names
    torch.testing.assert_close(network(pixels), expected)
    torch.testing.assert_close(deepcopy(network)(pixels), expected)


class Backwards(nn.Sequential):
    def forward(self, pixels: Tensor) -> Tensor:
        return self[0](self[1](pixels)) - self[0](pixels)  # type: ignore[no-any-return]


class Apart(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pool, self.relu = nn.MaxPool2d(2), nn.ReLU()

    def forward(self, pixels: Tensor) -> Tensor:
        return self.pool(pixels) + self.pool(self.relu(pixels))  # type: ignore[no-any-return]


class ByIndex(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.MaxPool2d(2), nn.ReLU(), nn.MaxPool2d(2))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.layers(pixels) + self.layers[2](self.layers[0](pixels)) + self.layers[:1](pixels).mean()  # type: ignore[no-any-return]


@needs_kernels
@pytest.mark.parametrize("kind", ["backwards", "apart", "by index", "twice", "nested", "itself", "relu6"])
def test_a_network_means_what_it_meant(kind: str) -> None:
    twice = nn.MaxPool2d(2)
    network = {
        "backwards": Backwards(nn.MaxPool2d(2), nn.ReLU()),
        "apart": Apart(),
        "by index": ByIndex(),
        "twice": nn.Sequential(twice, twice, nn.ReLU()),
        "nested": nn.Sequential(nn.Conv2d(32, 32, 1), nn.Sequential(nn.MaxPool2d(2)), nn.ReLU(), nn.ReLU()),
        "itself": nn.MaxPool2d(2),
        "relu6": nn.Sequential(nn.MaxPool2d(2), nn.ReLU6(), nn.ReLU()),
    }[kind]
    pixels = 4 * images(2, 32, 8, 8, dtype=torch.float32).detach()
    expected = network(pixels)
    assert compile_layers(network, torch.float32)
    assert torch.equal(network(pixels), expected)


@needs_kernels
@pytest.mark.parametrize("listened", [0, 1, None], ids=["pooling", "ReLU", "all"])
def test_hooks_of_either_layer_are_called(listened: int | None) -> None:
    network = nn.Sequential(nn.MaxPool2d(2), nn.ReLU())
    pixels = images(2, 32, 8, 8, dtype=torch.float32).detach()
    compile_layers(network, torch.float32)
    heard: dict[nn.Module, Tensor] = {}
    register = (
        nn.modules.module.register_module_forward_hook if listened is None else network[listened].register_forward_hook
    )
    with register(lambda layer, given, output: heard.__setitem__(layer, output.clone())):
        output = network(pixels)
    pooled = nn.functional.max_pool2d(pixels, 2)
    assert torch.equal(output, pooled.relu())
    if listened is not None:
        assert list(heard) == [network[listened]]
    for layer, right in ((network[0], pooled), (network[1], pooled.relu())):
        assert layer not in heard or torch.equal(heard[layer], right)
    assert len(heard) == (3 if listened is None else 1)


def test_other_poolings_stay() -> None:
    changed = nn.MaxPool2d(2)
    changed.forward = lambda pixels: pixels  # type: ignore[method-assign, assignment]
    others = [nn.MaxPool2d(2, dilation=2), nn.MaxPool2d(2, return_indices=True), nn.MaxPool2d(4), nn.MaxPool2d(3, 1)]
    for layer in (*others, nn.AvgPool2d(2), changed):
        assert not compile_layers(nn.Sequential(layer, nn.ReLU()), torch.float32)
        assert not isinstance(layer, CompiledMaxPool2d)


# -- where they are kept


@needs_kernels
def test_the_kernels_are_compiled_once_for_a_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = shlex.join(build.compiler())
    compiler = tmp_path / "my compiler"
    compiler.write_text(f'#!/bin/sh\n[ "$1" = --version ] || echo >> calls\nexec {program} "$@"\n')
    compiler.chmod(compiler.stat().st_mode | stat.S_IXUSR)
    folder, calls = tmp_path / "cache", tmp_path / "calls"
    with torch._inductor.config.patch({"cpp.cxx": (f"env '{compiler}'",)}):
        first, again = build.compiled(folder), build.compiled(folder)
        assert first == again
        once = len(calls.read_text())
        assert once == len(build.SOURCES) + 1  # and the linking
        first.write_bytes(first.read_bytes()[:5000])
        ctypes.CDLL(str(build.compiled(folder)))  # a damaged file is made anew
        assert len(calls.read_text()) == 2 * once
        monkeypatch.setattr(build, "processor", lambda: "another")
        assert build.compiled(folder) != first
        assert len(calls.read_text()) == 3 * once
    assert all(path.name.startswith("kernels-") for path in folder.iterdir())
    with torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",)}):
        assert build.compiled(folder).exists()  # what is there needs no compiler


@needs_kernels
def test_what_stands_against_compiling_is_said_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cache"
    with monkeypatch.context() as patched:
        patched.setattr(build, "FLAGS", (*build.FLAGS, "-fno-such-flag"))
        with pytest.raises(
            UserError, match=r"cannot compile the kernels: .*-fno-such-flag.*type trainer.compile=false"
        ):
            build.compiled(folder)
    with (
        torch._inductor.config.patch({"cpp.cxx": ("true",)}),
        pytest.raises(UserError, match="true cannot compile the kernels: it wrote nothing"),
    ):
        build.compiled(folder)
    assert not list(folder.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"keeps its kernels in .*file/sub, which cannot be written.*XDG_CACHE_HOME"):
        build.compiled(tmp_path / "file" / "sub")
    monkeypatch.setattr(build, "compiled", lambda folder: tmp_path / "file")
    with pytest.raises(UserError, match=r"the kernels cannot be loaded .*file too short.*XDG_CACHE_HOME"):
        build.library.__wrapped__()


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert build.cache_folder() == Path("/somewhere/optlab")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert build.cache_folder() == Path("/home/someone/.cache/optlab")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])
    with pytest.raises(UserError, match=r"there is no home folder.*name a place in XDG_CACHE_HOME"):
        build.cache_folder()
