"""Plateau, gain, budget and the expected best of k, against hand values."""

import itertools
import math
from pathlib import Path

import pytest

from optlab.analysis.judge import tuning
from optlab.analysis.judge.contest import Contender, contests
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.verdict import judge
from optlab.analysis.read.runs import read_runs
from tests.analysis.made import make_run

VAL = Metric("val/acc")


def swept(folder: Path, values: dict[float, float]) -> Contender:
    for lr, value in values.items():
        make_run(folder, lr=lr, val=value)
    (contest,) = contests(read_runs([folder]))
    return contest.contenders[0]


def test_the_plateau_ends_where_the_line_between_two_points_falls_a_point_below(tmp_path: Path) -> None:
    contender = swept(tmp_path, {0.001: 0.86, 0.01: 0.90, 0.1: 0.895, 1.0: 0.885})
    found = tuning.plateau(contender, VAL)
    assert found is not None
    # Down by 4 points over the decade below: a point after a quarter. Above, half a point and then half of another.
    assert math.log10(found.low) == pytest.approx(-2.25)
    assert math.log10(found.high) == pytest.approx(-0.5)
    assert found.decades == pytest.approx(1.75)
    assert found.text == "1.8"


def test_a_plateau_narrower_than_the_grid_is_none(tmp_path: Path) -> None:
    assert tuning.plateau(swept(tmp_path, {0.001: 0.86, 0.01: 0.90, 0.1: 0.88}), VAL) is None


def test_a_plateau_that_goes_on_past_the_space_is_at_least_as_wide(tmp_path: Path) -> None:
    found = tuning.plateau(swept(tmp_path, {0.001: 0.895, 0.01: 0.90, 0.1: 0.85}), VAL)
    assert found is not None
    assert (found.open_below, found.open_above) == (True, False)
    assert found.text == "≥ 1.2"


def test_no_plateau_from_one_learning_rate(tmp_path: Path) -> None:
    assert tuning.plateau(swept(tmp_path, {0.001: 0.9}), VAL) is None


def test_the_gain_over_the_default_learning_rate(tmp_path: Path) -> None:
    contender = swept(tmp_path, {0.0001: 0.8, 0.001: 0.87, 0.01: 0.9})
    found = tuning.gain(contender, VAL, {"adam": 0.0011})
    assert found is not None
    assert found.tried_lr == 0.001
    assert found.difference == pytest.approx(0.03)
    assert tuning.gain(contender, VAL) is None  # nobody says what the default is
    assert tuning.gain(contender, VAL, {"adam": 1.0}) is None  # nothing near it was tried
    assert tuning.gain(contender, VAL, {"adam": 0.011}) is None  # what stands for it was chosen: 0 by construction


def test_a_run_that_sets_no_learning_rate_shows_the_default(tmp_path: Path) -> None:
    make_run(tmp_path, lr=0.001, val=0.8, overrides=["optimizer=adam"])
    contender = swept(tmp_path, {0.01: 0.9})
    found = tuning.gain(contender, VAL)
    assert found is not None
    assert found.default_lr == 0.001


def test_the_expected_best_of_k_trials_is_the_mean_over_all_choices() -> None:
    scores = [0.3, 0.9, 0.5, 0.5]
    by_hand = [sum(max(c) for c in itertools.combinations(scores, k)) / math.comb(len(scores), k) for k in range(1, 5)]
    assert tuning.expected_best(scores) == pytest.approx(by_hand)


def test_the_budget_counts_every_run(tmp_path: Path) -> None:
    for lr in (0.1, 0.01):
        for seed in (0, 1):
            make_run(tmp_path, lr=lr, seed=seed, phase="tune", epochs=4, seconds=0.5)
    make_run(tmp_path, lr=0.1, seed=5, phase="confirm", epochs=4, seconds=0.5)
    (contest,) = contests(read_runs([tmp_path]))
    tuned, spent = tuning.spent(contest.contenders[0])
    assert tuned == tuning.Budget(trials=2, runs=4, epochs=16, seconds=8.0)
    assert spent == tuning.Budget(trials=2, runs=5, epochs=20, seconds=10.0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({0.001: 0.8, 0.01: 0.9, 0.1: 0.85}, []),
        ({0.001: 0.8, 0.01: 0.85, 0.1: 0.9}, ["lr 0.1 is the largest of 3 tried"]),
        ({0.001: 0.9, 0.01: 0.85}, ["lr 0.001 is the smallest of 2 tried"]),
        ({0.001: 0.9}, []),
    ],
)
def test_a_learning_rate_at_the_end_of_those_tried_is_on_the_edge(
    tmp_path: Path, values: dict[float, float], expected: list[str]
) -> None:
    assert tuning.on_the_edge(swept(tmp_path, values)) == expected


def test_another_hyperparameter_at_the_end_of_those_tried_is_on_the_edge(tmp_path: Path) -> None:
    for momentum, value in ((0.7, 0.8), (0.9, 0.85), (0.99, 0.9)):
        make_run(tmp_path, lr=0.01, arguments={"momentum": momentum}, val=value)
    (contest,) = contests(read_runs([tmp_path]))
    assert tuning.on_the_edge(contest.contenders[0]) == ["momentum 0.99 is the largest of 3 tried"]


def test_on_and_off_are_no_edges(tmp_path: Path) -> None:
    make_run(tmp_path, lr=0.01, arguments={"momentum": 0.9}, val=0.9)
    make_run(tmp_path, lr=0.01, arguments={"momentum": 0.0}, val=0.8)
    (contest,) = contests(read_runs([tmp_path]))
    assert tuning.on_the_edge(contest.contenders[0]) == []


def test_a_part_of_betas_has_edges_too(tmp_path: Path) -> None:
    for beta1, value in ((0.8, 0.9), (0.9, 0.8), (0.95, 0.7)):
        make_run(tmp_path, lr=0.01, arguments={"betas": [beta1, 0.999]}, val=value)
    (contest,) = contests(read_runs([tmp_path]))
    assert tuning.on_the_edge(contest.contenders[0]) == ["beta1 0.8 is the smallest of 3 tried"]


def test_a_value_that_is_null_in_one_configuration_is_skipped_among_the_numbers(tmp_path: Path) -> None:
    for value, accuracy in ((None, 0.5), (10, 0.6), (20, 0.7), (30, 0.8)):
        make_run(tmp_path, "lbfgs", 1.0, val=accuracy, arguments={"max_eval": value})
    (contest,) = contests(read_runs([tmp_path]))
    (contender,) = contest.contenders
    assert tuning.edges_of(contender) == {"max_eval": "high"}
    assert tuning.on_the_edge(contender) == ["max_eval 30 is the largest of 3 tried"]
    assert judge(contest).headline.startswith("lbfgs alone")


def test_a_winner_without_a_number_is_on_no_edge(tmp_path: Path) -> None:
    for value, accuracy in ((None, 0.9), (10, 0.6), (20, 0.7), (30, 0.8)):
        make_run(tmp_path, "lbfgs", 1.0, val=accuracy, arguments={"max_eval": value})
    (contest,) = contests(read_runs([tmp_path]))
    assert tuning.edges_of(contest.contenders[0]) == {}
