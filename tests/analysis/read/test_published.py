"""Published curves: read, kept to where they belong, and drawn as a band behind ours in one panel."""

from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from optlab.analysis import build
from optlab.analysis.judge.contest import Contest, contests
from optlab.analysis.read.published import Published, read_published
from optlab.analysis.read.runs import read_runs
from optlab.analysis.show.figures import series
from optlab.analysis.show.figures.curves import learning_curves
from optlab.analysis.show.figures.description import Figure
from optlab.analysis.show.figures.to_matplotlib import draw
from optlab.analysis.show.figures.to_plotly import spec
from optlab.errors import UserError
from tests.analysis.made import make_run, subject
from tests.conftest import Train

CIFAR: dict[str, Any] = {"dataset": {"name": "cifar10", "augment": "deepobs"}, "model": {"name": "cnn_3c3d"}}
DEEPOBS = "deepobs_cifar10_3c3d"


@pytest.fixture
def deepobs(tmp_path: Path) -> Contest:
    """Three seeds of Adam in DeepOBS' setting, each with a test curve."""
    for seed in range(3):
        curve = [0.5 + 0.01 * seed, 0.6 + 0.01 * seed, 0.65 + 0.01 * seed]
        make_run(tmp_path, seed=seed, epochs=3, test=curve[-1], test_curve=curve, dataset="cifar10", config=CIFAR)
    return only(tmp_path)


def only(folder: Path) -> Contest:
    (contest,) = contests(read_runs([folder]))
    return contest


def curves_of(contest: Contest, published: Published) -> Figure:
    figure = learning_curves(subject(contest, published))
    assert figure is not None
    return figure


def panel_of(contest: Contest, published: Published, label: str) -> Axes:
    panels: list[Axes] = draw(curves_of(contest, published)).axes
    return next(panel for panel in panels if panel.get_ylabel() == label)


def heights(panel: Axes, hatched: bool) -> list[float]:
    """The height of each filled area of a panel: bands are hatched, quartiles are not."""
    areas = [c for c in panel.collections if isinstance(c, PolyCollection) and bool(c.get_hatch()) == hatched]
    return [float(np.ptp(np.asarray(area.get_paths()[0].vertices)[:, 1])) for area in areas]


def test_the_shipped_curves_are_read_by_name() -> None:
    published = read_published(DEEPOBS)
    assert "DeepOBS" in published.label
    (adam,) = published.behind("test/acc", ["test/acc"], {"adam"}, until=100)
    assert adam.mean[1] == pytest.approx(0.54232)
    assert adam.sd[1] == pytest.approx(0.01299)
    assert len(adam.epochs) == 101


def test_only_what_has_a_spread_is_a_band() -> None:
    published = read_published(DEEPOBS)
    assert {band.metric for band in published.bands} == {"test/acc"}  # the losses hold an L2 term, ours do not
    assert all((band.sd > 0).any() for band in published.bands)


def test_curves_of_ones_own_file(tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    lines = ["# a comment", "optimizer,epoch,mean,sd", "sgd,1,0.5,0.01", "sgd,2,0.6,0.02", "sgd,3,0.6,", "adam,1,0.5,0"]
    own.write_text("\n".join([*lines, ""]))  # an epoch without a spread, and a single seed, which has none
    (band,) = read_published(own).bands
    assert (band.metric, band.mean.tolist(), band.sd.tolist()) == ("val/acc", [0.5, 0.6], [0.01, 0.02])


@pytest.mark.parametrize(
    "text", ["a,b\n1,2\n", "", "optimizer,epoch,mean,sd\nsgd,1,high,0.1\n", "optimizer,epoch,mean\nsgd,1,0.5\n"]
)
def test_published_curves_of_no_use_are_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=r"bad\.csv"):
        read_published(path)


def test_our_test_curve_and_the_published_band_share_a_panel(deepobs: Contest) -> None:
    published = read_published(DEEPOBS)
    panel = panel_of(deepobs, published, "test accuracy (%)")
    lines = {str(line.get_label()): line for line in panel.get_lines()}
    assert np.asarray(lines["adam"].get_ydata()).tolist() == pytest.approx([51, 61, 66])  # the median of three seeds
    theirs = np.asarray(lines["adam, DeepOBS 2019, 10 seeds"].get_ydata(), dtype=float)
    assert theirs.tolist() == pytest.approx([10.517, 54.232, 61.802, 66.827])  # as far as ours goes
    assert len(heights(panel, hatched=True)) == 1
    assert heights(panel, hatched=False)[0] > 1
    low, high = panel.get_ylim()
    assert low < 54.2 - 1.3 < 66.8 + 1.6 < high  # the band is in sight


def test_no_band_is_flat_and_none_is_drawn_where_none_was_published(deepobs: Contest) -> None:
    published = read_published(DEEPOBS)
    figure = draw(curves_of(deepobs, published))
    drawn = {panel.get_ylabel(): heights(panel, hatched=True) for panel in figure.axes if panel.get_ylabel()}
    assert {label for label, bands in drawn.items() if bands} == {"test accuracy (%)"}
    assert min(drawn["test accuracy (%)"]) > 2
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["adam", "adam, DeepOBS 2019, 10 seeds"]


def test_the_page_draws_the_same(deepobs: Contest) -> None:
    published = read_published(DEEPOBS)
    curves = spec(curves_of(deepobs, published))
    of_part = {
        name: [t for t in choice["data"] if set(t["meta"]["x"]) == {"epoch"}]  # nothing published on other axes
        for name, choice in curves["choices"].items()
    }
    assert {name for name, bands in of_part.items() if bands} == {"test/acc"}
    area, line = of_part["test/acc"]
    assert max(area["y"]) - min(area["y"]) > 2
    assert line["name"] == "adam, DeepOBS 2019, 10 seeds"
    assert max(area["x"]) == 3
    low, high = curves["choices"]["test/acc"]["layout"]["yaxis"]["range"]
    assert low < 54 < 68 < high
    go.Figure(curves["choices"]["test/acc"])
    assert "DeepOBS" in curves["note"]


def test_published_test_curves_stand_behind_validation_where_ours_were_not_kept(tmp_path: Path) -> None:
    make_run(tmp_path, epochs=3, dataset="cifar10", config=CIFAR)
    contest, published = only(tmp_path), read_published(DEEPOBS)
    found = series.curves(contest)
    assert "test/acc" not in found
    assert len(series.bands(contest, found, "val/acc", published)) == 1
    assert not series.bands(contest, found, "train/acc", published)


def test_curves_of_another_data_set_or_model_are_not_drawn(tmp_path: Path) -> None:
    published = read_published(DEEPOBS)
    make_run(tmp_path / "a", dataset="cifar10", config=CIFAR)
    make_run(tmp_path / "b", dataset="cifar10")  # another model
    make_run(tmp_path / "c", config={"model": {"name": "cnn_3c3d"}})  # digits
    assert [published.belongs_to(only(tmp_path / name).runs[0].record) for name in "abc"] == [True, False, False]
    with pytest.raises(UserError, match="dataset=cifar10, model=cnn_3c3d"):
        build([tmp_path / "b"], figures=False, reference=DEEPOBS)


def test_from_training_to_the_panel(tmp_path: Path, train: Train) -> None:
    # Nothing held out, as in the preset of the published curves: the test split is the only one to draw beside them.
    on = "+callbacks.test_curve._target_=optlab.callbacks.TestCurve"
    for seed in (0, 1, 2):
        train(on, "dataset.val_size=0", "optimizer=sgd", "optimizer.lr=0.1", f"seed={seed}", folder=f"ours/{seed}")
    head = "# label: theirs\n# dataset: digits\n# model: mlp\noptimizer,epoch,test_acc_mean,test_acc_sd\n"
    (tmp_path / "theirs.csv").write_text(head + "sgd,0,0.1,0.01\nsgd,1,0.5,0.03\nsgd,2,0.7,0.02\n")
    summary = build([tmp_path / "ours"], reference=tmp_path / "theirs.csv")
    (contest,) = summary.contests
    panel = panel_of(contest, read_published(tmp_path / "theirs.csv"), "test accuracy (%)")
    assert {"sgd", "sgd, theirs"} <= {line.get_label() for line in panel.get_lines()}
    assert min(heights(panel, hatched=True) + heights(panel, hatched=False)) > 0
    assert contest.selection.name == "train/acc"  # nothing is chosen on the test split
    assert "sgd, theirs" in summary.report.read_text()
