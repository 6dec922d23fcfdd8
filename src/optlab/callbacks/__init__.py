"""What watches a run: the recorder, the divergence guard, checkpoints, interruption, progress, instruments, looks at
the test.

`optlab.callbacks.contract` says what a run asks of a callback, and what it gives to one.
"""

from optlab.callbacks.checkpoints import Checkpoints
from optlab.callbacks.divergence import Diverged, DivergenceGuard
from optlab.callbacks.instruments import Instruments
from optlab.callbacks.interruption import Interruption
from optlab.callbacks.predictions import Predictions
from optlab.callbacks.print_weights import PrintWeights
from optlab.callbacks.progress import Progress
from optlab.callbacks.recorder import Recorder
from optlab.callbacks.running_sums import RunningSums
from optlab.callbacks.test_curve import TestCurve

__all__ = [
    "Checkpoints",
    "Diverged",
    "DivergenceGuard",
    "Instruments",
    "Interruption",
    "Predictions",
    "PrintWeights",
    "Progress",
    "Recorder",
    "RunningSums",
    "TestCurve",
]
