"""Search spaces: ranges, the values at their positions, and an optimizer's hyperparameters by name."""

import itertools
import math

import pytest

from optlab.config.groups import options
from optlab.errors import UserError
from optlab.rules.space import Range, Space, changes, numbers, overrides
from optlab.sweep.study.samplers import design
from tests.sweep.surfaces import optimizer

LOG = {"low": 1.0e-3, "high": 1.0, "scale": "log"}


def test_log_spacing_has_one_ratio_inside_and_beyond_the_range() -> None:
    each = Range.parse("lr", LOG)
    values = [each.value(step / 6) for step in range(-2, 9)]
    assert values[2] == 0.001
    assert values[8] == 1.0
    for low, high in itertools.pairwise(values):
        assert high / low == pytest.approx(math.sqrt(10), rel=5e-3)  # three digits


def test_one_minus_log_spaces_0_9_and_0_99_and_0_999_evenly() -> None:
    each = Range.parse("momentum", {"low": 0.9, "high": 0.999, "scale": "one_minus_log"})
    assert [each.value(position) for position in (0, 0.5, 1)] == [0.9, 0.99, 0.999]
    assert each.value(1.5) == 0.9999


@pytest.mark.parametrize(
    ("name", "given", "default", "position", "step", "values"),
    [
        ("lr", {"low": 0.1, "high": 1.0, "scale": "log"}, 0.1, 0, -0.5, [0.0316, 0.01, 0.00316]),
        ("lr", {"low": 0.1, "high": 0.7, "scale": "uniform"}, 0.1, 0, -0.25, [0.05, 0.025, 0.012]),
        ("momentum", {"low": 0.5, "high": 0.98, "scale": "one_minus_log"}, 0.9, 0, -0.5, [0.0]),
        ("momentum", {"low": 0.9, "high": 0.99, "scale": "one_minus_log"}, 0.9, 1, 1, [0.999, 0.9999]),
        ("beta1", {"low": 0.5, "high": 0.9, "scale": "uniform"}, 0.9, 1, 0.5, [0.95, 0.975]),
        ("alpha", {"low": 0.2, "high": 0.8, "scale": "log"}, 0.9, 1, 0.5, [0.894, 0.946]),
        ("momentum", {"low": 0.5, "high": 1.5, "scale": "uniform"}, 0.9, 1, 0.5, [2.0, 2.5]),
        ("weight_decay", {"low": 0.01, "high": 0.05, "scale": "uniform"}, 0, 0, -0.5, [0.0]),
        ("weight_decay", {"low": 0.0, "high": 0.05, "scale": "uniform"}, 0, 0, -0.5, []),
        ("history_size", {"low": 3, "high": 6, "scale": "log"}, 10, 0, -0.7, [2, 1]),
        ("shift", {"low": -1.0, "high": 1.0, "scale": "uniform"}, 0, 0, -0.5, [-2.0, -3.0]),
    ],
)
def test_beyond_its_end_a_range_goes_on_to_the_limit_of_its_parameter_and_no_further(
    name: str, given: dict[str, object], default: object, position: float, step: float, values: list[float]
) -> None:
    each = Range.parse(f"search.{name}", given, default)
    found: list[float] = []
    while len(found) < len(values) and (further := each.beyond(position, step)) is not None:
        position = further
        found.append(each.value(position))
    assert found == pytest.approx(values, rel=1e-9)
    if values and values[-1] == 0:
        assert each.beyond(position, step) is None


def test_uniform_spacing_keeps_its_sign() -> None:
    each = Range.parse("x", {"low": 0.0, "high": 2.0, "scale": "uniform"})
    assert [each.value(position) for position in (0, 0.25, 1)] == [0.0, 0.5, 2.0]
    assert not each.allows(-0.1)


def test_whole_numbers_stay_whole() -> None:
    each = Range.parse("history_size", {"low": 4, "high": 100, "scale": "log"}, default=10)
    assert [each.value(position) for position in (0, 0.5, 1)] == [4, 20, 100]
    assert all(isinstance(each.value(x / 10), int) for x in range(11))
    assert Range.parse("lr", {"low": 1, "high": 10, "scale": "log"}, default=0.1).value(0.5) == 3.16


@pytest.mark.parametrize("track", ["lr_only", "family"])
@pytest.mark.parametrize("name", [name for name in options("optimizer") if name not in ("custom", "own")])
def test_every_optimizer_has_both_tracks_with_values_inside_their_ranges(name: str, track: str) -> None:
    config = optimizer(name)
    space = Space.parse("space", config["search"][track], config)
    assert "lr" in space.ranges
    for point in design("halton", len(space.ranges), 5, seed=0):
        values = space.settings(point)
        assert values.keys() == config["search"][track].keys()
        for key, value in values.items():
            assert space.ranges[key].low <= value <= space.ranges[key].high
        assert all(word.startswith("optimizer.") for word in overrides(values, config))


def test_beta1_is_the_first_of_betas() -> None:
    assert overrides({"beta1": 0.8, "lr": 0.01}, optimizer("adam")) == [
        "optimizer.betas=[0.8,0.999]",
        "optimizer.lr=0.01",
    ]
    assert overrides({"beta2": 0.9, "beta1": 0.8}, optimizer("adam")) == ["optimizer.betas=[0.8,0.9]"]


def test_the_numbers_of_a_config_have_the_names_of_a_space_and_changes_are_their_way_back() -> None:
    config = optimizer("adam")
    assert numbers(config) == {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "lr": 0.001, "weight_decay": 0.0}
    changed = {"beta1": 0.8, "lr": 0.01}
    assert changes(changed, config) == {"betas": [0.8, 0.999], "lr": 0.01}
    assert numbers(config | changes(changed, config)) == numbers(config) | changed
    assert config["betas"] == [0.9, 0.999]  # left as it is


@pytest.mark.parametrize(
    "given",
    [
        {"low": 3e-5, "high": 3e-2, "scale": "log"},
        {"low": 0.5, "high": 0.99, "scale": "one_minus_log"},
        {"low": -1.0, "high": 2.0, "scale": "uniform"},
    ],
)
def test_a_value_stands_where_it_came_from(given: dict[str, object]) -> None:
    each = Range.parse("x", given)
    for at in (-0.2, 0.0, 0.3, 1.0, 1.1):
        assert each.position(each.value(at)) == pytest.approx(at, abs=2e-3)  # three digits
    assert each.position(float(str(given["low"]))) == 0.0
    assert each.position(float(str(given["high"]))) == 1.0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "space is empty"),
        ({"lr": {"low": 1.0, "high": 0.1}}, "from 1 to 0.1 the space is empty"),
        ({"lr": {"low": 0.0, "high": 0.1}}, "lr.low=0: must be above 0 on a log scale"),
        (
            {"lr": {"low": 0.1, "high": 1.0, "scale": "log10"}},
            "scale=log10: must be one of log, uniform, one_minus_log",
        ),
        ({"lr": {"low": 0.1, "high": 1.0, "scale": "one_minus_log"}}, "high=1: must be below 1"),
        ({"lr": {"low": 0.1}}, "needs low, high and scale"),
        ({"lr": {"low": 0.1, "high": "much"}}, "lr.high=much: must be a finite number"),
        ({"lr": {"low": 0.1, "high": math.inf}}, "lr.high=inf: must be a finite number"),
        ({"lr": {"low": 0.1, "high": 1.0, "step": 2}}, "lr.step: a range has no such key; it takes low, high"),
        ({"beta3": {"low": 0.1, "high": 0.9}}, "adam has no 'beta3'; it has lr, betas"),
    ],
)
def test_a_space_of_no_use_is_refused_in_one_line(given: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        Space.parse("adam: search.lr_only", given, optimizer("adam"))
    assert "\n" not in str(caught.value)
    assert "adam: search.lr_only" in str(caught.value)
