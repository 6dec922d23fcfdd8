"""The report run of a sweep in W&B: made offline, read back with W&B's own tool, and uploaded to a stand-in."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from optlab import analysis
from optlab.sweep.mirror import mirror
from tests.analysis.made import make_run, make_study
from tests.commandline import ROOT
from tests.sweep.test_conclude import ended, exit_code
from tests.tracking.leet import leet, no_key
from tests.tracking.wandb_server import sync, wandb_server

__all__ = ["no_key"]  # a fixture

LOGGED: dict[str, Any] = {"config": {"logger": {"wandb": {"project": "optlab", "group": "which"}}, "sweep": "which"}}


def made(sweep: Path) -> None:
    """A report of the runs in a sweep folder, with one picture in place of figures, and its report run."""
    (sweep / ".locks").mkdir(exist_ok=True)
    summary = analysis.build([sweep], figures=False)
    (sweep / "figures").mkdir(exist_ok=True)
    Image.new("RGB", (4, 3)).save(sweep / "figures" / "learning_curves.png")
    mirror(sweep.absolute(), summary, Console())


def media(sweep: Path, kind: str) -> list[Path]:
    return sorted(path for path in sweep.glob(f"wandb/offline-run-*/files/media/{kind}/**/*") if path.is_file())


def table(sweep: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a table, as it lies in the folder of the W&B run."""
    [path] = sweep.glob(f"wandb/offline-run-*/files/media/table/{name}_[0-9]_*.table.json")
    content = json.loads(path.read_text())
    return [dict(zip(content["columns"], row, strict=True)) for row in content["data"]]


def test_the_report_run_says_what_summary_json_and_the_page_say() -> None:
    sweep = make_study(Path("which"), **LOGGED)
    (sweep / "figures").mkdir()
    Image.new("RGB", (1, 1)).save(sweep / "figures" / "of_an_earlier_report.png")
    made(sweep)
    seen, [verdict] = leet(sweep), json.loads((sweep / "summary.json").read_text())["verdicts"]
    summary = seen["summary"]
    assert {key: summary[key] for key in ("headline", "sentences", "metric")} == {
        key: verdict[key] for key in ("headline", "sentences", "metric")
    }
    assert summary["warnings"] == [warning["text"] for warning in verdict["warnings"]]
    assert summary["leader"] == verdict["standings"][0]["name"]
    for standing in verdict["standings"]:
        final, said = standing["final"], summary["contenders"][standing["name"]]
        assert [said[key] for key in ("mean", "sd", "n")] == [final[key] for key in ("mean", "sd", "n")]
        assert [said["low"], said["high"]] == standing["interval"]
        assert (said["best lr"], said["diverged"]) == (standing["lr"], standing["diverged"])
    for pair in verdict["comparisons"]:
        said = summary["differences"][f"{pair['better']} - {pair['worse']}"]
        assert [said["difference"], said["p"], said["differ"]] == [
            pair[k] for k in ("difference", "t_p_holm", "differ")
        ]
    assert summary["runs"]["diverged"] == 1
    rows = table(sweep, "verdict")
    assert [(row["contender"], row["mean"]) for row in rows] == [
        (standing["name"], standing["final"]["mean"]) for standing in verdict["standings"]
    ]
    tried = table(sweep, "configurations")
    assert len(tried) == 12
    assert sum(row["diverged"] for row in tried) == 1
    assert {row["configuration"] for row in rows} == {row["configuration"] for row in tried if row["best"]}
    assert media(sweep, "html")[0].read_bytes() == (sweep / "report.html").read_bytes()
    [picture] = media(sweep, "images")
    assert picture.read_bytes() == (sweep / "figures/learning_curves.png").read_bytes()
    [curves] = sweep.glob("wandb/offline-run-*/files/media/table/Custom Chart Tables/curves/val/acc_table_*.table.json")
    assert {row[1] for row in json.loads(curves.read_text())["data"]} == {"sgd", "momentum", "adam", "rmsprop"}


def test_a_sweep_that_goes_on_has_one_report_run() -> None:
    """Nothing where no number changed; what was not uploaded makes way for what says more, under the same id."""
    sweep = Path("which")
    for seed in range(3):
        make_run(sweep, seed=seed, **LOGGED)
    made(sweep)
    [first] = sweep.glob("wandb/offline-run-*")
    [of_first] = first.glob("*.wandb")
    made(sweep)
    assert list(sweep.glob("wandb/offline-run-*")) == [first]
    make_run(sweep, "sgd", 0.1, **LOGGED)
    made(sweep)
    [second] = sweep.glob("wandb/offline-run-*")
    assert second != first
    [again] = second.glob("*.wandb")
    assert again.name == of_first.name
    (uploaded := again.with_suffix(".wandb.synced")).touch()
    make_run(sweep, "sgd", 0.1, seed=1, **LOGGED)
    made(sweep)
    assert uploaded.exists()
    assert len(list(sweep.glob("wandb/offline-run-*"))) == 2


def test_settings_have_a_prefix_each() -> None:
    sweep = Path("which")
    for dataset in ("digits", "mnist"):
        make_run(sweep, val=0.5, dataset=dataset, **LOGGED)
        make_run(sweep, "sgd", val=0.4, dataset=dataset, **LOGGED)
    made(sweep)
    summary = leet(sweep)["summary"]
    assert {summary[f"cnn-on-{dataset}/mean"] for dataset in ("digits", "mnist")} == {0.5}
    assert summary["cnn-on-digits/warnings"][0].startswith("Exploratory")
    assert "mean" not in summary


def test_a_sweep_whose_name_has_slashes_is_named_as_its_runs_name_it() -> None:
    sweep = Path("digits/first")
    make_run(sweep, config={"logger": {"wandb": {"project": "optlab"}}, "sweep": "digits/first"})
    made(sweep)
    assert leet(sweep)["config"]["sweep"] == "digits/first"
    assert leet(sweep)["name"] == "report of digits/first"


def test_a_sweep_without_wandb_has_none_and_does_not_import_it() -> None:
    make_run(Path("which"), config={"logger": {"csv": {}}})
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from rich.console import Console; from optlab import analysis\n"
            "from optlab.sweep.mirror import mirror\n"
            "mirror(Path('which'), analysis.build([Path('which')], figures=False), Console())\n"
            "assert 'wandb' not in sys.modules and 'torch' not in sys.modules",
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not Path("which/wandb").exists()


def test_a_report_run_that_breaks_costs_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import wandb

    def fail(*_: Any, **__: Any) -> None:
        raise wandb.errors.CommError("the service died")

    with monkeypatch.context() as broken:
        broken.setattr(wandb.sdk.wandb_run.Run, "log", fail)
        assert exit_code(ended("finished", "diverged")) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "W&B has" in line]
    assert said == [
        "W&B has no report run (CommError: the service died); outputs/reports/sweep/report.html has everything"
    ]
    [part] = Path("sweep").glob("wandb/offline-run-*/*.wandb")
    assert exit_code(ended("finished", "diverged")) == 0  # the same run, whole
    [whole] = Path("sweep").glob("wandb/offline-run-*/*.wandb")
    assert whole.name == part.name
    assert leet(Path("sweep"))["summary"]["report"]["_type"] == "html-file"


def test_a_report_run_that_hangs_is_given_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("optlab.sweep.mirror.MOST_SECONDS", 0.2)
    monkeypatch.setattr("optlab.sweep.report_run.numbers", lambda _: time.sleep(5))
    started = time.monotonic()
    assert exit_code(ended("finished", "diverged")) == 0
    assert time.monotonic() - started < 5
    assert "W&B has no report run (TimeoutError: nothing in 0.2 s)" in capsys.readouterr().out


def test_ctrl_c_while_it_is_made_ends_the_sweep(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("optlab.sweep.report_run.numbers", stop)
    assert exit_code(ended("finished", "diverged")) == 130
    assert "the report is not whole in W&B; the same command logs it again" in capsys.readouterr().out


def test_it_is_uploaded_from_another_place_without_what_wandb_staged() -> None:
    """Page, table files and summary lie in the run's own folder; the tables' artifacts are lost, and stop nothing."""
    sweep = make_study(Path("which"), **LOGGED)
    made(sweep)
    shutil.rmtree(Path.home() / ".local/share/wandb")
    shutil.move(sweep, "elsewhere")
    [place] = Path("elsewhere").glob("wandb/offline-run-*")
    with wandb_server() as server:
        said = sync(place, server)
    assert "Finished syncing" in said
    first = server.of("UpsertBucket")[0]
    assert (first["jobType"], first["groupName"], first["project"]) == ("report", "which", "optlab")
    [page] = [content for name, content in server.files.items() if name.startswith("media/html/report_")]
    assert page == Path("elsewhere/report.html").read_bytes()
    assert any(name.startswith("media/table/verdict_") for name in server.files)
    uploaded = json.loads(server.files["wandb-summary.json"])
    assert uploaded["headline"] == leet(Path("elsewhere"))["summary"]["headline"]
    assert "CommitArtifact" not in {name for name, _ in server.operations}
