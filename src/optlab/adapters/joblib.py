"""What joblib does not promise: the executor that it brings along.

`tests/adapters/test_joblib.py` says what it keeps from breaking.
"""

import sys
from collections.abc import Callable
from functools import partial

from joblib.externals.loky import ProcessPoolExecutor, process_executor


def one_worker(initializer: Callable[[], None]) -> ProcessPoolExecutor:
    """A process of its own that takes one call after the other.

    The standard library's executor pickles without cloudpickle, and starts processes that need an importable main
    module; joblib's public `Parallel` has no way to wait for one call, to know its process, or to stop it.
    """
    return ProcessPoolExecutor(max_workers=1, initializer=partial(_begin, initializer))


def _begin(initializer: Callable[[], None]) -> None:
    """Begin a worker that may grow.

    Where psutil is installed (some trackers bring it), loky ends a worker that has grown by 300 MB since its first
    call, and torch alone takes more: jobs would meet a worker that leaves, a stop would go to a process that is gone.
    """
    process_executor._MAX_MEMORY_LEAK_SIZE = sys.maxsize
    initializer()
