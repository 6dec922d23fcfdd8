"""report.live: the page of a sweep is written beside it, and a writer that goes wrong costs one line."""

import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from lightning import Callback

from optlab.planned import Planned
from optlab.record import run_id
from optlab.sweep.live import live_page
from tests.analysis.made import make_run
from tests.commandline import command
from tests.conftest import words_of
from tests.sweep import troubles
from tests.sweep.helpers import folder_of, multirun, record_of


@pytest.mark.usefixtures("no_report")
def test_report_live_writes_the_page_beside_the_sweep_and_changes_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer is a process of its own: it is there while runs are made, and gone before the report is written."""
    pages: list[str] = []
    page = Path("outputs/sweeps/first/report.html").absolute()

    def summarize(folder: Path, *_: object) -> tuple[None, None]:  # building the report has its own tests
        pages.append((folder / "report.html").read_text())
        return None, None

    class Waits(Callback):
        """Ends a run once the page is there: the writer takes seconds to start."""

        def on_train_end(self, *_: Any) -> None:
            patience = time.monotonic() + 120
            while not page.exists():
                assert time.monotonic() < patience
                time.sleep(0.05)

    monkeypatch.setattr(import_module("optlab.sweep.conclude"), "summarize", summarize)
    monkeypatch.setattr(troubles, "Waits", Waits, raising=False)
    result = multirun("optimizer.lr=0.1", "report.live=true", "+callbacks.waits._target_=tests.sweep.troubles.Waits")
    assert (result.code, result.err) == (0, "")
    assert "live  outputs/sweeps/first/report.html\n" in result.out
    assert 'id="live"' in pages[0]
    record = record_of(0.1)
    plan = Planned.read(page.parent)
    assert plan is not None
    assert [run.folder for run in plan.runs] == [folder_of(0.1).name]
    config = record.config
    assert run_id(config) == run_id({key: value for key, value in config.items() if key != "report"}) == record.id
    assert "report.live" not in (page.parent / "multirun.yaml").read_text().partition("hydra:")[0]
    assert not [path for path in page.parent.iterdir() if path.suffix == ".tmp"]


def test_a_writer_that_cannot_go_on_is_one_line_and_no_failure(
    in_empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (in_empty_folder / "summary.json").write_text("{}")  # of another program
    make_run(in_empty_folder)
    page = in_empty_folder / "report.html"
    with live_page(in_empty_folder, wanted=True):
        [writer] = children()
        patience = time.monotonic() + 60
        while not is_gone(writer):
            assert time.monotonic() < patience
            time.sleep(0.05)
    assert not page.exists()
    err = capsys.readouterr().err
    assert err.startswith("live  the page was not kept up to date: ")
    assert "not written by optlab" in err
    assert err.count("\n") == 1


def children() -> list[int]:
    own = f"/proc/self/task/{os.getpid()}/children"
    return [int(pid) for pid in Path(own).read_text().split() if b"optlab.analysis.watch" in cmdline(int(pid))]


def cmdline(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def is_gone(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


def test_the_writer_ends_with_a_sweep_that_is_killed(in_empty_folder: Path) -> None:

    code = (
        "import time; from pathlib import Path; from optlab.sweep.live import live_page\n"
        "with live_page(Path('.').absolute(), wanted=True): time.sleep(60)"
    )
    make_run(in_empty_folder, status="running")
    sweep = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    patience = time.monotonic() + 60
    while not (in_empty_folder / "report.html").exists():
        assert time.monotonic() < patience
        time.sleep(0.05)
    [writer] = map(int, Path(f"/proc/{sweep.pid}/task/{sweep.pid}/children").read_text().split())
    assert os.nice(0) + 10 < os.getpriority(os.PRIO_PROCESS, writer)
    sweep.send_signal(signal.SIGKILL)
    sweep.communicate()
    while Path(f"/proc/{writer}").exists() and not is_gone(writer):
        assert time.monotonic() < patience
        time.sleep(0.05)


def test_a_single_run_says_that_it_has_no_page() -> None:
    result = command(*words_of("report.live=true", "optimizer=sgd", "hydra.run.dir=single"))
    assert result.code == 0, result.err
    assert "report.live: a single run has no page" in result.out
    assert not list(Path().rglob("report.html"))


def test_a_study_has_the_same_plan_with_a_live_page() -> None:
    command_ = import_module("optlab.sweep.study.command")
    assert "report.live" in command_.OF_THE_SWEEP
