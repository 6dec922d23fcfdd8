"""Compiling the kernels, keeping them, and what stands against it. It is real compiling."""

import ctypes
import shlex
import stat
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from pooled_convolutions import accelerate, build
from pooled_convolutions.errors import Unavailable
from pooled_convolutions.max_pool import CompiledMaxPool2d
from tests.pooled_convolutions.helpers import needs_kernels


def few_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile the least: what takes a moment instead of five seconds."""
    quick = [path for path in build.SOURCES if path.stem == "threads"]
    monkeypatch.setattr(build, "SOURCES", quick)


@needs_kernels
def test_the_kernels_are_compiled_once_for_a_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few_sources(monkeypatch)
    program = shlex.join(build.compiler())
    compiler = tmp_path / "my compiler"
    compiler.write_text(f'#!/bin/sh\necho >> calls\nexec {program} "$@"\n')
    compiler.chmod(compiler.stat().st_mode | stat.S_IXUSR)
    folder, calls = tmp_path / "cache", tmp_path / "calls"
    monkeypatch.setenv("CXX", f"env '{compiler}'")
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
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert build.compiled(folder).exists()  # what is there needs no compiler


@pytest.mark.parametrize("named", ["no-such-compiler", "'g++", "/", " "])
def test_a_compiler_that_is_none_is_named(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", named)
    with pytest.raises(Unavailable, match=r"need a C\+\+ compiler, and CXX=.* is none; install one \(apt-get install"):
        build.compiler()


def test_no_compiler_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unavailable, match="and none is found"):
        build.compiler()


@needs_kernels
def test_what_stands_against_compiling_is_said_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few_sources(monkeypatch)
    folder = tmp_path / "cache"
    with monkeypatch.context() as patched:
        patched.setattr(build, "FLAGS", (*build.FLAGS, "-fno-such-flag"))
        with pytest.raises(Unavailable, match=r"cannot compile the kernels: .*-fno-such-flag"):
            build.compiled(folder)
    with monkeypatch.context() as patched:
        patched.setenv("CXX", "true")
        with pytest.raises(Unavailable, match="true cannot compile the kernels: it wrote nothing"):
            build.compiled(folder)
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF")
    broken.chmod(0o755)
    with monkeypatch.context() as patched:
        patched.setenv("CXX", str(broken))
        with pytest.raises(Unavailable, match="broken cannot compile the kernels: Exec format error"):
            build.compiled(folder)
    assert not list(folder.iterdir())
    with pytest.raises(Unavailable, match=r"folder .*broken/sub cannot be written .*another place in XDG_CACHE_HOME"):
        build.compiled(broken / "sub")
    monkeypatch.setattr(build, "compiled", lambda folder: broken)
    with pytest.raises(Unavailable, match=r"the kernels cannot be loaded .*file too short.*XDG_CACHE_HOME"):
        build.library.__wrapped__()


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert build.cache_folder() == Path("/somewhere/pooled_convolutions")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert build.cache_folder() == Path("/home/someone/.cache/pooled_convolutions")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])
    with pytest.raises(Unavailable, match=r"there is no home folder.*name a place in XDG_CACHE_HOME"):
        build.cache_folder()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is nothing to compile")
def test_a_network_stays_as_it_is_where_the_kernels_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is missing is a line in the report, and never an exception."""
    monkeypatch.setattr("pooled_convolutions.network.library", build.library.__wrapped__)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    network = nn.Sequential(nn.Conv2d(3, 32, 3), nn.MaxPool2d(2), nn.ReLU())
    report = accelerate(network, torch.float32)
    assert not report.layers
    assert str(report).startswith("not used: the kernels need a C++ compiler, and CXX=no-such-compiler is none")
    assert "\n" not in str(report)
    assert not any(isinstance(layer, CompiledMaxPool2d) for layer in network)
    assert type(network) is nn.Sequential
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("CXX", "true")
    assert "cannot be written" in str(accelerate(network, torch.float32))
    monkeypatch.setattr("sys.platform", "darwin")
    assert str(accelerate(network, torch.float32)) == "not used: the kernels are for Linux, and this is darwin"
