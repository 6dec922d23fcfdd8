"""Own kernels for CPUs, compiled on the user's machine by `trainer.compile=true`."""

from pooled_convolutions.build import compiler
from pooled_convolutions.network import compile_layers

__all__ = ["compile_layers", "compiler"]
