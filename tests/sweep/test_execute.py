"""Getting jobs done, with a launcher that only pretends: who is launched how often, and what counts as a death."""

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from optlab.errors import ProcessDied, UserError
from optlab.sweep.execute import execute
from optlab.sweep.folder import locked
from optlab.sweep.job import Job, SweepInterrupted
from tests.sweep.helpers import finish, jobs_of, write

Act = Callable[[Job], None]


class Pretender(Launcher):
    """Does to each job's folder what `act` does, and keeps what it was asked to launch."""

    def __init__(self, jobs: Sequence[Job], act: Act, error: Exception | None = None) -> None:
        self.jobs = {job.overrides: job for job in jobs}
        self.error = error or OSError("no such node")
        self.act = act
        self.launched: list[tuple[int, list[str]]] = []

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        pass

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        names = [self.jobs[tuple(words)].folder.name for words in job_overrides]
        self.launched.append((initial_job_idx, names))
        for words in job_overrides:
            self.act(self.jobs[tuple(words)])
        return [JobReturn(status=JobStatus.FAILED, _return_value=self.error) for _ in job_overrides]


def test_each_job_is_launched_once_and_in_order() -> None:
    jobs = jobs_of("a", "b", "c")
    launcher = Pretender(jobs, finish)
    outcomes = execute(launcher, [*jobs, jobs[0]], first=5)
    assert launcher.launched == [(5, ["a", "b", "c"])]
    assert [(outcome.job.folder.name, outcome.state, outcome.skipped) for outcome in outcomes] == [
        ("a", "finished", False), ("b", "finished", False), ("c", "finished", False),
    ]  # fmt: skip


def test_settled_jobs_are_not_launched_and_numbers_stay() -> None:
    jobs = jobs_of("a", "b", "c", "d", "e")
    for job, status in zip(jobs[1:], ["diverged", "failed"], strict=False):
        write(job, status)
    launcher = Pretender(jobs, finish)
    outcomes = execute(launcher, jobs)
    assert launcher.launched == [(0, ["a"]), (3, ["d", "e"])]
    assert [outcome.skipped for outcome in outcomes] == [False, True, True, False, False]


def test_retry_launches_failed_jobs_again_and_no_others() -> None:
    jobs = jobs_of("a", "b", "c")
    for job, status in zip(jobs, ["finished", "failed", "diverged"], strict=True):
        write(job, status)
    launcher = Pretender(jobs, finish)
    execute(launcher, jobs, retry=True)
    assert launcher.launched == [(1, ["b"])]


def test_a_job_that_dies_twice_fails_and_the_others_are_launched_once() -> None:
    jobs = jobs_of("a", "b")
    launcher = Pretender(jobs, lambda job: write(job, "running" if job is jobs[0] else "finished"))
    outcomes = execute(launcher, jobs)
    assert launcher.launched == [(0, ["a", "b"]), (0, ["a"])]
    assert [outcome.state for outcome in outcomes] == ["failed", "finished"]
    record = outcomes[0].record
    assert record is not None
    assert record.error is not None
    assert record.error["type"] == "ProcessDied"


def test_a_job_that_its_launcher_began_twice_is_not_launched_again() -> None:
    jobs = jobs_of("a", "b")
    launcher = Pretender(jobs, lambda job: write(job, "running" if job is jobs[0] else "finished"), ProcessDied(2))
    assert [outcome.state for outcome in execute(launcher, jobs)] == ["failed", "finished"]
    assert launcher.launched == [(0, ["a", "b"])]


def test_jobs_that_a_launcher_never_began_are_launched_again() -> None:
    jobs = jobs_of("a", "b", "c")
    launcher = Pretender(jobs, lambda job: None)
    began: list[str] = []

    def one_a_time(job: Job) -> None:
        if len(began) < len(launcher.launched):  # as a pool that breaks after one job
            began.append(job.folder.name)
            finish(job)

    launcher.act = one_a_time
    execute(launcher, jobs)
    assert began == ["a", "b", "c"]


def test_a_full_disk_is_named_with_the_folder_and_the_way_on() -> None:
    def full(job: Job) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    jobs = jobs_of("a")
    with pytest.raises(UserError, match=r"^cannot write sweep: No space left on device; free some space") as refusal:
        execute(Pretender(jobs, full), jobs)
    assert refusal.value.__notes__ == ["the same command goes on when there is room"]


def test_a_launcher_that_begins_nothing_is_one_clear_line() -> None:
    jobs = jobs_of("a", "b")
    with pytest.raises(UserError, match="no job could be started: OSError: no such node"):
        execute(Pretender(jobs, lambda job: None), jobs)


def test_a_stop_says_how_far_the_sweep_got() -> None:
    jobs = jobs_of("a", "b", "c")

    def act(job: Job) -> None:
        if job is jobs[1]:
            write(job, "interrupted")
            raise KeyboardInterrupt
        finish(job)

    with pytest.raises(SweepInterrupted) as stop:
        execute(Pretender(jobs, act), jobs)
    assert [outcome.state for outcome in stop.value.outcomes] == ["finished", "interrupted", "missing"]


def test_a_lock_keeps_others_out_and_leaves_nothing_in_the_run_folder() -> None:
    folder = Path("sweep/job").absolute()
    folder.mkdir(parents=True)
    with locked(folder) as ours:
        assert ours
        with locked(folder) as theirs:
            assert not theirs
    with locked(folder) as again:
        assert again
    assert not list(folder.iterdir())
