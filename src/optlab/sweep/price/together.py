"""How much longer a step takes while every other worker takes steps, too.

Cores share caches, memory, a clock that falls as more of them are busy, and where two of them are halves of one, its
units. So two runs side by side on two cores are less than twice as fast as one. How much less is tried out: the same
products of matrices and passes over memory, alone and beside others in threads of this process.
"""

import threading
import time

import torch

from optlab.adapters.torch import on_threads

ROUNDS = 5
SIZE = 320  # of the matrices: such a product takes about as long as a layer of a small network
LENGTH = 2**20  # floats that are passed over: 4 MiB, more than a core has of its own


def tried_out(threads: int) -> float:
    """The time of the same work beside that of others, over its time alone; not below 1.

    Nor above the number of threads: so long would one core take for all of them, and what is more is taken by other
    programs, just now.
    """
    if threads < 2:
        return 1.0
    with on_threads(1):
        work = Work()
        work.once()
        alone = min(work.once() for _ in range(ROUNDS))
        over = threading.Event()
        others = [threading.Thread(target=Work().until, args=(over,), daemon=True) for _ in range(threads - 1)]
        for other in others:
            other.start()
        try:
            beside = sorted(work.once() for _ in range(2 * ROUNDS))[ROUNDS]
        finally:
            over.set()
            for other in others:
                other.join()
    return min(float(threads), max(1.0, beside / alone))


class Work:
    """Some milliseconds of what a step does."""

    def __init__(self) -> None:
        self.matrix, self.out = torch.ones(SIZE, SIZE), torch.empty(SIZE, SIZE)
        self.memory, self.copy = torch.ones(LENGTH), torch.empty(LENGTH)

    def once(self) -> float:
        began = time.perf_counter()
        for _ in range(4):
            torch.mm(self.matrix, self.matrix, out=self.out)
            torch.add(self.memory, 1.0, out=self.copy)
        return time.perf_counter() - began

    def until(self, over: threading.Event) -> None:
        while not over.is_set():
            self.once()
