"""Every launcher trains what the basic one trains, bit for bit, and what goes wrong stays with its job."""

import importlib
import os
import stat
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from optlab.adapters.forkserver import can_fork
from optlab.errors import UserError
from optlab.sweep.launchers import gpus, slots
from optlab.sweep.launchers.queue import Queued
from optlab.sweep.launchers.slots import Room, Slot, Takes, share_out
from tests import forked
from tests.sweep.helpers import (
    LOG,
    SIGNAL,
    assert_same_run,
    by,
    data_sets_shared,
    folder_of,
    multirun,
    record_of,
    rows,
    start,
)
from tests.sweep.troubles import trained

RAISES = ("+callbacks.raises._target_=tests.sweep.troubles.Raise", "+callbacks.raises.lr=0.2")


pytestmark = [
    pytest.mark.usefixtures("no_report"),
    pytest.mark.filterwarnings(
        "ignore:.*use of fork.*:DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning"
    ),
]


@pytest.fixture
def fake_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SLURM's commands as submitit uses them: sbatch runs the tasks of the array here, one after the other."""
    commands = {
        "sbatch": """
            count=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$1")
            (for task in $(seq 0 "$count"); do
                SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID=$task SLURM_JOB_ID=$((8 + task)) SLURM_JOB_NUM_NODES=1 \\
                SLURM_NTASKS=1 SLURM_NODEID=0 SLURM_PROCID=0 SLURM_LOCALID=0 SUBMITIT_EXECUTOR=slurm bash "$1"
            done) > /dev/null 2>&1 &
            echo 'Submitted batch job 7'""",
        "srun": """
            while [ "${1#-}" != "$1" ]; do
                if [ "$1" = --output ] || [ "$1" = --error ]; then shift; fi
                shift
            done
            "$@" """,
        "sacct": "echo 'JobID|State|NodeList'",
        "scancel": "true",
    }
    for name, script in commands.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr("optlab.sweep.launchers.queue.SECONDS_BETWEEN_LOOKS", 0.1)


JOBS = ("loss=mse", LOG, *RAISES)
ENDS: dict[float | str, str] = {0.1: "finished", 0.2: "failed", "1e+18": "diverged"}


def check(lrs: str, *launcher: str, words: tuple[str, ...] = ()) -> None:
    """Of a job that finishes, one that raises and one that diverges, those named end elsewhere as they do here."""
    ends = {lr: end for lr, end in ENDS.items() if float(lr) in map(float, lrs.split(","))}
    words = (f"optimizer.lr={lrs}", *JOBS, *words)
    assert multirun(*words, name="basic").code == (0.2 in ends)
    here = len(trained())
    Path("armed").touch()
    result = multirun(*words, *launcher)
    assert result.code == 1, result
    assert {lr: record_of(lr).status for lr in ends} == ends, result
    for lr in ends:
        assert record_of(lr).metrics == record_of(lr, "basic").metrics
        assert record_of(lr).error == record_of(lr, "basic").error
    if "1e+18" in ends:
        assert rows("1e+18") == rows("1e+18", "basic")
    assert_same_run(0.1, "first", "basic")
    if 0.2 in ends:
        assert "troubles.py" in (folder_of(0.2) / "train.log").read_text()
    assert len(trained()[here:]) >= len(ends)
    assert os.getpid() not in {process for *_, process in trained()[here:]}


# That submitit's jobs survive too is tested where a sweep is stopped: each takes a process that imports torch anew.
@pytest.mark.parametrize("launcher", ["auto", "ray"])
def test_a_launcher_trains_what_the_basic_one_trains_and_survives_a_job_that_is_killed(
    launcher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(tmp_path, "memory").mkdir()
    monkeypatch.setattr("optlab.sweep.shelf.MEMORY", tmp_path / "memory")
    kill = (SIGNAL, "+callbacks.signal.signame=SIGKILL", "+callbacks.signal.lr=0.3", "+callbacks.signal.step=3")
    check("0.3,0.1,0.2,1e18", *by(launcher, 2), words=(*kill, "+callbacks.signal.once=false"))
    assert record_of(0.3).status == "failed"
    assert (record_of(0.3).error or {})["type"] == "ProcessDied"
    assert [lr for lr, *_ in trained()].count(0.3) == 1 + 2  # here, and the two attempts there
    assert [lr for lr, *_ in trained()].count(0.1) == 1 + 1
    assert data_sets_shared() == (launcher != "ray")
    assert not list(tmp_path.glob("memory/*"))


@pytest.mark.usefixtures("fake_slurm")
@pytest.mark.filterwarnings("ignore:The `srun` command is available")
def test_slurm_trains_what_the_basic_launcher_trains() -> None:
    slurm = ("hydra/launcher=submitit_slurm", "hydra.launcher.slurm_partition=gpu", "hydra.launcher.cpus_per_task=1")
    check("0.1,0.2", *slurm)
    script = Path("outputs/sweeps/first/.submitit/7_submission.sh").read_text()
    assert "#SBATCH --partition=gpu" in script
    assert "#SBATCH --array=0-1%2\n" in script


def test_a_job_of_two_processes_follows_one_that_failed() -> None:
    words = ("optimizer.lr=0.2,0.1", "trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu", LOG, *RAISES)
    Path("there/conf/lr").mkdir(parents=True)
    Path("there/conf/lr/mine.yaml").write_text("defaults: [constant]\nname: mine\n")
    own = ("--config-dir=there/conf", "lr=mine", "trainer.max_epochs=1")  # which every process of every job must find
    process = start(*words, *own, *by("joblib", 1))
    assert process.wait(300) == 1, process.printed
    assert [record_of(lr).status for lr in (0.2, 0.1)] == ["failed", "finished"], process.printed
    assert record_of(0.1).environment["devices"] == 2
    assert sorted(lr for lr, *_ in trained()) == [0.1] * 2 + [0.2] * 2  # each job in two processes


def test_runs_of_several_processes_are_told_from_others() -> None:
    one: dict[str, Any] = {"trainer": {"devices": 1, "num_nodes": 1}}
    assert not slots.is_distributed(one, [["seed=1", "trainer=cpu", "trainer.devices=1"]])
    assert slots.is_distributed(one, [["seed=1"], ["trainer=ddp"]])
    assert slots.is_distributed(one, [["++trainer.devices=2"]])
    assert slots.is_distributed({"trainer": {"devices": "auto"}})
    assert slots.is_distributed({"trainer": {"devices": 1, "num_nodes": 2}})


@pytest.mark.parametrize("sweeper", ["grid", "study"])
@pytest.mark.parametrize(
    ("launcher", "extra"),
    [("joblib", "joblib"), ("ray", "ray"), ("submitit_local", "submitit"), ("submitit_slurm", "submitit")],
)
def test_a_launcher_whose_package_is_missing_says_what_to_install_before_anything_is_planned(
    launcher: str, extra: str, sweeper: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module("hydra_plugins.optlab_launchers._base"), "find_spec", lambda name: None)
    result = multirun(f"hydra/launcher={launcher}", f"hydra/sweeper={sweeper}", "optimizer.lr=no-number")
    assert result.code == 1
    assert result.err == f"optlab: hydra/launcher={launcher} needs a package: pip install -e '.[{extra}]'\n"
    assert not Path("outputs").exists()


def test_slurm_is_refused_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = multirun("hydra/launcher=submitit_slurm")
    assert result.code == 1
    assert result.err.startswith("optlab: hydra/launcher=submitit_slurm: there is no sbatch on this machine; type it")
    assert result.err.count("\n") == 1
    assert not Path("outputs").exists()


def test_a_clusters_queue_is_asked_every_two_seconds_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("optlab.sweep.launchers.queue.time.monotonic", lambda: clock[0])
    asked: list[float] = []

    class Job:
        def done(self) -> bool:
            asked.append(clock[0])
            return len(asked) == 4

    queued = Queued(Job())  # type: ignore[arg-type]
    while not queued.done():
        clock[0] += 0.25
    assert asked == [100.0, 102.0, 104.0, 106.0]
    clock[0] += 10
    assert queued.done()
    assert len(asked) == 4  # what is over is not asked about again


# -- sharing out the machine


class Machine:
    """A machine with so many cores and these GPUs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cores: int, *gpus: str) -> None:
        monkeypatch.setattr(slots, "cores", lambda: cores)
        monkeypatch.setattr(slots, "visible_gpus", lambda: list(gpus))

    def shares(
        self,
        jobs: int,
        *,
        n_jobs: int | None = None,
        threads: int | None = None,
        gpus: list[int] | None = None,
        accelerator: str = "auto",
        room: Room | None = None,
    ) -> list[Slot]:
        config = {"trainer": {"accelerator": accelerator}}
        return share_out(jobs, config, n_jobs=n_jobs, threads=threads, gpus=gpus, room=room)


def test_cores_are_shared_out_so_that_jobs_do_not_fight(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, 8)
    assert machine.shares(36) == [Slot(1)] * 8
    assert machine.shares(36, n_jobs=3) == [Slot(2)] * 3
    assert machine.shares(36, n_jobs=12) == [Slot(1)] * 12
    assert machine.shares(36, threads=4) == [Slot(4)] * 2
    assert machine.shares(2) == [Slot(4)] * 2
    assert machine.shares(0) == []  # a sweep that goes on behind what is done
    assert Slot(3).environment()["OMP_NUM_THREADS"] == "3"
    assert "CUDA_VISIBLE_DEVICES" not in Slot(3).environment()


def test_each_job_is_pinned_to_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    two, four = Machine(monkeypatch, 8, "0", "1"), ("0", "1", "2", "3")
    assert two.shares(36) == [Slot(4, ("0",)), Slot(4, ("1",))]
    assert [slot.gpus for slot in two.shares(36, n_jobs=3)] == [("0",), ("1",), ("0",)]
    assert [slot.gpus for slot in two.shares(36, gpus=[1])] == [("1",)]
    assert [slot.gpus for slot in two.shares(2, accelerator="cpu")] == [None, None]
    shared = Machine(monkeypatch, 8, *four).shares(36, n_jobs=2)
    assert [slot.gpus for slot in shared] == [("0", "2"), ("1", "3")]
    assert Slot(1, ("1", "3")).environment()["CUDA_VISIBLE_DEVICES"] == "1,3"


@pytest.mark.parametrize(
    ("there", "typed", "said"),
    [
        ([], "[0]", "gpus=[0]: torch sees no GPU on this machine; leave it out"),
        (["0", "1"], "[1,2]", "gpus=[1,2]: torch sees the GPUs 0, 1; leave it out"),
        (["0", "1"], "[]", "gpus=[]: torch sees the GPUs 0, 1"),
        (["0", "1"], "1", "gpus=1: must be a list, as [0,1]"),
    ],
)
def test_a_gpu_that_is_not_there_is_refused(
    there: list[str], typed: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "visible_gpus", lambda: there)
    refused = multirun("hydra/launcher=auto", f"hydra.launcher.gpus={typed}")
    assert (refused.code, refused.err.count("\n")) == (1, 1), refused.err
    assert f"hydra.launcher.{said}" in refused.err
    assert not Path("outputs").exists()
    slots.check_gpus([int(name) for name in there] or None)


def test_gpus_keep_the_names_that_the_user_gave_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr(slots, "DRIVERS", ["/dev/null"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-abc")
    assert slots.visible_gpus() == ["5", "GPU-abc"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert slots.visible_gpus() == ["0", "1"]
    monkeypatch.setattr(slots, "DRIVERS", ["/dev/none"])
    monkeypatch.setitem(sys.modules, "torch", None)  # which takes seconds to import
    assert slots.visible_gpus() == []


def test_memory_has_room_for_fewer_than_there_are_cores_and_the_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, 8)
    room = Room(Takes(1000.0), free=3500.0)
    three = machine.shares(36, room=room)
    assert len(three) == 3
    assert slots.said(three, room, chosen=False) == (
        "3 runs at a time on 8 cores, as there is memory for no more: 1.0 GB each of 3.7 GB free"
    )
    assert len(machine.shares(36, room=room, n_jobs=5)) == 5  # the user knows better
    assert len(machine.shares(2, room=room)) == 2
    assert len(machine.shares(2, room=Room(Takes(1000.0), free=10.0))) == 1
    two = machine.shares(2, room=Room(free=9000.0))
    assert slots.said(two, Room(free=9000.0), chosen=False).endswith(
        "2 runs at a time on 8 cores, memory: 0.8 GB each of 9.4 GB free"
    )


def test_small_runs_share_a_gpu_once_it_is_known_what_they_take_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text('#!/bin/sh\n[ "$2" = 0,GPU-b ] && printf "20000\\n9000\\n"\n')
    tool.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    machine = Machine(monkeypatch, 32, "0", "GPU-b")
    assert len(machine.shares(36)) == 2
    six = machine.shares(36, room=Room(Takes(device=2000.0)))  # 9,000 MiB of the fuller one hold three
    assert [slot.gpus for slot in six] == [("0",), ("GPU-b",)] * 3
    assert len(machine.shares(36, room=Room(Takes(device=100_000.0)))) == 2
    assert len(machine.shares(36, room=Room(Takes(device=1.0)))) == 16
    as_before = Room(Takes(device=2000.0), free_on=cache(gpus.free_mib))
    assert len(machine.shares(36, room=as_before)) == 6
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert len(machine.shares(36, room=as_before)) == 6, "what its workers hold by then is the sweep's own"
    assert len(machine.shares(36, room=Room(Takes(device=1.0)))) == 2
    few = Machine(monkeypatch, 4, "0", "GPU-b")
    freed = Room(Takes(device=1.0), free_on=lambda _: 9000.0)
    assert len(few.shares(36, threads=4, room=freed)) == 4, "its threads wait, as a GPU computes"


def test_mps_is_found_where_its_daemon_runs_and_named_where_it_would_help(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    shared = [Slot(1, ("0",)), Slot(1, ("0",))]
    without = "2 runs at a time on 1 GPU; those on one GPU take turns; with NVIDIA MPS they compute at the same time: "
    assert slots.said(shared, Room(), chosen=False) == without + "nvidia-cuda-mps-control -d"
    os.mkfifo(tmp_path / "control")
    assert slots.said(shared, Room(), chosen=False).endswith(
        "NVIDIA MPS runs, so those on one GPU compute at the same time"
    )
    two = [Slot(1, (gpu,)) for gpu in "01010"]
    said = slots.said(two, Room(Takes(device=1000.0)), chosen=False)
    assert said.startswith(
        "5 runs at a time on 2 GPUs, up to 3 on each, 1.7 GB of a GPU's memory a run; NVIDIA MPS runs"
    )
    alone = [Slot(1, ("0",)), Slot(1, ("1",))]
    assert slots.said(alone, Room(Takes(device=1.0), free=9000.0), chosen=False) == "2 runs at a time on 2 GPUs"
    (tmp_path / "nvidia-cuda-mps-control.pid").write_text(f"{os.getpid()}\n")
    assert gpus.mps_runs()
    (tmp_path / "nvidia-cuda-mps-control.pid").write_text("4194305\n")  # more than Linux gives out
    assert not gpus.mps_runs()


def test_no_jobs_at_a_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"hydra\.launcher\.n_jobs=0: must be 1 or more"):
        Machine(monkeypatch, 8).shares(4, n_jobs=0)


# -- ready for CUDA


def ask(pipe: Any) -> None:
    """A worker that tells what CUDA and threads there are in it."""
    import torch

    os.environ["CUDA_VISIBLE_DEVICES"] = pipe.recv()
    seen = torch.cuda._parse_visible_devices()
    begun = (torch.cuda.is_initialized(), torch.cuda._is_in_bad_fork(), torch.cuda._cached_device_count)
    pipe.send((begun, seen, len(list(Path(f"/proc/{os.getppid()}/task").iterdir()))))


@pytest.mark.skipif(not can_fork(), reason="no worker is forked here")
def test_workers_are_forked_from_one_thread_that_has_not_touched_cuda() -> None:
    """CUDA that was begun before a fork cannot be used in it, and what counted its devices would not count again."""
    worker = forked.shared().start(f"{__name__}:ask")
    worker.pipe.send("1,3")
    begun, seen, threads = worker.answer()
    assert begun == (False, False, None)
    assert seen == [1, 3]
    assert threads == 1
