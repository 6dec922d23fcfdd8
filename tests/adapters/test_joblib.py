"""What breaks when an upgrade of joblib takes away what it never promised, in words."""

import os
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
