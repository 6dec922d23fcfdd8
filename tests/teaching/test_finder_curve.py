"""Reading a range test: constructed losses, whose best lr is known."""

from pathlib import Path

import numpy as np
import pytest

from optlab.teaching.finder.curve import RangeTest, curve_of, suggestion_of
from optlab.teaching.finder.finding import Finding

LRS = np.geomspace(1e-7, 10, 200)
LOWEST = 0.1  # where the constructed loss turns


def made(noise: float, seed: int = 0, *, until: int = 200, ended: str = "high") -> RangeTest:
    """A loss of 2.3 that falls by 1 towards 0.1 and rises steeply behind it, with noise on each step."""
    x = np.log10(LRS)
    losses = 2.3 - np.exp(-0.5 * ((x - np.log10(LOWEST)) / 0.6) ** 2) + 5 * np.maximum(0, x - 0.2) ** 2
    losses = losses + noise * np.random.default_rng(seed).standard_normal(len(x))
    return RangeTest(seed, LRS[:until], losses[:until], float(losses[0]), ended)


def flat(noise: float, seed: int) -> RangeTest:
    losses = 2.3 + noise * np.random.default_rng(seed).standard_normal(len(LRS))
    return RangeTest(seed, LRS, losses, 2.3, "high")


def finding(*tests: RangeTest, **facts: object) -> Finding:
    return Finding({"optimizer": "sgd", **facts}, {"low": 1e-7, "high": 10.0, "steps": 200}, tests, {"optimizer.lr": 1})


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.1, 0.2])
@pytest.mark.parametrize("seed", range(5))
def test_the_suggestion_of_a_noisy_curve_is_that_of_the_curve_without_noise(noise: float, seed: int) -> None:
    """lightning#21141: with noise of a hundredth Lightning 2.5.3 suggests one of the lowest lrs of the test."""
    curve = curve_of([made(noise, seed)])
    assert curve is not None
    found = suggestion_of(curve)
    assert found is not None
    assert abs(np.log10(found.lr / (LOWEST / 2))) < 0.2
    assert found.low == pytest.approx(found.high / 10)
    assert 0.003 < found.steepest < LOWEST  # and not one of the first lrs, where there is noise alone

    by_lr = np.gradient(made(0.01, seed).losses, LRS)  # what went wrong there
    assert LRS[by_lr[:190].argmin()] < 1e-5


def test_single_outliers_change_nothing() -> None:
    plain, broken = made(0.01), made(0.01)
    broken.losses[[20, 60, 100, 140]] += [8, -2, 8, 8]
    suggestions = [suggestion_of(curve) for each in (plain, broken) if (curve := curve_of([each])) is not None]
    lrs = [found.lr for found in suggestions if found is not None]
    assert lrs[1] == pytest.approx(lrs[0], rel=0.1)


@pytest.mark.parametrize("seed", range(20))
def test_a_flat_curve_suggests_nothing_however_noisy(seed: int) -> None:
    for noise in (0.0, 0.01, 1.0):
        found = finding(flat(noise, seed))
        assert found.lr is None
        assert [each.kind for each in found.said] == ["find_lr_flat"]
        assert found.words is None


def test_several_seeds_are_read_by_their_median() -> None:
    tests = [made(0.02, seed) for seed in range(4)] + [made(0.02, 4, until=60, ended="diverged")]
    curve = curve_of(tests)
    assert curve is not None
    assert len(curve.lrs) == 200  # one that stopped counts as higher than the others
    assert (curve.low <= curve.high).all()
    found = suggestion_of(curve)
    assert found is not None
    assert abs(np.log10(found.lr / (LOWEST / 2))) < 0.1
    assert len(curve_of(tests[:1] + [tests[4]] * 2).lrs) == 60


def test_what_stands_against_a_suggestion_is_said_with_what_to_type() -> None:
    early = RangeTest(0, LRS[:20], np.linspace(2.3, 60, 20), 2.3, "diverged")
    late = flat(0.01, 0)
    late = RangeTest(0, LRS[:180], late.losses[:180], 2.3, "diverged")
    for tests, kind, typed in (
        (early, "find_lr_at_once", "find_lr.low=1e-11"),
        (late, "find_lr_no_fall", "find_lr.seeds=5"),
        (RangeTest(0, LRS[:0], np.array([]), float("nan"), "not_finite"), "find_lr_at_once", "normalised"),
    ):
        found = finding(tests)
        assert found.suggestion is None
        assert [each.kind for each in found.said] == [kind]
        assert typed in found.said[0].text
    falling = RangeTest(0, LRS[:150], made(0.0).losses[:150], 2.3, "high")
    edge = finding(falling)
    assert edge.lr is not None
    assert [each.kind for each in edge.said] == ["find_lr_edge"]


def test_a_finding_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    broken = RangeTest(1, LRS[:3], np.array([2.3, 2.4, np.inf]), 2.3, "not_finite")
    found = finding(made(0.02), made(0.02, 2), broken)
    found.write(tmp_path)
    again = Finding.read(tmp_path)
    assert again.to_dict()["suggestion"] == found.to_dict()["suggestion"] is not None
    assert np.isnan(again.tests[2].losses[2])  # JSON has no infinity
    assert again.words == found.words == [f"optimizer.lr={found.lr:g}"]
