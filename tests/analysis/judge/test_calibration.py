"""The decision itself: how often it says "differ" for two copies of one optimizer, and for a real gap."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from optlab.analysis.judge import statistics
from optlab.analysis.judge.compare import compare_values
from optlab.analysis.judge.contest import contests
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.verdict import judge
from optlab.analysis.read.runs import read_runs
from tests.analysis.made import make_run

Draw = Callable[[np.random.Generator, int], np.ndarray]
DRAWS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(0.95, 0.005, n),
    "heavy tails": lambda rng, n: 0.95 + 0.003 * rng.standard_t(3, n),
    "skewed": lambda rng, n: 0.97 - 0.01 * rng.exponential(size=n),
    "few samples": lambda rng, n: rng.binomial(144, 0.95, n) / 144,  # ties
    "one in ten diverges": lambda rng, n: np.where(rng.random(n) < 0.1, 0.1, rng.normal(0.95, 0.005, n)),
}


def studies(draw: Draw, contenders: int, seeds: int, number: int, gap: float = 0.0) -> float:
    """The share of simulated studies in which any pair differs; the last contender is `gap` better."""
    rng = np.random.default_rng(len(DRAWS) + seeds)
    told = 0
    for _ in range(number):
        values = {f"o{i}": dict(enumerate(draw(rng, seeds))) for i in range(contenders)}
        values[f"o{contenders - 1}"] = {seed: v + gap for seed, v in values[f"o{contenders - 1}"].items()}
        p = [
            statistics.t_test(list(values[a].values()), list(values[b].values()), paired=True)
            for i, a in enumerate(values)
            for b in list(values)[i + 1 :]
        ]
        told += min(statistics.holm(p)) <= statistics.ALPHA
    return told / number


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("seeds", [5, 10])
@pytest.mark.parametrize("contenders", [2, 4])
def test_copies_differ_in_at_most_five_percent_of_studies(draw: str, seeds: int, contenders: int) -> None:
    # Any pair at all: Holm holds for the whole family. 300 studies know 5 % to about 2.5 points.
    assert studies(DRAWS[draw], contenders, seeds, 300) <= 0.075


@pytest.mark.parametrize(("seeds", "gap"), [(5, 0.015), (10, 0.008)])
def test_a_real_gap_is_found_as_often_as_its_power_says(seeds: int, gap: float) -> None:
    power = statistics.power(gap, 0.005 * np.sqrt(2), seeds)
    assert power > 0.8
    assert studies(DRAWS["normal"], 2, seeds, 300, gap) == pytest.approx(power, abs=0.06)


def test_studies_on_disk_cannot_tell_two_copies_apart(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    apart = 0
    for study in range(40):
        for copy in ("adam", "nadam"):
            for seed, final in enumerate(rng.normal(0.95, 0.005, 5)):
                make_run(tmp_path / str(study), copy, seed=seed, val=final, test=final, phase="confirm", epochs=2)
        (contest,) = contests(read_runs([tmp_path / str(study)]))
        apart += "cannot be told apart" in judge(contest).headline
    assert apart >= 36


def test_a_real_gap_on_disk_differs_as_often_as_its_power_says(tmp_path: Path) -> None:
    # From run folders to the verdict's own words. 40 studies know a share of .85 to about eleven points (two sd).
    rng, gap, sd, seeds = np.random.default_rng(11), 0.011, 0.005, 5
    power = statistics.power(gap, sd * np.sqrt(2), seeds)
    assert 0.6 < power < 0.95
    told = 0
    for study in range(40):
        finals = {"adam": rng.normal(0.95 + gap, sd, seeds), "sgd": rng.normal(0.95, sd, seeds)}
        for name, values in finals.items():
            for seed, final in enumerate(values):
                make_run(tmp_path / str(study), name, seed=seed, val=final, test=final, phase="confirm", epochs=2)
        (contest,) = contests(read_runs([tmp_path / str(study)]))
        verdict = judge(contest)
        told += verdict.headline.startswith("adam is best")
        # The quick simulations above decide as the verdict does.
        quick = statistics.t_test(finals["adam"], finals["sgd"], paired=True) <= statistics.ALPHA
        assert verdict.comparisons[0].differ == quick
    assert told / 40 == pytest.approx(power, abs=0.15)


def test_a_large_gap_with_five_seeds_is_told() -> None:
    rng = np.random.default_rng(3)
    values = {name: dict(enumerate(rng.normal(level, 0.002, 5))) for name, level in (("adam", 0.97), ("sgd", 0.95))}
    (pair,) = compare_values(values, Metric("val/acc"))
    assert pair.better == "adam"
    assert pair.differ
    assert pair.sign_flip_p == 0.0625  # it could not have decided
    assert not pair.disputed  # so it does not count as a disagreement
