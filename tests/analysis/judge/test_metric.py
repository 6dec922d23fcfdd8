"""Metrics as numbers on a page: bounds that the metric can take, even digits, devices by name."""

from pathlib import Path

import pytest

from optlab.analysis.judge.contest import contests, facts
from optlab.analysis.judge.metric import Metric, decimals_of
from optlab.analysis.judge.verdict import judge
from optlab.analysis.read.runs import read_runs
from optlab.analysis.show.tables import standings
from tests.analysis.made import make_run


def test_no_mean_of_a_loss_is_below_zero_and_all_its_numbers_have_the_same_decimals(tmp_path: Path) -> None:
    # val/loss is 1.1 - val/acc: an outlier takes the interval of adam's mean far down.
    for name, losses in {"adam": [0.0012, 0.0011, 0.9], "sgd": [0.3, 0.4567, 0.5]}.items():
        for seed, loss in enumerate(losses):
            make_run(tmp_path, name, seed=seed, val=1.1 - loss, config={"loss": {"name": "mse"}})
    (contest,) = contests(read_runs([tmp_path]), "val/loss")
    verdict = judge(contest)
    adam = next(s for s in verdict.standings if s.name == "adam")
    assert adam.interval is not None
    assert adam.interval[0] == 0
    (pair,) = verdict.comparisons
    assert pair.interval is not None
    assert pair.interval[0] < 0  # a difference may be
    texts = [row.cells[name].text for row in standings(verdict).rows for name in ("mean", "median")]
    numbers = [number for text in texts for number in text.split(" ± ")]
    assert {len(number.partition(".")[2]) for number in numbers} == {4}, numbers


@pytest.mark.parametrize(
    ("values", "decimals"),
    [([0.0123, 0.4567, 0.3], 4), ([21.4, 0.5, 15.0], 2), ([1.2e-5, 0.3, 0.4], 4), ([1e12, 2e12], None), ([], None)],
)
def test_the_middle_value_has_four_digits(values: list[float], decimals: int | None) -> None:
    assert decimals_of(values) == decimals


def test_a_number_too_large_for_its_decimals_is_a_power_of_ten() -> None:
    metric = Metric("val/loss", decimals=4)
    assert [metric.number(v) for v in (0.5, 3.2e12)] == ["0.5000", "3.200e+12"]
    assert metric.interval((0.5, 12.0)) == "[0.5000, 12.0000]"


def test_a_number_too_small_for_its_decimals_is_not_zero() -> None:
    metric = Metric("val/loss", decimals=3)
    assert [metric.number(v) for v in (1.5e-5, 0.00025, 0.0012)] == ["1.5e-05", "0.00025", "0.001"]
    assert [metric.number(v) for v in (0.0, 1e-17, -1e-17)] == ["0.000", "0.000", "0.000"]


def test_the_best_of_losses_that_are_far_apart_is_no_zero(tmp_path: Path) -> None:
    for name, losses in {"adam": [1e-5, 2e-5, 1.5e-5], "sgd": [4.0, 5.0, 4.5], "lion": [6.0, 5.5, 6.6]}.items():
        for seed, loss in enumerate(losses):
            make_run(tmp_path, name, seed=seed, val=1.1 - loss, config={"loss": {"name": "mse"}})
    (contest,) = contests(read_runs([tmp_path]), "val/loss")
    assert judge(contest).conclusion.startswith("adam is best: 1.5e-05 validation loss, 4.500 [")


def test_a_cpu_is_named_by_its_model(tmp_path: Path) -> None:
    make_run(tmp_path, numerics={"cpu_model": "AMD EPYC 9654"})
    (run,) = read_runs([tmp_path]).runs
    run.record.environment.update(device="cpu", device_name="x86_64", threads=2)
    assert facts([run])["device"] == "AMD EPYC 9654, 2 threads"
    run.record.environment.update(device="cuda", device_name="NVIDIA H100")
    assert facts([run])["device"] == "NVIDIA H100"
