"""A sweep that is stopped, and a process that dies: what was under way goes on."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from optlab.console import silent
from optlab.sweep.launchers.parcel import Ending
from optlab.sweep.launchers.pool import Backend, run_all
from optlab.sweep.launchers.slots import Slot
from tests.sweep.helpers import HOLD, LOCAL, LOG, SIGNAL, assert_same_run, by, data_sets_shared, multirun, record_of
from tests.sweep.troubles import trained

pytestmark = [
    pytest.mark.usefixtures("no_report"),
    pytest.mark.filterwarnings(
        "ignore:.*use of fork.*:DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning"
    ),
]


@pytest.fixture
def ctrl_c(launcher: str) -> Iterator[None]:
    """Sends this process SIGINT as soon as each job that the launcher runs has recorded an epoch."""

    def watch() -> None:
        while not over.wait(0.02):
            files = Path("outputs").glob("sweeps/first/*/metrics.csv")
            if sum(file.read_text().count("\n") > 1 for file in files) == len(STOPPED[launcher]):
                os.kill(os.getpid(), signal.SIGINT)
                return

    over = threading.Event()
    watcher = threading.Thread(target=watch)
    watcher.start()
    yield
    over.set()
    watcher.join()


@pytest.fixture
def one_ray() -> Iterator[None]:
    """One Ray for all commands of a test, as on a cluster: the launcher takes what is there and leaves it."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    yield
    assert ray.is_initialized()
    ray.shutdown()


STOPPED = {"auto": (0.1, 0.2), "submitit_local": (0.1,), "ray": (0.1,)}  # auto runs a single job in this process


@pytest.mark.parametrize("launcher", LOCAL)
@pytest.mark.usefixtures("ctrl_c", "shared_workers")
def test_ctrl_c_saves_what_is_under_way_and_the_same_command_goes_on_though_a_process_dies(
    launcher: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(tmp_path, "memory").mkdir()
    monkeypatch.setattr("optlab.sweep.shelf.MEMORY", tmp_path / "memory")
    if launcher == "ray":
        request.getfixturevalue("one_ray")
    lrs = STOPPED[launcher]
    words = (
        f"optimizer.lr={','.join(map(str, lrs))}", "trainer.max_epochs=3", LOG, HOLD, SIGNAL,
        "+callbacks.signal.signame=SIGKILL", "+callbacks.signal.lr=0.1", "+callbacks.signal.step=50",
    )  # fmt: skip
    stopped = multirun(*words, *by(launcher, 2))
    assert stopped.code == 130, stopped
    assert {record_of(lr).status for lr in lrs} == {"interrupted"}
    Path("asked").touch()
    Path("armed").touch()
    assert multirun(*words, *by(launcher, 2)).code == 0
    assert [epochs for lr, epochs, _ in trained() if lr == 0.1] == [0, 1, 2]  # begun, gone on, and again
    assert [epochs for lr, epochs, _ in trained() if lr == 0.2] in ([], [0, 1])
    assert os.getpid() not in {process for *_, process in trained()}
    assert bool(data_sets_shared()) == (launcher != "ray")
    assert not list(tmp_path.glob("memory/*"))
    assert multirun(*words, name="whole").code == 0
    for lr in lrs:
        assert_same_run(lr, "first", "whole")


# -- the pool, without processes


class Clockwork(Backend):
    """Jobs that are done when they are told to be."""

    def __init__(self, count: int, stop_at: int | None = None, dies: Sequence[str] = ()) -> None:
        self.slots = [Slot(1)] * count
        self.dies = list(dies)
        self.log: list[str] = []
        self.under_way = 0
        self.most = 0
        self.stop_at = stop_at

    def start(self, overrides: Sequence[str], number: int, place: int) -> "Clock":
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.log.append(f"{overrides[0]} {number} {place}")
        if number == self.stop_at:
            signal.raise_signal(signal.SIGINT)
        return Clock(self, overrides[0])


class Clock:
    def __init__(self, backend: Clockwork, name: str) -> None:
        self.backend = backend
        self.name = name
        self.looks = 0
        self.stops = 0

    def done(self) -> bool:
        self.looks += 1
        if self.stops == 1 and self.looks == 2:
            os.kill(os.getpid(), signal.SIGINT)  # the user is impatient
            time.sleep(0.01)
        return self.looks == 4

    def ending(self) -> Ending:
        self.backend.under_way -= 1
        if self.name in self.backend.dies:
            self.backend.dies.remove(self.name)
            return Ending("died", 1)
        return Ending("interrupted" if self.stops else "returned", self.stops)

    def stop(self) -> None:
        self.stops += 1
        self.backend.log.append("stop")


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optlab.sweep.launchers.pool.SECONDS_BETWEEN_LOOKS", 0)


@pytest.mark.usefixtures("no_waiting")
def test_the_pool_runs_as_many_jobs_at_a_time_as_there_are_slots_and_keeps_their_order() -> None:
    backend = Clockwork(2)
    endings = run_all(backend, [[name] for name in "abcde"], first=10)
    assert [ending.how for ending in endings] == ["returned"] * 5
    assert backend.most == 2
    assert backend.under_way == 0, "jobs are waited for"
    assert [line[:4] for line in backend.log] == ["a 10", "b 11", "c 12", "d 13", "e 14"]


@pytest.mark.usefixtures("no_waiting")
def test_a_job_whose_process_died_goes_on_before_those_that_wait_and_a_second_death_is_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    backend = Clockwork(1, dies="abb")
    endings = run_all(backend, [[name] for name in "abc"], first=0)
    assert [line[0] for line in backend.log] == [*"aabbc"]
    assert [(ending.how, ending.value) for ending in endings] == [("returned", 0), ("died", 2), ("returned", 0)]
    said = "a worker died without a word (out of memory?); its run goes on or begins again: "
    assert capsys.readouterr().out.splitlines() == [said + "a", said + "b"]
    with silent("progress"):
        run_all(Clockwork(1, dies="a"), [["a"]], first=0)
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("no_waiting")
def test_a_stopped_pool_starts_nothing_more_and_asks_again_at_the_second_ctrl_c() -> None:
    backend = Clockwork(2, stop_at=1)
    with pytest.raises(KeyboardInterrupt):
        run_all(backend, [[name] for name in "abcde"], first=0)
    assert backend.under_way == 0, "jobs are waited for"
    assert backend.log == ["a 0 0", "b 1 1", "stop", "stop", "stop", "stop"]
