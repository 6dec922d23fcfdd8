"""What the command line tells this process before it trains, each looked at from outside."""

import gc
import os
import platform
import subprocess
import sys
import textwrap

import pytest

from optlab import process

# Page faults of a large block behind one that was twice as large and freed: none when the C library kept that.
FAULTS = """
    import resource, sys
    from optlab.process import keep_large_blocks
    {call}
    import torch
    for size in (32_000_000, 16_000_000):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(size)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
LEAVES_OUT = """
    import sys, torch
    from optlab.process import leave_out_triton
    leave_out_triton()
    import lightning
    print("left_out" if sys.modules["triton"] is None else "imported", torch.cuda.is_available())
"""


def python(code: str, **variables: str) -> str:
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_freed_blocks_are_kept_and_not_faulted_in_again() -> None:
    assert int(python(FAULTS.format(call=""))) > 10_000  # 61 MiB in pages of 4 KiB
    assert int(python(FAULTS.format(call="keep_large_blocks()"))) < 500


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_what_a_user_set_for_the_allocator_stays() -> None:
    assert int(python(FAULTS.format(call="keep_large_blocks()"), MALLOC_TRIM_THRESHOLD_="131072")) > 10_000


def test_triton_is_left_out_where_there_is_no_gpu() -> None:
    triton, has_gpu = python(LEAVES_OUT).split()
    assert (triton == "left_out") == (has_gpu == "False")


def test_the_collector_works_as_usual_when_a_run_begins() -> None:
    usual = gc.get_threshold()
    gc.unfreeze()  # as in a new process
    gc.disable()
    try:
        with process.importing():
            assert gc.get_threshold() > usual
        assert gc.isenabled()
        assert gc.get_threshold() == usual
        frozen = gc.get_freeze_count()
        assert frozen > 0
        left = [[number] for number in range(10_000)]
        with process.importing():  # a sweep's next run: what the last one left is not kept for ever
            pass
        assert gc.get_freeze_count() < frozen + len(left)  # what is frozen may go at any time
    finally:
        gc.enable()
        gc.unfreeze()
