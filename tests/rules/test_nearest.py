"""Which name is meant by one that was mistyped."""

import pytest

from optlab.rules.nearest import nearest, slips


@pytest.mark.parametrize(
    ("word", "other", "count"),
    [
        ("adam", "adam", 0),
        ("adma", "adam", 1),  # a swap counts once
        ("adma", "adamax", 2),
        ("adan", "adam", 1),
        ("ada", "adam", 1),
        ("adamm", "adam", 1),
        ("", "lr", 2),
        ("ca", "abc", 3),  # not 2: no letter is touched twice
    ],
)
def test_slips_of_the_hand_are_counted(word: str, other: str, count: int) -> None:
    assert slips(word, other) == slips(other, word) == count


def test_the_name_with_the_fewest_slips_is_meant() -> None:
    optimizers = ["adadelta", "adagrad", "adam", "adamax", "adamw", "nadam", "sgd"]
    assert nearest("adma", optimizers) == ["adam"]
    assert nearest("rl", ["lr", "betas"]) == ["lr"]
    assert nearest("momentun", ["lr", "momentum"]) == ["momentum"]
    assert nearest("cifar", optimizers) == []
    assert nearest("anything", []) == []
