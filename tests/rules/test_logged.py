"""How names that modules log become optlab's."""

import pytest

from optlab.errors import UserError
from optlab.rules.logged import at_test, judged_by, standard_name


@pytest.mark.parametrize(
    ("name", "standard"),
    [
        ("val_loss", "val/loss"),
        ("valid/loss", "val/loss"),
        ("Validation-Accuracy_epoch", "val/acc"),
        ("train_loss_epoch", "train/loss"),
        ("test_f1", "test/f1"),
        ("val/acc", "val/acc"),
        ("my/metric", "my/metric"),
        ("trainable", "trainable"),
        ("value_loss", "value_loss"),
    ],
)
def test_a_part_and_a_kind_have_one_name(name: str, standard: str) -> None:
    assert standard_name(name) == standard


def test_a_validation_step_used_at_test_time_logs_of_the_test() -> None:
    names = ["val_loss", "valid/acc", "test_loss", "kappa"]
    assert [at_test(name) for name in names] == ["test_loss", "test/acc", "test_loss", "kappa"]


def test_a_run_is_judged_by_what_it_logs() -> None:
    names = ["train/loss", "val_loss", "val/loss", "val/f1"]
    assert judged_by(None, names, validates=True, usual="acc") == "val/loss"
    assert judged_by(None, [*names, "val/acc"], validates=True, usual="acc") == "val/acc"
    assert judged_by(None, names, validates=False, usual="acc") == "train/loss"
    assert judged_by("val/f1", names, validates=True, usual="acc") == "val/f1"
    with pytest.raises(UserError, match="metric=val_f2: this run logs train/loss, val_loss"):
        judged_by("val_f2", names, validates=True, usual="acc")
