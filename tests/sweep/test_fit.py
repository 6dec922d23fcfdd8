"""Runs of a grid share a GPU by what ten steps of each configuration take of it; else a GPU gets one at a time."""

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from optlab.adapters.forkserver import can_fork
from optlab.adapters.process import exists, handling
from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.errors import UserError
from optlab.sweep.job import Job
from optlab.sweep.launchers import gpus, slots
from optlab.sweep.launchers.questions import NoAnswer, Question, asking
from optlab.sweep.launchers.slots import Takes
from optlab.sweep.price import fit
from optlab.sweep.price.asked import asked_by
from optlab.sweep.price.fit import Alone, fit_to_gpus, taken, why_alone
from optlab.sweep.price.measure import leaving_no_trace
from optlab.sweep.price.measured import Measured, configuration
from optlab.sweep.price.plan import Planned
from optlab.sweep.price.quote import Quote, downloads, quote
from optlab.sweep.price.steps import Beside, Downloads, Steps
from optlab.sweep.price.workers import Workers
from optlab.sweep.shelf import Shelves, sharing
from tests import forked
from tests.commandline import command
from tests.conftest import words_of
from tests.sweep.test_price import COST

ON_GPU = replace(COST, host_mib=1500.0, device_mib=2000.0)


def config_of(*words: str) -> Config:
    return Config.parse(resolve(compose(words_of(*words))))


def jobs_of(*each: Sequence[str]) -> list[Job]:
    """A job of each of these words, for a machine with GPUs, of which none has run."""
    configs = [config_of(*words, "trainer.accelerator=auto") for words in each]
    return [Job(tuple(words), Path(f"{place}").absolute(), "0", configs[place]) for place, words in enumerate(each)]


@dataclass
class Machine:
    """One with 32 cores and these GPUs, whose workers answer so.

    Attributes:
        answers: what is known of each configuration, in their order.
        lines: what has to be downloaded.
        free: MiB of each GPU.
        looks: the GPUs whose free memory was asked for.
        asked: the questions, and how long an answer is waited for.
        known: the place of each configuration among the answers.
    """

    names: Sequence[str] = ("0",)
    answers: Sequence[Measured | str] | Exception = (ON_GPU,)
    lines: Sequence[str] = ()
    free: float | None = 9000.0
    looks: list[Sequence[str]] = field(default_factory=list)
    asked: list[tuple[Question, float | None]] = field(default_factory=list)
    known: dict[str, int] = field(default_factory=dict)
    seen: list[Mapping[str, str]] = field(default_factory=list)

    def free_mib(self, devices: Sequence[str]) -> float | None:
        self.looks.append(devices)
        return self.free

    @contextmanager
    def asking(self, slot: slots.Slot) -> Iterator[Any]:
        assert self.looks, "behind this the sweep has taken of it"
        self.seen.append(slot.environment())
        yield self.answer

    def answer(self, question: Question, patience: float | None = None) -> Any:
        self.asked.append((question, patience))
        if isinstance(question, Downloads):
            return list(self.lines)
        assert isinstance(question, Steps)
        if isinstance(self.answers, Exception):
            raise self.answers
        place = self.known.setdefault(configuration(Config.parse(question.configs[0])), len(self.known))
        return [self.answers[place]]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    there = Machine()
    monkeypatch.setattr(slots, "cores", lambda: 32)
    monkeypatch.setattr(slots, "visible_gpus", lambda: list(there.names))
    monkeypatch.setattr(gpus, "free_mib", there.free_mib)
    monkeypatch.setattr("optlab.sweep.price.machine.free_mib", lambda: 64_000.0)
    return there


def launcher_on(machine: Machine, *, accelerator: str = "auto", devices: int = 1, **settings: Any) -> Any:
    """`hydra/launcher=joblib` with these settings there."""
    launcher: Any = import_module("hydra_plugins.optlab_launchers.joblib").JoblibLauncher(**settings)
    config: Any = {"trainer": {"accelerator": accelerator, "devices": devices}}
    launcher.setup(hydra_context=None, task_function=None, config=config)
    launcher.asking = machine.asking
    return launcher


def shared(machine: Machine, jobs: Sequence[Job], **settings: Any) -> tuple[int, list[str]]:
    """How many of these jobs run at a time, and what was said."""
    said: list[str] = []
    launcher = launcher_on(machine, **settings)
    fit_to_gpus(jobs, launcher, said.append)
    if (line := launcher.line(len(jobs))) is not None:
        said.append(line)
    return len(launcher.slots(len(jobs))), said


SIX = jobs_of(*(["optimizer=sgd", f"optimizer.lr={lr}", f"seed={seed}"] for lr in (0.1, 0.2, 0.3) for seed in (0, 1)))


def test_jobs_share_a_gpu_by_ten_steps_of_one_of_their_configuration(machine: Machine) -> None:
    many, said = shared(machine, SIX)
    assert many == 3  # 2,000 MiB and a context of 600 each, of 8,100
    (downloads, _), (steps, patience) = machine.asked
    assert isinstance(downloads, Downloads)
    assert isinstance(steps, Steps)
    assert len(steps.configs) == 1
    assert steps.strict
    assert patience == fit.PATIENCE
    assert [seen["CUDA_VISIBLE_DEVICES"] for seen in machine.seen] == ["0"]
    assert said[0] == "ten steps of 1 configuration say how many runs have room on a GPU"
    assert said[1].startswith("3 runs at a time on 1 GPU, 2.7 GB of a GPU's memory a run; ")


def test_the_largest_configuration_decides_and_each_of_several_gpus_gets_as_many(machine: Machine) -> None:
    machine.names, machine.answers = ("0", "1"), (ON_GPU, replace(ON_GPU, device_mib=3000.0))
    machine.lines = ["cifar10 is downloaded"]
    jobs = jobs_of(*([f"optimizer={name}", f"seed={seed}"] for name in ("sgd", "adam") for seed in range(4)))
    many, said = shared(machine, jobs)
    assert many == 4
    assert said[0] == "cifar10 is downloaded"
    assert said[2].startswith("4 runs at a time on 2 GPUs, 2 on each, 3.8 GB of a GPU's memory a run; ")
    assert machine.looks == [("0", "1")]
    assert machine.asked[1][1] is None, "a download takes as long as it takes"
    assert [seen["CUDA_VISIBLE_DEVICES"] for seen in machine.seen] == ["0"]


@pytest.mark.parametrize(
    ("settings", "jobs"),
    [
        ({"n_jobs": 1}, SIX),
        ({"accelerator": "cpu"}, SIX),
        ({"devices": 2}, SIX),
        ({}, SIX[:1]),
        ({}, [*SIX, *jobs_of(["trainer.devices=2"])]),
        ({}, [replace(job, config=config_of("trainer.accelerator=cpu")) for job in SIX]),
    ],
    ids=["n_jobs typed", "on a CPU", "distributed", "as few as GPUs", "jobs distributed", "jobs on a CPU"],
)
def test_nothing_is_asked_where_it_cannot_matter(settings: dict[str, Any], jobs: list[Job], machine: Machine) -> None:
    before, said = launcher_on(machine, **settings).slots(len(jobs)), []  # type: ignore[var-annotated]
    fit_to_gpus(jobs, launcher := launcher_on(machine, **settings), said.append)
    assert (machine.asked, said) == ([], [])
    assert launcher.slots(len(jobs)) == before


def test_nothing_is_asked_of_few_cores_nor_of_a_launcher_of_somebody_elses(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit_to_gpus(SIX, SimpleNamespace(launch=print), print)  # type: ignore[arg-type]
    monkeypatch.setattr(slots, "cores", lambda: 1)
    assert shared(machine, SIX) == (1, [])
    assert machine.asked == []


@pytest.mark.parametrize(
    ("answers", "free", "why"),
    [
        (["RuntimeError: no kernel"], 9000.0, "sgd could not be measured (RuntimeError: no kernel)"),
        ([COST], 9000.0, "sgd used no GPU when it was measured"),
        (UserError("batch_size=5000: too many"), 9000.0, "a run would be refused: batch_size=5000: too many"),
        (NoAnswer("that took more than 5 s"), 9000.0, "sgd could not be measured (that took more than 5 s)"),
        ([ON_GPU], None, "nvidia-smi does not say how much memory is free"),
        ([ON_GPU], 900.0, "one takes at least 0.6 GB, and 0.8 of the 0.9 GB free are given out"),
        ([ON_GPU], 5000.0, "one takes 2.7 GB, and 4.7 of the 5.2 GB free are given out"),
    ],
)
def test_what_is_not_known_shares_nothing_and_is_said_with_what_to_type(
    answers: Any, free: float | None, why: str, machine: Machine
) -> None:
    machine.answers, machine.free = answers, free
    many, said = shared(machine, SIX)
    assert many == 1
    assert said[-1] == f"one run a GPU at a time, as {why}; hydra.launcher.n_jobs=2 puts several on one"
    assert len(machine.asked) == (0 if free in (None, 900.0) else 2)


def test_without_a_worker_nothing_is_measured_where_its_memory_would_stay_taken(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = launcher_on(machine)
    monkeypatch.setattr(import_module("hydra_plugins.optlab_launchers._base"), "os", SimpleNamespace(name="nt"))
    said: list[str] = []
    fit_to_gpus(SIX, launcher, said.append)
    assert "as there is no worker here that could measure what runs take; hydra.launcher.n_jobs=2" in said[0]
    assert machine.asked == []
    with asked_by(launcher, 6) as ask:
        assert ask(Who()) == os.getpid(), "which a study asks"


def test_too_many_configurations_are_not_measured(machine: Machine) -> None:
    jobs = [replace(SIX[0], config=SIX[0].config.with_(batch_size=size)) for size in range(10, 40)]
    many, [said] = shared(machine, jobs)
    assert (many, machine.asked) == (1, [])
    assert "as 30 configurations are too many to take steps of each beforehand (24 at most); " in said


def test_what_is_done_is_not_measured_unless_it_is_tried_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_of(["optimizer=sgd"], ["optimizer=adam"], ["optimizer=adam", "seed=1"])
    ends = {jobs[0]: (True, "finished"), jobs[1]: (True, "failed"), jobs[2]: (False, "missing")}
    monkeypatch.setattr(fit, "outcome", lambda job: SimpleNamespace(settled=ends[job][0], state=ends[job][1]))
    fit_to_gpus(jobs, launcher_on(machine), print)
    assert machine.asked == [], "one is left, and has the GPU"
    fit_to_gpus(jobs, launcher_on(machine), print, retry=True)
    assert [config["optimizer"]["name"] for config in machine.asked[1][0].configs] == ["adam"]  # type: ignore[attr-defined]


def test_the_largest_of_host_and_gpu_counts() -> None:
    larger = replace(ON_GPU, host_mib=None, device_mib=3000.0)
    assert taken({"sgd": ON_GPU, "adam": larger}) == Takes(1500.0, 3000.0)
    with pytest.raises(Alone, match="adam could not be measured"):
        taken({"sgd": ON_GPU, "adam": "it took no step"})


def test_the_line_is_said_again_where_more_is_known(machine: Machine) -> None:
    launcher = launcher_on(machine, n_jobs=2)
    assert launcher.line(6).startswith("2 runs at a time on 1 GPU; ")
    assert launcher.line(6) is None
    launcher.runs_take(None, 1000.0)
    assert "1.7 GB of a GPU's memory a run" in launcher.line(6)
    launcher.runs_take(None, 1000.0)
    assert launcher.line(6) is None


@dataclass(frozen=True)
class Who:
    """Which process answers."""

    def answer(self) -> int:
        return os.getpid()


@dataclass(frozen=True)
class Sees:
    """The value of a variable of the environment."""

    name: str

    def answer(self) -> str | None:
        return os.environ.get(self.name)


@dataclass(frozen=True)
class Hangs:
    """Steps that take for ever."""

    def answer(self) -> None:
        with leaving_no_trace():
            time.sleep(60)


@pytest.mark.skipif(not can_fork(), reason="no worker is forked here")
def test_a_real_worker_takes_the_steps_and_tells_a_refusal() -> None:
    sgd, bad = config_of("optimizer=sgd"), config_of("batch_size=5000")
    with sharing() as shelves, asking(forked.shared(), shelves=shelves) as ask:
        assert ask(Downloads([sgd.plain])) == []
        [cost, why] = ask(Steps([sgd.plain, bad.plain], strict=False), 60.0)
        assert cost.epoch_steps == 21
        assert cost.device_mib is None
        assert "batch_size=5000" in why
        with pytest.raises(UserError, match="batch_size=5000"):
            ask(Steps([bad.plain]))
        worker = ask(Who())
        with pytest.raises(NoAnswer, match="took more than 1 s"):
            ask(Hangs(), 0.6)
        with pytest.raises(NoAnswer, match="took more than 1 s"):
            ask(Who())
        assert not list(shelves[-1].glob("optlab-*")), "what it was at is broken off, and leaves nothing"
    assert worker != os.getpid()
    assert not exists(worker), "and so it has nothing of a GPU"


@pytest.mark.skipif(not can_fork(), reason="no worker is forked here")
def test_ctrl_c_breaks_off_what_a_worker_is_at_and_it_leaves_nothing(machine: Machine) -> None:
    def stop(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    def ask_all(shelves: Shelves) -> None:
        with asking(forked.shared(), shelves=shelves) as ask:
            asked.append(ask(Who()))
            signal.setitimer(signal.ITIMER_REAL, 0.6)
            ask(Hangs())

    asked: list[int] = []
    with sharing() as shelves, handling([signal.SIGALRM], stop):
        with pytest.raises(KeyboardInterrupt):
            ask_all(shelves)
        assert not list(shelves[-1].glob("optlab-*"))
    [worker] = asked
    assert not exists(worker)


@pytest.mark.skipif(not can_fork(), reason="no worker is forked here")
def test_a_launcher_without_workers_of_its_own_begins_one_to_ask(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = launcher_on(machine)
    del launcher.asking
    monkeypatch.setattr("optlab.sweep.launchers.questions.ForkServer", lambda *_: forked.shared())
    with asked_by(launcher, 2) as ask:
        assert ask(Sees("CUDA_VISIBLE_DEVICES")) == "0"
        assert ask(Who()) != os.getpid()
    launcher.close()


def test_a_study_goes_on_where_nobody_says_what_is_downloaded(machine: Machine) -> None:
    def dies(question: Question, patience: float | None = None) -> Any:
        raise NoAnswer("the process that was to measure it died")

    assert downloads(rounds_of(SIX), ask=dies) == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no NVIDIA GPU on this machine")
def test_a_real_worker_says_what_steps_take_of_a_gpu_and_leaves_it_as_free_as_it_was() -> None:
    before = gpus.free_mib(["0"])
    with asking(forked.shared(), environment={"CUDA_VISIBLE_DEVICES": "0"}) as ask:
        [cost] = ask(Steps([config_of("trainer.accelerator=gpu").plain]))
    assert 0 < cost.device_mib < 2000
    after = gpus.free_mib(["0"])
    assert before is not None
    assert after is not None
    assert after > before - 100


@pytest.mark.skipif(not can_fork(), reason="no worker is forked here")
@pytest.mark.usefixtures("shared_workers", "no_report", "machine")
def test_a_grid_asks_a_worker_before_its_first_run_and_goes_on_without_what_is_not_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("optlab.sweep.launchers.server.cores", lambda: 32)
    monkeypatch.setattr(slots, "VISIBLE", "UNUSED")  # there is none to be seen
    words = [word for word in words_of() if word != "trainer=cpu"]
    result = command("-m", *words, "hydra/launcher=auto", "optimizer=sgd", "seed=0,1", "sweep=a")
    assert result.code == 0, result.err
    assert "ten steps of 1 configuration say how many runs have room on a GPU\n" in result.out
    assert (
        "one run a GPU at a time, as sgd used no GPU when it was measured; hydra.launcher.n_jobs=2 puts" in result.out
    )


# -- a study


def rounds_of(jobs: Sequence[Job]) -> list[list[Planned]]:
    return [[Planned(job.config) for job in jobs]]


def quoted(machine: Machine, jobs: Sequence[Job], ask: Any = None, **settings: Any) -> tuple[Any, Quote]:
    launcher = launcher_on(machine, **settings)
    with asked_by(launcher, len(jobs)) as found:
        return launcher, quote(rounds_of(jobs), launcher, "joblib", ask=ask or found, patience=5.0)


def test_runs_of_a_study_share_a_gpu_by_what_a_worker_measured(machine: Machine) -> None:
    launcher, seen = quoted(machine, SIX)
    assert [cost.device_mib for cost in seen.measured] == [2000.0]
    assert len(launcher.slots(6)) == seen.workers.at_a_time == 3
    assert machine.seen[0]["CUDA_VISIBLE_DEVICES"] == "0"
    assert machine.looks == [("0",)]
    assert machine.asked[0][1] == 5.0
    assert why_alone(launcher, seen) == []


def test_of_runs_on_disk_a_gpus_memory_is_measured_where_it_can_matter(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_disk = replace(COST, source="runs", device_mib=1.0)
    monkeypatch.setattr("optlab.sweep.price.quote.recorded", lambda runs: {configuration(SIX[0].config): on_disk})
    launcher, seen = quoted(machine, SIX)
    assert seen.measured == [replace(on_disk, device_mib=2000.0)], "what torch reserved, and not what tensors held"
    assert len(launcher.slots(6)) == 3
    assert quoted(machine, SIX, n_jobs=2)[1].measured == [on_disk]
    assert len(machine.asked) == 1


def test_a_study_whose_runs_are_not_known_gives_a_gpu_one_at_a_time_and_says_why(machine: Machine) -> None:
    machine.answers = NoAnswer("the process that was to measure it died")
    launcher, seen = quoted(machine, SIX)
    assert not seen.is_whole
    assert launcher.takes is not None, "it hears of that, too"
    [said] = why_alone(launcher, seen)
    assert said.startswith(
        "one run a GPU at a time, as sgd could not be measured (the process that was to measure it died);"
    )
    machine.answers = [ON_GPU, "RuntimeError: no kernel"]
    launcher, seen = quoted(machine, jobs_of(["optimizer=sgd"], ["optimizer=adam"]))
    assert len(launcher.slots(2)) == 1, "one that is not known may take more than a share"
    [said] = why_alone(launcher, seen)
    assert "as adam could not be measured (RuntimeError: no kernel); " in said
    machine.answers, machine.free = [ON_GPU], 5000.0
    [said] = why_alone(*quoted(machine, SIX))
    assert "as one takes 2.7 GB, and 4.7 of the 5.2 GB free are given out; hydra.launcher.n_jobs=2" in said
    assert why_alone(*quoted(machine, SIX, n_jobs=1)) == []


def test_how_much_longer_steps_take_beside_others_is_tried_where_steps_are_taken(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optlab.sweep.price.quote.cores", lambda: 4)

    def ask(question: Question, patience: float | None = None) -> Any:
        return 1.5 if isinstance(question, Beside) else machine.answer(question, patience)

    _, seen = quoted(machine, SIX, ask)
    assert seen.slower(Workers("auto", 4, 1)) == 1.5
    assert seen.slower(Workers("auto", 4, 2)) == 3.0, "twice as many threads as cores take turns"
    assert seen.slower(Workers("auto", 1)) == 1.0
    assert seen.slower(Workers("submitit_slurm", 4, here=False)) == 1.0


@pytest.mark.skipif(not can_fork(), reason="no worker is forked here")
@pytest.mark.usefixtures("shared_workers")
def test_a_study_has_its_steps_taken_by_a_worker_whose_refusal_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optlab.sweep.launchers.server.cores", lambda: 2)
    for name in ("optlab.sweep.price.measure.measure", "optlab.inputs.missing"):
        monkeypatch.setattr(name, None)  # here; a worker has its own
    words = words_of("optimizer=sgd", "batch_size=5000", "hydra/sweeper=study", "sweep=a")
    result = command("-m", *words, "hydra/launcher=auto")
    assert result.code == 1
    assert "no run of this study can be made: batch_size=5000: digits has" in result.err
    assert not Path("outputs/sweeps/a").exists()
