"""Own kernels for CPUs, compiled on the user's machine by `trainer.compile=true`."""

from optlab.kernels.build import compiler
from optlab.kernels.max_pool import compile_pooling

__all__ = ["compile_pooling", "compiler"]
