"""The ranking on top of the page: nothing is cut off in silence, and its ticks are numbers that people read."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from optlab.analysis.judge.contest import contests
from optlab.analysis.judge.verdict import judge
from optlab.analysis.read.runs import read_runs
from optlab.analysis.show.colors import Palette
from optlab.analysis.show.ranking import Track, axis_ticks, tracks
from tests.analysis.made import make_run

GOOD = [0.9781, 0.9822, 0.9802, 0.9813, 0.9794]


def ranking(folder: Path, values: Mapping[str, Sequence[float]], metric: str = "val/acc") -> list[Track]:
    for name, finals in values.items():
        for seed, final in enumerate(finals):
            make_run(folder, name, seed=seed, val=final)
    return of(folder, metric)


def of(folder: Path, metric: str = "val/acc") -> list[Track]:
    (contest,) = contests(read_runs([folder]), metric)
    return tracks(contest, judge(contest), Palette.of(c.optimizer for c in contest.contenders))


def ticks(folder: Path, metric: str = "val/acc") -> list[tuple[float, str]]:
    (contest,) = contests(read_runs([folder]), metric)
    return axis_ticks(contest, judge(contest))


def test_the_worst_seed_and_the_whole_interval_are_on_the_scale(tmp_path: Path) -> None:
    # The worst seed was drawn as an ordinary one where the scale ended, three points above its value.
    found = ranking(tmp_path, {"adam": GOOD, "rmsprop": [0.9790, 0.8694, 0.9770, 0.9590, 0.9760]})
    assert all(len(track.seeds) == 5 and not track.below and not track.above for track in found)
    (worst,) = [place for track in found for place, label in track.seeds if "86.94" in label]
    assert 0 < worst < min(place for track in found for place, label in track.seeds if "86.94" not in label)
    assert all(track.low is not None and track.low > 0 for track in found)


def test_a_seed_far_outside_is_named_with_its_value_and_not_drawn_elsewhere(tmp_path: Path) -> None:
    found = ranking(tmp_path, {"adam": GOOD, "sgd": [0.975, 0.1, 0.976, 0.974, 0.977]})
    adam, sgd = found
    assert not adam.below
    assert sgd.below.startswith("seed 1: 10.00, mean 80.04, interval from ")
    assert len(sgd.seeds) == 4  # the fifth has no dot that could be read as another value
    assert sgd.mean is None
    assert sgd.low == 0
    places = [place for track in found for place, _ in track.seeds]
    assert max(places) - min(places) > 10  # and the others can still be told from each other


def test_several_seeds_outside_are_one_range(tmp_path: Path) -> None:
    (track,) = ranking(tmp_path, {"adam": [*GOOD, *GOOD, 0.3, 0.1]})
    assert track.below.startswith("2 seeds: 10.00 to 30.00, mean ")


@pytest.mark.parametrize(
    ("values", "metric"),
    [
        ({"adam": [0.1, 0.10000000000000002], "sgd": [0.1, 0.1]}, "val/acc"),
        ({"adam": [0.9]}, "val/acc"),
        ({"adam": [1.0, 1.0, 1.0], "sgd": [1.0, 1.0, 1.0]}, "val/acc"),
        ({"adam": [0.0], "sgd": [0.0]}, "val/acc"),
        ({"adam": [0.891666953, 0.89166694]}, "val/acc"),
        ({"adam": [-3.1e12, -2.9e12, -2.4e12], "sgd": [-9e11, -8e11, -7e11]}, "val/loss"),
        ({"adam": [1.1 - 1e-9, 1.1 - 2e-9]}, "val/loss"),
        ({"adam": [1.1, 1.1]}, "val/loss"),
        ({"adam": [0.2, 0.3]}, "val/loss"),
    ],
)
def test_ticks_have_few_digits_and_what_is_equal_stands_together(
    tmp_path: Path, values: Mapping[str, Sequence[float]], metric: str
) -> None:
    found = ranking(tmp_path, values, metric)
    marked = ticks(tmp_path, metric)
    texts = [text for _, text in marked]
    assert 2 <= len(texts) <= 8
    assert len(set(texts)) == len(texts)
    assert all(re.fullmatch(r"-?\d{1,5}(\.\d{1,5})?(e-?\d+)?(\u00a0%)?", text) for text in texts), texts
    assert all(text.endswith("%") == (metric == "val/acc") for text in texts)
    assert [place for place, _ in marked] == sorted({place for place, _ in marked})
    if metric == "val/acc":
        assert all(0 <= float(text.removesuffix("\u00a0%")) <= 100 for text in texts)
        places = [place for track in found for place, _ in track.seeds]
        assert max(places) - min(places) < 0.1  # rounding noise does not fill the rail


def test_ticks_that_are_close_need_no_power_of_ten(tmp_path: Path) -> None:
    ranking(tmp_path, {"adam": [0.9, 0.9], "sgd": [0.9, 0.9]}, "val/loss")
    assert [text for _, text in ticks(tmp_path, "val/loss")] == ["0.19990", "0.19995", "0.20000", "0.20005", "0.20010"]


def test_with_no_run_over_there_is_a_scale_and_nothing_on_it(tmp_path: Path) -> None:
    make_run(tmp_path, status="running")
    (track,) = of(tmp_path)
    assert (track.seeds, track.mean, track.note) == ([], None, "no run is over")
    assert ticks(tmp_path)
