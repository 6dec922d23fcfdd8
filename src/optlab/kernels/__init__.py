"""Own kernels for CPUs, compiled on the user's machine by `trainer.compile=true`."""

from optlab.kernels.build import compiler
from optlab.kernels.network import compile_layers

__all__ = ["compile_layers", "compiler"]
