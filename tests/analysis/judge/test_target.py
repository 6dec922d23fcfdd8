"""Time to target against hand values and SciPy's Kaplan-Meier; what a miss, a divergence and a running run count as."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from optlab.analysis.judge.contest import contests
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.target import Arrival, arrival, default_target, time_to_target, times_to_target
from optlab.analysis.read.runs import read_runs
from tests.analysis.made import make_run, make_sweep

VAL = Metric("val/acc")


def test_without_misses_it_is_the_plain_share() -> None:
    found = time_to_target([Arrival(3, True), Arrival(5, True), Arrival(7, True)])
    assert found is not None
    assert found.times.tolist() == [3, 5, 7]
    assert found.share == pytest.approx([1 / 3, 2 / 3, 1])
    assert found.median == 5


def test_a_censored_run_leaves_those_at_risk() -> None:
    # At 3: 1 of 4. The run censored at 4 leaves two at risk at 5: 1 - 3/4 * 1/2.
    arrivals = [Arrival(3, True), Arrival(4, False), Arrival(5, True), Arrival(math.inf, False)]
    found = time_to_target(arrivals)
    assert found is not None
    assert found.share == pytest.approx([0.25, 0.625])
    assert (found.median, found.hits, found.runs) == (5, 2, 4)
    data = stats.CensoredData(uncensored=[3, 5], right=[4, 99])
    assert found.share == pytest.approx(1 - stats.ecdf(data).sf.evaluate(np.array([3, 5])))


def test_the_median_is_infinite_where_fewer_than_half_arrive() -> None:
    found = time_to_target([Arrival(2, True), Arrival(math.inf, False), Arrival(math.inf, False)])
    assert found is not None
    assert found.median == math.inf
    none = time_to_target([Arrival(math.inf, False)])
    assert none is not None
    assert (none.hits, none.median) == (0, math.inf)
    assert time_to_target([]) is None


def test_the_first_epoch_at_the_target_counts(tmp_path: Path) -> None:
    make_run(tmp_path, curve=[0.5, 0.8, 0.7, 0.9], seconds=2.0)
    (run,) = read_runs([tmp_path]).runs
    assert arrival(run, VAL, 0.8, "epoch") == Arrival(2, True)
    assert arrival(run, VAL, 0.8, "sample") == Arrival(2000, True)
    assert arrival(run, VAL, 0.8, "second") == Arrival(4, True)
    assert arrival(run, Metric("val/loss"), 0.25, "epoch") == Arrival(4, True)  # 1.1 - acc, lower is better


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("finished", Arrival(math.inf, False)),  # it never will
        ("diverged", Arrival(math.inf, False)),
        ("running", Arrival(4, False)),  # it may yet
        ("interrupted", Arrival(4, False)),
        ("failed", None),
    ],
)
def test_what_a_miss_counts_as(tmp_path: Path, status: str, expected: Arrival | None) -> None:
    make_run(tmp_path, curve=[0.5, 0.6, 0.7, 0.75], status=status)  # type: ignore[arg-type]
    (run,) = read_runs([tmp_path]).runs
    assert arrival(run, VAL, 0.9, "epoch") == expected


def test_a_diverged_run_is_a_miss_whatever_it_reached_before(tmp_path: Path) -> None:
    make_run(tmp_path, curve=[0.95, 0.6], epochs=2, status="diverged")
    (run,) = read_runs([tmp_path]).runs
    assert arrival(run, VAL, 0.9, "epoch") == Arrival(math.inf, False)


def test_the_default_target_is_what_about_half_reach(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path, {"adam": [0.957, 0.957], "momentum": [0.938, 0.938], "sgd": [0.90, 0.90]})
    (contest,) = contests(read_runs([sweep]))
    assert default_target(contest, contest.selection) == pytest.approx(0.93)  # a whole point
    found = times_to_target(contest, contest.selection, 0.93)
    assert {name: by["epoch"].hits for name, by in found.items()} == {"adam": 2, "momentum": 2, "sgd": 0}
