from mmap import mmap
from pathlib import Path

import numpy as np
import pytest

from optlab.adapters import memory
from optlab.adapters.memory import MIB, forget_peak, peak_bytes


def hold(mib: int) -> None:
    with mmap(-1, mib * MIB) as anew:  # and not from what the process keeps of memory that was freed
        np.frombuffer(anew, dtype=np.uint8).fill(1)


def test_the_peak_is_what_was_held_at_a_time_and_can_begin_anew() -> None:
    begun = forget_peak()
    start = peak_bytes()
    hold(200)
    assert peak_bytes() >= start + 190 * MIB
    if begun:  # else every run of a worker would show the peak of the largest before it
        forget_peak()
        assert peak_bytes() < start + 100 * MIB


def test_where_the_mark_cannot_be_set_back_it_is_that_of_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known = peak_bytes()
    monkeypatch.setattr(memory, "CLEAR", tmp_path / "none" / "clear_refs")
    monkeypatch.setattr(memory, "STATUS", tmp_path / "none" / "status")
    assert not forget_peak()
    assert peak_bytes() > 0.5 * known
