"""Seconds of training: what is said where other work on the machine made them longer, and what is offered instead."""

from pathlib import Path
from typing import Any

import pytest

from optlab.analysis.judge.contest import contests
from optlab.analysis.judge.seconds import step_time
from optlab.analysis.judge.verdict import Verdict, judge
from optlab.analysis.read.runs import read_runs
from optlab.analysis.show.tables.outcome import tuning_table
from tests.analysis.made import make_run


def verdict_of(folder: Path) -> Verdict:
    (contest,) = contests(read_runs([folder]))
    return judge(contest)


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


def test_equal_seconds_and_runs_computed_otherwise_are_no_reason(tmp_path: Path) -> None:
    one: dict[str, Any] = {"engine": "loop", "threads": 1}
    for seed, seconds in enumerate([0.2, 0.29]):
        make_run(tmp_path, seed=seed, seconds=seconds, numerics=one)
    make_run(tmp_path, seed=2, seconds=0.9, numerics=one | {"threads": 16})  # slower, and it says why
    verdict = verdict_of(tmp_path)
    assert not any(said.kind == "disturbed" for said in verdict.warnings)
    assert "undisturbed" not in tuning_table(verdict).rows[0].cells
    (contest,) = contests(read_runs([tmp_path]))
    time = step_time(contest.contenders[0])
    assert time is not None
    assert [time.fastest, time.slowest] == pytest.approx([12.5, 18.125])
