"""Several runs on one GPU: how many it has memory for, and whether their kernels run at the same time.

A small network's step is bound by launches and leaves a GPU idle. Processes that share it take turns, unless NVIDIA's
Multi-Process Service runs, which every CUDA program finds by itself:
https://docs.nvidia.com/deploy/mps/index.html
"""

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from optlab.adapters.process import exists, read_line

CONTEXT = 600.0  # MiB that CUDA and its libraries take of a GPU in each process, besides what torch counts
MOST = 8  # runs on one GPU
SPARE = 0.9  # of the free memory is given out
PIPES = "CUDA_MPS_PIPE_DIRECTORY"
START = "nvidia-cuda-mps-control -d"

FreeOn = Callable[[tuple[str, ...]], float | None]  # MiB that are free on the fullest of these GPUs, if that is known


def sharing(devices: Sequence[str], device_mib: float | None, free_on: FreeOn | None = None) -> int:
    """How many runs each of these GPUs gets: one, unless it was measured what a run takes of one.

    Args:
        devices: as CUDA_VISIBLE_DEVICES names them.
        device_mib: what a run takes at its highest, by torch's own count; None: not measured.
        free_on: in place of `free_mib`, which counts what the workers of a sweep hold between two runs as taken.
    """
    if not devices or device_mib is None or (free := (free_on or free_mib)(tuple(devices))) is None:
        return 1
    return fitting(free, device_mib)


def fitting(free: float, device_mib: float) -> int:
    """How many runs that take so much fit into so much free memory of a GPU, in MiB; one in any case."""
    return max(1, min(MOST, int(free * SPARE // (device_mib + CONTEXT))))


def free_mib(devices: Sequence[str]) -> float | None:
    """Memory that is free on the fullest of these GPUs, in MiB; None where nvidia-smi does not say.

    Torch would have to begin using each GPU to say so.
    """
    words = ["nvidia-smi", "-i", ",".join(devices), "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=True)
        return min(float(line) for line in done.stdout.split("\n") if line.strip())
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def of_sharing() -> str:
    """What happens to the kernels of runs that share a GPU, in words."""
    if mps_runs():
        return "NVIDIA MPS runs, so those on one GPU compute at the same time"
    return f"those on one GPU take turns; with NVIDIA MPS they compute at the same time: {START}"


def mps_runs() -> bool:
    """Whether the control daemon of NVIDIA MPS runs, of which its folder of pipes tells."""
    folder = Path(os.environ.get(PIPES) or "/tmp/nvidia-mps")
    if not (folder / "control").exists():
        return False
    pid = read_line(str(folder / "nvidia-cuda-mps-control.pid")).strip()
    return not pid.isdigit() or exists(int(pid))  # a daemon that was killed leaves its folder
