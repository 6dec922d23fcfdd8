"""What a run is judged by, and what it is worth."""

import pytest

from optlab.errors import UserError
from optlab.record import RunRecord, Status
from optlab.rules.choice import score_of
from optlab.rules.metrics import (
    Direction,
    chance_level,
    direction,
    directions_of,
    higher_is_better,
    metric_of,
    objective,
)
from optlab.rules.tasks import TASKS


@pytest.mark.parametrize(
    ("wanted", "validates", "task", "metric"),
    [
        (None, True, "classification", "val/acc"),
        (None, False, "classification", "train/acc"),
        (None, True, "regression", "val/loss"),
        (None, False, "regression", "train/loss"),
        (None, True, "binary", "val/acc"),
        (None, True, "multilabel", "val/acc"),
        (None, True, "dense", "val/acc"),
        ("train/loss", True, "classification", "train/loss"),
        ("val/f1", True, "classification", "val/f1"),
        ("val/auroc", True, "binary", "val/auroc"),
        ("val/r2", True, "regression", "val/r2"),
        ("val/iou", True, "dense", "val/iou"),
    ],
)
def test_a_run_is_judged_by_what_its_task_and_data_have(
    wanted: str | None, validates: bool, task: str, metric: str
) -> None:
    assert metric_of(wanted, validates=validates, task=task) == metric


@pytest.mark.parametrize(
    ("wanted", "validates", "task", "known"),
    [
        ("val/acc", False, "classification", "train/loss, train/acc"),
        ("val/acc", True, "regression", "val/loss, val/r2, val/mae, val/rmse, train/loss"),
        (
            "test/acc",
            True,
            "classification",
            "val/loss, val/acc, val/f1, val/ece, val/auroc, train/loss, train/acc",
        ),
        ("train/f1", False, "binary", "train/loss, train/acc"),
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


def test_guessing_scores_what_the_task_allows() -> None:
    assert chance_level("val/acc", 1, "binary") == chance_level("val/acc", 7, "multilabel") == 0.5
    assert chance_level("val/auroc", 1, "binary") == chance_level("val/auroc", 10, "classification") == 0.5
    assert chance_level("val/acc", 4, "dense") == 0.25
    assert [chance_level(f"test/{kind}", 3, "regression") for kind in ("loss", "r2", "mae", "rmse")] == [None] * 4


def test_which_way_is_better() -> None:
    known = {kind for task in TASKS.values() for kind in task.metrics(10)}
    lower = {"loss", "ece", "mae", "rmse"}
    assert {kind for kind in known if not higher_is_better(f"test/{kind}")} == lower
    assert all(direction(f"val/{kind}") is not None for kind in known)


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("val_loss", "min"),
        ("val_acc", "max"),
        ("valid/top1_error", "min"),
        ("train_acc_epoch", "max"),
        ("val/F1Score", "max"),
        ("valAccuracy", "max"),
        ("my/metric", None),
        ("val/f_divergence", None),
        ("lr", None),
    ],
)
def test_a_name_of_the_users_own_says_which_way_is_better_where_it_is_a_usual_one(
    name: str, way: Direction | None
) -> None:
    assert direction(name) == way


def test_what_a_run_says_of_its_own_metrics_counts_more_than_their_names() -> None:
    said = directions_of({"directions": {"kappa_loss": "max", "odd": "sideways"}})
    assert said == {"kappa_loss": "max"}
    assert higher_is_better("val/kappa_loss", said)
    assert not higher_is_better("val/kappa_loss")


def test_nothing_is_chosen_by_a_metric_that_nobody_knows_the_direction_of() -> None:
    own: dict[str, Direction | None] = {"kappa": "max", "odd": None}
    assert metric_of("val/kappa", validates=True, task="classification", own=own) == "val/kappa"
    with pytest.raises(UserError, match=r"metric=val/odd: its class has no higher_is_better"):
        metric_of("val/odd", validates=True, task="classification", own=own)


@pytest.mark.parametrize("status", ["failed", "interrupted", "running"])
def test_a_run_that_never_learnt_what_it_is_judged_by_has_no_score_and_no_objective(status: Status) -> None:
    groups = {group: {"name": "x", "lr": 1} for group in ("optimizer", "model", "dataset", "lr")}
    record = RunRecord.begin({**groups, "seed": 0, "phase": "tune"})
    record.status = status
    assert record.data == {}
    assert objective(record) is None
    assert score_of(record) is None
    assert score_of(record, "val/acc") is None
