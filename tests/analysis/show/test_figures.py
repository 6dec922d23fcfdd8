"""The numbers behind the figures, the pictures themselves, and colours that stay."""

from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from optlab.analysis import build
from optlab.analysis.judge.contest import Contest, contests
from optlab.analysis.judge.verdict import judge
from optlab.analysis.read.published import read_published
from optlab.analysis.read.runs import read_runs
from optlab.analysis.show import colors, interactive, ranking, series
from optlab.analysis.show.figures import differences, draw_all, learning_curves
from tests.analysis.made import make_run, make_study, make_sweep


def only(folder: Path) -> Contest:
    (contest,) = contests(read_runs([folder]))
    return contest


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Contest:
    return only(make_study(tmp_path_factory.mktemp("study")))


def test_a_curve_is_the_median_and_quartiles_over_seeds(tmp_path: Path) -> None:
    for seed, values in enumerate([[0.1, 0.5], [0.2, 0.6], [0.4, 0.9]]):
        make_run(tmp_path, seed=seed, curve=values, epochs=2, seconds=1.0 + seed)
    curve = series.curve(only(tmp_path).contenders[0], "val/acc")
    assert curve is not None
    assert curve.median.tolist() == [0.2, 0.6]
    assert curve.q1 == pytest.approx([0.15, 0.55])
    assert curve.axes["second"].tolist() == [2.0, 4.0]
    assert curve.seeds == 3


def test_a_diverged_seed_stays_in_the_curve_at_chance(tmp_path: Path) -> None:
    for seed in range(2):
        make_run(tmp_path, seed=seed, val=0.9, epochs=4)
    make_run(tmp_path, seed=2, status="diverged", epochs=4)
    curve = series.curve(only(tmp_path).contenders[0], "val/acc")
    assert curve is not None
    assert curve.q1[-1] == pytest.approx((0.1 + 0.9) / 2)  # of .1, .9, .9


def test_a_long_curve_is_thinned_and_keeps_its_ends(tmp_path: Path) -> None:
    make_run(tmp_path, curve=list(np.linspace(0.1, 0.9, 1000)), epochs=1000)
    curve = series.curve(only(tmp_path).contenders[0], "val/acc")
    assert curve is not None
    assert len(curve.median) <= series.MOST_POINTS
    assert curve.axes["epoch"][[0, -1]].tolist() == [1, 1000]


def test_the_region_where_runs_diverged_reaches_half_way_to_its_neighbours() -> None:
    points = [series.LrPoint(lr, 0.5, 0.5, 0.5, 2, diverged, False) for lr, diverged in ((0.01, 0), (0.1, 1), (1, 2))]
    ((start, end),) = series.diverged_regions(points)
    assert (start, end) == pytest.approx((10**-1.5, 10**0.5))


def test_a_profile_falls_from_every_run_to_none(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": [0.9, 0.8], "sgd": [0.5, 0.4]})
    make_sweep(tmp_path, {"adam": [0.6, 0.6], "sgd": [0.7, 0.7], "rprop": [0.1]}, dataset="mnist")
    found = contests(read_runs([tmp_path]))
    profiles = series.profiles(found)
    assert set(profiles) == {"adam", "sgd"}  # rprop is not everywhere
    # Test is a point below val: (.89 - .1) / .79 = 1 on digits, (.59 - .1) / .59 on mnist.
    assert profiles["adam"].tolist() == pytest.approx([0.49 / 0.59, 0.49 / 0.59, 0.69 / 0.79, 1.0])
    x, y = series.profile_steps(profiles["adam"])
    assert (x[0], y[0], x[-1], y[-1]) == (0.0, 100.0, 1.0, 0.0)
    assert interactive.performance_profile(found) is not None


def test_every_figure_is_drawn_as_png_and_svg(study: Contest, tmp_path: Path) -> None:
    written = draw_all([study], [judge(study)], tmp_path, [None])
    names = {path.stem for path in written}
    assert names == {
        "learning_curves",
        "final_per_seed",
        "differences",
        "lr_sensitivity",
        "best_against_budget",
        "time_to_target",
        "generalisation_gap",
    }
    for path in written:
        if path.suffix == ".png":
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
                for optimizer in ("momentum", "adam"):  # the last one of all is no line of differences
                    near = np.abs(pixels - np.array(to_rgb(colors.color(optimizer))) * 255).max(axis=1) < 12
                    assert near.sum() > 20, f"{path.name} does not show {optimizer}"
        else:
            assert path.read_text().lstrip().startswith("<?xml")


def test_several_settings_have_figures_of_their_own_and_a_profile(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": [0.9, 0.8], "sgd": [0.5, 0.4]}, epochs=2)
    make_sweep(tmp_path, {"adam": [0.9, 0.8], "sgd": [0.5, 0.4]}, epochs=2, dataset="mnist")
    found = contests(read_runs([tmp_path]))
    names = {path.name for path in draw_all(found, [judge(c) for c in found], tmp_path / "figures", [None, None])}
    assert {"cnn-on-digits-differences.png", "cnn-on-mnist-differences.svg", "performance_profile.png"} <= names


def test_the_reports_figures_are_what_plotly_accepts(study: Contest) -> None:
    drawn = interactive.figures(study, judge(study), read_published("deepobs_cifar10_3c3d"))
    assert [figure["id"] for figure in drawn] == ["curves", "finals", "differences", "lr", "budget", "target", "gap"]
    for figure in drawn:
        for choice in figure["choices"].values():
            go.Figure(choice)  # raises on an unknown property or a value out of range
            names = {name for trace in choice["data"] for name in trace["meta"].get("contenders", [])}
            assert names == {"sgd", "momentum", "adam", "rmsprop"}
            for trace in choice["data"]:
                for axis, x in trace["meta"].get("x", {}).items():
                    assert axis in figure["axes"]
                    assert len(x) == len(trace["x"])


def test_a_running_sweep_has_figures(tmp_path: Path) -> None:
    make_run(tmp_path, "adam", status="running", curve=[0.1, 0.2, 0.3])
    make_run(tmp_path, "sgd", status="running", curve=[0.1])
    contest = only(tmp_path)
    written = draw_all([contest], [judge(contest)], tmp_path / "figures", [None])
    assert {path.stem for path in written} == {"learning_curves"}
    assert [figure["id"] for figure in interactive.figures(contest, judge(contest))] == ["curves"]


def test_a_curve_of_few_epochs_shows_its_points(tmp_path: Path) -> None:
    for epochs, shown in ((1, True), (3, True), (4, False)):
        folder = tmp_path / str(epochs)
        make_run(folder, "adam", curve=[0.9] * epochs, epochs=epochs)
        contest = only(folder)
        (curves, *_) = interactive.figures(contest, judge(contest))
        (line,) = [t for t in curves["choices"]["val/acc"]["data"] if "name" in t]
        assert line["mode"] == ("lines+markers" if shown else "lines")
        drawn = learning_curves(contest, judge(contest), None)
        assert drawn is not None
        assert all((panel.lines[0].get_marker() == "o") is shown for panel in drawn.axes)


def test_differences_show_zero_and_leave_room_for_every_row(study: Contest) -> None:
    verdict = judge(study)
    figure = next(f for f in interactive.figures(study, verdict) if f["id"] == "differences")
    axis = figure["choices"]["test/acc"]["layout"]["xaxis"]
    assert axis["range"][0] < 0 < axis["range"][1]
    assert axis["zeroline"]
    drawn = differences(study, verdict, None)
    assert drawn is not None
    low, high = drawn.axes[0].get_ylim()
    assert low <= -0.5
    assert high >= len(verdict.comparisons) - 0.5


def test_the_ranking_has_round_ticks_and_says_no_more_than_it_draws(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": [0.9512, 0.9603], "sgd": [0.9301, 0.9402]})
    contest = only(tmp_path)
    found = ranking.axis_ticks(contest, judge(contest))
    assert [text for _, text in found] == ["92", "93", "94", "95"]
    assert all(0 <= place <= 100 for place, _ in found)
    page = build([tmp_path], figures=False).report
    assert "the bar its 95 % interval" not in page.read_text()
    make_sweep(tmp_path, {"adam": [0.9512, 0.9603, 0.955], "sgd": [0.9301, 0.9402, 0.935]})
    build([tmp_path], figures=False)
    assert "the bar its 95 % interval" in page.read_text()


# -- colours


def luminance(shade: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(shade)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def seen(shade: str, kind: str) -> np.ndarray:
    """The colour as a dichromat sees it: Machado, Oliveira and Fernandes 2009, severity 1, in linear RGB."""
    matrices = {
        "deuteranopia": [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.01182, 0.04294, 0.968881],
        ],
        "protanopia": [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
    }
    linear = np.array([c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(shade)])
    mixed = np.clip(np.array(matrices[kind]) @ linear, 0, 1)
    seen: np.ndarray = np.where(mixed <= 0.0031308, 12.92 * mixed, 1.055 * mixed ** (1 / 2.4) - 0.055)
    return seen


def test_every_colour_shows_on_both_grounds() -> None:
    for shade in (*colors.OPTIMIZERS.values(), *colors.OTHERS):
        assert contrast(shade, "#ffffff") > 2, shade
        assert contrast(shade, "#171a1f") > 2.8, shade


@pytest.mark.parametrize("kind", ["deuteranopia", "protanopia"])
def test_the_optimizers_compared_most_differ_for_the_colour_blind(kind: str) -> None:
    most = ["sgd", "momentum", "adam", "rmsprop", "adamw", "nesterov"]
    views = {name: seen(colors.color(name), kind) for name in most}
    for i, a in enumerate(most):
        for b in most[i + 1 :]:
            assert np.linalg.norm(views[a] - views[b]) > 0.15, (a, b)


def test_a_colour_belongs_to_its_optimizer() -> None:
    assert len(set(colors.OPTIMIZERS.values())) == len(colors.OPTIMIZERS)
    assert colors.color("lion") == colors.color("lion")
    assert colors.color("lion") in colors.OTHERS
    assert colors.dash("constant") != colors.dash("cosine")
