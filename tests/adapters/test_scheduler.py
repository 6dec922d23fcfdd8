"""What breaks when Linux takes another form of its calls for a process' turns, in words."""

import platform
import sys
from threading import Thread

import pytest

from optlab.adapters import scheduler
from optlab.adapters.scheduler import LONGEST, take_turns, turn


def in_a_thread_of_its_own(results: list[object]) -> None:
    results += [turn(), take_turns(), turn()]


def test_a_thread_takes_long_turns_and_leaves_those_of_others_alone() -> None:
    before, results = turn(), list[object]()
    thread = Thread(target=in_a_thread_of_its_own, args=(results,))
    thread.start()
    thread.join()
    assert turn() == before
    if results[1]:
        assert results[2] == LONGEST
    else:  # a Linux before 6.12, or another system
        assert results[2] == before
    if sys.platform == "linux" and tuple(map(int, platform.release().split(".")[:2])) >= (6, 12):
        assert before is not None, "the number of the call, or its form, is another"


@pytest.mark.parametrize(("system", "machine"), [("darwin", "arm64"), ("linux", "riscv64")])
def test_elsewhere_all_stays_as_it_is(system: str, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler.sys, "platform", system)
    monkeypatch.setattr(scheduler.platform, "machine", lambda: machine)
    assert not take_turns()
    assert turn() is None


def test_a_refusal_of_the_system_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "CALLS", {platform.machine(): (-1, -1)})
    assert not take_turns()
