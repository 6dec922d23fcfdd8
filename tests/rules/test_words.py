"""The small words that several rooms share."""

import pytest

from optlab.rules.words import divergence, duration, enumerated, failure, natural, plural, slug


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


def test_names_with_numbers_sort_by_value() -> None:
    names = [f"cnn on digits, batch_size {n}" for n in (256, 16, 64)]
    assert [name.rpartition(" ")[2] for name in sorted(names, key=natural)] == ["16", "64", "256"]
    assert sorted(["lr 0.1", "lr 1e-3", "lr", "adam"], key=natural) == ["adam", "lr", "lr 1e-3", "lr 0.1"]


def test_a_name_becomes_part_of_an_address() -> None:
    assert slug("cnn on digits, batch_size 16") == "cnn-on-digits-batch-size-16"
