"""planned.json: what a sweep is going to run stands on disk before it runs, and several commands add up."""

import json
from pathlib import Path
from typing import Any

import pytest

from optlab.errors import UserError
from optlab.planned import Planned, PlannedRun
from optlab.sweep.folder import LOCKS, write_planned
from tests.sweep.helpers import jobs_of


def one(name: str, phase: str = "train") -> PlannedRun:
    return PlannedRun(name, ["optimizer=adam"], 3, phase)


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    (tmp_path / "s" / LOCKS).mkdir(parents=True)
    return tmp_path / "s"


def test_what_is_written_is_read_back_and_a_sweep_of_before_has_no_plan(sweep: Path) -> None:
    assert Planned.read(sweep) is None
    Planned((one("a"), one("b")), 5).write(sweep)
    assert Planned.read(sweep) == Planned((one("a"), one("b")), 5)


def test_several_commands_on_a_sweep_add_up(sweep: Path) -> None:
    write_planned(sweep, [one("a"), one("b")])
    write_planned(sweep, [one("b"), one("c")])
    plan = Planned.read(sweep)
    assert plan is not None
    assert [run.folder for run in plan.runs] == ["a", "b", "c"]
    assert plan.expected == 3


def test_a_study_expects_more_than_it_knows_and_less_when_it_has_learnt_better(sweep: Path) -> None:
    write_planned(sweep, [one("a", "tune")], expected=8)
    write_planned(sweep, [one("b", "confirm")], expected=7)
    write_planned(sweep, [], expected=1)  # never fewer than are known
    plan = Planned.read(sweep)
    assert plan is not None
    assert plan.expected == 2
    assert [run.phase for run in plan.runs] == ["tune", "confirm"]


def test_a_job_says_where_it_will_lie_and_how_long_it_is() -> None:
    [job] = jobs_of("a")
    assert job.planned(Path("sweep")) == PlannedRun("a", ["name=a"], job.config.trainer.max_epochs, "train")


RUN = {"folder": "a", "overrides": [], "epochs": 3, "phase": "train"}


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"schema": 2, "expected": 1, "runs": []},
        {"schema": 1, "expected": "1", "runs": []},
        {"schema": 1, "expected": 1, "runs": [RUN | {"epochs": "3"}]},
        {"schema": 1, "expected": 1, "runs": [RUN | {"folder": "../other"}]},
        {"schema": 1, "expected": 1, "runs": [RUN | {"folder": "/etc"}]},
    ],
)
def test_a_damaged_plan_is_one_line_and_the_next_command_replaces_it(sweep: Path, content: Any) -> None:
    (sweep / "planned.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"planned\.json"):
        Planned.read(sweep)
    write_planned(sweep, [one("a")])
    assert Planned.read(sweep) == Planned((one("a"),), 1)
