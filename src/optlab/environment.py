"""What a run ran on: versions, device, precision, and the state of the code."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer


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
        "device": device.type,
        "device_name": name,
        "devices": trainer.world_size,
        "precision": str(trainer.precision),
        "tf32": tf32 and device.type == "cuda",
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "git": git_state(Path(__file__).parent),
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """The commit that the code stands at and whether it was changed since; None outside a repository."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(folder), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.SubprocessError):
        return None
