"""What a run is judged by, and what it is worth."""

from typing import get_args

import pytest

from optlab.errors import UserError
from optlab.record import RunRecord, Status
from optlab.rules.choice import score_of
from optlab.rules.metrics import JudgedBy, chance_level, higher_is_better, metric_of, objective

JUDGED_BY = get_args(JudgedBy)


@pytest.mark.parametrize(
    ("wanted", "validates", "task", "metric"),
    [
        (None, True, "classification", "val/acc"),
        (None, False, "classification", "train/acc"),
        (None, True, "regression", "val/loss"),
        (None, False, "regression", "train/loss"),
        ("train/loss", True, "classification", "train/loss"),
    ],
)
def test_a_run_is_judged_by_what_its_task_and_data_have(
    wanted: str | None, validates: bool, task: str, metric: str
) -> None:
    assert metric_of(wanted, validates=validates, task=task) == metric
    assert metric in JUDGED_BY


@pytest.mark.parametrize(
    ("wanted", "validates", "task", "known"),
    [
        ("val/acc", False, "classification", "train/loss, train/acc"),
        ("val/acc", True, "regression", "val/loss, train/loss"),
        ("test/acc", True, "classification", "val/loss, val/acc, train/loss, train/acc"),
    ],
)
def test_a_metric_that_a_run_lacks_is_refused_with_those_it_has(
    wanted: str, validates: bool, task: str, known: str
) -> None:
    with pytest.raises(UserError, match=f"metric={wanted}: this run has {known}$"):
        metric_of(wanted, validates=validates, task=task)


def test_guessing_scores_one_class_in_all_and_a_loss_has_no_such_level() -> None:
    assert chance_level("val/acc", 10) == 0.1
    assert chance_level("test/top5", 10) == 0.5
    assert chance_level("test/top5", 3) == 1.0
    assert chance_level("test/f1", 10) == 0.0
    assert chance_level("val/loss", 10) is None
    assert chance_level("test/ece", 10) is None
    assert chance_level("val/acc", None) is None


def test_which_way_is_better() -> None:
    assert [name for name in (*JUDGED_BY, "test/top5", "test/f1", "test/ece") if higher_is_better(name)] == [
        *("val/acc", "train/acc", "test/top5", "test/f1"),
    ]


@pytest.mark.parametrize("status", ["failed", "interrupted", "running"])
def test_a_run_that_never_learnt_what_it_is_judged_by_has_no_score_and_no_objective(status: Status) -> None:
    groups = {group: {"name": "x", "lr": 1} for group in ("optimizer", "model", "dataset", "lr")}
    record = RunRecord.begin({**groups, "seed": 0, "phase": "tune"})
    record.status = status
    assert record.data == {}
    assert objective(record) is None
    assert score_of(record) is None
    assert score_of(record, "val/acc") is None
