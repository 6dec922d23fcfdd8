"""Lightning's Trainer for a config: devices, precision, and clear words where the machine lacks what is asked for."""

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, Trainer
from lightning.pytorch import profilers
from lightning.pytorch.callbacks import Checkpoint, ModelSummary, ProgressBar
from torch import nn

from optlab.adapters.lightning import quieten
from optlab.config.schema import Config
from optlab.config.schema import Trainer as TrainerConfig
from optlab.errors import UserError
from optlab.standard import build_settings
from pooled_convolutions import Report, accelerate

# What convolutions of float32 weights are computed in.
COMPUTED_IN = {
    **dict.fromkeys(("32-true", "32", "None"), torch.float32),
    **dict.fromkeys(("bf16-mixed", "bf16"), torch.bfloat16),
}
PROFILERS = {
    "simple": profilers.SimpleProfiler,
    "advanced": profilers.AdvancedProfiler,
    "pytorch": profilers.PyTorchProfiler,
}


def build_trainer(config: Config, folder: Path, callbacks: Sequence[Callback] = ()) -> Trainer:
    """The Trainer with these callbacks, and without loggers: they start when nothing can be refused any more.

    Raises:
        UserError: no such device here, or a key that Lightning refuses.
    """
    quieten()
    asked = config.trainer
    settings = asked.arguments
    accelerator = asked.accelerator
    if accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
        raise UserError(
            f"trainer.accelerator={accelerator}: PyTorch finds no GPU on this machine; type trainer=auto or trainer=cpu"
        )
    if accelerator == "mps" and not torch.backends.mps.is_available():
        raise UserError("trainer.accelerator=mps: this machine has no Apple GPU; type trainer=auto or trainer=cpu")
    if on_cpu(asked) and str(asked.precision).startswith("16"):
        raise UserError(f"trainer.precision={asked.precision} needs a GPU; type trainer.precision=bf16-mixed")
    if on_cpu(asked):
        settings.pop("sync_batchnorm", None)  # torch has it for GPUs only
    name = asked.profiler
    if isinstance(name, str):
        if name not in PROFILERS:
            raise UserError(f"trainer.profiler={name}: known are {', '.join(PROFILERS)}")
        settings["profiler"] = PROFILERS[name](dirpath=folder, filename="profile")
    ours: dict[str, Any] = {
        "logger": False,
        "callbacks": list(callbacks),
        "enable_checkpointing": any(isinstance(callback, Checkpoint) for callback in callbacks),
        "enable_progress_bar": any(isinstance(callback, ProgressBar) for callback in callbacks),
        "enable_model_summary": any(isinstance(callback, ModelSummary) for callback in callbacks),
        "num_sanity_val_steps": 0,
        "log_every_n_steps": 1,
        "use_distributed_sampler": False,
        "default_root_dir": str(folder),
    }
    try:
        return Trainer(**(ours | build_settings(settings)))
    except Exception as error:  # Lightning and its plugins raise of many types
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"trainer: Lightning refuses these settings: {reason}") from error


def use_cpu_kernels(network: nn.Module, trainer: TrainerConfig) -> Report:
    """Let a network's poolings, and convolutions before them, run in kernels made for this processor, where they can.

    What stands against it is no error: the report says what was done, or why nothing was, in a line.
    """
    if not on_cpu(trainer):
        return Report(reason="this run is not on a CPU")
    if trainer.compile:
        return Report(reason="trainer.compile=true compiles the whole network")
    return accelerate(network, COMPUTED_IN.get(str(trainer.precision)))


def compile_network(network: nn.Module, trainer: TrainerConfig) -> str:
    """`torch.compile` in place, so that checkpoints keep their names; returns what was done, in a line.

    Raises:
        UserError: there is no C++ compiler, which would be an error of many lines at the first step.
    """
    named = os.environ.get("CXX")
    try:
        program = shlex.split(named or "g++")[0]
    except (ValueError, IndexError):  # blank, or a quotation mark that is never closed
        program = ""
    if shutil.which(program) is None:
        found = f"CXX={named} is none" if named else "g++ is not found"
        raise UserError(
            f"trainer.compile=true needs a C++ compiler, and {found}; install one (apt-get install g++), "
            "or type trainer.compile=false"
        )
    network.compile(dynamic=False)
    return f"compile: torch.compile, at the first step{' (on a CPU seldom faster)' if on_cpu(trainer) else ''}"


def on_cpu(trainer: TrainerConfig) -> bool:
    """Whether a run with these trainer settings is on a CPU."""
    return trainer.accelerator == "cpu" or not (torch.cuda.is_available() or torch.backends.mps.is_available())
