"""What joblib does not promise: the executor that it brings along.

`tests/adapters/test_joblib.py` says what it keeps from breaking.
"""

from collections.abc import Callable

from joblib.externals.loky import ProcessPoolExecutor


def one_worker(initializer: Callable[[], None]) -> ProcessPoolExecutor:
    """A process of its own that takes one call after the other.

    The standard library's executor pickles without cloudpickle, and starts processes that need an importable main
    module; joblib's public `Parallel` has no way to wait for one call, to know its process, or to stop it.
    """
    return ProcessPoolExecutor(max_workers=1, initializer=initializer)
