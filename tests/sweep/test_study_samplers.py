"""Where a study's trials lie."""

import pytest

from optlab.errors import UserError
from optlab.sweep.study.samplers import choose_sampler, design


@pytest.mark.parametrize("sampler", ["halton", "sobol"])
def test_points_fill_every_range_evenly_and_depend_on_the_seed_alone(sampler: str) -> None:
    points = design(sampler, 4, 7, seed=0)  # type: ignore[arg-type]
    assert len(points) == 7
    for axis in range(4):
        column = [point[axis] for point in points]
        assert all(0 <= x <= 1 for x in column)
        assert sum(x < 0.5 for x in column) in (3, 4)
    assert points == design(sampler, 4, 7, seed=0)  # type: ignore[arg-type]
    assert points != design(sampler, 4, 7, seed=1)  # type: ignore[arg-type]


def test_auto_is_a_grid_for_one_range_and_halton_for_several() -> None:
    assert choose_sampler("auto", 1, 7) == "grid"
    assert choose_sampler("auto", 3, 7) == "halton"
    assert choose_sampler("sobol", 1, 7) == "sobol"
    with pytest.raises(UserError, match="sampler=grid is for one range, and this track has 3"):
        choose_sampler("grid", 3, 7)
    with pytest.raises(UserError, match="trials=1: a grid has both ends, so it needs 2 or more"):
        choose_sampler("auto", 1, 1)


def test_tpe_without_optuna_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optlab.sweep.study.samplers.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"sampler=tpe needs a package: pip install -e '.\[tpe\]'"):
        choose_sampler("tpe", 1, 7)
