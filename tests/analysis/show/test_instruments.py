"""What runs measured of themselves, in the report: aligned by step over optimizers and seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Annotation

import optlab
from optlab.analysis.build import build
from optlab.analysis.judge.contest import Contest, contests
from optlab.analysis.judge.verdict import judge
from optlab.analysis.read.runs import read_runs
from optlab.analysis.show.figures.description import Line
from optlab.analysis.show.figures.instruments import by_layer, over_training
from optlab.analysis.show.figures.to_matplotlib import picture_of
from optlab.analysis.show.tables.instruments import advice, quantities
from optlab.api import frames
from optlab.record import RunRecord
from optlab.rules.instruments import ALL, INSTRUMENTS_FILE, Row, text_of
from optlab.rules.messages import message
from tests.analysis.made import make_run, subject

EPOCHS, STEPS = 4, 16  # steps an epoch, as `make_run` has them


def measure(folder: Path, ratio: float, layers: Sequence[str] = ("layers.0", "layers.2"), last: int = EPOCHS) -> None:
    """Give a run instruments: its first step, and the last of each epoch; the ratio doubles each time."""
    rows = []
    for at, epoch in enumerate((1, *range(1, last + 1))):
        step = 1 if at == 0 else STEPS * epoch
        for layer in (ALL, *layers):
            values: Mapping[str, float | None] = {
                "update_ratio": ratio * 2**at,
                "gradient_norm": 1.0 / (at + 1),
                "cosine": 0.5,
                "clipped": 0.0,
                "snr": -0.1 if at == 0 else 1.0,  # an estimate may be below 0
                "dead_units": 0.0 if layer == ALL else 0.25,
            }
            rows.append(Row(epoch, step, layer, values))
    (folder / INSTRUMENTS_FILE).write_text(text_of(rows))


def advise(folder: Path, *kinds: str) -> None:
    record = RunRecord.read(folder)
    fields = {"evidence": "it oscillates", "remedy": "type optimizer.lr=0.01"}
    words = {"fields": fields | {"words": "optimizer.lr=0.01"}}
    record.advice = [asdict(message(kind, **fields)) | words for kind in kinds]
    record.write(folder)


def swept(folder: Path) -> Path:
    """Two optimizers with three seeds each; adam's last seed is advised nothing."""
    for optimizer in ("sgd", "adam"):
        for seed in range(3):
            run = make_run(folder, optimizer, seed=seed, val=0.9 + 0.01 * seed, epochs=EPOCHS)
            measure(run, ratio=1e-3 * (seed + 1))
            advise(run, *(["lr_too_large"] if optimizer == "adam" and seed < 2 else []))
    return folder


def contest_of(folder: Path) -> Contest:
    (only,) = contests(read_runs([folder]))
    return only


def test_a_quantity_is_the_median_over_seeds_at_each_measured_step(tmp_path: Path) -> None:
    figure = over_training(subject(contest_of(swept(tmp_path / "s"))))
    assert figure is not None
    assert list(figure.panels) == ["update ratio", "gradient norm", "cosine", "snr"]  # nothing was clipped, or died
    panel = figure.panels["update ratio"]
    assert panel.y.log
    (sgd,) = [mark for mark in panel.marks if isinstance(mark, Line) and mark.label == "sgd"]
    assert isinstance(sgd.x, Mapping)
    assert np.allclose(sgd.x["epoch"], [1 / STEPS, 1, 2, 3, 4])
    assert not isinstance(sgd.y, Mapping)
    assert np.allclose(sgd.y, 2e-3 * 2.0 ** np.arange(5))
    assert sgd.hover[1] == "0.004000 (0.003000–0.005000), 3 seeds"
    (noise,) = [m for m in figure.panels["snr"].marks if isinstance(m, Line) and m.label == "sgd"]
    assert not isinstance(noise.y, Mapping)
    assert np.allclose(noise.y, [-0.1, 1, 1, 1, 1])  # an estimate, so its axis is a linear one


def test_pictures_name_lines_where_they_end_on_a_logarithmic_axis_too(tmp_path: Path) -> None:
    measure(make_run(tmp_path / "s", "sgd"), 1e-3)
    measure(make_run(tmp_path / "s", "adam"), 1e-1)
    measure(make_run(tmp_path / "s", "rmsprop"), 1e-5)
    figure = over_training(subject(contest_of(tmp_path / "s")))
    assert figure is not None
    first = picture_of(figure).axes[0]
    places = {text.get_text(): text.xy[1] for text in first.texts if isinstance(text, Annotation)}
    assert 0.2 < places["rmsprop"] < places["sgd"] < places["adam"]
    assert np.isclose(places["sgd"] - places["rmsprop"], places["adam"] - places["sgd"], atol=0.02)


def test_layers_stand_in_the_networks_order_and_one_alone_is_no_figure(tmp_path: Path) -> None:
    figure = by_layer(subject(contest_of(swept(tmp_path / "s"))))
    assert figure is not None
    assert figure.x["layer"].names == ["layers.0", "layers.2"]
    assert list(figure.panels) == ["update ratio", "gradient norm", "cosine", "snr", "dead units"]
    measure(make_run(tmp_path / "one", "sgd"), 1e-3, layers=["layers.0"])
    assert by_layer(subject(contest_of(tmp_path / "one"))) is None


def test_the_tables_say_what_is_typical_and_in_how_many_seeds_it_is_advised(tmp_path: Path) -> None:
    contest = contest_of(swept(tmp_path / "s"))
    rows = {row.cells["optimizer"].value: row.cells for row in quantities(contest).rows}
    assert rows["sgd"]["update_ratio"].text == "0.008"
    assert rows["sgd"]["measured"].value == 15
    (row,) = advice(contest).rows
    assert [row.cells[name].text for name in ("optimizer", "seeds", "type")] == ["adam", "2 of 3", "optimizer.lr=0.01"]
    assert row.cells["advice"].text.startswith("The learning rate looks too large: it oscillates")


def test_the_report_has_them_and_a_sweep_without_instruments_does_not(tmp_path: Path) -> None:
    build([swept(tmp_path / "s")], figures=False)
    page = (tmp_path / "s" / "report.html").read_text()
    assert 'data-figure="instruments"' in page
    assert 'data-figure="layers"' in page
    assert "2 of 3" in (tmp_path / "s" / "tables.md").read_text()
    make_run(tmp_path / "bare", "sgd")
    build([tmp_path / "bare"], figures=False)
    bare = (tmp_path / "bare" / "report.html").read_text()
    assert 'data-figure="instruments"' not in bare
    assert 'id="advice-0"' not in bare


def test_advice_is_read_as_a_frame(tmp_path: Path) -> None:
    told = optlab.read(swept(tmp_path / "s")).advice
    assert list(told) == list(frames.ADVICE)
    assert told[["optimizer", "seed", "kind", "words"]].values.tolist() == [
        ["adam", seed, "lr_too_large", "optimizer.lr=0.01"] for seed in (0, 1)
    ]
    make_run(tmp_path / "bare", "sgd")
    assert optlab.read(tmp_path / "bare").advice.empty


@pytest.mark.parametrize("text", ["epoch,step\n1,2\n", "epoch,step,layer,snr\n1,1,all\n", "\x00\n"])
def test_a_broken_file_is_a_warning_and_the_run_stays(text: str, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "s", "sgd")
    (folder / INSTRUMENTS_FILE).write_text(text)
    runs = read_runs([tmp_path / "s"])
    assert len(runs.runs) == 1
    assert INSTRUMENTS_FILE in runs.skipped[0].text
    assert over_training(subject(contest_of(tmp_path / "s"))) is None


def test_a_file_that_ends_before_its_run_is_a_warning(tmp_path: Path) -> None:
    for seed, last in enumerate((EPOCHS, EPOCHS - 1, EPOCHS - 2)):
        measure(make_run(tmp_path / "s", "sgd", seed=seed), 1e-3, last=last)
    (said,) = [each for each in judge(contest_of(tmp_path / "s")).warnings if each.kind == "cut_instruments"]
    assert said.fields["n"] == 1
