"""Watching a sweep that grows on disk: what is said of it, and a last page that is the report's own."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from optlab.analysis import build
from optlab.analysis.read.progress import Progress, read_progress
from optlab.analysis.read.runs import Runs, read_runs
from optlab.analysis.show.live import Live
from optlab.analysis.watch import Watched, follow, watch
from optlab.errors import UserError
from optlab.planned import Planned, PlannedRun
from tests.analysis.made import make_run, make_sweep
from tests.analysis.test_report_script import SCRIPT

NOW = 1_800_000_000.0


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    folder = tmp_path / "first"
    folder.mkdir()
    return folder


def expect(sweep: Path, *names: str, expected: int = 0, phase: str = "train", epochs: int = 4) -> None:
    """Plan runs of these folders, as the sweep does before the first of them."""
    runs = [PlannedRun(name, [f"optimizer={name.partition('-')[0]}"], epochs, phase) for name in names]
    (Planned.read(sweep) or Planned()).adding(runs, expected).write(sweep)


def at(folder: Path, begun: float, changed: float) -> Path:
    """Let a run have begun and last changed that many seconds before NOW."""
    (folder / ".hydra").mkdir(exist_ok=True)
    (folder / ".hydra" / "config.yaml").touch()
    os.utime(folder / ".hydra" / "config.yaml", (NOW - begun, NOW - begun))
    for name in ("run.json", "metrics.csv"):
        os.utime(folder / name, (NOW - changed, NOW - changed))
    return folder


def seen(sweep: Path) -> Progress:
    return read_progress(read_runs([sweep]), NOW)


# -- what is said


def test_what_is_over_running_and_left_comes_from_the_plan_and_the_run_folders(sweep: Path) -> None:
    expect(sweep, "sgd-lr0.1-seed7-aaaaaaaa", expected=6)
    at(make_run(sweep, "adam", seed=0), 100, 80)
    at(make_run(sweep, "adam", seed=1, status="diverged"), 80, 70)
    at(make_run(sweep, "adam", seed=2, status="failed"), 70, 69)
    at(make_run(sweep, "adam", seed=3, status="running", epochs=4, curve=[0.1]), 20, 2)
    expect(sweep, *(path.parent.name for path in sweep.glob("*/run.json")), expected=6)
    progress = seen(sweep)
    assert (progress.total, progress.over, len(progress.running), progress.left) == (6, 3, 1, 2)
    assert progress.running[0].epochs == 1
    assert progress.share == pytest.approx((3 + 1 / 4) / 6)
    live = Live(progress, 3.0)
    assert live.headline == "Running: 3 of 6 runs done"
    assert live.facts == ["1 running", "2 left", "1 diverged", "1 failed"]
    assert live.still == []


def test_a_sweep_of_before_that_has_no_plan_is_what_lies_there(sweep: Path) -> None:
    make_sweep(sweep, {"adam": [0.9, 0.91]})
    assert seen(sweep).complete
    make_run(sweep, "adam", seed=2, status="running")
    assert not seen(sweep).complete


def test_a_run_that_begins_while_the_others_are_read_is_not_over(sweep: Path) -> None:
    make_run(sweep, "adam")
    before = read_runs([sweep])
    make_run(sweep, "sgd", status="running")
    expect(sweep, *(path.parent.name for path in sweep.glob("*/run.json")))
    assert not read_progress(before, NOW).complete
    record = make_run(sweep, "sgd") / "run.json"
    assert read_progress(before, NOW).complete
    record.write_text("{")
    assert read_progress(before, NOW).complete, "nobody will go on with it"


def test_a_killed_run_does_not_run_for_ever(sweep: Path) -> None:
    name = at(make_run(sweep, "adam", status="running", epochs=10, curve=[0.1, 0.2]), begun=1020, changed=1000).name
    progress = seen(sweep)  # an epoch takes 10 s
    assert (progress.running, len(progress.silent), progress.left) == ([], 1, 1)
    assert progress.seconds_left is None
    [line] = Live(progress, 3.0).still
    assert line.startswith(f"{name}: no sign of life for 17 min, epoch 2 of 10.")
    (sweep / name / "checkpoints").mkdir()
    os.utime(sweep / name / "checkpoints", (NOW - 5, NOW - 5))  # a checkpoint is a sign of life too
    assert seen(sweep).silent == []


def test_a_slow_epoch_is_no_death(sweep: Path) -> None:
    at(make_run(sweep, "adam", status="running", epochs=10, curve=[0.1, 0.2]), begun=7200, changed=3000)
    assert seen(sweep).silent == []  # an epoch takes 35 min


def test_a_sweep_in_which_nothing_happens_says_so(sweep: Path) -> None:
    expect(sweep, "adam-1", "adam-2")
    live = Live(read_progress(Runs([sweep], []), NOW), 3.0)
    assert live.headline == "Nothing is running: 0 of 2 runs done"
    assert "no run has begun yet" in live.still[0]
    assert live.ends is None


def test_the_parts_of_a_study_are_counted(sweep: Path) -> None:
    at(make_run(sweep, "adam", phase="tune"), 30, 20)
    at(make_run(sweep, "adam", 0.01, phase="tune", status="running"), 20, 1)
    expect(sweep, *(path.parent.name for path in sweep.glob("*/run.json")), phase="tune", expected=5)
    assert [tuple(phase) for phase in seen(sweep).phases] == [("tuning", 1, 2), ("later rounds", 0, 3)]


# -- when it will end


def test_there_is_no_estimate_before_anything_shows_one(sweep: Path) -> None:
    expect(sweep, "adam-1", "adam-2")
    at(make_run(sweep, "adam", status="running", curve=[], epochs=4), 5, 1)
    assert seen(sweep).seconds_left is None


@pytest.mark.parametrize(("workers", "seconds"), [(1, 50.0), (2, 30.0)])
def test_the_end_comes_from_how_long_runs_took_and_how_many_run_at_once(
    sweep: Path, workers: int, seconds: float
) -> None:
    """Runs of 20 s, back to back; two are to come, and on each worker one is in the middle."""
    typed = ["optimizer=adam"]
    for worker in range(workers):
        for number in range(3):
            at(make_run(sweep, seed=10 * worker + number, overrides=typed), 30 + 20 * number, 10 + 20 * number)
        half = make_run(sweep, seed=10 * worker + 9, overrides=typed, status="running", curve=[0.1, 0.2])
        at(half, begun=10, changed=0)
    expect(sweep, *(path.parent.name for path in sweep.glob("*/run.json")), "adam-x", "adam-y")
    assert seen(sweep).seconds_left == pytest.approx(seconds)


def test_a_slow_optimizer_takes_its_own_time_and_a_pause_of_days_counts_for_nothing(sweep: Path) -> None:
    day = 86_400
    at(make_run(sweep, "sgd", overrides=["optimizer=sgd"]), day + 10, day)
    at(make_run(sweep, "adam", overrides=["optimizer=adam"]), 60, 20)
    at(make_run(sweep, "sgd", seed=1, overrides=["optimizer=sgd"], status="running", curve=[0.1, 0.2]), 20, 15)
    expect(sweep, *(path.parent.name for path in sweep.glob("*/run.json")), "adam-x")
    # A second epoch costs sgd 2.5 s, and adam's run 40 s; they ran one after the other.
    assert seen(sweep).seconds_left == pytest.approx(5 + 40, rel=0.1)


# -- writing


def without_time(page: str) -> str:
    """A page without when it was written, and without what only a page of a sweep under way has."""
    page = re.sub(r'<section class="card live".*?</section>\n', "", page, flags=re.S)
    page = re.sub(r"<title>\d+/\d+ · ", "<title>", page)
    page = re.sub(r"<noscript><meta http-equiv.*?</noscript>", "", page)
    return re.sub(r"read \d{4}-\d\d-\d\d \d\d:\d\d", "", page).replace("\n\n", "\n")


def test_the_last_live_page_has_every_number_of_the_report(sweep: Path) -> None:
    make_run(sweep, "adam", seed=0, val=0.9, status="running")
    make_sweep(sweep, {"sgd": [0.8, 0.82, 0.81]})
    watched = Watched([sweep])
    watched.write(3.0)
    first = watched.page.read_text()
    assert 'id="live"' in first
    assert "<title>3/4 · first" in first
    assert sorted(path.name for path in sweep.iterdir() if path.is_file()) == ["multirun.yaml", "report.html"]
    make_sweep(sweep, {"adam": [0.9, 0.92, 0.91]})
    watched.write(3.0)
    last = watched.page.read_text()
    build([sweep], figures=False)
    final = watched.page.read_text()
    assert 'id="live"' not in final
    assert without_time(last) == without_time(final)
    assert without_time(first) != without_time(final)


def test_a_sweep_without_a_run_has_a_page_already(sweep: Path) -> None:
    expect(sweep, "adam-1")
    (sweep / "multirun.yaml").touch()
    Watched([sweep], metric="val/acc").write(3.0)
    assert "no run has begun yet" in (sweep / "report.html").read_text()
    make_run(sweep, "adam", status="running", curve=[], epochs=2)
    Watched([sweep], metric="val/acc").write(3.0)
    assert "1 running" in (sweep / "report.html").read_text()


def test_what_is_no_sweep_is_refused(sweep: Path) -> None:
    (sweep / "notes.txt").touch()
    with pytest.raises(UserError, match="no runs of optlab here"):
        watch(Watched([sweep]))
    make_sweep(sweep, {"adam": [0.9]})
    with pytest.raises(UserError, match="val/recall"):
        watch(Watched([sweep], metric="val/recall"))
    expect(sweep, "adam-1")
    (sweep / "planned.json").write_text("{")
    with pytest.raises(UserError, match=r"planned\.json"):
        watch(Watched([sweep]))
    assert not (sweep / "report.html").exists()


def test_watching_writes_while_runs_come_in_and_ends_with_the_last(
    sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sweeps, one of which comes later; the last of their runs ends while they are watched."""
    from optlab.analysis import watch as module

    monkeypatch.setattr(module, "SECONDS_BETWEEN_LOOKS", 0.02)
    monkeypatch.setattr(module, "FEWEST_SECONDS", 0.02)
    monkeypatch.setattr(module, "PART_OF_A_CORE", 100.0)
    second = sweep.parent / "second"
    said: list[str] = []
    pages: list[str] = []
    make_sweep(sweep, {"adam": [0.9, 0.92]})

    def grow() -> None:
        time.sleep(0.1)
        expect_in(second)
        make_run(second, "sgd", status="running", val=0.8)
        while not (page := sweep.parent / "out" / "report.html").exists():
            time.sleep(0.02)
        pages.append(page.read_text())
        make_run(second, "sgd", val=0.8)

    def expect_in(folder: Path) -> None:
        folder.mkdir()  # before the plan is written, nothing lies there
        time.sleep(0.1)
        name = make_run(sweep.parent / "elsewhere", "sgd", val=0.8).name
        expect(folder, name)

    grower = threading.Thread(target=grow)
    grower.start()
    summary = watch(Watched([sweep, second], sweep.parent / "out", metric="val/acc"), figures=False, say=said.append)
    grower.join()
    assert "second: not there yet" in said[0]
    assert "2 of 3 runs done" in said[1]
    assert said[2] == "watch   every planned run is over"
    assert 'id="live"' in pages[0]
    assert summary.counts["finished"] == 3
    assert 'id="live"' not in summary.report.read_text()
    said.clear()
    watch(Watched([sweep, second], sweep.parent / "out"), figures=False, say=said.append)
    assert said == ["watch   every planned run is over, so the report is written once"]


def test_what_is_new_is_written_soon_and_nothing_new_seldom(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from optlab.analysis import watch as module

    monkeypatch.setattr(module, "SECONDS_BETWEEN_LOOKS", 0.01)
    monkeypatch.setattr(module, "FEWEST_SECONDS", 0.01)
    monkeypatch.setattr(module, "PART_OF_A_CORE", 1000.0)
    make_sweep(sweep, {"adam": [0.9]})
    written: list[float] = []
    monkeypatch.setattr(Watched, "write", lambda self, every: written.append(every) or seen(sweep))
    stop = threading.Event()
    writer = threading.Thread(target=lambda: follow(Watched([sweep]), stop, ends=False, first=lambda _: None))
    writer.start()
    time.sleep(0.3)
    assert len(written) == 1
    (sweep / "planned.json").write_text(json.dumps({"schema": 1, "expected": 1, "runs": []}))
    time.sleep(0.3)
    stop.set()
    writer.join()
    assert len(written) == 2


def test_ctrl_c_leaves_a_page_that_does_not_refresh(sweep: Path) -> None:
    make_run(sweep, "adam", status="running")
    typed = [sys.executable, str(SCRIPT), str(sweep), "--watch"]
    watching = subprocess.Popen(typed, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert watching.stdout is not None
    assert "Running: 0 of 1 run done" in watching.stdout.readline()
    watching.send_signal(2)
    out, err = watching.communicate(timeout=60)
    assert (watching.returncode, err) == (130, "")
    assert "stays as it is" in out
    assert 'id="live"' not in (sweep / "report.html").read_text()
