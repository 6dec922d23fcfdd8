"""The numbers behind the figures, the pictures themselves, and colours that stay."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from PIL import Image

from optlab.analysis import build
from optlab.analysis.judge.contest import Contest, contests
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.verdict import judge
from optlab.analysis.read.published import Published, read_published
from optlab.analysis.read.runs import read_runs
from optlab.analysis.show import colors, figures, ranking
from optlab.analysis.show.figures import Described, figures_across, figures_of, series
from optlab.analysis.show.figures.description import Axis, Band, Figure, Interval, Line, Panel, Points, Span, Text, on
from optlab.analysis.show.figures.sensitivity import diverged_regions
from optlab.analysis.show.figures.subject import Subject
from optlab.analysis.show.figures.to_matplotlib import draw, draw_all, grid
from optlab.analysis.show.figures.to_plotly import spec
from tests.analysis.made import make_run, make_study, make_sweep, subject


def only(folder: Path) -> Contest:
    (contest,) = contests(read_runs([folder]))
    return contest


def described(contest: Contest, published: Published | None = None) -> list[Figure]:
    return figures_of(subject(contest, published))


def on_page(contest: Contest, published: Published | None = None) -> dict[str, dict[str, Any]]:
    """The figures of a contest as the page has them, by name."""
    return {figure.id: spec(figure) for figure in described(contest, published)}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Contest:
    return only(make_study(tmp_path_factory.mktemp("study")))


def test_the_region_where_runs_diverged_reaches_half_way_to_its_neighbours() -> None:
    ((start, end),) = diverged_regions([0.01, 0.1, 1], [0, 1, 2], Axis(log=True))
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
    assert [figure.id for figure in figures_across([subject(each) for each in found])] == ["profile"]
    assert figures_across([subject(found[0])]) == []


def test_every_figure_is_drawn_as_png_and_svg(study: Contest, tmp_path: Path) -> None:
    written = draw_all(Described([described(study)], []), [study.label], tmp_path)
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
                    near = np.abs(pixels - np.array(to_rgb(colors.OPTIMIZERS[optimizer])) * 255).max(axis=1) < 12
                    assert near.sum() > 20, f"{path.name} does not show {optimizer}"
        else:
            assert path.read_text().lstrip().startswith("<?xml")


def test_several_settings_have_figures_of_their_own_and_a_profile(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": [0.9, 0.8], "sgd": [0.5, 0.4]}, epochs=2)
    make_sweep(tmp_path, {"adam": [0.9, 0.8], "sgd": [0.5, 0.4]}, epochs=2, dataset="mnist")
    found = contests(read_runs([tmp_path]))
    all_figures = Described([described(c)[2:3] for c in found], figures_across([subject(each) for each in found]))
    names = {path.name for path in draw_all(all_figures, [c.label for c in found], tmp_path / "figures")}
    assert {"cnn-on-digits-differences.png", "cnn-on-mnist-differences.svg", "performance_profile.png"} <= names


def test_the_reports_figures_are_what_plotly_accepts(study: Contest) -> None:
    drawn = on_page(study, read_published("deepobs_cifar10_3c3d"))
    assert list(drawn) == ["curves", "finals", "differences", "lr", "budget", "target", "gap"]
    for figure in drawn.values():
        for choice in figure["choices"].values():
            go.Figure(choice)  # raises on an unknown property or a value out of range
            names = {name for trace in choice["data"] for name in trace["meta"]["contenders"]}
            assert names == {"sgd", "momentum", "adam", "rmsprop"}
            for trace in choice["data"]:
                for axis, x in trace["meta"].get("x", {}).items():
                    assert axis in figure["axes"]
                    assert len(x) == len(trace["x"])


@pytest.fixture(scope="module")
def every_figure(study: Contest) -> list[Figure]:
    """The figures of a study, and one of all marks; together they have something to see of every kind."""
    whole = subject(study, read_published("deepobs_cifar10_3c3d"))
    found = [*figures_of(whole), a_new_one(whole)]
    marks = [mark for figure in found for panel in figure.panels.values() for mark in panel.marks]
    bars = [mark for mark in marks if isinstance(mark, Interval)]
    assert {mark.along for mark in bars if mark.low < (mark.x if mark.along == "x" else mark.y) < mark.high} == set(
        "xy"
    )
    areas = [mark for mark in marks if isinstance(mark, Band)]
    assert {mark.hatched for mark in areas if np.ptp(np.subtract(mark.high, mark.low)) > 0} == {True, False}
    assert {type(mark) for mark in marks} == {Line, Points, Interval, Band, Span, Text}
    return found


def same(shown: Any, meant: Any) -> bool:
    """Whether numbers agree within the six digits of the page, gaps in the same places."""
    found, wanted = np.array(shown, dtype=float), np.array(meant, dtype=float)
    wanted[~np.isfinite(wanted)] = np.nan
    return found.shape == wanted.shape and np.allclose(
        found, wanted, rtol=0, atol=1e-5 * np.nanmax(np.abs(wanted)), equal_nan=True
    )


def places_on_page(trace: dict[str, Any], axis: str) -> tuple[Any, Any]:
    """Where a trace stands when the page is switched to an x axis."""
    meta = trace["meta"]
    return meta["x"][axis] if "x" in meta else trace["x"], meta["y"][axis] if "y" in meta else trace["y"]


def test_the_page_shows_the_numbers_of_every_mark(every_figure: list[Figure]) -> None:
    for figure in every_figure:
        shown = spec(figure)["choices"]
        for (name, panel), axis in itertools.product(figure.panels.items(), figure.x):
            assert len(shown[name]["data"]) == len(panel.marks)
            for mark, trace in zip(panel.marks, shown[name]["data"], strict=True):
                where = (figure.id, name, axis, mark)
                if isinstance(mark, Line | Points | Band) and on(mark.x, axis) is None:
                    assert axis not in trace["meta"]["x"], where
                    continue
                x, y = places_on_page(trace, axis)
                match mark:
                    case Line() | Points():
                        assert same(x, on(mark.x, axis)), where
                        assert same(y, on(mark.y, axis)), where
                        assert isinstance(mark.hover, str) or len(mark.hover) in (0, len(y)), where
                    case Interval(along=along):
                        assert same((x, y), ([mark.x], [mark.y])), where
                        [value] = trace[along]
                        [below], [above] = trace[f"error_{along}"]["arrayminus"], trace[f"error_{along}"]["array"]
                        middle = mark.x if along == "x" else mark.y
                        assert same((value - below, value, value + above), (mark.low, middle, mark.high)), where
                    case Band():
                        there = on(mark.x, axis)
                        assert there is not None
                        assert same(x, [*there, *there[::-1]]), where
                        assert same(y, [*mark.high, *mark.low[::-1]]), where
                    case Text():
                        assert same((x, y), (mark.x, mark.y)), where
                        assert trace["text"] == list(mark.words), where
                    case Span():
                        assert panel.y.range is not None
                        assert same((min(x), max(x), min(y), max(y)), (mark.low, mark.high, *panel.y.range)), where
                        assert len(x) == len(y) == 4


def test_the_pictures_show_the_numbers_of_every_mark(every_figure: list[Figure]) -> None:
    for figure in every_figure:
        cells = [cell for row in grid(figure) for cell in row]
        for cell, panel in zip(cells, draw(figure).axes[: len(cells)], strict=True):
            lines, areas = iter(panel.lines), iter(panel.collections)
            patches, texts = (
                iter(panel.patches),
                iter(text for text in panel.texts if text.get_transform() == panel.transData),
            )
            for mark in cell.marks:
                where = (figure.id, cell.panel.y.label, cell.axis, mark)
                match mark:
                    case Line() | Points():
                        x, y = on(mark.x, cell.axis), on(mark.y, cell.axis)
                        if x is not None and y is not None:
                            shown = np.asarray(next(lines).get_xydata())
                            assert np.array_equal(shown, np.column_stack([x, y]), equal_nan=True), where
                    case Interval():
                        ends = ([mark.low, mark.high], [mark.y] * 2)
                        if mark.along == "y":
                            ends = ([mark.x] * 2, [mark.low, mark.high])
                        assert np.array_equal(next(lines).get_xydata(), np.transpose(ends)), where
                        assert np.array_equal(next(lines).get_xydata(), [[mark.x, mark.y]]), where
                    case Band():
                        x = on(mark.x, cell.axis)
                        if x is not None:
                            around = [*zip(x, mark.low, strict=True), *zip(x, mark.high, strict=True)]
                            [path] = next(areas).get_paths()
                            assert {tuple(corner) for corner in np.asarray(path.vertices)} == set(around), where
                    case Text():
                        for x, y, word in zip(mark.x, mark.y, mark.words, strict=True):
                            text = next(texts)
                            assert (*text.get_position(), text.get_text()) == (x, y, word), where
                    case Span():
                        patch = next(patches)
                        assert isinstance(patch, Rectangle)
                        assert same(patch.get_bbox().extents, (mark.low, 0, mark.high, 1)), where
            assert not [*areas, *patches, *texts], (figure.id, cell.axis)


def test_a_figure_for_the_page_alone_is_no_picture(tmp_path: Path) -> None:
    make_run(tmp_path, "adam")
    make_run(tmp_path, "sgd")
    contest = replace(only(tmp_path), selection=Metric("val/f1"))  # its curves are not kept
    [figure] = [figure for figure in described(contest) if figure.id == "curves"]
    assert "val/acc" in spec(figure)["choices"]
    assert draw_all(Described([[figure]], []), [contest.label], tmp_path / "figures") == []


def test_the_spread_of_each_learning_rate_is_drawn_and_so_is_where_runs_diverged(study: Contest) -> None:
    [figure] = [figure for figure in described(study) if figure.id == "lr"]
    [panel] = figure.panels.values()
    of_sgd = [mark for mark in panel.marks if "sgd" in mark.of]
    [band] = [mark for mark in of_sgd if isinstance(mark, Band)]
    assert (min(band.low), max(band.high)) == pytest.approx((10, 90.2))  # a diverged run is at chance level
    [span] = [mark for mark in of_sgd if isinstance(mark, Span)]
    assert (span.low, span.high) == pytest.approx((10**-0.5, 10**0.5))
    assert not [mark for mark in panel.marks if isinstance(mark, Span) and "adam" in mark.of]


def a_new_one(subject: Subject) -> Figure:
    """A figure with a mark of each kind."""
    of, shade = [subject.contest.contenders[0].name], "#123456"
    marks = [
        Span(of=of, color=shade, low=0.2, high=0.4),
        Band(of=of, color=shade, x=[0, 1], low=[0, 1], high=[2, 3]),
        Line(of=of, color=shade, x=[0, 1], y=[1, 2], label="new", dash="dot", steps="after", hover=["one", "two"]),
        Points(of=of, color=shade, x=[0.5], y=[2], marker="star"),
        Interval(of=of, color=shade, x=0.5, y=1, low=0, high=2, along="y", marker="open"),
        Interval(of=of, color=shade, x=0.5, y=1, low=0, high=1, along="x", marker="full"),
        Text(of=of, x=[0.5, 0.7], y=[1, 2], words=["here", "there"], anchor="left"),
    ]
    panels = {"loss": Panel(Axis(label="loss", range=(0, 4)), marks)}
    return Figure(id="new", file="a_new_one", title="A new one", note="It is new.", x={"x": Axis()}, panels=panels)


def test_a_new_figure_is_one_description(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "FIGURES", [a_new_one])
    make_sweep(tmp_path, {"adam": [0.9, 0.91]})
    page = build([tmp_path]).report.read_text()
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"a_new_one.png", "a_new_one.svg"}
    assert "#123456" in (tmp_path / "figures" / "a_new_one.svg").read_text()
    assert "<h3>A new one</h3>" in page
    go.Figure(spec(a_new_one(subject(only(tmp_path))))["choices"]["loss"])


def test_panels_with_x_axes_of_their_own_are_switched_on_the_page_and_pictures_by_themselves(tmp_path: Path) -> None:
    panels = {
        "momentum": Panel(Axis(), [Points(color="#123456", x=[0, 0.9], y=[1, 2])], x=Axis(label="momentum")),
        "wörd size": Panel(
            Axis(ticks={}), [Points(color="#123456", x=[0, 1], y=[1, 2])], x=Axis(ticks={0: "16", 1: "64"})
        ),
    }
    figure = Figure(id="two", file="two", title="Two", note="", x={"key": Axis()}, panels=panels, choose="key")
    shown = spec(figure)
    assert [choice["layout"]["xaxis"].get("ticktext") for choice in shown["choices"].values()] == [None, ["16", "64"]]
    assert shown["choices"]["wörd size"]["layout"]["yaxis"]["tickvals"] == []
    for choice in shown["choices"].values():
        go.Figure(choice)
    draw_all(Described([[figure]], []), ["one"], tmp_path)
    assert {path.name for path in tmp_path.glob("*.png")} == {"two-momentum.png", "two-wörd-size.png"}
    [panel] = draw(figure.pictures()[1]).axes
    assert [label.get_text() for label in panel.get_xticklabels()] == ["16", "64"]
    assert [*panel.get_yticks()] == []


def test_a_running_sweep_has_figures(tmp_path: Path) -> None:
    make_run(tmp_path, "adam", status="running", curve=[0.1, 0.2, 0.3])
    make_run(tmp_path, "sgd", status="running", curve=[0.1])
    contest = only(tmp_path)
    [figure] = described(contest)
    assert figure.id == "curves"
    written = draw_all(Described([[figure]], []), [contest.label], tmp_path)
    assert {path.name for path in written} == {"learning_curves.png", "learning_curves.svg"}


def test_the_ranking_has_round_ticks_and_says_no_more_than_it_draws(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": [0.9512, 0.9603], "sgd": [0.9301, 0.9402]})
    contest = only(tmp_path)
    found = ranking.axis_ticks(contest, judge(contest))
    assert [text for _, text in found] == [f"{n}\u00a0%" for n in (92, 93, 94, 95)]
    assert all(0 <= place <= 100 for place, _ in found)
    page = build([tmp_path], figures=False).report
    assert "the bar its 95 % interval" not in page.read_text()
    make_sweep(tmp_path, {"adam": [0.9512, 0.9603, 0.955], "sgd": [0.9301, 0.9402, 0.935]})
    build([tmp_path], figures=False)
    assert "the bar its 95 % interval" in page.read_text()
