"""`trainer.compile=true` changes speed and nothing else; it is real compiling, with the C++ compiler of the machine."""

import itertools
import logging
import os
import shutil
import stat
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from optlab.errors import UserError
from optlab.kernels import build, compile_pooling
from optlab.kernels.max_pool import CompiledMaxPool2d
from optlab.models import CNN, CNN3C3D
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
def test_own_kernels_give_the_same_numbers_and_say_that_they_are_used(
    train: Train, precision: str, caplog: pytest.LogCaptureFixture
) -> None:
    words = ("model=cnn", *SHORT, f"trainer.precision={precision}", "optimizer=adam")
    plain = train(*words, folder="plain")
    with caplog.at_level(logging.INFO):
        compiled = train(*words, "trainer.compile=true", folder="compiled")
    assert compiled.metrics == plain.metrics
    assert compiled.id == plain.id
    assert "compile: 3 x max-pooling, with the ReLU where one follows, by kernels" in caplog.text
    names = [
        torch.load(f"{folder}/checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for folder in ("plain", "compiled")
    ]
    assert all(torch.equal(tensor, names[1][name]) for name, tensor in names[0].items())
    assert len(names[0]) == len(names[1])


def test_without_a_compiler_one_line_says_what_to_install(train: Train) -> None:
    with (
        torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",)}),
        pytest.raises(UserError, match=r"trainer.compile=true needs a C\+\+ compiler.*apt-get install g\+\+"),
    ):
        train("trainer.compile=true")


# -- the kernels beside PyTorch's operations


def images(*shape: int, dtype: torch.dtype, kind: str) -> Tensor:
    found = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    if kind == "ties":
        found = found.round()
    if kind == "not finite":
        found[found > 1.5] = float("nan")
        found[found < -1.5] = float("-inf")
    return found.to(dtype).to(memory_format=torch.channels_last)


def both_ways(pooled: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """The pooled images and the gradient of their sum, weighed at random so that order shows."""
    weights = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(1)).to(pooled.dtype)
    (gradient,) = torch.autograd.grad(pooled, pixels, weights)
    return pooled.detach(), gradient


def assert_same(pixels: Tensor, pooling: nn.MaxPool2d, *, relu: bool) -> None:
    """The kernels' numbers are PyTorch's, bit for bit."""
    expected = max_pool2d(pixels, pooling.kernel_size, pooling.stride, pooling.padding, 1, pooling.ceil_mode)
    expected = expected.relu() if relu else expected
    found = CompiledMaxPool2d(pooling, relu=relu)(pixels)
    assert found.dtype == pixels.dtype
    for ours, theirs in zip(both_ways(found, pixels), both_ways(expected, pixels), strict=True):
        assert torch.equal(ours.isnan(), theirs.isnan())
        assert torch.equal(ours.nan_to_num(0.5), theirs.nan_to_num(0.5))


WINDOWS = {
    "2x2": nn.MaxPool2d(2),
    "2x2, ceil": nn.MaxPool2d(2, ceil_mode=True),
    "2x2, padded": nn.MaxPool2d(2, padding=1),
    "3x3 in steps of 2": nn.MaxPool2d(3, 2),
    "3x3 in steps of 2, padded": nn.MaxPool2d(3, 2, padding=1, ceil_mode=True),
    "3x3 in steps of 1": nn.MaxPool2d(3, 1, padding=1),
    "2x3 in steps of 1 and 2": nn.MaxPool2d((2, 3), (1, 2), padding=(0, 1)),
    "2x2 in steps of 3": nn.MaxPool2d(2, 3),
    "5x4": nn.MaxPool2d((5, 4), (2, 3), padding=(2, 2), ceil_mode=True),
}


@needs_kernels
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("window", WINDOWS)
def test_every_window_gives_pytorchs_numbers(window: str, dtype: torch.dtype) -> None:
    sizes = ((8, 8), (7, 9), (11, 6))
    kinds = ("random", "ties", "not finite")
    for (height, width), channels, kind, relu in itertools.product(sizes, (1, 33, 64), kinds, (False, True)):
        pixels = images(2, channels, height, width, dtype=dtype, kind=kind).requires_grad_()
        assert_same(pixels, WINDOWS[window], relu=relu)


@needs_kernels
@pytest.mark.parametrize("window", ["2x2", "3x3 in steps of 2"])
def test_threads_share_the_lines(window: str) -> None:
    """More elements than one thread takes alone, and a number of lines that does not divide."""
    torch.set_num_threads(2)
    for relu in (False, True):
        pixels = images(5, 48, 31, 17, dtype=torch.float32, kind="ties").requires_grad_()
        assert_same(pixels, WINDOWS[window], relu=relu)


@needs_kernels
def test_images_in_the_ordinary_layout_are_pooled_too() -> None:
    pixels = torch.randn(3, 5, 8, 8, requires_grad=True)
    assert pixels.is_contiguous()
    assert_same(pixels, nn.MaxPool2d(2), relu=True)


@needs_kernels
def test_what_the_kernels_do_not_know_pytorch_does() -> None:
    layer = CompiledMaxPool2d(nn.MaxPool2d(2), relu=True)
    for pixels in (torch.randn(2, 3, 4, 4, dtype=torch.float64), torch.randn(3, 4, 4)):
        assert torch.equal(layer(pixels), max_pool2d(pixels, 2).relu())


@needs_kernels
def test_a_second_derivative_is_refused_not_wrong() -> None:
    pixels = torch.randn(1, 3, 4, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(
        (CompiledMaxPool2d(nn.MaxPool2d(2), relu=False)(pixels) ** 2).sum(), pixels, create_graph=True
    )
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


# -- which layers they replace


@needs_kernels
@pytest.mark.parametrize(
    ("network", "poolings", "relus"),
    [
        (CNN((3, 32, 32), 10), 3, 1),  # the ReLU between the linear layers stays
        (CNN((3, 32, 32), 10, activation="gelu"), 3, 0),
        (CNN3C3D((3, 32, 32), 10), 3, 2),
    ],
    ids=["cnn", "cnn with gelu", "cnn_3c3d"],
)
def test_poolings_of_a_network_are_replaced_and_its_names_stay(network: nn.Module, poolings: int, relus: int) -> None:
    pixels = torch.rand(4, 3, 32, 32)
    names, expected = list(network.state_dict()), network(pixels)
    assert compile_pooling(network) == poolings
    assert sum(isinstance(layer, CompiledMaxPool2d) for layer in network.modules()) == poolings
    assert sum(isinstance(layer, nn.ReLU) for layer in network.modules()) == relus
    assert list(network.state_dict()) == names
    assert torch.allclose(network(pixels), expected, atol=1e-6)


@needs_kernels
def test_a_relu_is_joined_only_where_it_follows_its_pooling() -> None:
    class Backwards(nn.Sequential):
        def forward(self, pixels: Tensor) -> Tensor:
            return self[0](self[1](pixels)) - self[1](pixels).mean()  # type: ignore[no-any-return]

    class Apart(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool, self.relu = nn.MaxPool2d(2), nn.ReLU()

        def forward(self, pixels: Tensor) -> Tensor:
            return self.pool(pixels) + self.pool(self.relu(pixels))  # type: ignore[no-any-return]

    twice = nn.MaxPool2d(2)
    pixels = torch.randn(2, 3, 8, 8)
    for network in (
        Backwards(nn.MaxPool2d(2), nn.ReLU()),
        Apart(),
        nn.Sequential(twice, twice, nn.ReLU()),
        nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sequential(nn.MaxPool2d(2)), nn.Tanh()),
    ):
        expected = network(pixels)
        assert compile_pooling(network) > 0
        assert torch.equal(network(pixels), expected)


def test_other_poolings_and_networks_without_any_stay() -> None:
    for layer in (nn.MaxPool2d(2, dilation=2), nn.MaxPool2d(2, return_indices=True), nn.MaxPool2d(16), nn.AvgPool2d(2)):
        network = nn.Sequential(layer, nn.ReLU())
        assert compile_pooling(network) == 0
        assert network[0] is layer


# -- where they are kept


@needs_kernels
def test_the_kernels_are_compiled_once_for_a_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    calls = tmp_path / "calls"
    compiler = tmp_path / "compiler"
    compiler.write_text(f'#!/bin/sh\necho >> {calls}\nexec {build.compiler()} "$@"\n')
    compiler.chmod(compiler.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(build, "compiler", lambda: str(compiler))
    first, again = build.compiled(), build.compiled()
    assert first == again
    assert len(calls.read_text()) == 1
    monkeypatch.setattr(build, "processor", lambda: "another")
    assert build.compiled() != first
    assert sorted((tmp_path / "cache" / "optlab").iterdir()) == sorted({first, build.compiled()})


@needs_kernels
def test_a_compiler_that_refuses_and_a_cache_that_cannot_be_written_are_said_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with monkeypatch.context() as patched:
        patched.setattr(build, "FLAGS", (*build.FLAGS, "-fno-such-flag"))
        with pytest.raises(UserError, match=r"cannot compile the kernels: .*-fno-such-flag.*; leave it out"):
            build.compiled()
    assert not list((tmp_path / "cache" / "optlab").iterdir())
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"keeps its kernels in .*file/optlab, which cannot be written.*XDG_CACHE_HOME"):
        build.compiled()
