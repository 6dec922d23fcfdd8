"""Paths: single steps by hand, divergence where theory has it, and a search that is the same for all."""

import math
from functools import cache

import numpy as np
import pytest

from optlab.config import compose, resolve
from optlab.config.schema import Optimizer as Settings
from optlab.errors import UserError
from optlab.teaching.surfaces import search
from optlab.teaching.surfaces.functions import SURFACES
from optlab.teaching.surfaces.record import walked
from optlab.teaching.surfaces.walk import Path, check, walk

RAVINE, ROSENBROCK = SURFACES["ravine"], SURFACES["rosenbrock"]


@cache
def of(*words: str) -> Settings:
    return Settings.parse(resolve(compose(list(words)))["optimizer"], "optimizer.")


def points(path: Path) -> np.ndarray:
    return np.array([path.x, path.y]).T


START = np.array([-1.2, 1.0])
GRADIENT = np.array([-215.6, -88.0])  # of Rosenbrock there: (-2·2.2 - 400·(-1.2)·(1 - 1.44), 200·(1 - 1.44))


@pytest.mark.parametrize(
    ("words", "step"),
    [
        (["optimizer=sgd"], -1e-3 * GRADIENT),
        (["optimizer=momentum"], -1e-3 * GRADIENT),  # the first velocity is the gradient
        (["optimizer=nesterov"], -1e-3 * (GRADIENT + 0.9 * GRADIENT)),
        (["optimizer=adam"], -1e-3 * np.sign(GRADIENT)),  # bias correction: lr in each weight
        (["optimizer=rmsprop"], -1e-3 / math.sqrt(1 - 0.99) * np.sign(GRADIENT)),  # none: ten times lr
        (["optimizer=adagrad"], -1e-3 * np.sign(GRADIENT)),
        (["optimizer=rprop"], -1e-3 * np.sign(GRADIENT)),
        (["optimizer=adamw"], -1e-3 * np.sign(GRADIENT) - 1e-3 * 0.01 * START),  # decoupled decay of the weights
    ],
    ids=lambda value: value[0].partition("=")[2] if isinstance(value, list) else "",
)
def test_the_first_step(words: list[str], step: np.ndarray) -> None:
    path = walk(ROSENBROCK, of(*words), 1e-3, 1, ROSENBROCK.start)
    assert points(path)[0] == pytest.approx(START)
    assert points(path)[1] - START == pytest.approx(step, rel=1e-6)
    assert path.f[0] == pytest.approx(24.2)
    assert path.f[1] == pytest.approx(ROSENBROCK.value(path.x[1], path.y[1]))


def test_the_second_step_of_momentum() -> None:
    first, second = points(walk(ROSENBROCK, of("optimizer=momentum"), 1e-3, 2, ROSENBROCK.start))[1:]
    assert second - first == pytest.approx(-1e-3 * (0.9 * GRADIENT + np.array(ROSENBROCK.gradient(*first))))


def test_sgd_in_the_ravine_is_a_geometric_series() -> None:
    path = walk(RAVINE, of("optimizer=sgd"), 0.015, 50, (-9.0, 1.0))
    steps = np.arange(51)
    assert path.x == pytest.approx(-9 * (1 - 0.015) ** steps)
    assert path.y == pytest.approx((1 - 1.5) ** steps, abs=1e-15)


def test_sgd_diverges_above_two_by_the_curvature() -> None:
    assert walk(RAVINE, of("optimizer=sgd"), 0.0199, 1000, (-9.0, 1.0)).diverged is None
    path = walk(RAVINE, of("optimizer=sgd"), 0.03, 1000, (-9.0, 1.0))
    # |y| doubles at each step, and the picture is 14 wide.
    assert path.diverged == 8 == len(path.f) - 1
    assert abs(path.y[-1]) == 256 > 140 > abs(path.y[-2])


def test_a_closure_is_asked_several_times_a_step_and_counted() -> None:
    path = walk(RAVINE, of("optimizer=lbfgs"), 1.0, 5, RAVINE.start)
    assert path.evaluations > 5
    assert path.f[-1] < 1e-6
    assert walk(RAVINE, of("optimizer=adam"), 0.1, 5, RAVINE.start).evaluations == 5


def test_a_line_search_that_leaves_the_numbers_is_no_error() -> None:
    path = walk(ROSENBROCK, of("optimizer=lbfgs", "optimizer.line_search_fn=null"), 10.0, 50, ROSENBROCK.start)
    assert path.diverged is not None


@pytest.mark.parametrize(
    ("option", "says"),
    [("muon", "two weights and no matrix; it says: optimizer=muon needs a hidden layer"), ("own", "takes no steps")],
)
def test_what_cannot_walk_is_refused_in_one_line(option: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        check(of(f"optimizer={option}"))


def test_two_walks_are_the_same() -> None:
    first, second = (walk(ROSENBROCK, of("optimizer=adam"), 0.1, 20, (0.0, 0.0)) for _ in range(2))
    assert first == second


# -- the search


def test_the_search_is_the_same_for_all() -> None:
    found = walked(RAVINE, [of("optimizer=sgd"), of("optimizer=adam"), of("optimizer=rprop")], 20)
    for way in found.ways:
        tried = [trial.lr for trial in way.trials]
        assert len(tried) == search.TRIALS == 15
        assert set(search.COARSE) <= set(tried)
        coarse = [trial for trial in way.trials if trial.lr in search.COARSE]
        best = min(coarse, key=lambda trial: trial.mean)
        beside = sorted(set(tried) - set(search.COARSE))
        assert beside == pytest.approx([best.lr / 10**0.25, best.lr * 10**0.25], rel=5e-3)
    steps = np.diff(np.log10(search.COARSE))
    assert steps == pytest.approx(0.5, abs=1e-3)


def test_the_best_has_the_lowest_mean_and_no_diverged_one_is_taken() -> None:
    (way,) = walked(RAVINE, [of("optimizer=sgd")], 50).ways
    for trial in way.trials:
        path = walk(RAVINE, of("optimizer=sgd"), trial.lr, 50, RAVINE.start)
        assert (trial.lr > 0.02) == (trial.diverged is not None) == math.isinf(trial.mean)
        if trial.diverged is None:
            assert trial.mean == pytest.approx(np.mean(path.f))
            assert trial.mean >= np.mean(way.path.f)
    assert not way.edge
    assert way.path == walk(RAVINE, of("optimizer=sgd"), way.lr, 50, RAVINE.start)


def test_a_best_at_an_end_of_the_search_is_called_so() -> None:
    slope = Path((0.0,), (0.0,), (0.0,), 1, None)
    rising = search.tuned(RAVINE, lambda lr: Path((0.0,), (0.0,), (lr,), 1, None))
    assert rising.edge
    assert rising.lr == pytest.approx(1e-5 / 10**0.25, rel=5e-3)
    middle = search.tuned(RAVINE, lambda lr: Path((0.0,), (0.0,), (abs(math.log10(lr)),), 1, None))
    assert (middle.lr, middle.edge) == (1.0, False)
    gone = search.tuned(RAVINE, lambda lr: slope if lr == 0.1 else Path((0.0,), (0.0,), (-9.0,), 1, 1))
    assert gone.lr == 0.1


def test_a_typed_lr_is_not_searched() -> None:
    (way,) = walked(RAVINE, [of("optimizer=sgd")], 10, lr=0.3, start=(1.0, 1.0)).ways
    assert (way.lr, way.trials, way.edge) == (0.3, (), False)
    assert way.diverged is not None
    assert (way.path.x[0], way.path.y[0]) == (1.0, 1.0)
