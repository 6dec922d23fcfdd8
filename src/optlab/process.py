"""What this process tells its C library, OpenMP and Python's collector before it trains. Light at import."""

import atexit
import gc
import logging
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
LARGEST_INT = 2**31 - 1


def compose_quickly() -> None:
    """Let Hydra compose a config without garbage collection and with libyaml, where PyYAML has it.

    Composing makes hundreds of thousands of small objects that live to the end, so there is nothing to collect, and
    nothing at exit: `importing` switches the collector on.
    """
    import yaml

    gc.disable()
    atexit.register(gc.freeze)
    if yaml.__with_libyaml__:  # OmegaConf takes what goes by these names
        yaml.SafeLoader, yaml.Dumper = yaml.CSafeLoader, yaml.CDumper


@contextmanager
def importing() -> Iterator[None]:
    """Around the imports of torch and Lightning: collect rarely, and look through what they made never again.

    Once a process: what a sweep's first run leaves behind is to be collected before the second.
    Rarely takes a second off the imports; never would take off a little more and cost 9 MiB of memory. With modules
    out of sight, a full collection takes 2 ms instead of 300.
    """
    if gc.get_freeze_count():
        yield
        return
    usual = gc.get_threshold()
    gc.set_threshold(10_000, 20, 1_000)
    gc.enable()
    yield
    gc.set_threshold(*usual)
    gc.freeze()


def spin_briefly() -> None:
    """Let OpenMP's waiting threads give their core back soon; it reads this when torch is imported.

    Threads that wait for each other by spinning take the cores from whatever else runs: beside two busy processes, ten
    epochs on the digits took 29 s with OpenMP's default of 300,000 turns and 2 to 20 s with 20,000, which cost nothing
    that can be measured when alone. 2,000 would cost a twenty-fifth then.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")


def keep_large_blocks() -> None:
    """Tell glibc to keep freed memory, however large the blocks; elsewhere nothing is done.

    By default it returns large blocks to the system and takes them again, page by page, at every step: activations of
    a batch of 512 images then cost a third of the training speed on the CPU. What a user set with MALLOC_* or
    GLIBC_TUNABLES stays.
    """
    chosen = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    if chosen or platform.libc_ver()[0] != "glibc":
        return
    import ctypes

    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_MAX, 0)  # every block comes from the heap ...
    libc.mallopt(M_TRIM_THRESHOLD, LARGEST_INT)  # ... and up to 2 GiB of it stay when they are free


def leave_out_triton() -> None:
    """Let `import triton` fail where there is no GPU to compile for; torch and its users then do without.

    Lightning imports torch's compiler, which imports Triton wherever it is installed: 75 MiB of memory in every run.
    """
    import torch

    if "triton" not in sys.modules and not (torch.cuda.is_available() or torch.xpu.is_available()):
        sys.modules["triton"] = None  # type: ignore[assignment]
        logging.getLogger("torch.utils.flop_counter").setLevel(logging.ERROR)  # it warns that there is none
