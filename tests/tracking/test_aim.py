"""Aim's repository in the run folder, read back with Aim's own SDK; docs/trackers.md says how to run this."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Train
from tests.metrics import read_metrics
from tests.test_resume import interrupted

aim = pytest.importorskip("aim")


def only_run(repo: Path) -> Any:
    """The one run of a repository, as another process would find it."""
    (run,) = aim.Repo(str(repo)).iter_runs()
    return run


def test_a_finished_run_is_read_back_with_its_parameters_metrics_and_status(train: Train) -> None:
    record = train("logger=aim", folder="good")
    run = only_run(Path("good"))
    assert (run.name, run.experiment, run.active) == ("adam-lr0.001-seed0", "optlab", False)
    assert run["status"] == run["hparams", "status"] == "finished"
    assert run["hparams", "optimizer", "name"] == "adam"
    assert run["hparams", "configuration"].startswith("adam lr=0.001 constant")
    logged = {metric.name: sorted(metric.values.values_list()) for metric in run.metrics()}  # Aim sorts steps by a hash
    assert logged["val/acc"] == sorted(float(row["val/acc"] or 0) for row in read_metrics(Path("good/metrics.csv")))
    assert logged["test/loss"] == [record.metrics["test/loss"]]


def test_an_interrupted_run_is_closed_and_says_so(tmp_path: Path) -> None:
    interrupted(tmp_path / "stopped", 5, "logger=aim")
    run = only_run(tmp_path / "stopped")
    assert (run["status"], run.active) == ("interrupted", False)


def test_runs_of_one_repository_stand_beside_each_other(train: Train, tmp_path: Path) -> None:
    for seed in (0, 1):
        train("logger=aim", f"logger.aim.repo={tmp_path / 'shared'}", f"seed={seed}", folder=f"seed{seed}")
    runs = aim.Repo(str(tmp_path / "shared")).iter_runs()
    assert sorted(run["hparams", "seed"] for run in runs) == [0, 1]
