"""Seconds of training: what is said where other work on the machine made them longer, and what is offered instead."""

from pathlib import Path
from typing import Any

import pytest

from optlab.analysis.judge.contest import Contest, contests
from optlab.analysis.judge.seconds import step_time
from optlab.analysis.judge.verdict import Verdict, judge
from optlab.analysis.read.runs import read_runs
from optlab.analysis.show.figures import figures_of
from optlab.analysis.show.tables.outcome import tuning_table
from optlab.record import RunRecord
from tests.analysis.made import make_run, subject


def contest_of(folder: Path) -> Contest:
    (contest,) = contests(read_runs([folder]))
    return contest


def verdict_of(folder: Path) -> Verdict:
    return judge(contest_of(folder))


def test_runs_that_were_slowed_down_are_said_once_and_undisturbed_seconds_offered(tmp_path: Path) -> None:
    for name in ("adam", "sgd"):
        for seed, (phase, seconds) in enumerate([("tune", 0.2), ("tune", 0.25), ("confirm", 1.6), ("confirm", 2.0)]):
            make_run(tmp_path, name, seed=seed, phase=phase, val=0.9, seconds=seconds)
    verdict = verdict_of(tmp_path)
    (said,) = [each for each in verdict.said_once if each.kind == "disturbed"]
    assert "(adam 12.5 to 125 ms and sgd 12.5 to 125 ms)" in said.text  # 16 steps an epoch
    table = tuning_table(verdict)
    cells = table.rows[0].cells
    assert cells["seconds"].value == pytest.approx(4 * (0.2 + 0.25 + 1.6 + 2.0))
    assert cells["undisturbed"].value == pytest.approx(4 * 4 * 0.2)
    epochs = cells["epochs_to_target"].value
    assert isinstance(epochs, float)
    assert cells["undisturbed_to_target"].value == pytest.approx(epochs * 0.2)
    assert "Undisturbed" in table.note
    notes = {figure.id: figure.note for figure in figures_of(subject(contest_of(tmp_path)))}
    for name in ("curves", "target"):
        assert "runs of adam and sgd were slowed down. Epochs and samples do" in notes[name]
    assert "slowed" not in notes["finals"]


def test_equal_seconds_and_runs_computed_otherwise_are_no_reason(tmp_path: Path) -> None:
    one: dict[str, Any] = {"engine": "loop", "threads": 1}
    for seed, seconds in enumerate([0.2, 0.29]):
        make_run(tmp_path, seed=seed, seconds=seconds, numerics=one)
    make_run(tmp_path, seed=2, seconds=0.9, numerics=one | {"threads": 16})  # slower, and it says why
    verdict = verdict_of(tmp_path)
    assert not any(said.kind == "disturbed" for said in verdict.warnings)
    assert "undisturbed" not in tuning_table(verdict).rows[0].cells
    assert not any("slowed" in figure.note for figure in figures_of(subject(contest_of(tmp_path))))
    time = step_time(contest_of(tmp_path).contenders[0])
    assert time is not None
    assert [time.fastest, time.slowest] == pytest.approx([12.5, 18.125])


def test_a_run_that_ended_within_an_epoch_makes_no_epoch_longer(tmp_path: Path) -> None:
    make_run(tmp_path, seed=0, seconds=0.2)
    folder = make_run(tmp_path, seed=1, status="diverged", seconds=0.2)
    record = RunRecord.read(folder)
    record.steps += 15  # of the third epoch, which has 16
    record.write(folder)
    time = step_time(contest_of(tmp_path).contenders[0])
    assert time is not None
    assert time.epoch == pytest.approx(16 * time.fastest / 1000)
