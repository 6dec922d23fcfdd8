"""What watches a run: the recorder, the divergence guard, checkpoints, interruption and progress."""

from optlab.callbacks.checkpoints import Checkpoints
from optlab.callbacks.divergence import Diverged, DivergenceGuard
from optlab.callbacks.interruption import Interruption
from optlab.callbacks.print_weights import PrintWeights
from optlab.callbacks.progress import Progress
from optlab.callbacks.recorder import Recorder
from optlab.callbacks.running_sums import RunningSums

__all__ = [
    "Checkpoints",
    "Diverged",
    "DivergenceGuard",
    "Interruption",
    "PrintWeights",
    "Progress",
    "Recorder",
    "RunningSums",
]
