"""The small words that several rooms share."""

import pytest

from optlab.rules.words import divergence, duration, enumerated, failure, plural


@pytest.mark.parametrize(("seconds", "text"), [(41.2, "41 s"), (300, "5 min"), (8000, "2 h 13 min")])
def test_durations_are_rough(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_one_is_no_plural_and_thousands_are_told_apart() -> None:
    assert [plural(n, "run") for n in (0, 1, 1200)] == ["0 runs", "1 run", "1,200 runs"]


def test_the_last_of_several_stands_after_an_and() -> None:
    assert [enumerated("abc"[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]


def test_how_a_run_ended_is_one_line_whatever_its_record_lacks() -> None:
    assert failure({"type": "ValueError", "message": "no\nmore"}) == "ValueError: no"
    assert failure(None) == "error: "
    assert divergence({"epoch": 3}) == "diverged in epoch 3"
    assert divergence(None) == "diverged in epoch None"
