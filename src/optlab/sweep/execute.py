"""Getting jobs done: launch what is missing, wait for what others are doing, and read the results from disk."""

import errno
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager

from hydra.plugins.launcher import Launcher

from optlab.adapters import process
from optlab.adapters.hydra import JobReturn, error_of, line_of
from optlab.errors import Interrupted, ProcessDied, UserError
from optlab.record import RECORD_FILE, RunRecord, cannot_write
from optlab.sweep.folder import locked
from optlab.sweep.job import Job, Outcome, SweepInterrupted, outcome, unique
from optlab.sweep.progress import watching
from optlab.sweep.progress.lines import say_again

ATTEMPTS = 2  # beginnings of a job whose process dies without a word, before that counts as its failure
SECONDS_BETWEEN_LOOKS = 0.5  # at jobs that another process is running


def execute(
    launcher: Launcher,
    jobs: Sequence[Job],
    *,
    retry: bool = False,
    first: int = 0,
    watch: Callable[[Sequence[Job]], AbstractContextManager[None]] = watching,
) -> list[Outcome]:
    """Bring every job to its end once: through this launcher, or by waiting for the process that has it.

    Jobs that are settled (finished, diverged, failed) are left alone.

    Args:
        launcher: Hydra's, set up.
        jobs: what is to be done; a job that stands there twice is done once.
        retry: run failed jobs again, from their beginning.
        first: Hydra's number (`hydra.job.num`) of the first job, for sweeps that call this several times.
        watch: shows meanwhile how the jobs get on.

    Returns:
        What became of each job, in the order of `jobs`.

    Raises:
        SweepInterrupted: Ctrl-C or SIGTERM; what was under way is recorded and can be continued.
        UserError: the launcher starts nothing, the folder of a job holds another run, or the disk is full.
    """
    jobs = unique(jobs)
    if retry:
        for job in jobs:
            set_failure_aside(job)
    settled = {job for job in jobs if outcome(job).settled}
    numbers = {job: first + index for index, job in enumerate(jobs)}
    try:
        with process.stopped_by_sigterm(), watch(jobs):
            settle(launcher, [job for job in jobs if job not in settled], numbers)
    except (Interrupted, KeyboardInterrupt) as stop:
        signum = stop.signum if isinstance(stop, Interrupted) else signal.SIGINT
        raise SweepInterrupted(signum, [outcome(job, skipped=job in settled) for job in jobs]) from stop
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        full = cannot_write(jobs[0].folder.parent, error)
        full.add_note("the same command goes on when there is room")
        raise full from error
    return [outcome(job, skipped=job in settled) for job in jobs]


def side_by_side(launcher: Launcher, jobs: Sequence[Job]) -> list[str]:
    """What there is to say before these jobs are executed: how many of those that are left run at a time."""
    line = line_of(launcher, sum(not outcome(job).settled for job in jobs))
    return [] if line is None else [line]


def settle(launcher: Launcher, jobs: Sequence[Job], numbers: dict[Job, int]) -> None:
    """Launch jobs until each is settled, here or by another process on the same sweep."""
    deaths = dict.fromkeys(jobs, 0)
    while ready := wait_for_free(job for job, times in deaths.items() if times < ATTEMPTS):
        before = {job: stamp(job) for job in ready}
        returns: dict[Job, JobReturn] = {}
        for batch in consecutive(ready, numbers):
            launched = launcher.launch([list(job.overrides) for job in batch], initial_job_idx=numbers[batch[0]])
            returns.update(zip(batch, launched, strict=False))  # of anyone's launcher
        left = [job for job in ready if not outcome(job).settled]
        dead = [job for job in left if is_free(job)]
        begun = [job for job in dead if stamp(job) != before[job]]
        if dead == ready and not begun:
            raise UserError(f"no job could be started: {reason(list(returns.values()))}")
        for job in begun:
            error = error_of(returns[job]) if job in returns else None
            deaths[job] += error.times if isinstance(error, ProcessDied) else 1
            if deaths[job] >= ATTEMPTS:
                give_up(job)
            else:
                say_again(job.folder.name)


def wait_for_free(jobs: Iterable[Job]) -> list[Job]:
    """The jobs that are not settled and that no process is running; waits until there are some, or all are settled."""
    left = list(jobs)
    while left := [job for job in left if not outcome(job).settled]:
        if free := [job for job in left if is_free(job)]:
            return free
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return []


def is_free(job: Job) -> bool:
    with locked(job.folder) as ours:
        return ours


def stamp(job: Job) -> int | None:
    """Changes whenever a job's record is written."""
    path = job.folder / RECORD_FILE
    return path.stat().st_mtime_ns if path.exists() else None


def consecutive(jobs: Sequence[Job], numbers: dict[Job, int]) -> Iterator[list[Job]]:
    """The jobs in runs of consecutive numbers, as a launcher counts up from the first one's."""
    batch: list[Job] = []
    for job in jobs:
        if batch and numbers[job] != numbers[batch[-1]] + 1:
            yield batch
            batch = []
        batch.append(job)
    if batch:
        yield batch


def reason(returns: Sequence[JobReturn]) -> str:
    """Why a launcher's jobs did not even begin, in one line."""
    errors = [error for item in returns if (error := error_of(item)) is not None]
    if not errors:
        return "the launcher came back without having run anything"
    return f"{type(errors[0]).__name__}: {' '.join(str(errors[0]).split())}"


# -- failures


def set_failure_aside(job: Job) -> None:
    """Forget that a job failed, so that it is run again; its log keeps the traceback.

    Done here once and not where the job runs, so that of two processes on the sweep only one tries again.
    """
    with locked(job.folder) as ours:
        if ours and outcome(job).state == "failed":
            (job.folder / RECORD_FILE).unlink()


def give_up(job: Job) -> None:
    """Record a job as failed whose process died each time: it could not do so itself."""
    with locked(job.folder) as ours:
        if not ours or outcome(job).state != "running":
            return
        record = RunRecord.read(job.folder)
        record.status = "failed"
        record.error = {
            "type": "ProcessDied",
            "message": f"its process died {ATTEMPTS} times without a word; out of memory?",
        }
        record.write(job.folder)
