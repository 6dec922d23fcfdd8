"""The OpenMP library whose threads are PyTorch's: a second pool of threads would fight the first for the cores."""

import ctypes
import os
import re
from pathlib import Path

import torch

from pooled_convolutions.errors import Unavailable

LIBRARY = re.compile(r"lib(gomp|omp|iomp5)[-.].*")  # GNU's, LLVM's, Intel's; wheels put a hash behind the name


def torchs_openmp() -> ctypes.CDLL:
    """The one library in this process that both has what the kernels call and sets how many threads PyTorch takes.

    Other packages bring libraries of the same name along (scikit-learn does), so that a name alone says nothing.

    Raises:
        Unavailable: there is none, as where PyTorch was built without OpenMP.
    """
    paths = loaded()
    for path in paths:
        library = ctypes.CDLL(str(path), mode=os.RTLD_NOLOAD)
        if all(hasattr(library, name) for name in FUNCTIONS) and leads_torch(library):
            return library
    found = f"; {', '.join(map(str, paths))} is not what it works with" if paths else ""
    raise Unavailable(f"the kernels work with PyTorch's OpenMP threads, and this PyTorch has none{found}")


FUNCTIONS = ("GOMP_parallel", "omp_get_num_threads", "omp_get_thread_num", "omp_get_max_threads", "omp_set_num_threads")


def leads_torch(library: ctypes.CDLL) -> bool:
    """Whether PyTorch takes another number of threads when this library is told one. The number is put back."""
    own, torchs = library.omp_get_max_threads(), torch.get_num_threads()
    library.omp_set_num_threads(torchs + 1)
    try:
        return torch.get_num_threads() == torchs + 1
    finally:
        library.omp_set_num_threads(own)


def loaded() -> list[Path]:
    """The OpenMP libraries of this process, in the order of their names.

    Raises:
        Unavailable: the system does not tell.
    """
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError as error:
        raise Unavailable(f"the kernels look for OpenMP in /proc/self/maps, which cannot be read ({error})") from error
    files = {Path(words[5]) for line in lines if len(words := line.split(maxsplit=5)) == 6}
    return sorted(path for path in files if LIBRARY.fullmatch(path.name))
