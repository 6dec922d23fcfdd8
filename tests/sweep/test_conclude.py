"""The end of a sweep: what is written and printed, and the exit code."""

import errno
import gc
import html
import importlib
import json
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from hydra.plugins.launcher import Launcher
from omegaconf import OmegaConf

from hydra_plugins.optlab_launchers.auto import AutoLauncher
from optlab.adapters import process
from optlab.adapters.hydra import runs_elsewhere
from optlab.sweep import conclude as concluding
from optlab.sweep.conclude import conclude
from optlab.sweep.job import Outcome, SweepInterrupted, outcome
from optlab.sweep.launchers import forked
from tests.commandline import command
from tests.sweep.helpers import SIGNAL, finish, jobs_of, multirun, write
from tests.sweep.test_study import SMALL as STUDY


def test_what_the_report_needs_is_not_imported_while_others_stand_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[str] = []
    monkeypatch.setattr(concluding, "import_module", imported.append)
    monkeypatch.setattr(process, "_imported", threading.Event())  # as in a new process
    try:
        with process.importing():
            concluding.import_meanwhile(cast(Launcher, SimpleNamespace(elsewhere=True)))
            time.sleep(0.2)
            assert imported == []
    finally:
        gc.unfreeze()
    while "optlab.analysis" not in imported:
        time.sleep(0.01)


def ended(*states: str) -> list[Outcome]:
    jobs = jobs_of(*(f"{place}-{state}" for place, state in enumerate(states)))
    for job, state in zip(jobs, states, strict=True):
        if state == "damaged":
            finish(job)
            (job.folder / "run.json").write_text("{")
        elif state != "missing":
            error = {"type": "ValueError", "message": f"{state} [red]\nsecond line"}
            write(job, state, error=error if state == "failed" else None)
    return [outcome(job) for job in jobs]


def exit_code(outcomes: Sequence[Outcome], signum: int = 0) -> int:
    def work() -> Sequence[Outcome]:
        if signum:
            raise SweepInterrupted(signum, outcomes)
        return outcomes

    try:
        conclude(Path("sweep").absolute(), work)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize(
    ("states", "code"),
    [
        (["finished", "diverged"], 0),
        (["finished", "failed"], 1),
        (["finished", "damaged"], 1),
        (["finished", "interrupted"], 1),
        (["finished", "missing"], 1),
    ],
)
def test_the_exit_code_says_whether_every_job_has_a_result(states: list[str], code: int) -> None:
    assert exit_code(ended(*states)) == code


@pytest.mark.usefixtures("no_report")
def test_a_signal_is_in_the_exit_code_and_the_way_on_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = ended("finished", "interrupted", "missing")
    assert exit_code(outcomes, signum=2) == 130
    assert exit_code(outcomes, signum=15) == 143
    assert "stopped with 1 of 3 runs done; the same command goes on from here" in capsys.readouterr().out


@pytest.mark.usefixtures("no_report")
def test_every_failure_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code(ended("failed", "finished", "failed"))
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "failed   sweep/0-failed/train.log  ValueError: failed [red]",
        "failed   sweep/2-failed/train.log  ValueError: failed [red]",
        "2 runs failed; the same command with retry=true runs failed ones again",
    ]


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize(
    ("content", "kind", "remedy"),
    [
        ("{", "damaged", "remove that file to run the job again"),
        ('{"schema": 2}', "other_schema", "update optlab, or type another sweep="),  # its result is worth keeping
    ],
)
def test_what_to_do_about_a_record_does_not_depend_on_the_name_of_its_folder(
    content: str, kind: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    [job] = jobs_of("schema-damaged")
    finish(job)
    (job.folder / "run.json").write_text(content)
    found = outcome(job)
    assert found.problem is not None
    assert (found.problem.kind, found.problem.subject) == (kind, "schema-damaged")
    assert exit_code([found]) == 1
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("damaged  " if kind == "damaged" else "unread   ")
    assert line.endswith(f"; {remedy}")


@pytest.mark.usefixtures("no_report")
def test_many_failures_do_not_fill_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code(ended(*["failed"] * 25))
    out = capsys.readouterr().out
    assert out.count("train.log") == 20
    assert "5 more" in out


def test_a_full_disk_takes_the_report_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(importlib.import_module("optlab.analysis.build"), "write_whole", full)
    assert exit_code(ended("finished", "finished", "failed")) == 1
    out = capsys.readouterr().out
    assert "cnn on digits" in out
    assert "report  " not in out
    assert "1 run failed; the same command with retry=true" in out
    assert (
        "the report is not whole: sweep: No space left on device; python scripts/report.py sweep writes it when there "
        "is room\n"
    ) in out
    assert exit_code(ended("finished")) == 1


def test_a_sweep_leaves_table_summary_and_report_also_when_it_is_stopped() -> None:
    Path("armed").touch()
    stop = (SIGNAL, "+callbacks.signal.signame=SIGINT", "+callbacks.signal.lr=0.2", "+callbacks.signal.step=10")
    words = ("optimizer.lr=0.1,0.2", "seed=0,1", *stop)
    folder = Path("outputs/sweeps/first")
    stopped = multirun(*words)
    assert stopped.code == 130
    assert "sgd" in stopped.out
    assert (folder / "report.html").exists()
    assert len((folder / "runs.csv").read_text().splitlines()) == 1 + 3  # two done, one interrupted
    whole = multirun(*words)
    assert whole.code == 0, whole
    assert len((folder / "runs.csv").read_text().splitlines()) == 1 + 4
    assert json.loads((folder / "summary.json").read_text())
    assert list((folder / "figures").glob("*.png"))


def test_a_study_ends_with_a_report_that_says_who_won_and_who_is_tuned() -> None:
    assert command(*STUDY, "sweep=which", "hydra.sweeper.extensions=0").code == 0
    folder = Path("outputs/sweeps/which")
    assert len((folder / "runs.csv").read_text().splitlines()) == 1 + 8
    [verdict] = json.loads((folder / "summary.json").read_text())["verdicts"]
    assert {standing["name"] for standing in verdict["standings"]} == {"adam", "sgd"}
    assert [standing["final"]["n"] for standing in verdict["standings"]] == [2, 2]
    assert any("not tuned" in warning["text"] for warning in verdict["warnings"])  # two trials: each is on an edge
    page = (folder / "report.html").read_text()
    assert html.escape(verdict["conclusion"]) in page
    assert all(html.escape(said["text"]) in page for said in verdict["qualifiers"])
    assert "hydra/sweeper=study" in page[page.index('id="reproduce"') :]
    assert list((folder / "figures").glob("*.png"))


@pytest.mark.parametrize(
    ("elsewhere", "figures", "expected"),
    [
        (True, True, ["optlab.analysis", "optlab.analysis.show.figures.to_matplotlib"]),
        (True, False, ["optlab.analysis"]),
        (False, True, []),  # the jobs run in this process, and would wait for it
    ],
)
def test_the_report_is_imported_while_others_import_what_runs_need(
    elsewhere: bool, figures: bool, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    imported: list[str] = []
    done = threading.Event()
    if not expected:
        done.set()

    def import_module(name: str) -> None:
        imported.append(name)
        if name == expected[-1]:
            done.set()
            raise ModuleNotFoundError(name)  # which the report's own import will tell

    monkeypatch.setattr(concluding, "import_module", import_module)
    with concluding.drawing(figures):
        concluding.import_meanwhile(SimpleNamespace(elsewhere=elsewhere))  # type: ignore[arg-type]
    assert done.wait(10)
    assert imported == expected


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_auto_runs_jobs_elsewhere_where_it_has_workers(n_jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked, "ForkServer", lambda *_: SimpleNamespace(close=lambda: None))
    launcher = AutoLauncher(n_jobs)
    config = OmegaConf.create({"trainer": {}})
    launcher.setup(hydra_context=None, task_function=None, config=config)  # type: ignore[arg-type]
    assert runs_elsewhere(launcher) is (n_jobs == 2)
    launcher.close()
