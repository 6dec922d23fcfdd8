"""How training steps are taken: one by one by Lightning (eager), many to one batch of Lightning's (loop), or as replays
of one captured step (graph).

A step of a small network is bound by Python, and on a GPU by the launching of its kernels, not by the work. The loop
engine takes up to 50 steps between two of Lightning's own; the graph engine captures such a step (gathering the batch,
augmentation, forward, loss, backward, optimizer, metric sums) in a CUDA graph and replays it. Network, optimizer,
schedule and checkpoints are the ordinary ones, and all give the same numbers: a run may be continued in any of them.
"""

from optlab.engine.choice import Choice, choose, without_arrays
from optlab.engine.module import MODULES, EngineModule

__all__ = ["MODULES", "Choice", "EngineModule", "choose", "without_arrays"]
