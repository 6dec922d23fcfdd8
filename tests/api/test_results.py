"""`optlab.read`: run folders as frames and a verdict, with the numbers of the report."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import optlab
from optlab.analysis import build
from optlab.api import frames
from optlab.errors import UserError
from tests.analysis.made import make_run, make_study, make_sweep
from tests.commandline import ROOT

DOCUMENTED = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.fixture
def study(tmp_path: Path) -> optlab.Results:
    return optlab.read(make_study(tmp_path / "s"))


def test_runs_have_the_documented_columns_then_metrics_then_what_varies(tmp_path: Path) -> None:
    make_run(tmp_path / "s", "sgd", 0.1, arguments={"momentum": 0.9}, val=0.9, test=0.8)
    make_run(tmp_path / "s", "sgd", 0.1, seed=1, arguments={"momentum": 0.5}, val=0.7, status="failed")
    runs = optlab.read(tmp_path / "s").runs
    metrics = ["train/acc", "train/loss", "val/acc", "val/loss", "test/acc", "test/loss"]
    assert list(runs) == [*frames.RUNS, *metrics, "optimizer.momentum"]
    assert sorted(runs["optimizer.momentum"]) == [0.5, 0.9]
    done = runs[runs.status == "finished"].iloc[0]
    assert (done["val/acc"], done["test/acc"], done.best_epoch) == (0.9, 0.8, 3)
    assert runs[runs.status == "failed"].error.item() == "out of memory"
    assert Path(done.folder, "run.json").exists()


def test_curves_are_long_and_leave_out_what_is_not_finite(tmp_path: Path) -> None:
    make_run(tmp_path / "s", "sgd", epochs=3, status="diverged")
    curves = optlab.read(tmp_path / "s").curves
    assert list(curves) == list(frames.CURVES)
    assert set(curves.metric) == {"lr", "train/loss", "train/acc", "val/loss", "val/acc"}
    assert np.isfinite(curves.value).all()
    assert curves[curves.metric == "val/acc"].epoch.tolist() == [1]  # the second diverged


def test_frames_of_a_study_hold_the_numbers_of_its_report(study: optlab.Results, tmp_path: Path) -> None:
    summary = build([tmp_path / "s"], figures=False)
    [verdict] = summary.verdicts
    chosen = study.configurations[study.configurations.chosen]
    assert list(study.configurations) == list(frames.CONFIGURATIONS)
    for standing in verdict.standings:
        row = chosen[chosen.contender == standing.name].iloc[0]
        assert (row.lr, row.final_n) == (standing.lr, standing.final.n)
        assert (row.final_mean, row.final_sd) == (standing.final.mean, standing.final.sd)
        assert (row.final_low, row.final_high) == standing.interval
    assert list(study.comparisons) == list(frames.COMPARISONS)
    assert study.comparisons.p_holm.tolist() == [c.t_p_holm for c in verdict.comparisons]
    assert study.comparisons.difference.tolist() == [c.difference for c in verdict.comparisons]
    assert (study.comparisons.cannot_be_told_apart == ~study.comparisons.differ).all()
    assert study.verdict.data == json.loads((tmp_path / "s" / "summary.json").read_text())["verdicts"]
    assert all(line in str(study.verdict) for line in (verdict.conclusion, *verdict.sentences))


def test_configurations_name_what_was_tried_beside_the_learning_rate(tmp_path: Path) -> None:
    for momentum in (0.5, 0.9):
        for seed in range(3):
            make_run(tmp_path / "s", "sgd", seed=seed, val=momentum - seed / 100, arguments={"momentum": momentum})
    found = optlab.read(tmp_path / "s").configurations
    assert found["optimizer.momentum"].tolist() == [0.5, 0.9]
    assert found.chosen.tolist() == [False, True]
    assert found.best.tolist() == [0.5, 0.9]
    assert found["mean"].tolist() == pytest.approx([0.49, 0.89])
    assert (found.low < found["mean"]).all()


def test_every_column_is_documented_once() -> None:
    for name in ("runs", "curves", "configurations", "comparisons"):
        table = DOCUMENTED.split(f"## `.{name}`")[1].split("\n## ")[0]
        documented = dict(re.findall(r"^\| `([^`]+)` \| (.*) \|$", table, re.M))
        assert documented == getattr(frames, name.upper())


def test_several_folders_and_a_single_run_are_read(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", "sgd", val=0.8)
    make_run(tmp_path / "b", "adam", val=0.9)
    both = optlab.read([tmp_path / "a", str(tmp_path / "b")])
    assert both.runs.optimizer.tolist() == ["sgd", "adam"]
    assert both.runs.sweep.tolist() == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert len(optlab.read(run).runs) == 1
    assert optlab.read(run).comparisons.empty


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    make_run(Path("outputs/sweeps/first"), "sgd")
    with pytest.raises(UserError, match=r"^frist: there is no such folder; did you mean outputs/sweeps/first\?$"):
        optlab.read("frist")
    with pytest.raises(UserError, match=r"did you mean outputs/sweeps/first\?"):
        optlab.read("outputs/sweeps/fist")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: no runs of optlab here"):
        optlab.read("empty")
    with pytest.raises(UserError, match="names no folder"):
        optlab.read()
    with pytest.raises(UserError, match="val/recall: no run here has it"):
        optlab.read("outputs/sweeps/first", metric="val/recall")
    with pytest.raises(UserError, match="did you mean learning_curves"):
        optlab.read("outputs/sweeps/first").figure("curves")


def test_a_notebook_shows_results_and_names_are_text_there(tmp_path: Path) -> None:
    make_sweep(tmp_path / "s", {"<b>": [0.9, 0.91, 0.92], "sgd": [0.8, 0.82, 0.81]})
    results = optlab.read(tmp_path / "s")
    html = results._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b>  " not in html.replace("<b>&lt;b&gt;", "")
    assert "6 runs (6 finished)" in repr(results)
    assert results.verdict.conclusion in str(results)


def test_figures_are_pdf_with_their_fonts(tmp_path: Path) -> None:
    results = optlab.read(make_sweep(tmp_path / "s", {"adam": [0.9, 0.91], "sgd": [0.8, 0.82]}))
    assert "learning_curves" in results.figures
    results.figure("learning_curves").savefig(tmp_path / "curves.pdf")
    content = (tmp_path / "curves.pdf").read_bytes()
    assert b"/CIDFontType2" in content  # type 42; type 3 fonts are drawings
    assert b"/Type3" not in content
    assert "toprule" in results.latex()
    page = results.report(tmp_path / "out", pdf=True)
    assert page.exists()
    assert (tmp_path / "out" / "figures" / "learning_curves.pdf").exists()


def test_importing_and_reading_take_no_torch(tmp_path: Path) -> None:
    make_sweep(tmp_path / "s", {"adam": [0.9]})
    program = (
        "import sys, optlab\n"
        "light = {'torch', 'pandas', 'hydra', 'numpy', 'omegaconf'} & set(sys.modules)\n"
        "assert not light, light\n"
        "optlab.read('s').runs\n"
        "heavy = {'torch', 'lightning', 'hydra', 'omegaconf', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_public_names_are_there_and_documented() -> None:
    for name in optlab.__all__:
        assert getattr(optlab, name) is not None
        assert f"`optlab.{name}" in DOCUMENTED
    assert set(optlab.__all__) <= set(dir(optlab))
    with pytest.raises(AttributeError, match="no attribute 'reed'"):
        _ = optlab.reed
