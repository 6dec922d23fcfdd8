"""The kernels' library: compiled for this processor when it is first asked for, and kept in the user's cache."""

import ctypes
import hashlib
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import torch

from optlab.errors import UserError

SOURCE = Path(__file__).with_name("max_pool.cpp")
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp-simd", "-fPIC", "-shared")


def compiler() -> str:
    """The C++ compiler that torch.compile would take: what the variable CXX names, or the system's.

    Raises:
        UserError: there is none.
    """
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        return get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise UserError(
            "trainer.compile=true needs a C++ compiler, and none is found; install one (apt-get install g++), "
            "or leave it out"
        ) from error


@cache
def library() -> ctypes.CDLL:
    """The compiled kernels, which work with the threads of PyTorch.

    Raises:
        UserError: no compiler, or it refuses the kernels, or there is no place to keep them.
    """
    kernels = ctypes.CDLL(str(compiled()))
    torch_cpu = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))  # finds OpenMP's symbols too
    try:
        kernels.use_threads(torch_cpu.GOMP_parallel, torch_cpu.omp_get_num_threads, torch_cpu.omp_get_thread_num)
    except AttributeError as error:
        raise UserError(f"trainer.compile=true: this PyTorch has no OpenMP ({error}); leave it out") from error
    return kernels


def compiled() -> Path:
    """The library's file for this source, compiler and processor; a folder may be shared by unlike machines."""
    program = compiler()
    parts = (SOURCE.read_text(), program, *FLAGS, processor())
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "optlab"
    path = folder / f"kernels-{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:16]}.so"
    if path.exists():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            fresh = Path(scratch, path.name)
            build(program, fresh)
            fresh.replace(path)  # at once, for several runs may compile at the same time
    except OSError as error:
        raise UserError(
            f"trainer.compile=true keeps its kernels in {folder}, which cannot be written ({error.strerror}); "
            "name another place in XDG_CACHE_HOME"
        ) from error
    return path


def build(program: str, path: Path) -> None:
    done = subprocess.run([program, *FLAGS, str(SOURCE), "-o", str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        said = (
            [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines() or ["no reason"]
        )
        raise UserError(f"trainer.compile=true: {program} cannot compile the kernels: {said[0].strip()}; leave it out")


def processor() -> str:
    """What the processor calls itself and can do, as Linux tells it."""
    lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    return "\n".join(line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part")))
