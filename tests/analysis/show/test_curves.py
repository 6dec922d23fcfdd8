"""Curves, the words at them, and differences: what is drawn of which seeds, and that nothing leaves in silence."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from optlab.analysis.judge.contest import Contest, contests
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.verdict import judge
from optlab.analysis.read.published import read_published
from optlab.analysis.read.runs import read_runs
from optlab.analysis.show.figures import figures_across, labels, series
from optlab.analysis.show.figures.curves import learning_curves, possible, time_to_target
from optlab.analysis.show.figures.description import Axis, Band, Figure, Interval, Line, Panel, Points, on
from optlab.analysis.show.figures.outcome import differences, final_per_seed, generalisation_gap
from optlab.analysis.show.figures.to_matplotlib import draw, grid
from optlab.analysis.show.figures.to_plotly import spec
from tests.analysis.made import make_run, make_study, make_sweep, subject


def only(folder: Path) -> Contest:
    (contest,) = contests(read_runs([folder]))
    return contest


def curves_of(folder: Path, reference: str | None = None) -> Figure:
    published = None if reference is None else read_published(reference)
    figure = learning_curves(subject(only(folder), published))
    assert figure is not None
    return figure


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Contest:
    return only(make_study(tmp_path_factory.mktemp("study")))


# -- which seeds


def test_a_curve_is_the_median_and_quartiles_over_seeds(tmp_path: Path) -> None:
    for seed, values in enumerate([[0.1, 0.5], [0.2, 0.6], [0.4, 0.9]]):
        make_run(tmp_path, seed=seed, curve=values, epochs=2, seconds=1.0 + seed)
    curve = series.curve(only(tmp_path).contenders[0], "val/acc")
    assert curve is not None
    assert curve.median.tolist() == [0.2, 0.6]
    assert curve.q1 == pytest.approx([0.15, 0.55])
    assert curve.axes["second"].tolist() == [2.0, 4.0]
    assert curve.seeds.tolist() == [3, 3]


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


def test_every_seed_is_a_line_behind_a_switch_and_pictures_show_few(tmp_path: Path) -> None:
    for seed in range(3):
        make_run(tmp_path, "adam", seed=seed, curve=[0.1, 0.2 + 0.1 * seed], epochs=2)
    make_run(tmp_path, "sgd", curve=[0.1, 0.2], epochs=2)
    figure = curves_of(tmp_path)
    [line] = [mark for mark in figure.panels["val/acc"].marks if mark.switch]
    assert isinstance(line, Line)
    assert list(line.of) == ["adam"]  # sgd's curve is its only seed
    y = on(line.y, "epoch")
    assert y is not None
    assert y == pytest.approx([10, 20, np.nan, 10, 30, np.nan, 10, 40, np.nan], nan_ok=True)
    assert "seeds" in spec(figure)["switches"]
    assert line in grid(figure)[0][0].marks
    for seed in range(3, 6):
        make_run(tmp_path, "adam", seed=seed, curve=[0.1, 0.2], epochs=2)
    figure = curves_of(tmp_path)
    [many] = [mark for mark in figure.panels["val/acc"].marks if mark.switch]
    assert many not in grid(figure)[0][0].marks


def test_single_seeds_take_no_more_room_than_a_page_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "SEED_POINTS", 80)
    for optimizer, seed in itertools.product(("adam", "sgd"), range(2)):
        make_run(tmp_path, optimizer, seed=seed, curve=list(np.linspace(0.1, 0.9, 50)), epochs=50)
    for mark in curves_of(tmp_path).panels["val/acc"].marks:
        if isinstance(mark, Line) and mark.switch:
            x = on(mark.x, "epoch")
            assert x is not None
            assert len(x) == 2 * (20 + 1)  # both ends and a gap after each
            assert x[[0, 19]].tolist() == [1, 50]


def test_a_curve_is_thin_where_fewer_seeds_have_come(tmp_path: Path) -> None:
    make_run(tmp_path, "adam", seed=0, status="running", curve=[0.1])
    make_run(tmp_path, "adam", seed=1, status="running", curve=[0.2])
    make_run(tmp_path, "adam", seed=2, status="running", curve=[0.3, 0.4, 0.5])
    figure = curves_of(tmp_path)
    thin, full = [m for m in figure.panels["val/acc"].marks if isinstance(m, Line) and not m.switch]
    assert thin.width < full.width
    assert full.y == pytest.approx([20, np.nan, np.nan], nan_ok=True)
    assert np.asarray(thin.y).tolist() == [20, 40, 50]
    assert [text.rpartition(", ")[2] for text in thin.hover] == ["3 seeds", "1 seed", "1 seed"]
    assert (thin.end, full.end) == ("adam", "")  # the name stands where the line ends
    assert "fewer seeds" in figure.note
    [band] = [m for m in figure.panels["val/acc"].marks if isinstance(m, Band)]
    assert len(band.low) == 1  # one seed has no quartiles


def test_with_one_seed_no_note_speaks_of_spread(tmp_path: Path) -> None:
    for optimizer, final in (("adam", 0.9), ("sgd", 0.8)):
        make_run(tmp_path, optimizer, val=final, test=final - 0.01)
    whole = subject(only(tmp_path))
    for figure in (learning_curves(whole), final_per_seed(whole), differences(whole), generalisation_gap(whole)):
        assert figure is not None
        words = figure.note + "".join(str(getattr(m, "hover", "")) for p in figure.panels.values() for m in p.marks)
        for word in ("Median", "quart", "half", "interval", "each seed", "Each point", "the mean"):
            assert word not in words, (figure.id, word)


# -- axes and what leaves them


def test_the_log_axis_shows_the_error_of_an_accuracy_and_a_loss_itself(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": [0.9, 0.91]})
    figure = curves_of(tmp_path)
    accuracy, loss = figure.panels["val/acc"].log, figure.panels["val/loss"].log
    assert accuracy is not None
    assert loss is not None
    assert (accuracy.label, accuracy.of) == ("validation error (%)", 100)
    assert (loss.label, loss.of) == ("validation loss", None)
    assert spec(figure)["choices"]["val/acc"]["log"] == {"label": "validation error (%)", "of": 100}


def test_the_last_third_is_offered_where_there_is_one(tmp_path: Path) -> None:
    for epochs, offered in ((4, False), (9, True)):
        make_run(tmp_path / str(epochs), curve=[0.5] * epochs, epochs=epochs)
        assert ("late" in curves_of(tmp_path / str(epochs)).switches) is offered


def test_what_leaves_a_picture_is_named_with_its_value() -> None:
    of_a = Band(of=["a"], color="#000000", x=[1, 2], low=[3.21, 50], high=[60, 70])
    of_b = Line(of=["b"], color="#000000", x=[1, 2], y=[8, 40])
    assert labels.leaving([of_a, of_b], "x", (10, 100)) == ("▼ a down to 3.21, 1 other", "")
    assert labels.leaving([of_a, of_b], "x", (0, 65)) == ("", "▲ a up to 70")
    figure = Figure(
        id="f", file="f", title="", note="", x={"x": Axis()}, panels={"y": Panel(Axis(range=(10, 65)), [of_a, of_b])}
    )
    [panel] = draw(figure).axes
    assert {"▼ a down to 3.21, 1 other", "▲ a up to 70"} <= {text.get_text() for text in panel.texts}


def test_names_at_line_ends_lie_apart_and_as_near_as_can_be() -> None:
    assert labels.spread([10, 50, 90], 10, 100) == [10, 50, 90]
    assert labels.spread([50, 50, 50], 10, 100) == [40, 50, 60]
    assert labels.spread([99, 100], 10, 100) == [90, 100]
    found = labels.spread([99.0, 98.0, 1.0], 10, 100)
    assert (found[2], found[1], found[0]) == (1, 90, 100)  # in the order of the lines


def test_the_window_of_a_loss_does_not_go_below_zero() -> None:
    values = np.array([3.0, 0.5, 0.01, 0.0])
    curve = series.Curve("adam", "val/loss", {"epoch": np.arange(4.0)}, values, values, values, np.ones(4))
    window = series.window([curve])
    assert window is not None
    assert window[0] == 0


def test_time_to_target_ends_with_the_longest_run(study: Contest) -> None:
    figure = time_to_target(subject(study))
    assert figure is not None
    longest = max(len(run.axes["epoch"]) for c in study.contenders for run in c.entered)
    [panel] = figure.panels.values()
    for line in panel.marks:
        assert isinstance(line, Line)
        x = on(line.x, "epoch")
        assert x is not None
        assert x[-1] == longest == 6


# -- published curves


def test_published_curves_name_their_own_metric_and_stay_within_what_it_can_be(tmp_path: Path) -> None:
    make_sweep(tmp_path / "runs", {"sgd": [0.9, 0.91], "adam": [0.8, 0.8]})
    path = tmp_path / "theirs.csv"
    path.write_text(
        "# label: theirs\noptimizer,epoch,val_acc_mean,val_acc_sd\nsgd,1,0.05,0.1\nsgd,2,0.5,0.1\nsgd,4,0.98,0.1\n"
    )
    figure = curves_of(tmp_path / "runs", str(path))
    assert "Hatched: published validation accuracy (theirs)" in figure.note
    [band] = [m for m in figure.panels["val/acc"].marks if isinstance(m, Band) and m.hatched]
    assert band.low == pytest.approx([0, 40, 88])
    assert band.high == pytest.approx([15, 60, 100])
    low, high = possible(Metric("val/loss"), np.array([-0.1, 1]), np.array([0.3, 9]), np.array([0.1, 5]))
    assert (low.tolist(), high.tolist()) == ([0, 1], [0.3, 9])
    low, _ = possible(Metric("val/loss"), np.array([-3.0]), np.array([-1.0]), np.array([-2.0]))
    assert low.tolist() == [-3]  # a likelihood may be there


# -- pairs and profiles


def test_differences_show_zero_and_leave_room_for_every_row(study: Contest) -> None:
    verdict = judge(study)
    figure = differences(subject(study))
    assert figure is not None
    axis = spec(figure)["choices"]["test/acc"]["layout"]["xaxis"]
    assert axis["range"][0] < 0 < axis["range"][1]
    assert axis["zeroline"]
    [panel] = draw(figure).axes
    assert panel.get_xlim() == pytest.approx(axis["range"])
    assert panel.get_ylim() == (-0.5, len(verdict.comparisons) - 0.5)
    first = verdict.comparisons[0]
    assert panel.get_yticklabels()[-1].get_text() == f"{first.better} − {first.worse}"  # the first stands on top


def test_of_many_pairs_a_picture_has_the_leaders_and_the_page_all(tmp_path: Path) -> None:
    make_sweep(tmp_path, {f"mine{n}": [0.9 - 0.01 * n, 0.905 - 0.01 * n, 0.91 - 0.012 * n] for n in range(7)})
    contest = only(tmp_path)
    figure = differences(subject(contest))
    assert figure is not None
    [panel] = figure.panels.values()
    assert len(panel.marks) == 21
    choice = spec(figure)["choices"]["test/acc"]
    assert (choice["most"], choice["order"][0], choice["names"]) == (15, "mine0", ["y"])
    short = panel.in_short()
    assert len(short.y.names) == len(short.marks) == 6
    for mark in short.marks:
        assert isinstance(mark, Interval)
        assert short.y.names[int(mark.y)] == mark.label
        assert "mine0" in mark.of
    assert draw(figure).axes[0].get_ylim() == (-0.5, 5.5)


def test_seed_lines_join_two_points_or_more(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": [0.9, 0.91], "sgd": [0.8]})
    figure = final_per_seed(subject(only(tmp_path)))
    assert figure is not None
    [panel] = figure.panels.values()
    [line] = [mark for mark in panel.marks if isinstance(mark, Line)]
    assert list(line.x) == [0, 1]
    assert [m.marker for m in panel.marks if isinstance(m, Points)] == ["diamond", "circle"]


def test_a_profile_has_two_lines_or_more_and_one_kind_of_metric(tmp_path: Path) -> None:
    for data in ("digits", "mnist"):
        make_sweep(tmp_path, {"adam": [0.9, 0.8], "sgd": [0.5, 0.4]}, dataset=data)
    found = contests(read_runs([tmp_path]))
    whole = [subject(each) for each in found]
    assert [figure.id for figure in figures_across(whole)] == ["profile"]
    mixed = [whole[0], replace(whole[1], contest=replace(found[1], metric=Metric("val/loss")))]
    assert figures_across(mixed) == []
    make_sweep(tmp_path, {"adam": [0.9, 0.8]}, dataset="cifar10")
    assert figures_across([subject(each) for each in contests(read_runs([tmp_path]))]) == []  # adam alone is in all


def test_names_that_have_no_row_are_counted_and_the_best_and_worst_are_kept() -> None:
    names = [(float(n), f"mine{n}", "#0072B2") for n in range(30)]
    found = labels.in_rows(names[::-1], 10, 100)
    assert [text for _, text, _ in found] == [
        *(f"mine{n}" for n in range(5)),
        "… 20 more",
        *(f"mine{n}" for n in range(25, 30)),
    ]
    assert [place for place, _, _ in found] == [10.0 * row for row in range(11)]  # none above the panel
    assert [text for _, text, _ in labels.in_rows(names[:11], 10, 100)] == [f"mine{n}" for n in range(11)]
