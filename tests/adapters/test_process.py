"""What is told to this process as a whole, each looked at from outside."""

import gc
import os
import platform
import signal
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import torch

from optlab.adapters import process
from optlab.errors import Interrupted
from tests import forked


def page_faults(pipe: Connection) -> None:
    """Page faults of a large block behind one that was twice as large and freed; in a worker, which has torch."""
    import resource  # which only Unix has

    keeps, variables = pipe.recv()
    os.environ.update(variables)
    if keeps:
        process.keep_large_blocks()
    for size in (32_000_000, 16_000_000):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(size)
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)


def faults(*, keeps: bool, **variables: str) -> int:
    worker = forked.shared().start(f"{__name__}:page_faults")
    worker.pipe.send((keeps, variables))
    return int(worker.answer())


def python(code: str, **variables: str) -> str:
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_freed_blocks_are_kept_and_not_faulted_in_again() -> None:
    assert faults(keeps=False) > 10_000  # 61 MiB in pages of 4 KiB
    assert faults(keeps=True) < 500  # none when the C library kept the block before


def test_cores_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    for quota, expected in {"": 4, "max 100000": 4, "250000 100000": 2, "50000 100000": 1, "900000 100000": 4}.items():
        monkeypatch.setattr(process, "read_line", lambda path, quota=quota: quota)
        assert process.cores() == expected, f"a container with cpu.max {quota} runs too many jobs at a time"


def test_a_file_that_the_system_does_not_have_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("first\nsecond\n")
    assert (process.read_line(str(tmp_path / "file")), process.read_line(str(tmp_path / "none"))) == ("first", "")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_what_a_user_set_for_the_allocator_stays() -> None:
    assert faults(keeps=True, MALLOC_TRIM_THRESHOLD_="131072") > 10_000


def test_openmp_is_told_to_spin_briefly_unless_the_user_says_otherwise() -> None:
    told = "import os; from optlab.adapters.process import spin_briefly; spin_briefly(); print(os.environ['{}'])"
    assert python(told.format("GOMP_SPINCOUNT")) == "20000"
    assert python(told.format("GOMP_SPINCOUNT"), GOMP_SPINCOUNT="7") == "7"


def test_the_collector_rests_while_torch_is_imported_and_works_as_usual_when_a_run_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gc.unfreeze()
    monkeypatch.setattr(process, "_imported", threading.Event())  # as in a new process
    try:
        with process.importing():
            assert not gc.isenabled()
        assert gc.isenabled()
        frozen = gc.get_freeze_count()
        assert frozen > 0
        left = [[number] for number in range(10_000)]
        with process.importing():  # a sweep's next run: what the last one left is not kept for ever
            assert gc.isenabled()
        assert gc.get_freeze_count() < frozen + len(left)  # what is frozen may go at any time
        monkeypatch.setattr(gc, "get_freeze_count", None)
        with process.importing():
            pass  # nor is what is frozen counted, which would take 0.05 s a run
    finally:
        gc.unfreeze()


def test_a_process_that_is_about_to_need_torch_imports_it_as_quickly_as_a_run_does_and_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    imported: list[tuple[str, bool]] = []
    monkeypatch.setattr(process, "import_module", lambda name: imported.append((name, gc.isenabled())))
    monkeypatch.setattr(process, "_imported", threading.Event())  # as in a new process
    try:
        process.import_lightning()
        assert imported == [], "it is there already"
        monkeypatch.delitem(sys.modules, "lightning.pytorch")
        process.import_lightning()
        assert imported == [("lightning.pytorch", False)], "the collector rests"
    finally:
        gc.unfreeze()


class Held:
    """Refers to itself, so that only the collector frees it."""

    def __init__(self) -> None:
        self.me = self


def test_what_a_job_held_is_given_back_and_what_was_there_before_is_looked_through_again() -> None:
    frozen = gc.get_freeze_count()
    gc.disable()  # nothing but the block's end collects here
    try:
        with process.freeing_memory():
            assert gc.get_freeze_count() > frozen
            held = weakref.ref(Held())
            assert held() is not None
        assert held() is None
        assert gc.get_freeze_count() == 0
    finally:
        gc.enable()


# -- signals


def broken_import() -> None:
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise ImportError("as a compiled module does") from None


def test_a_ctrl_c_that_an_import_turned_into_another_error_is_not_forgotten() -> None:
    before = signal.getsignal(signal.SIGINT)
    with process.remembering_ctrl_c():
        assert not process.ctrl_c_came()
        with pytest.raises(ImportError):
            broken_import()
        assert process.ctrl_c_came()
    assert signal.getsignal(signal.SIGINT) is before
    assert not process.ctrl_c_came()


def test_a_signal_that_somebody_else_handles_is_noticed() -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with process.noticing_signals() as seen:
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]


def test_signals_are_handled_here_for_a_time_and_in_the_main_thread_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    came: list[int] = []
    with process.handling([signal.SIGTERM], lambda number, _: came.append(number)) as listens:
        assert listens
        signal.raise_signal(signal.SIGTERM)
    assert came == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is before

    def elsewhere() -> None:
        with process.handling([signal.SIGTERM], lambda *_: None) as listens:
            came.append(listens)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert came[1:] == [False]


def test_sigterm_ends_a_sweep_as_ctrl_c_does() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted), process.stopped_by_sigterm():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_ctrl_c_waits_until_a_process_that_is_being_started_is_known() -> None:
    known = []

    def start() -> None:
        with process.ctrl_c_waits():
            signal.raise_signal(signal.SIGINT)
            known.append("it")

    with pytest.raises(KeyboardInterrupt):
        start()
    assert known == ["it"]


def test_a_worker_is_no_part_of_the_terminals_group_and_listens_to_ctrl_c() -> None:
    program = """
        import os, signal
        from optlab.adapters.process import become_worker
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        become_worker(os.getppid())
        print(os.getpgrp() == os.getpid(), signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
    """
    assert python(program) == "True False"


def test_what_nohup_typed_to_ignore_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with process.handling(process.STOPS, lambda *_: None):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_closed_terminal_ends_a_sweep_once_however_many_streams_say_so() -> None:
    with process.stopped_by_sigterm():
        with pytest.raises(Interrupted, match="SIGHUP"):
            signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)


@pytest.mark.parametrize("trains", [False, True])
def test_a_worker_ends_with_the_process_that_started_it_and_asks_its_run_to_save_first(trains: bool) -> None:
    worker = f"""
        import os, signal, sys, time
        from optlab.adapters.process import end_with
        def save(*_):
            print("saved", flush=True)
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if {trains}:
            signal.signal(signal.SIGINT, save)
        end_with(int(sys.argv[1]), seconds_between_looks=0.02, patience=30)
        print(os.getpid(), flush=True)
        for _ in range(3000):
            time.sleep(0.01)
        print("still there", flush=True)
    """
    parent = f"""
        import os, subprocess, sys, time
        worker = subprocess.Popen([sys.executable, "-c", {textwrap.dedent(worker)!r}, str(os.getpid())])
        time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        int(started.stdout.readline())  # the worker is there
        started.kill()
        assert started.stdout.read() == ("saved\n" if trains else "")  # to its end, which is the worker's


# -- the command line, the environment and the log


def test_hydra_reads_other_words_than_were_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = ["train.py", "ckpt=run", "seed=1"]
    monkeypatch.setattr(sys, "argv", typed)
    process.type_instead(["optimizer=sgd", "ckpt='run/last.ckpt'"])
    assert sys.argv == ["train.py", "optimizer=sgd", "ckpt='run/last.ckpt'"]


def test_a_variable_is_set_unless_the_user_chose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHOSEN", "mine")
    monkeypatch.setenv("FREE", "")  # so that it is taken back
    monkeypatch.delenv("FREE")
    process.set_unless_chosen("CHOSEN", "1")
    process.set_unless_chosen("FREE", "1")
    assert (os.environ["CHOSEN"], os.environ["FREE"]) == ("mine", "1")


def test_a_job_looks_like_a_single_run_and_leaves_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", "-m", "seed=1,2"])
    monkeypatch.setenv("KEPT", "before")
    with process.as_if_typed(["seed=1"]):
        assert sys.argv == ["train.py", "seed=1"]
        os.environ["MASTER_PORT"] = "1"
        os.environ["KEPT"] = "changed"
    assert sys.argv == ["train.py", "-m", "seed=1,2"]
    assert "MASTER_PORT" not in os.environ
    assert os.environ["KEPT"] == "before"


def test_modules_beside_the_users_configs_are_found_else_their_classes_cannot_be_named(tmp_path: Path) -> None:
    before = list(sys.path)
    with process.importing_from([str(tmp_path), before[0], str(tmp_path)]):
        assert sys.path == [*before, str(tmp_path)]  # the last of all, so that no file of theirs hides a library
    assert sys.path == before
    process.import_from([])
    assert sys.path == before


def test_another_process_works_where_the_command_was_typed() -> None:
    program = f"""
        import os, sys
        from optlab.adapters.process import Place
        Place({str(Path.cwd())!r}, "/somewhere/train.py", ("/a/module",)).enter({{"OMP_NUM_THREADS": "3"}})
        print(os.getcwd(), sys.argv, "/a/module" in sys.path, os.environ["OMP_NUM_THREADS"], __spec__)
    """
    assert python(program) == f"{Path.cwd()} ['/somewhere/train.py'] True 3 None"


def test_another_process_of_python_m_optlab_is_started_by_m_too() -> None:
    program = """
        from optlab.adapters.process import Place
        Place("/", "/somewhere/optlab/__main__.py", (), "optlab.__main__").enter({})
        print(__spec__.name)
    """
    assert python(program) == "optlab.__main__"


def test_a_process_exists_until_it_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as started:
        assert process.exists(started.pid)
        started.kill()
        end = time.monotonic() + 10
        while process.exists(started.pid) and time.monotonic() < end:
            time.sleep(0.01)
        assert not process.exists(started.pid), "the runs of a sweep that was killed go on while nobody has missed it"
    assert not process.exists(started.pid)
    assert process.exists(1)
