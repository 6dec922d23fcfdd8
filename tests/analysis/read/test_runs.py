"""Reading run folders: what counts, what is skipped and said, what is one and the same run."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from optlab.analysis.build import judged
from optlab.analysis.judge.contest import contests
from optlab.analysis.judge.verdict import judge
from optlab.analysis.read.runs import read_runs
from optlab.analysis.show.terminal import print_table
from optlab.errors import UserError
from optlab.planned import Planned, PlannedRun
from tests.analysis.made import make_run, make_sweep


def test_every_run_is_read_wherever_it_lies_below(tmp_path: Path) -> None:
    make_run(tmp_path / "a", seed=0)
    make_run(tmp_path / "a" / "deeper" / "still", seed=1)
    (tmp_path / "a" / "figures").mkdir()
    runs = read_runs([tmp_path / "a"])
    assert [run.record.seed for run in runs.runs] == [0, 1]
    assert runs.skipped == []


def test_a_single_run_folder_is_a_sweep_of_one(tmp_path: Path) -> None:
    assert len(read_runs([make_run(tmp_path)]).runs) == 1


def test_columns_of_the_history_and_its_axes(tmp_path: Path) -> None:
    make_run(tmp_path, curve=[0.2, 0.4, 0.6], epochs=3, seconds=2.0)
    (run,) = read_runs([tmp_path]).runs
    assert run.history["val/acc"].tolist() == [0.2, 0.4, 0.6]
    assert run.axes["epoch"].tolist() == [1, 2, 3]
    assert run.axes["sample"].tolist() == [1000, 2000, 3000]
    assert run.axes["second"].tolist() == [2, 4, 6]


def test_samples_of_limited_epochs_are_counted_in_steps(tmp_path: Path) -> None:
    make_run(tmp_path, epochs=2, config={"trainer": {"max_epochs": 2, "limit_train_batches": 16}})
    (run,) = read_runs([tmp_path]).runs
    assert run.axes["sample"].tolist() == [16 * 64, 32 * 64]


def test_an_empty_cell_is_not_a_number(tmp_path: Path) -> None:
    make_run(tmp_path, status="diverged")
    (run,) = read_runs([tmp_path]).runs
    assert np.isnan(run.history["val/acc"][-1])


def test_a_row_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    folder = make_run(tmp_path, status="running", epochs=2)
    with (folder / "metrics.csv").open("a") as file:
        file.write("3,48,3.")
    (run,) = read_runs([tmp_path]).runs
    assert len(run.history["epoch"]) == 2


def test_a_run_without_rows_yet_is_read(tmp_path: Path) -> None:
    folder = make_run(tmp_path, status="running")
    (folder / "metrics.csv").unlink()
    (run,) = read_runs([tmp_path]).runs
    assert run.history == {}
    assert not run.is_over


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{half", "damaged, this is not JSON"),
        ("[]", "no JSON object"),
        (json.dumps({"schema": 2}), "schema 2 is not known"),
        (json.dumps({"schema": 1, "id": "x"}), "a field is missing"),
    ],
)
def test_a_damaged_run_is_named_and_skipped(tmp_path: Path, content: str, said: str) -> None:
    make_run(tmp_path, seed=0)
    bad = make_run(tmp_path, seed=1)
    (bad / "run.json").write_text(content)
    runs = read_runs([tmp_path])
    assert len(runs.runs) == 1
    (skipped,) = runs.skipped
    assert skipped.kind == ("unreadable_schema" if "schema 2" in said else "unreadable")
    assert skipped.subject == bad.name
    assert said in skipped.text
    assert bad.name in skipped.text
    assert "\n" not in skipped.text


def test_a_record_with_a_field_of_another_kind_is_damaged(tmp_path: Path) -> None:
    make_run(tmp_path, seed=0)
    bad = make_run(tmp_path, seed=1)
    content = json.loads((bad / "run.json").read_text())
    (bad / "run.json").write_text(json.dumps(content | {"metrics": "none", "seed": "1"}))
    assert "damaged, seed is '1'" in read_runs([tmp_path]).skipped[0].text


def test_damaged_metrics_are_named(tmp_path: Path) -> None:
    make_run(tmp_path, seed=0)
    bad = make_run(tmp_path, seed=1)
    (bad / "metrics.csv").write_text("epoch,step\n1,x\n")
    assert "metrics.csv: damaged" in read_runs([tmp_path]).skipped[0].text


def test_folders_of_no_use_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such folder"):
        read_runs([tmp_path / "nowhere"])
    with pytest.raises(UserError, match=r"no runs of optlab here; a sweep folder holds"):
        read_runs([tmp_path])
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "run.json").write_text('{"program": "another"}')
    with pytest.raises(UserError, match=r"no runs of optlab here: .*schema None"):
        read_runs([tmp_path])


def test_a_run_in_two_sweeps_is_counted_once_and_the_further_one_stays(tmp_path: Path) -> None:
    make_run(tmp_path / "a", status="running")
    make_run(tmp_path / "b", status="finished")
    make_run(tmp_path / "b", seed=1)
    runs = read_runs([tmp_path / "a", tmp_path / "b"])
    assert runs.duplicates == 1
    assert [run.record.status for run in runs.runs] == ["finished", "finished"]


def test_the_same_command_on_other_data_is_another_run(tmp_path: Path) -> None:
    for name in ("a", "b"):
        folder = make_run(tmp_path / name)
        content = json.loads((folder / "run.json").read_text())
        content["data"]["fingerprint"] = name
        (folder / "run.json").write_text(json.dumps(content))
    runs = read_runs([tmp_path / "a", tmp_path / "b"])
    assert runs.duplicates == 0
    assert len({run.setting for run in runs.runs}) == 2


def test_counts_name_every_status(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": [0.9]})
    make_run(tmp_path, "sgd", status="failed")
    counts = read_runs([tmp_path]).counts()
    assert counts == {"finished": 1, "diverged": 0, "stopped": 0, "failed": 1, "interrupted": 0, "running": 0}


def test_the_command_repeats_the_run(tmp_path: Path) -> None:
    make_run(tmp_path, overrides=["optimizer=adam", "model.hidden=[1, 2]"])
    (run,) = read_runs([tmp_path]).runs
    assert run.command == "python train.py optimizer=adam 'model.hidden=[1, 2]'"


def test_the_command_of_a_sweep(tmp_path: Path) -> None:
    make_run(tmp_path)
    overrides = {"hydra": ["hydra.mode=MULTIRUN", "hydra/sweeper=study"], "task": ["optimizer=sgd,adam", "sweep=x"]}
    (tmp_path / "multirun.yaml").write_text(json.dumps({"hydra": {"overrides": overrides}}))
    assert read_runs([tmp_path]).commands == {
        tmp_path: ["python train.py -m hydra/sweeper=study optimizer=sgd,adam sweep=x"]
    }


def test_a_damaged_list_of_commands_is_named_and_the_runs_are_read(tmp_path: Path) -> None:
    make_run(tmp_path)
    (tmp_path / "multirun.yaml").write_text(": [")
    runs = read_runs([tmp_path])
    assert len(runs.runs) == 1
    assert runs.commands == {}
    assert "multirun.yaml: cannot be read" in runs.skipped[0].text


def test_a_run_that_failed_before_its_data_was_read_is_of_the_experiment_of_the_others(tmp_path: Path) -> None:
    make_run(tmp_path, seed=0)
    bad = make_run(tmp_path, seed=1)
    content = json.loads((bad / "run.json").read_text())
    (bad / "run.json").write_text(json.dumps(content | {"status": "failed", "data": {}, "metrics": {}}))
    runs = read_runs([tmp_path]).runs
    assert len({run.setting for run in runs}) == 1
    assert len({run.configuration for run in runs}) == 1


def test_a_failure_is_said_by_the_first_line_of_its_error(tmp_path: Path) -> None:
    folder = make_run(tmp_path, status="failed")
    content = json.loads((folder / "run.json").read_text())
    content["error"] = {"type": "ValueError", "message": "no such file\nand what led to it"}
    (folder / "run.json").write_text(json.dumps(content))
    ((_, said),) = read_runs([tmp_path]).failures()
    assert said == f"{folder.name}  ValueError: no such file"
    content["error"] = None
    (folder / "run.json").write_text(json.dumps(content))
    ((_, said),) = read_runs([tmp_path]).failures()
    assert said == f"{folder.name}  error: "


def test_a_history_that_was_cut_or_deleted_is_named_in_the_verdict(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "s", {"sgd": [0.9, 0.91], "adam": [0.92, 0.93]})
    cut, gone = (run.folder for run in read_runs([sweep]).runs[:2])
    assert "cut_history" not in kinds_of(sweep)
    lines = (cut / "metrics.csv").read_text().splitlines(keepends=True)
    (cut / "metrics.csv").write_text("".join(lines[:-1]))
    (gone / "metrics.csv").unlink()
    (contest,) = contests(read_runs([sweep]))
    (said,) = [each for each in judge(contest).warnings if each.kind == "cut_history"]
    assert "2 runs" in str(said)
    assert cut.name in str(said)
    assert gone.name in str(said)


def test_planned_runs_that_never_began_are_not_finished_yet(tmp_path: Path) -> None:
    sweep = tmp_path / "s"
    done, stopped = make_run(sweep, seed=0), make_run(sweep, seed=1, status="interrupted")
    names = [done.name, stopped.name, "adam-lr0.001-seed2-0", "adam-lr0.001-seed3-0"]
    Planned(tuple(PlannedRun(name, [], 4, "train") for name in names), expected=4).write(sweep)
    (contest,) = contests(read_runs([sweep]))
    (said,) = [each for each in judge(contest).warnings if each.kind == "unfinished"]
    assert "3 runs of 4" in str(said)
    text = io.StringIO()
    print_table(judged(read_runs([sweep])), Console(file=text))
    assert "2 of 4 planned runs: 1 finished, 1 interrupted" in text.getvalue()


def kinds_of(sweep: Path) -> set[str]:
    (contest,) = contests(read_runs([sweep]))
    return {each.kind for each in judge(contest).warnings}
