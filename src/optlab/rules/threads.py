"""How many CPU threads each run of a sweep computes on: a function of its plan, and of no clock.

One number for all runs, as another number of threads gives other last bits. Runs side by side do more than threads side
by side, and lose less to a neighbour: threads of one run wait for each other at every operator.
"""

# Of a training step, below which one more thread hardly brings anything (`python scripts/bench.py --only threads`).
FLOPS_A_THREAD = 100e6
UNKNOWN = 4  # at most, where the work of a step is not known
ON_A_GPU = 8  # at most: they read and decode samples there, and compute nothing


def needs_work(runs: int, cores: int) -> bool:
    """Whether the work of a step is asked for: each run may have more than one thread."""
    return cores // max(1, runs) > 1


def threads_of(runs: int, cores: int, flops: float | None) -> int:
    """The threads of each run.

    Args:
        runs: that may be made at the same time.
        cores: of the machine.
        flops: of a training step, the largest of all runs; None: not known.
    """
    share = max(1, cores // max(1, runs))
    return min(share, UNKNOWN) if flops is None else min(share, max(1, int(flops // FLOPS_A_THREAD)))
