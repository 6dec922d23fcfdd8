"""The one line of a sweep, read from run folders."""

import io
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from optlab.sweep.job import Job
from optlab.sweep.progress import watching, watching_plan
from optlab.sweep.progress.board import Board
from optlab.sweep.progress.lines import state
from tests.sweep.helpers import finish, jobs_of, write

COSINE = {"name": "cosine", "_target_": "optlab.lr.cosine"}


def console(*, terminal: bool, width: int = 100) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, highlight=False)


def text_of(console_: Console) -> str:
    assert isinstance(console_.file, io.StringIO)
    return console_.file.getvalue()


def wait_for(text: str, console_: Console) -> None:
    """Until the progress thread has written this."""
    patience = time.monotonic() + 60
    while text not in text_of(console_):
        assert time.monotonic() < patience, text_of(console_)
        time.sleep(0.01)


def epochs(folder: Path, count: int) -> None:
    (folder / "metrics.csv").write_text("epoch,val/acc\n" + "1,0.5\n" * count)


def test_the_board_counts_jobs_and_knows_the_best() -> None:
    a, b, c, d, e = jobs = jobs_of("a", "b", "c", "d", "e")
    finish(a, 0.7)
    board = Board(jobs)
    assert (board.done, board.running, board.left) == (1, 0, 4)
    finish(b, 0.9)
    write(c, "diverged")
    write(d, "running")
    write(e, "failed", error={"type": "RuntimeError", "message": "no"})
    assert {job.folder.name for job in board.refresh()} == {"b", "c", "e"}
    assert board.refresh() == []
    assert (board.done, board.running, board.left) == (4, 1, 1)
    line = state(board)
    assert "1 running, 1 diverged, 1 failed" in line
    assert "best val/acc 0.9000 adam lr 0.001 seed 0" in line


def test_the_best_loss_is_the_lowest() -> None:
    jobs = jobs_of("a", "b")
    for job, loss in zip(jobs, (0.5, 0.2), strict=True):
        write(job, "finished", metrics={"val/loss": loss}, data={"metric": "val/loss", "outputs": 1})
    assert "best val/loss 0.2000" in state(Board(jobs))


def test_what_a_killed_process_left_does_not_count_as_running_until_it_moves() -> None:
    [job] = jobs_of("a")
    write(job, "running")
    board = Board([job])
    assert board.running == 0
    epochs(job.folder, 3)
    board.refresh()
    assert board.running == 1


def test_the_time_left_comes_from_epochs_and_not_only_from_whole_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = jobs = jobs_of("a", "b")
    total = a.config.trainer.max_epochs
    write(b, "running")
    epochs(b.folder, total // 2)  # done before we came
    board = Board(jobs)
    began = time.monotonic()
    board.began = began
    assert board.seconds_left() is None
    write(a, "running")
    epochs(a.folder, total // 2)
    board.refresh()
    monkeypatch.setattr(time, "monotonic", lambda: began + 60)
    assert board.seconds_left() == pytest.approx(120)  # half a job took a minute, and two halves are left


def test_the_time_left_is_counted_from_the_beginning_of_the_first_run_and_not_of_its_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a, b = jobs = jobs_of("a", "b")
    total = a.config.trainer.max_epochs
    board = Board(jobs)
    board.since -= 100  # the workers took that long to start
    write(a, "running")
    board.refresh()
    assert board.began is None  # it imports what it needs
    write(a, "running", timing={"setup_seconds": 2.0})
    board.refresh()
    assert board.began == pytest.approx(time.monotonic(), abs=1)
    assert board.seconds_left() is None
    epochs(a.folder, total // 2)
    board.refresh()
    monkeypatch.setattr(time, "monotonic", lambda at=board.began: at + 10)
    assert board.seconds_left() == pytest.approx(30)  # half a job took 10 s, and three halves are left
    monkeypatch.undo()
    ended = Board([b])
    ended.since -= 100
    write(b, "running", timing={"setup_seconds": 2.0})
    ended.refresh()
    write(b, "finished", timing={"setup_seconds": 2.0, "began": time.time() - 20, "ended": time.time()})
    ended.refresh()
    assert ended.began == pytest.approx(time.monotonic() - 20, abs=1)  # as it says itself


def to_epoch(epoch: int, job: Job) -> Job:
    return replace(job, overrides=(*job.overrides, f"until={epoch}"), config=job.config.with_(until=epoch))


def test_each_rung_is_counted_by_its_own_runs_and_what_waits_there_is_not_stopped() -> None:
    a, b = jobs_of("a", "b")
    board = Board(total=3, spared=0.5)
    board.add([to_epoch(1, a), to_epoch(1, b)])
    for job in (a, b):
        write(job, "stopped", epochs=1)
        epochs(job.folder, 1)
        board.refresh()
    assert board.counted == (2, 2)
    assert board.stopped == 0
    before = board.work
    board.add([to_epoch(2, a)])
    assert board.counted == (0, 1)
    assert board.stopped == 1
    assert board.work == before
    finish(a)
    board.add([a])
    assert board.counted == (2, 3)


def test_a_pipe_gets_a_line_for_each_job() -> None:
    a, b = jobs = jobs_of("a", "b")
    out = console(terminal=False)
    with watching(jobs, "first", out):
        finish(a, 0.7)
        write(b, "failed", error={"type": "ValueError", "message": "[red] and\nmore"})
    lines = text_of(out).splitlines()
    assert lines[0] == "first: 2 runs to run"
    assert sorted(line[11:] for line in lines[1:]) == ["a  val/acc 0.7000 in 2.0 s", "b  failed: ValueError: [red] and"]


def test_a_line_names_the_schedule_unless_it_goes_without_saying() -> None:
    [plain] = jobs_of("a")
    cosine = replace(plain, folder=plain.folder.with_name("b"), config=plain.config.with_(lr=COSINE))
    board = Board([plain])
    assert board.label(plain) == "a"
    board.add([cosine])
    assert [board.label(job) for job in (plain, cosine)] == ["a constant", "b cosine"]
    finish(plain, 0.7)
    board.refresh()
    assert "best val/acc 0.7000 adam constant lr 0.001 seed 0" in state(board)


def test_a_terminal_gets_one_line_that_changes_and_a_line_a_failure() -> None:
    a, b = jobs = jobs_of("a", "b")
    out = console(terminal=True)
    with watching(jobs, "first", out):
        write(b, "failed", error={"type": "ValueError", "message": "no [b]"})
        wait_for("1/2 done", out)
        finish(a)
    text = text_of(out)
    assert "1/2 done" in text
    assert "2/2 done" in text
    [failure] = [line for line in text.splitlines() if "ValueError: no [b]" in line]
    assert "b" in failure


def test_a_narrow_terminal_keeps_it_to_one_line() -> None:
    jobs = jobs_of("a", "b")
    finish(jobs[0])
    out = console(terminal=True, width=40)
    with watching(jobs, "first", out):
        finish(jobs[1])
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text_of(out)).replace("\r", "\n")
    assert "2/2 done" in shown
    assert max(map(len, shown.splitlines())) <= 40


def test_a_complete_sweep_says_so() -> None:
    jobs = jobs_of("a")
    finish(jobs[0])
    out = console(terminal=True)
    with watching(jobs, "first", out):
        pass
    assert text_of(out).strip() == "first: 1 run, done already"


@pytest.mark.parametrize("terminal", [False, True])
def test_a_plan_of_several_rounds_has_one_line(terminal: bool) -> None:
    a, b, c = jobs_of("a", "b", "c")
    finish(a, 0.7)
    out = console(terminal=terminal)
    with watching_plan(4, "which", out) as watch:
        with watch.during([a], "tune"):
            pass
        assert text_of(out) == ""  # it begins with the first job that is not over
        with watch.during([b], "tune"):
            finish(b, 0.9)
        assert "2/4" in text_of(out)
        out.print("chosen")
        with watch.during([c], "confirm", total=3):
            finish(c, 0.8)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text_of(out)).replace("\r", "\n")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    assert lines[0] == "which: 4 runs, 1 done already, 3 to run"
    assert "best val/acc 0.9000" in text
    assert lines[-1].startswith("confirm")
    assert "3/3" in lines[-1]
    assert lines.index("chosen") < len(lines) - 1


def test_a_plan_that_was_carried_out_already_says_so() -> None:
    jobs = jobs_of("a", "b")
    for job in jobs:
        finish(job)
    out = console(terminal=False)
    with watching_plan(2, "which", out) as watch, watch.during(jobs, "tune"):
        pass
    assert text_of(out) == "which: 2 runs, done already\n"
