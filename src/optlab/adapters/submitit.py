"""What submitit does not promise of a job in a process of this machine.

`tests/adapters/test_submitit.py` says what each function keeps from breaking.
"""

import os
import signal
from contextlib import suppress
from typing import Any

import submitit


def has_result(job: "submitit.Job[Any]") -> bool:
    """Whether the job left one: `result()` waits ten seconds for a file that a network's file system may yet bring."""
    return bool(job.paths.result_pickle.exists())


def ask_to_stop(job: "submitit.Job[Any]") -> None:
    """SIGTERM to submitit's controller, whose process number the job's id is; it passes that on to the job.

    `cancel()` sends SIGINT, after which the controller gives the job one second to save.
    """
    with suppress(ProcessLookupError):
        os.kill(int(job.job_id), signal.SIGTERM)
