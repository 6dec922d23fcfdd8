"""What a run ran on: versions, device, precision, the state of the code, and what of it changes bits."""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer

from optlab.rules.commands import CHECKOUT
from optlab.run_module import RunState

COMMIT = "# branch.oid "  # so `git status --branch` begins the line that names it


def describe(trainer: Trainer, tf32: bool) -> dict[str, Any]:
    """The record's `environment`."""
    device = trainer.strategy.root_device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "lightning": version("lightning"),
        "optlab": version("optlab"),
        "platform": platform.platform(),
        "host": platform.node(),
        "device": device.type,
        "device_name": name,
        "device_id": device_id(device),
        "devices": trainer.world_size,
        "precision": str(trainer.precision),
        "tf32": tf32 and device.type == "cuda",
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        # Installed, of your own code: where the package lies may be a repository that has nothing to do with it.
        "git": git_state(Path(__file__).parent if CHECKOUT else Path.cwd()),
    }


def device_id(device: torch.device) -> str | None:
    """What tells a GPU from others of its kind; None for the processor, of which a host has one."""
    return str(torch.cuda.get_device_properties(device).uuid) if device.type == "cuda" else None


def numerics(trainer: Trainer, state: RunState) -> dict[str, Any]:
    """The record's `numerics`: what does not change what is computed, and yet the last bits of every number.

    Two runs of one id that agree in it, and in their versions, give the same bits on a CPU.
    """
    device = trainer.strategy.root_device
    on_gpu = device.type == "cuda"
    weights = [weight for weight in state.network.parameters() if weight.dim() == 4]
    return {
        "engine": state.engine,
        "kernels": state.kernels,
        "compile": state.config.trainer.compile,
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if on_gpu else None,
        "devices": trainer.world_size,
        "cpu_model": cpu_model(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "precision": str(trainer.precision),
        "tf32": on_gpu and torch.backends.cudnn.allow_tf32,
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "cudnn_benchmark": on_gpu and torch.backends.cudnn.benchmark,
        "channels_last": any(in_channels_last(weight) for weight in weights),
    }


def in_channels_last(weight: torch.Tensor) -> bool:
    """Whether four-dimensional weights lie in this layout, and not in the ordinary one too (as of one channel)."""
    return weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()


@cache
def cpu_model() -> str:
    """What the processor calls itself; its architecture where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def git_state(folder: Path) -> dict[str, Any] | None:
    """The commit that the code stands at and whether it was changed since; None outside a repository."""
    command = ["git", "-C", str(folder), "status", "--porcelain=v2", "--branch", "--no-ahead-behind", "-uno"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.splitlines()
    commit = next((line.removeprefix(COMMIT) for line in lines if line.startswith(COMMIT)), "")
    if commit in ("", "(initial)"):  # nothing is committed yet
        return None
    return {"commit": commit, "dirty": not all(line.startswith("#") for line in lines)}
