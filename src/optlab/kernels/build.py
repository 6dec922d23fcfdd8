"""The kernels' library: compiled for this processor when it is first asked for, and kept in the user's cache."""

import ctypes
import hashlib
import os
import shlex
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import torch

from optlab.errors import UserError

SOURCE = Path(__file__).with_name("max_pool.cpp")
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp-simd", "-fPIC", "-shared")
WITHOUT = "or type trainer.compile=false"


def compiler() -> list[str]:
    """The words that start the C++ compiler that torch.compile would take: those of the variable CXX, or g++.

    Raises:
        UserError: there is none.
    """
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        return shlex.split(get_cpp_compiler())
    except (InvalidCxxCompiler, OSError) as error:
        named = os.environ.get("CXX")
        raise UserError(
            f"trainer.compile=true needs a C++ compiler, and {f'CXX={named} is none' if named else 'none is found'}; "
            f"install one (apt-get install g++), {WITHOUT}"
        ) from error


@cache
def library() -> ctypes.CDLL:
    """The compiled kernels, which work with the threads of PyTorch.

    Raises:
        UserError: no compiler, or it refuses the kernels, or there is no place to keep them.
    """
    path = compiled(cache_folder())
    try:
        kernels = ctypes.CDLL(str(path))
    except OSError as error:
        raise UserError(
            f"trainer.compile=true: the kernels cannot be loaded ({error}); name another place for them in "
            f"XDG_CACHE_HOME, {WITHOUT}"
        ) from error
    torch_cpu = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))  # finds OpenMP's symbols too
    try:
        kernels.use_threads(torch_cpu.GOMP_parallel, torch_cpu.omp_get_num_threads, torch_cpu.omp_get_thread_num)
    except AttributeError as error:
        raise UserError(f"trainer.compile=true: this PyTorch has no OpenMP ({error}); {WITHOUT}") from error
    return kernels


def cache_folder() -> Path:
    """Where the kernels are kept between runs.

    Raises:
        UserError: the user has no home folder, and named no place.
    """
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "optlab"
    except RuntimeError as error:
        raise UserError(
            f"trainer.compile=true keeps its kernels in the user's cache, and there is no home folder ({error}); "
            f"name a place in XDG_CACHE_HOME, {WITHOUT}"
        ) from error


def compiled(folder: Path) -> Path:
    """The library for this source and processor in a folder, which may be shared by unlike machines.

    Its name ends with the hash of its content, so that a damaged file is not taken.
    """
    key = digest("|".join((SOURCE.read_text(), *FLAGS, processor())).encode())
    for path in folder.glob(f"kernels-{key}-*.so"):
        if path.stem.endswith(digest(path.read_bytes())):
            return path
    program = compiler()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            fresh = build(program, Path(scratch, "kernels.so"))
            # At once, for several runs may compile at the same time.
            return fresh.replace(folder / f"kernels-{key}-{digest(fresh.read_bytes())}.so")
    except OSError as error:
        raise UserError(
            f"trainer.compile=true keeps its kernels in {folder}, which cannot be written ({error.strerror}); name "
            f"another place in XDG_CACHE_HOME, {WITHOUT}"
        ) from error


def build(program: list[str], path: Path) -> Path:
    """Compile the kernels to a path."""
    done = subprocess.run([*program, *FLAGS, str(SOURCE), "-o", str(path)], capture_output=True, text=True, check=False)
    if done.returncode or not path.exists():
        said = done.stderr.splitlines()
        reason = next((line for line in said if "error" in line), said[0] if said else "it wrote nothing")
        name = shlex.join(program)
        raise UserError(f"trainer.compile=true: {name} cannot compile the kernels: {reason.strip()}; {WITHOUT}")
    return path


def processor() -> str:
    """What the processor calls itself and can do, as Linux tells it."""
    lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    return "\n".join(line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part")))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
