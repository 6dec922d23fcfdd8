"""The kernels' library: compiled for this processor when it is first asked for, and kept in the user's cache."""

import ctypes
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor

from pooled_convolutions.errors import Unavailable
from pooled_convolutions.openmp import torchs_openmp

SOURCES = sorted(Path(__file__).parent.glob("*.cpp"))
HEADERS = sorted(Path(__file__).parent.glob("*.h"))
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp-simd", "-fPIC", "-w")
COMPILERS = ("g++", "c++")
ANOTHER_PLACE = "name another place in XDG_CACHE_HOME"


def compiler() -> list[str]:
    """The words that start the C++ compiler: those of the variable CXX, or else g++ or c++.

    Raises:
        Unavailable: there is none.
    """
    named = os.environ.get("CXX")
    for command in [named] if named else COMPILERS:
        try:
            words = shlex.split(command)
        except ValueError:  # a quotation mark that is never closed
            continue
        if words and shutil.which(words[0]):
            return words
    found = f"CXX={named} is none" if named else "none is found"
    raise Unavailable(f"the kernels need a C++ compiler, and {found}; install one (apt-get install g++)")


@cache
def library() -> ctypes.CDLL:
    """The compiled kernels, which work with the threads of PyTorch.

    Raises:
        Unavailable: no compiler, or it refuses the kernels, or there is no place to keep them, or no OpenMP.
    """
    openmp, path = torchs_openmp(), compiled(cache_folder())
    try:
        kernels = ctypes.CDLL(str(path))
    except OSError as error:
        raise Unavailable(f"the kernels cannot be loaded ({error}); {ANOTHER_PLACE}") from error
    kernels.use_threads(openmp.GOMP_parallel, openmp.omp_get_num_threads, openmp.omp_get_thread_num)
    return kernels


def run(name: str, geometry: "ctypes.Structure | ctypes.Array[ctypes.c_int64]", *tensors: Tensor | None) -> None:
    """Call a kernel on the memory of tensors, whose last argument is the address of its `Geometry`."""
    # The tensors live until the call has ended: they are this function's arguments.
    addresses = [None if tensor is None else tensor.data_ptr() for tensor in tensors]
    kernel(name, len(addresses) + 1)(*addresses, ctypes.byref(geometry))


@cache
def kernel(name: str, arguments: int) -> Any:
    """The compiled function, which takes so many addresses."""
    function = library()[name]
    function.argtypes, function.restype = [ctypes.c_void_p] * arguments, None
    return function


def cache_folder() -> Path:
    """Where the kernels are kept between runs.

    Raises:
        Unavailable: the user has no home folder, and named no place.
    """
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "pooled_convolutions"
    except RuntimeError as error:
        raise Unavailable(
            f"the kernels are kept in the user's cache, and there is no home folder ({error}); "
            "name a place in XDG_CACHE_HOME"
        ) from error


def compiled(folder: Path) -> Path:
    """The library for these sources and this processor in a folder, which may be shared by unlike machines.

    Its name ends with the hash of its content, so that a damaged file is not taken.

    Raises:
        Unavailable: no compiler, or it refuses the kernels, or the folder cannot be read or written.
    """
    texts = [path.read_text() for path in (*SOURCES, *HEADERS)]
    key = digest("|".join((*texts, *FLAGS, processor())).encode())
    try:
        for path in folder.glob(f"kernels-{key}-*.so"):
            if path.stem.endswith(digest(path.read_bytes())):
                return path
    except OSError as error:
        raise Unavailable(f"the kernels in {folder} cannot be read ({error.strerror}); {ANOTHER_PLACE}") from error
    program = compiler()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            fresh = build(program, Path(scratch, "kernels.so"))
            # At once, for several runs may compile at the same time.
            return fresh.replace(folder / f"kernels-{key}-{digest(fresh.read_bytes())}.so")
    except OSError as error:
        reason = error.strerror or error
        raise Unavailable(f"the kernels' folder {folder} cannot be written ({reason}); {ANOTHER_PLACE}") from error


def build(program: list[str], path: Path) -> Path:
    """Compile the kernels to a path: each file on a core of its own.

    Raises:
        Unavailable: the compiler refuses them.
    """
    objects = [path.with_name(f"{source.stem}.o") for source in SOURCES]
    started = [
        start([*program, *FLAGS, "-c", str(source), "-o", str(made)])
        for source, made in zip(SOURCES, objects, strict=True)
    ]
    said = [finish(process) for process in started]
    if not any(said):
        said = [finish(start([*program, "-shared", *map(str, objects), "-o", str(path)]))]
        if not any(said) and not path.exists():
            said = ["it wrote nothing"]
    if reason := next(filter(None, said), None):
        raise Unavailable(f"{shlex.join(program)} cannot compile the kernels: {reason.strip()}")
    return path


def start(words: list[str]) -> "subprocess.Popen[str]":
    in_english = os.environ | {"LC_ALL": "C"}  # to find the error in what it says
    quiet, heard = subprocess.DEVNULL, subprocess.PIPE
    try:
        return subprocess.Popen(words, stdout=quiet, stderr=heard, text=True, errors="replace", env=in_english)
    except OSError as error:
        raise Unavailable(f"{words[0]} cannot compile the kernels: {error.strerror}") from error


def finish(process: "subprocess.Popen[str]") -> str | None:
    """Wait for a compiler; what it complained of if it failed."""
    _, told = process.communicate()
    if not process.returncode:
        return None
    lines = told.splitlines()
    return next(
        (line for line in lines if "error" in line), lines[0] if lines else f"it ended with {process.returncode}"
    )


def processor() -> str:
    """What the processor calls itself and can do, as Linux tells it.

    Raises:
        Unavailable: it does not tell.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError as error:
        raise Unavailable(f"the kernels are made for the processor in /proc/cpuinfo ({error.strerror})") from error
    return "\n".join(line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part")))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
