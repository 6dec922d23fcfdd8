"""How training steps are taken: one by one by Lightning (eager), or as replays of one captured step (graph).

On a GPU a step of a small network is bound by the launching of its kernels and by Python, not by the work. The graph
engine captures a whole step (gathering the batch, augmentation, forward, loss, backward, optimizer, metric sums) in a
CUDA graph and replays it, many steps to one batch of Lightning's. Network, optimizer, schedule and checkpoints are the
ordinary ones, and both engines give the same numbers: a run may be continued in either, or on a CPU.
"""

from optlab.engine.choice import Choice, choose
from optlab.engine.module import GraphModule

__all__ = ["Choice", "GraphModule", "choose"]
