"""Workers forked from one process that has imported for all of them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait

import pytest

from optlab.adapters.forkserver import ForkServer, can_fork, run_worker
from optlab.adapters.process import exists

WORK = f"{__name__}:work"


def work(pipe: Connection) -> None:
    """Answers what it is asked about its process, until it is asked nothing."""
    while question := pipe.recv():
        pipe.send(eval(question, {"os": os, "sys": sys}))


@pytest.fixture(params=[True, False], ids=["forked", "anew"])
def server(request: pytest.FixtureRequest) -> Iterator[ForkServer]:
    server = ForkServer(WORK, ["wave"], fork=request.param)
    yield server
    server.close()


def test_workers_have_imported_answer_by_themselves_and_end_with_their_pipe(server: ForkServer) -> None:
    two = [server.start(), server.start()]
    for worker in two:
        worker.pipe.send("os.getpid(), 'wave' in sys.modules, os.getpgrp()")
    answers = [worker.answer() for worker in two]
    assert [pid for pid, *_ in answers] == [worker.pid for worker in two]
    assert len({os.getpid(), *(worker.pid for worker in two)}) == 3
    assert all(imported for _, imported, _ in answers)
    if server.forks:
        assert os.getpgrp() not in {group for *_, group in answers}, "Ctrl-C of a terminal would reach them"
    assert not two[0].answered()
    os.kill(two[0].pid, signal.SIGKILL)
    two[1].pipe.send(None)
    for worker in two:
        assert wait([worker.pipe], 20)
        assert worker.answered()
        with pytest.raises((EOFError, OSError)):
            worker.answer()
        worker.pipe.close()


def test_a_worker_is_not_waited_for_longer_than_asked_else_one_that_hangs_holds_the_sweep_up(
    server: ForkServer,
) -> None:
    hangs, ends = server.start(), server.start()
    hangs.pipe.send("__import__('time').sleep(60)")
    with pytest.raises(TimeoutError):
        hangs.answer(0.05)
    ends.pipe.send("1 + 1")
    assert ends.answer(20) == 2
    for worker, patience in ((hangs, 0.0), (ends, 20.0)):
        if worker is ends:
            worker.pipe.send(None)
        assert worker.pid
        worker.end(patience)
        assert worker.pipe.closed
        assert not exists(worker.pid)


def test_one_that_is_yet_to_begin_is_ended_at_once() -> None:
    server = ForkServer(WORK, ["lightning.pytorch"])
    try:
        began = time.monotonic()
        server.start().end()
        assert time.monotonic() - began < 1.0
    finally:
        server.close()


@pytest.mark.skipif(not can_fork(), reason="no worker is forked here")
def test_a_killed_server_is_begun_anew_and_a_closed_one_leaves_its_workers() -> None:
    server = ForkServer(WORK, [])
    first = server.start()
    first.pipe.send("os.getppid()")
    os.kill(first.answer(), signal.SIGKILL)
    assert server._server is not None
    server._server.wait()
    second = server.start()
    second.pipe.send("os.getppid()")
    os.kill(second.answer(), 0)
    server.close()
    for worker in (first, second):
        worker.pipe.send("1 + 1")
        assert worker.answer() == 2
        worker.pipe.send(None)
        assert wait([worker.pipe], 20)
        worker.pipe.close()


@pytest.mark.skipif(not can_fork(), reason="no worker is forked here")
def test_a_server_ends_with_who_started_it() -> None:
    ours, theirs = socket.socketpair()
    with (
        theirs,
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"from optlab.adapters.forkserver import serve; serve({theirs.fileno()}, 'a:b', [])",
            ],
            pass_fds=[theirs.fileno()],
        ) as process,
    ):
        ours.close()
        assert process.wait(20) == 0


def test_a_worker_does_what_its_name_says() -> None:
    assert can_fork() == (sys.platform == "linux")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        run_worker(None, "no_such_module:work", [])  # type: ignore[arg-type]
