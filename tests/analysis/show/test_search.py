"""Figures of a search: what was tried, and what of it mattered."""

from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from optlab.analysis.judge.contest import Contest, contests
from optlab.analysis.judge.importance import FEWEST
from optlab.analysis.judge.searched import Scale, settings_of, trials
from optlab.analysis.judge.statistics import FloatArray
from optlab.analysis.read.runs import read_runs
from optlab.analysis.show.figures import parallel, sensitivity
from optlab.analysis.show.figures.description import (
    Band,
    Figure,
    Interval,
    Line,
    Panel,
    Places,
    Points,
    Span,
    Text,
    on,
)
from optlab.analysis.show.figures.to_matplotlib import draw
from optlab.analysis.show.figures.to_plotly import spec
from optlab.analysis.show.vision import views
from optlab.record import Status
from tests.analysis.made import make_run, subject
from tests.analysis.show.test_colors import contrast


def only(folder: Path) -> Contest:
    (contest,) = contests(read_runs([folder]))
    return contest


def make_search(folder: Path, number: int = 6) -> Contest:
    """Trials of adam over lr and beta1, better and better; the first failed, the second diverged in one of two."""
    for i in range(number):
        for seed in (0, 1):
            status: Status = "failed" if i == 0 and seed else "diverged" if i == 1 and seed else "finished"
            betas = {"betas": [[0.5, 0.9, 0.99][i % 3], 0.999]}
            value = 0.5 + 0.4 * i / number + 0.001 * seed
            make_run(
                folder, "adam", float(f"{10 ** (-4 + i / 2):.3g}"), seed, val=value, status=status, arguments=betas
            )
    return only(folder)


def drawn(figure: Figure | None) -> tuple[Figure, Panel]:
    assert figure is not None
    for choice in spec(figure)["choices"].values():
        go.Figure(choice)  # raises on an unknown property or a value out of range
    for picture in figure.pictures():
        draw(picture)
    return figure, next(iter(figure.panels.values()))


# -- scales


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([16, 64, 256], "log"),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], "linear"),
        ([0.001, 0.01], "log"),
        ([0.9, 0.99, 0.999], "one_minus_log"),
        ([0, 0.5, 0.9, 0.99], "one_minus_log"),
        ([0, 0.1, 0.2, 0.3], "linear"),
        ([0.1, 0.3, 0.5, 0.7, 0.9], "linear"),
        (["true", "false"], "words"),
        ([1.0, "null"], "words"),
        ([3.0], "linear"),
    ],
)
def test_a_scale_is_the_one_on_which_the_values_stand_evenly(values: list[float | str], kind: str) -> None:
    scale = Scale.of(values)
    assert scale.kind == kind
    places = [scale.position(value) for value in scale.values]
    assert places == sorted(places)
    assert (places[0], places[-1]) == ((0.5, 0.5) if len(values) == 1 else (0, 1))


def test_ticks_are_the_values_where_they_are_few_and_round_numbers_where_not() -> None:
    assert list(Scale.of([16, 64, 256]).ticks().values()) == ["16", "64", "256"]
    assert list(Scale.of([0, 0.899, 0.9, 1]).ticks().values()) == ["0", "0.899", "1"]  # 0.9 would stand on 0.899
    assert list(Scale.of(np.geomspace(0.0003, 3, 9)).ticks().values()) == ["0.001", "0.01", "0.1", "1"]
    assert list(Scale.of(np.linspace(0.1, 0.95, 9)).ticks().values()) == ["0.2", "0.4", "0.6", "0.8"]
    forgetting = Scale.of([1 - 10 ** -(0.4 + i / 8) for i in range(10)])
    assert list(forgetting.ticks().values()) == ["0.8", "0.9", "0.95"]
    assert Scale.of(["b10", "b9"]).ticks() == {0.0: "b9", 1.0: "b10"}
    for place, text in forgetting.ticks().items():
        assert forgetting.position(float(text)) == pytest.approx(place)


def test_settings_are_numbers_by_the_names_of_a_search_space(tmp_path: Path) -> None:
    make_run(
        tmp_path,
        lr=0.1,
        arguments={"betas": [0.9, 0.99], "amsgrad": True},
        config={"lr": {"name": "step", "gamma": 0.1}},
    )
    make_run(
        tmp_path,
        lr=0.1,
        arguments={"betas": [0.8, 0.99], "amsgrad": False},
        config={"lr": {"name": "step", "gamma": 0.5}},
    )
    found = [settings_of(configuration) for configuration in only(tmp_path).contenders[0].tried]
    assert {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "amsgrad": "true", "lr.gamma": 0.1} in found


# -- sensitivity


def places(numbers: Places) -> FloatArray:
    found = on(numbers, "")
    assert found is not None
    return found


def lines_of(panel: Panel) -> dict[str, Line]:
    return {mark.of[0]: mark for mark in panel.marks if isinstance(mark, Line)}


def test_every_run_of_a_learning_rate_is_a_dot_on_the_page_and_in_the_picture(tmp_path: Path) -> None:
    for lr, values in {0.001: [0.7, 0.9], 0.01: [0.85, 0.86], 0.1: [0.3, 0.5]}.items():
        for seed, value in enumerate(values):
            make_run(tmp_path, "adam", lr, seed, val=value)
    figure, panel = drawn(sensitivity.lr_sensitivity(subject(only(tmp_path))))
    dots, star = (mark for mark in panel.marks if isinstance(mark, Points))
    runs = [(0.001, 70), (0.001, 90), (0.01, 85), (0.01, 86), (0.1, 30), (0.1, 50)]
    assert np.allclose(np.column_stack([places(dots.x), places(dots.y)]), runs)
    assert [*star.x, *star.y] == pytest.approx([0.01, 85.5])
    on_page = [trace for trace in spec(figure)["choices"]["val/acc"]["data"] if trace.get("mode") == "markers"]
    assert np.allclose(np.column_stack([on_page[0]["x"], on_page[0]["y"]]), runs)
    picture = draw(figure).axes[0]
    assert any(np.allclose(line.get_xydata(), runs) for line in picture.lines if len(np.asarray(line.get_xdata())) == 6)


def test_a_hyperparameter_that_was_swept_has_its_sensitivity_all_else_as_chosen(tmp_path: Path) -> None:
    for lr in (0.01, 0.1):
        for momentum, value in ((0.0, 0.5), (0.5, 0.6), (0.9, 0.8), (0.99, 0.3)):
            for seed in (0, 1):
                status: Status = "diverged" if momentum == 0.99 and seed else "finished"
                arguments = {"momentum": momentum, "nesterov": False}
                val = value + lr + 0.01 * seed
                make_run(tmp_path, "momentum", lr, seed, val=val, status=status, arguments=arguments)
        make_run(tmp_path, "momentum", lr, val=0.7, arguments={"momentum": 0.9, "nesterov": True})
    contest = only(tmp_path)
    figure, panel = drawn(sensitivity.key_sensitivity(subject(contest)))
    assert list(figure.panels) == ["momentum", "nesterov"]
    assert panel.x is not None
    assert panel.x.ticks is not None
    assert list(panel.x.ticks.values()) == ["0", "0.5", "0.9", "0.99"]  # 1 - momentum is on a log scale
    line = lines_of(panel)["momentum"]
    assert list(line.x) == pytest.approx(list(panel.x.ticks))
    assert list(line.y) == pytest.approx([60.5, 70.5, 90.5, 25])  # at lr 0.1, as chosen; a diverged run is at chance
    assert line.hover[3] == "momentum 0.99: 25 % (10.00–40.00), 2 runs, 1 diverged"
    [span] = [mark for mark in panel.marks if isinstance(mark, Span)]
    *_, before, last = places(line.x)
    assert span.low == pytest.approx((before + last) / 2)
    assert span.high > last
    nesterov = figure.panels["nesterov"]
    assert nesterov.x is not None
    assert nesterov.x.ticks == {0.0: "false", 1.0: "true"}
    assert list(lines_of(nesterov)["momentum"].y) == pytest.approx([90.5, 70])
    assert [picture.file for picture in figure.pictures()] == ["sensitivity-momentum", "sensitivity-nesterov"]
    assert spec(figure)["choose"] == "key"


def test_where_nothing_but_one_key_was_swept_its_figure_names_it(tmp_path: Path) -> None:
    for decay in (0.0001, 0.001, 0.01):
        make_run(tmp_path, "adamw", val=0.9 - decay, arguments={"weight_decay": decay})
    figure, panel = drawn(sensitivity.key_sensitivity(subject(only(tmp_path))))
    assert (figure.title, figure.pictures()[0].file) == ("Sensitivity to weight_decay", "sensitivity-weight-decay")
    assert panel.x is not None
    assert panel.x.log
    assert sensitivity.lr_sensitivity(subject(only(tmp_path))) is None


def test_a_search_in_which_no_two_trials_are_alike_has_no_sensitivity(tmp_path: Path) -> None:
    contest = make_search(tmp_path, 3)
    assert sensitivity.lr_sensitivity(subject(contest)) is None
    assert sensitivity.key_sensitivity(subject(contest)) is None


def make_settings(folder: Path, **more: Any) -> None:
    """Three batch sizes, each with adam and sgd of two seeds; adam gets worse, sgd better."""
    for place, size in enumerate((16, 64, 256)):
        for seed in (0, 1):
            config = {"batch_size": size, **more}
            make_run(
                folder, "adam", 0.01 * 2**place, seed, val=0.9 - 0.1 * place, test=0.85 - 0.1 * place, config=config
            )
            make_run(folder, "sgd", seed=seed, val=0.6 + 0.05 * place + 0.01 * seed, test=0.6, config=config)


def across(folder: Path) -> Figure | None:
    return sensitivity.setting_sensitivity([subject(contest) for contest in contests(read_runs([folder]))])


def test_a_key_that_tells_settings_apart_is_on_an_axis_and_each_optimizer_a_line(tmp_path: Path) -> None:
    make_settings(tmp_path)
    figure, panel = drawn(across(tmp_path))
    assert (figure.title, list(figure.panels)) == ("Sensitivity to batch_size", ["batch_size"])
    assert panel.x is not None
    assert panel.x.log
    assert panel.x.ticks == {16: "16", 64: "64", 256: "256"}
    found = lines_of(panel)
    assert set(found) == {"adam", "sgd"}
    assert [*found["adam"].x] == [16, 64, 256]
    assert [*found["adam"].y] == pytest.approx([85, 75, 65])  # on test
    assert found["adam"].hover[2].endswith("2 runs, 0 diverged, lr 0.04")
    assert {tuple(mark.of) for mark in panel.marks if isinstance(mark, Band)} == {("adam",), ("sgd",)}
    assert "test accuracy" in panel.y.label
    assert sorted(facet for picture in figure.pictures() for facet in picture.facets) == ["adam", "sgd"]


def test_a_key_that_was_swept_under_several_values_of_another_has_a_panel_for_each(tmp_path: Path) -> None:
    make_settings(tmp_path, shuffle=True)
    make_settings(tmp_path, shuffle=False)
    figure = across(tmp_path)
    assert figure is not None
    assert {"batch_size, shuffle false", "shuffle, batch_size 16"} <= set(figure.panels)


def test_two_data_sets_are_no_values_of_a_key(tmp_path: Path) -> None:
    make_run(tmp_path, dataset="digits")
    make_run(tmp_path, dataset="mnist")
    assert across(tmp_path) is None


# -- parallel coordinates


def test_every_trial_is_a_line_from_what_it_set_to_what_it_scored(tmp_path: Path) -> None:
    contest = make_search(tmp_path)
    figure, panel = drawn(parallel.parallel_coordinates(subject(contest)))
    assert panel.x is not None
    assert panel.x.names == ["learning rate", "beta1", "val/acc (%)"]
    lines = [mark for mark in panel.marks if isinstance(mark, Line) and mark.hover]
    assert len(lines) == len(trials(contest.contenders[0], contest.selection)) == 5  # the failed one is left out
    best = lines[-1]  # on top
    assert best.width > lines[0].width
    assert list(best.y) == [1.0, 1.0, 1.0]  # the largest lr, the largest beta1 and the best value
    assert best.hover == "lr 0.0316, beta1 0.99\n83.38\u00a0% (mean of 2 runs)"
    assert (best.color, lines[0].color) == (parallel.SHADES[-1], parallel.SHADES[0])
    ends = [mark for mark in panel.marks if isinstance(mark, Points)]
    assert [mark.marker for mark in ends] == ["x", "circle", "circle", "circle", "star"]
    assert [mark.dash for mark in lines] == ["dash", *["solid"] * 4]
    assert "1 diverged" in lines[0].hover
    words = [word for mark in panel.marks if isinstance(mark, Text) for word in mark.words]
    assert {"0.5", "0.9", "0.99"} <= set(words)
    assert f"adam 5 trials; from {FEWEST} on" in figure.note
    assert spec(figure)["choose"] == "optimizer"
    assert not spec(figure)["legend"]


def test_of_a_loss_the_lowest_is_the_best(tmp_path: Path) -> None:
    make_search(tmp_path)
    (contest,) = contests(read_runs([tmp_path]), "val/loss")
    _, panel = drawn(parallel.parallel_coordinates(subject(contest)))
    lines = [mark for mark in panel.marks if isinstance(mark, Line) and mark.hover]
    assert list(lines[-1].y)[-1] == 0.0
    assert lines[-1].color == parallel.SHADES[-1]


def test_one_hyperparameter_needs_no_parallel_coordinates(tmp_path: Path) -> None:
    for i in range(8):
        make_run(tmp_path, lr=10.0**-i)
    assert parallel.parallel_coordinates(subject(only(tmp_path))) is None


def test_the_shades_are_even_steps_that_show_on_both_grounds() -> None:
    for shade in parallel.SHADES:
        assert contrast(shade, "#ffffff") > 3, shade
        assert contrast(shade, "#171a1f") > 3, shade
    steps = np.linalg.norm(np.diff([views(shade)[0] for shade in parallel.SHADES], axis=0), axis=1)  # in OKLab
    assert steps.max() / steps.min() < 1.1


# -- importance


def test_importances_are_bars_with_intervals_and_full_where_they_stand_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for a, b in rng.random((40, 2)):
        value = 0.9 - 0.8 * min(1.0, 4 * (a - 0.5) ** 2)
        make_run(tmp_path, "adam", float(f"{10 ** (3 * a - 4):.3g}"), val=value, arguments={"eps": float(f"{b:.3g}")})
    figure, panel = drawn(parallel.importance(subject(only(tmp_path))))
    assert panel.y.names == ["eps", "lr"]  # the largest on top
    eps, lr = [mark for mark in panel.marks if isinstance(mark, Interval)]
    assert (lr.marker, eps.marker) == ("full", "open")
    assert eps.x + lr.x == pytest.approx(100)
    assert lr.low > 50 > eps.x
    assert [mark.words for mark in panel.marks if isinstance(mark, Text)] == [[f"{eps.x:.0f} %"], [f"{lr.x:.0f} %"]]
    assert panel.x is not None
    assert "40 trials" in panel.x.label
    assert "Too few" not in figure.note


def test_there_is_no_importance_of_few_trials(tmp_path: Path) -> None:
    assert parallel.importance(subject(make_search(tmp_path))) is None
