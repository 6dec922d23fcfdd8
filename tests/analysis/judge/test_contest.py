"""What is compared with what: settings, the choice on validation, diverged runs, the metric of the verdict."""

import json
import math
from pathlib import Path

import pytest

from optlab.analysis.judge.contest import Contest, contests
from optlab.analysis.judge.metric import Metric, stand_in
from optlab.analysis.read.runs import read_runs
from optlab.errors import UserError
from tests.analysis.made import CLASSES, make_run, make_sweep


def only(folder: Path, metric: str | None = None) -> Contest:
    (contest,) = contests(read_runs([folder]), metric)
    return contest


def test_contenders_are_ranked_by_their_mean(tmp_path: Path) -> None:
    contest = only(make_sweep(tmp_path, {"sgd": [0.8, 0.82], "adam": [0.9, 0.92], "momentum": [0.85, 0.87]}))
    assert [c.name for c in contest.contenders] == ["adam", "momentum", "sgd"]


def test_a_configuration_is_chosen_on_validation_and_judged_on_test(tmp_path: Path) -> None:
    make_run(tmp_path, lr=0.1, val=0.90, test=0.95)
    make_run(tmp_path, lr=0.01, val=0.92, test=0.80)  # better on validation, worse on test
    contest = only(tmp_path)
    (contender,) = contest.contenders
    assert contender.chosen is not None
    assert contender.chosen.lr == 0.01
    assert contest.metric.name == "test/acc"
    assert contender.values(contest.metric) == {0: 0.80}


def test_without_test_values_everywhere_the_verdict_is_on_validation(tmp_path: Path) -> None:
    make_run(tmp_path, "adam", val=0.9, test=0.9)
    make_run(tmp_path, "sgd", val=0.8, test=None)
    assert only(tmp_path).metric.name == "val/acc"


def test_the_choice_is_by_the_final_value_and_not_the_peak(tmp_path: Path) -> None:
    make_run(tmp_path, lr=0.1, curve=[0.5, 0.99, 0.9, 0.80])
    make_run(tmp_path, lr=0.01, curve=[0.5, 0.6, 0.7, 0.85])
    (contender,) = only(tmp_path).contenders
    assert contender.chosen is not None
    assert contender.chosen.lr == 0.01


def test_a_diverged_run_counts_as_chance_and_is_not_dropped(tmp_path: Path) -> None:
    make_run(tmp_path, lr=0.1, seed=0, val=0.99)
    make_run(tmp_path, lr=0.1, seed=1, status="diverged")
    make_run(tmp_path, lr=0.01, seed=0, val=0.8)
    make_run(tmp_path, lr=0.01, seed=1, val=0.8)
    contest = only(tmp_path)
    (contender,) = contest.contenders
    assert contender.chosen is not None
    assert contender.chosen.lr == 0.01  # (0.99 + 0.1) / 2 < 0.8
    wild = next(c for c in contender.tried if c.lr == 0.1)
    assert wild.values(contest.selection) == {0: 0.99, 1: 1 / CLASSES}


def test_what_diverged_on_every_seed_is_not_chosen_over_what_trained_below_chance(tmp_path: Path) -> None:
    make_run(tmp_path, lr=0.01, val=0.05)
    make_run(tmp_path, lr=1e30, status="diverged")
    (contender,) = only(tmp_path).contenders
    assert contender.chosen is not None
    assert contender.chosen.lr == 0.01


def test_a_diverged_run_has_the_worst_loss_and_at_least_that_of_guessing(tmp_path: Path) -> None:
    make_run(tmp_path, seed=0, val=0.9)
    make_run(tmp_path, seed=1, status="diverged")
    contest = only(tmp_path, "val/loss")
    assert contest.contenders[0].values(contest.metric)[1] == pytest.approx(math.log(CLASSES))


def test_lower_is_better_for_losses(tmp_path: Path) -> None:
    contest = only(make_sweep(tmp_path, {"sgd": [0.8], "adam": [0.9]}), "val/loss")
    assert [c.name for c in contest.contenders] == ["adam", "sgd"]


def test_failed_and_unfinished_runs_have_no_value(tmp_path: Path) -> None:
    make_run(tmp_path, seed=0)
    for seed, status in enumerate(("failed", "running", "interrupted"), start=1):
        make_run(tmp_path, seed=seed, status=status)  # type: ignore[arg-type]
    contest = only(tmp_path)
    assert list(contest.contenders[0].values(contest.metric)) == [0]
    assert contest.unfinished == 2


def test_only_confirmation_enters_the_verdict(tmp_path: Path) -> None:
    for seed in (0, 1):
        make_run(tmp_path, lr=0.1, seed=seed, val=0.9, phase="tune")
        make_run(tmp_path, lr=0.01, seed=seed, val=0.8, phase="tune")
    make_run(tmp_path, lr=0.1, seed=5, val=0.7, test=0.69, phase="confirm")
    contest = only(tmp_path)
    (contender,) = contest.contenders
    assert contest.confirmed
    assert contender.values(contest.metric) == {5: 0.69}
    assert {run.record.phase for run in contender.tuning} == {"tune"}
    assert len(contender.tried) == 2


def test_schedules_are_contenders(tmp_path: Path) -> None:
    make_run(tmp_path, schedule="constant", val=0.8)
    make_run(tmp_path, schedule="cosine", val=0.9)
    assert [c.name for c in only(tmp_path).contenders] == ["adam · cosine", "adam · constant"]


def test_hyperparameters_are_tried_within_a_contender(tmp_path: Path) -> None:
    make_run(tmp_path, "momentum", arguments={"momentum": 0.9}, val=0.8)
    make_run(tmp_path, "momentum", arguments={"momentum": 0.99}, val=0.9)
    (contender,) = only(tmp_path).contenders
    assert contender.chosen is not None
    assert contender.chosen.label == "lr 0.001 momentum 0.99"


def test_what_is_not_the_optimizer_is_another_setting(tmp_path: Path) -> None:
    make_run(tmp_path, config={"batch_size": 32})
    make_run(tmp_path, config={"batch_size": 64, "report": {"live": True}})
    make_run(tmp_path, dataset="mnist")
    labels = {contest.label for contest in contests(read_runs([tmp_path]))}
    assert labels == {"cnn on digits, batch_size 32", "cnn on digits, batch_size 64", "cnn on mnist"}


def test_an_unknown_metric_lists_the_known(tmp_path: Path) -> None:
    make_run(tmp_path, test=0.9)
    with pytest.raises(UserError, match=r"val/accuracy: no run here has it; they have test/acc, test/loss, train/acc"):
        only(tmp_path, "val/accuracy")


@pytest.mark.parametrize(
    ("name", "value", "text", "gap"),
    [("val/acc", 0.9731, "97.31\u00a0%", "97.31 points"), ("val/loss", 0.08234, "0.08234", "0.08234")],
)
def test_metrics_are_written_in_their_unit(name: str, value: float, text: str, gap: str) -> None:
    assert Metric(name).text(value) == text
    assert Metric(name).gap(value) == gap
    assert Metric(name).text(None) == "–"


def test_a_diverged_run_without_known_classes_is_the_worst_value_seen_and_not_the_best(tmp_path: Path) -> None:
    make_run(tmp_path, lr=0.1, val=0.5)
    make_run(tmp_path, lr=0.01, val=0.9)
    make_run(tmp_path, lr=1.0, status="diverged", curve=[0.5, 0.6, math.nan, math.nan])
    for path in tmp_path.glob("*/run.json"):
        content = json.loads(path.read_text())
        del content["data"]["outputs"]
        path.write_text(json.dumps(content))
    contest = only(tmp_path)
    (contender,) = contest.contenders
    assert contender.chosen is not None
    assert contender.chosen.lr == 0.01
    means = {c.lr: c.values(contest.selection)[0] for c in contender.tried}
    assert means == {0.1: 0.5, 0.01: 0.9, 1.0: 0.5}


@pytest.mark.parametrize(("metric", "worst"), [("val/acc", 0.0), ("test/f1", 0.0), ("val/loss", 1.0)])
def test_where_nothing_finished_the_stand_in_is_the_worst_that_is_known(metric: str, worst: float) -> None:
    assert stand_in(metric, []) == worst
