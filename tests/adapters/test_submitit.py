"""What breaks when an upgrade of submitit takes away what it never promised, in words."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import submitit

from optlab.adapters.submitit import ask_to_stop, has_result

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning", "ignore::ResourceWarning")


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.02)


def test_a_job_that_is_asked_to_stop_has_time_to_save_else_ctrl_c_loses_an_epoch() -> None:
    def save_and_stop() -> str:
        stopped: list[int] = []
        signal.signal(signal.SIGTERM, lambda signum, _: stopped.append(signum))
        Path("working").touch()
        while not stopped:
            time.sleep(0.01)
        time.sleep(1.2)  # longer than the controller waits after `cancel()`
        return "saved"

    executor = submitit.AutoExecutor("submitit", cluster="local")
    executor.update_parameters(timeout_min=5)
    job = executor.submit(save_and_stop)
    assert not has_result(job)
    wait_for(Path("working").exists)
    ask_to_stop(job)
    wait_for(job.done)
    assert has_result(job)
    assert job.result() == "saved"
    assert int(job.job_id) != os.getpid()
    ask_to_stop(job)  # it is gone: nothing happens
