"""What breaks when an upgrade of joblib takes away what it never promised, in words."""

import os
import sys
import time
from pathlib import Path

import pytest

from optlab.adapters.joblib import one_worker

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning", "ignore::ResourceWarning")


def leave_a_mark() -> None:
    Path("started").touch()


def test_a_worker_is_one_process_that_is_kept_else_every_job_imports_torch_again() -> None:
    executor = one_worker(initializer=leave_a_mark)
    try:
        first = executor.submit(os.getpid)
        assert first.result() == executor.submit(os.getpid).result() != os.getpid()
        assert first.done()
        assert first.exception() is None
        assert Path("started").exists()
        dead = executor.submit(os._exit, 1)
        assert dead.exception() is not None  # so that the job's death is seen, and a new worker takes the next
    finally:
        executor.shutdown(wait=True)


def grow() -> int:
    sys.held = b"x" * 400_000_000  # type: ignore[attr-defined]  # where it stays as long as the worker
    time.sleep(1.1)  # loky looks at a worker's memory once a second
    return os.getpid()


def test_a_worker_may_grow_else_it_leaves_after_the_first_job_that_imports_torch() -> None:
    pytest.importorskip("psutil", reason="loky looks at memory by psutil")
    executor = one_worker(initializer=leave_a_mark)
    try:
        workers = [executor.submit(work).result(timeout=30) for work in (os.getpid, grow, os.getpid)]
        assert len(set(workers)) == 1
    finally:
        executor.shutdown(wait=True)
