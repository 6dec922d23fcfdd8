"""Sweeps and studies over data of other tasks than classes, from the command line to the verdict and its page."""

import json
from pathlib import Path
from typing import Any

import pytest

from optlab.record import RunRecord
from optlab.sweep.conclude import drawing
from tests.commandline import Result, command
from tests.tasks.test_tasks import on

FOLDER = Path("outputs/sweeps/which")
LAST = ("logger=none", "callbacks=quiet", "trainer=cpu", "trainer.max_epochs=1", "sweep=which")


def sweep(task: str, *words: str) -> Result:
    with drawing(False):  # which takes longer than these runs
        return command("-m", *(word for word in on(task) if not word.startswith("optimizer.")), *LAST, *words)


def verdict() -> dict[str, Any]:
    (only,) = json.loads((FOLDER / "summary.json").read_text())["verdicts"]
    assert isinstance(only, dict)
    return only


def records() -> list[RunRecord]:
    return [RunRecord.read(path.parent) for path in FOLDER.glob("*/run.json")]


@pytest.mark.parametrize(
    ("task", "metric", "named"), [("multilabel", "val/auroc", "macro AUROC"), ("dense", "val/iou", "mean IoU")]
)
def test_a_sweep_is_chosen_and_judged_by_the_metric_that_was_typed(task: str, metric: str, named: str) -> None:
    done = sweep(task, f"metric={metric}", "optimizer=sgd,adam")
    assert done.code == 0, done.err
    judged = metric.replace("val", "test")
    assert (verdict()["selection_metric"], verdict()["metric"]) == (metric, judged)
    finals = {standing["name"]: standing["final"]["mean"] for standing in verdict()["standings"]}
    assert finals == {record.optimizer: pytest.approx(record.metrics[judged]) for record in records()}
    assert list(finals) == sorted(finals, key=lambda name: -finals[name])
    assert f"test {named}" in " ".join(done.out.split())
    assert f"validation {named}" in (FOLDER / "report.html").read_text()


def test_a_study_prefers_numbers_worse_than_the_mean_of_the_targets_to_a_run_that_diverged() -> None:
    """R² has no bound below: 0, that of the mean, would let a run that diverged pass one that finished."""
    space = "hydra.sweeper.spaces={sgd:{lr:{low:1e-9,high:1e9}}}"
    small = ("hydra.sweeper.trials=2", "hydra.sweeper.extensions=0", "hydra.sweeper.tuning_seeds=1")
    words = ("optimizer=sgd", space, *small, "hydra.sweeper.confirmation_seeds=1", "hydra/sweeper=study")
    done = sweep("regression", "metric=val/r2", *words)
    assert done.code == 0, done.err
    assert "chosen by the mean of the final val/r2; a diverged run comes last" in done.out
    tuned = {record.lr: record for record in records() if record.phase == "tune"}
    assert tuned[1e9].status == "diverged"
    assert (tuned[1e-9].metrics["val/r2"] or 0.0) < 0
    assert [(standing["lr"], standing["final"]["n"]) for standing in verdict()["standings"]] == [(1e-9, 1)]
    assert verdict()["metric"] == "test/r2"
    assert "validation R²" in (FOLDER / "report.html").read_text()
