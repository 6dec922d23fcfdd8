"""Importance of hyperparameters: Optuna's own numbers, and how often the intervals say what is true."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import qmc

from optlab.analysis import build
from optlab.analysis.judge import importance
from optlab.analysis.judge.contest import Contender, contests
from optlab.analysis.judge.importance import FEWEST, Column, Importances, divergence, importances, is_good, shares
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.statistics import FloatArray
from optlab.analysis.read.runs import read_runs
from optlab.record import Status
from tests.analysis.made import make_run

ACCURACY = Metric("val/acc")


def surface(rng: np.random.Generator, trials: int, *, matters: bool) -> tuple[FloatArray, FloatArray]:
    """Positions of trials in three hyperparameters, and their values: the first decides, or none does."""
    points: FloatArray = qmc.Halton(3, rng=rng).random(trials)
    noise = 0.03 * rng.normal(size=trials)
    best = rng.uniform(0.2, 0.8)
    return points, noise - (np.minimum(1.0, 4 * (points[:, 0] - best) ** 2) if matters else 0)


def intervals(points: FloatArray, values: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Low and high ends. [2, hyperparameters]"""
    columns = [Column.of(list(column)) for column in points.T]
    rows = (rng.integers(0, len(values), len(values)) for _ in range(60))
    ends: FloatArray = np.quantile([shares([c.drawn(r) for c in columns], values[r]) for r in rows], (0.025, 0.975), 0)
    return ends


def found(trials: int, number: int, *, matters: bool) -> FloatArray:
    """How often each hyperparameter's interval lies above an even share. [hyperparameters]"""
    rng = np.random.default_rng(trials)
    lows = [intervals(*surface(rng, trials, matters=matters), rng)[0] for _ in range(number)]
    share: FloatArray = np.mean(np.array(lows) > 1 / 3, axis=0)
    return share


def test_the_numbers_are_optunas() -> None:
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rng = np.random.default_rng(1)
    points, values = surface(rng, 40, matters=True)
    words = [("cosine", "linear", "constant")[i] for i in rng.integers(0, 3, 40)]
    values = values + 0.1 * np.array([word == "linear" for word in words])
    study = optuna.create_study(direction="maximize")
    space = {f"p{i}": optuna.distributions.FloatDistribution(*_ends(points[:, i])) for i in range(3)}
    space["word"] = optuna.distributions.CategoricalDistribution(sorted(set(words)))
    for point, word, value in zip(points, words, values, strict=True):
        params = {f"p{i}": float(x) for i, x in enumerate(point)} | {"word": word}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=value))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls it experimental
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.25)
        theirs = optuna.importance.get_param_importances(study, evaluator=evaluator, normalize=False)
    good = is_good(values)
    columns = {f"p{i}": Column.of(list(points[:, i])) for i in range(3)} | {"word": Column.of(words)}
    ours = {name: 0.25**2 * divergence(c.density(good), c.density()) for name, c in columns.items()}
    assert good.sum() == 10
    assert ours == pytest.approx(dict(theirs), rel=1e-6)


def _ends(values: FloatArray) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def test_a_hyperparameter_that_matters_stands_out_from_twenty_trials_on() -> None:
    assert found(FEWEST, 20, matters=True)[0] > 0.6
    assert found(2 * FEWEST, 10, matters=True)[0] > 0.95
    assert found(12, 20, matters=True)[0] < 0.3  # why fewer are "too few trials"


def test_where_none_matters_few_stand_out() -> None:
    assert found(FEWEST, 30, matters=False).max() <= 0.1
    assert found(2 * FEWEST, 15, matters=False).max() <= 0.1


def search(folder: Path, trials: int, *, failed: int = 0, diverged: int = 0) -> Contender:
    """Trials of which the learning rate decides how good they are, and momentum nothing."""
    rng = np.random.default_rng(0)
    for trial, (a, b) in enumerate(qmc.Halton(2, rng=0).random(trials)):
        value = 0.9 - 0.8 * min(1.0, 4 * (a - 0.6) ** 2) + 0.01 * rng.normal()
        status: Status = "failed" if trial < failed else "diverged" if trial < failed + diverged else "finished"
        momentum = {"momentum": round(float(b), 3)}
        make_run(folder, "momentum", float(f"{10 ** (3 * a - 4):.3g}"), val=value, status=status, arguments=momentum)
    (contest,) = contests(read_runs([folder]))
    return contest.contenders[0]


def names(found: Importances | None) -> Sequence[str]:
    return [] if found is None else [each.name for each in found.shares]


def test_the_importances_of_a_sweep(tmp_path: Path) -> None:
    contender = search(tmp_path, 42, failed=2)
    told = importances(contender, ACCURACY)
    assert told is not None
    assert (told.trials, told.good, told.even) == (40, 10, 0.5)  # failed ones are left out
    assert names(told) == ["lr", "momentum"]
    first, second = told.shares
    assert first.share + second.share == pytest.approx(1)
    assert first.low > told.even > second.high
    assert first.low <= first.share <= first.high
    assert importances(contender, ACCURACY) == told  # the same every time


def test_the_file_has_the_importances_of_the_figure(tmp_path: Path) -> None:
    contender = search(tmp_path, 24)
    make_run(tmp_path, "sgd", val=0.5)
    summary = build([tmp_path], figures=False)
    (verdict,) = json.loads(summary.report.with_name("summary.json").read_text())["verdicts"]
    (told,) = verdict["importance"]  # of sgd there is nothing to say
    assert (told["contender"], told["trials"]) == (contender.name, 24)
    (computed,) = summary.verdicts[0].importance
    assert told["shares"] == [asdict(each) for each in computed.shares]
    assert told["shares"]


def test_few_trials_are_said_to_be_too_few(tmp_path: Path) -> None:
    told = importances(search(tmp_path, FEWEST - 1), ACCURACY)
    assert told is not None
    assert (told.trials, told.shares) == (FEWEST - 1, [])


def test_trials_that_are_all_alike_have_no_importance(tmp_path: Path) -> None:
    told = importances(search(tmp_path, 24, diverged=24), ACCURACY)
    assert told is not None
    assert told.shares == []  # all at chance: none is better


def test_one_hyperparameter_has_no_importance(tmp_path: Path) -> None:
    for lr in (0.1, 0.01, 0.001):
        make_run(tmp_path, lr=lr)
    (contest,) = contests(read_runs([tmp_path]))
    assert importance.importances(contest.contenders[0], ACCURACY) is None
