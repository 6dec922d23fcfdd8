"""A whole study on the command line: real runs of a linear network on the digits."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from optlab.planned import Planned
from optlab.record import RunRecord
from tests.commandline import Result, command
from tests.conftest import QUICK
from tests.sweep import counted
from tests.sweep.troubles import trained

SPACES = "hydra.sweeper.spaces={sgd:{lr:{low:0.01,high:1.0}},adam:{lr:{low:0.001,high:0.1}}}"
SMALL = (
    *("-m", "hydra/sweeper=study", *QUICK, "model=linear", "trainer.max_epochs=1", "optimizer=sgd,adam", SPACES),
    *("hydra.sweeper.trials=2", "hydra.sweeper.tuning_seeds=1", "hydra.sweeper.confirmation_seeds=2"),
    *("hydra.sweeper.extensions=1", "callbacks.checkpoint.best=false"),
)
COUNTED = ("dataset._target_=tests.sweep.counted.digits", "~dataset.mean", "~dataset.std")
STOP = "+callbacks.stop={_target_:tests.sweep.troubles.Signal,signame:SIGINT,lr:0.001,step:10}"
LOG = "+callbacks.log._target_=tests.sweep.troubles.Log"


@pytest.fixture(autouse=True)
def concluded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders for which the report was built; building it has its own tests, and takes longer than these runs."""
    folders: list[Path] = []

    def summarize(folder: Path, *_: object) -> tuple[None, None]:
        folders.append(folder)
        return None, None

    monkeypatch.setattr(import_module("optlab.sweep.conclude"), "summarize", summarize)
    monkeypatch.setattr(import_module("optlab.sweep.conclude"), "into_wandb", lambda *_: 0)
    return folders


def study(*words: str, name: str = "which", optimizers: str = "sgd,adam") -> Result:
    small = [f"optimizer={optimizers}" if word.startswith("optimizer=") else word for word in SMALL]
    return command(*small, f"sweep={name}", *words)


def records(name: str = "which") -> list[RunRecord]:
    return [RunRecord.read(path.parent) for path in sorted(Path("outputs/sweeps", name).glob("*/run.json"))]


def of_phase(phase: str, name: str = "which") -> list[RunRecord]:
    return [record for record in records(name) if record.phase == phase]


def result(name: str = "which") -> dict[str, Any]:
    content = json.loads(Path("outputs/sweeps", name, "study.json").read_text())
    assert isinstance(content, dict)
    return content


def outcome(name: str) -> dict[tuple[str, str, float, int], dict[str, float | None]]:
    """The final metrics of every run by phase, optimizer, lr and seed."""
    return {(r.phase, r.optimizer, r.lr, r.seed): r.metrics for r in records(name)}


def test_a_study_tunes_on_validation_confirms_on_fresh_seeds_and_runs_nothing_twice(
    concluded: list[Path],
) -> None:
    counted.accesses.clear()
    first = study(*COUNTED, LOG)
    assert first.code == 0, first.err
    folder = Path("outputs/sweeps/which")
    assert concluded == [folder.absolute()]
    plan = OmegaConf.to_container(OmegaConf.load(folder / "protocol.yaml"))
    assert isinstance(plan, dict)
    tuning, confirmed = of_phase("tune"), of_phase("confirm")
    assert {record.config["protocol"] for record in records()} == {plan["hash"]}

    # Tuning: the same number of trials each, on the tuning seed, judged on validation; then the edge rule.
    assert {record.seed for record in tuning} == {0}
    for arm in result()["arms"]:
        own = [record for record in tuning if record.optimizer == arm["optimizer"]]
        assert len(own) == arm["trials"] == 2 + 2 * arm["extensions"]
        best = max(own, key=lambda record: (record.metrics["val/acc"], -float(record.metrics["val/loss"] or 0)))
        assert arm["winner"] == {"lr": best.lr}
        assert arm["score"] == pytest.approx(best.metrics["val/acc"])
        assert {record.lr for record in confirmed if record.optimizer == arm["optimizer"]} == {best.lr}

    # Confirmation: fresh seeds, and the only time that the test images are evaluated.
    assert sorted((record.optimizer, record.seed) for record in confirmed) == [
        *[("adam", 1), ("adam", 2), ("sgd", 1), ("sgd", 2)],
    ]
    assert not any(name.startswith("test/") for record in tuning for name in record.metrics)
    assert all("test/acc" in record.metrics for record in confirmed)
    assert {access.reader for access in counted.accesses} > set(NOT_EVALUATION)
    evaluations = [place for place, access in enumerate(counted.accesses) if access.reader not in NOT_EVALUATION]
    assert [counted.accesses[place].phase for place in evaluations] == ["confirm"] * BATCHES * len(confirmed)
    last_of_tuning = max(place for place, access in enumerate(counted.accesses) if access.phase == "tune")
    assert min(evaluations) > last_of_tuning

    # Every round was on disk before it ran, and what is expected was learnt from the results.
    planned = Planned.read(folder)
    assert planned is not None
    assert {run.folder: run.phase for run in planned.runs} == {
        path.parent.name: RunRecord.read(path.parent).phase for path in folder.glob("*/run.json")
    }
    assert planned.expected == len(planned.runs)

    # What was said, and that saying it again trains nothing.
    assert "protocol.yaml" in first.out
    assert "tune     2 trials (grid) x 1 seed (0) x 2 = 4 runs, on validation" in first.out
    assert "in all   8 to 12 runs" in first.out
    assert first.out.index("in all") < first.out.index("runs to run") < first.out.index("a run takes about")
    assert first.out.count(" runs to run") == 1  # one progress over all phases
    places = re.findall(r"^(first run|tune|extend|confirm) +(\d+)/(\d+)  ", first.out, re.MULTILINE)
    assert [int(place) for _, place, _ in places] == list(range(1, len(records()) + 1))
    assert [phase for phase, *_ in places][-4:] == ["confirm"] * 4
    assert (places[0][2], int(places[-1][2])) == ("8", len(records()))  # extensions are added to the plan
    assert result()["complete"]
    runs = len(trained())
    assert runs == len(records())
    assert study(*COUNTED, LOG).code == 0
    assert len(trained()) == runs

    # A changed plan has no business here.
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    refused = study(*COUNTED, LOG, "hydra.sweeper.trials=3")
    assert refused.code == 1
    assert refused.err.startswith(
        "optlab: outputs/sweeps/which holds a study with another plan (trials: 2 there, 3 here"
    )
    assert refused.err.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before
    assert len(trained()) == runs

    # A run that another plan made is not mixed in.
    path = next(folder.glob("sgd-*/run.json"))
    path.write_text(path.read_text().replace(plan["hash"], "sha-0123456789ab"))
    refused = study(*COUNTED, LOG)
    assert refused.code == 1
    assert "is a run of another plan (sha-0123456789ab)" in refused.err
    assert len(trained()) == runs


# What reads the test part of a data set without evaluating it: its fingerprint, its labels' check and its size.
NOT_EVALUATION = ("__post_init__", "__len__", "fingerprint", "device")
BATCHES = 3  # of 64 of the 180 test images: each run reads each of them once


def test_a_study_that_is_stopped_goes_on_to_the_same_end() -> None:
    words = ("hydra.sweeper.extensions=0", STOP)
    Path("armed").touch()
    stopped = study(*words, name="stopped")
    assert stopped.code == 130
    assert "the same command goes on from here" in stopped.out
    done = finished("stopped")
    assert not result("stopped")["complete"]

    assert study(*words, name="stopped").code == 0
    assert done
    assert done < finished("stopped")
    assert len(finished("stopped")) == 8
    assert study(*words, name="whole").code == 0
    assert outcome("stopped") == outcome("whole")
    assert result("stopped")["arms"] == result("whole")["arms"]


def finished(name: str) -> set[str]:
    """The ids of the runs that finished."""
    return {record.id for record in records(name) if record.status == "finished"}


def test_a_run_that_is_refused_ends_the_study_in_one_line() -> None:
    refused = study("batch_size=5000")
    assert refused.code == 1
    assert not Path("outputs/sweeps/which").exists()  # the name is free for the command without the mistake
    assert refused.err.startswith(
        "optlab: no run of this study can be made: batch_size=5000: digits has 1,293 training"
    )
    refused = study("dataset.val_size=0", name="other")
    assert refused.code == 1
    assert "dataset.val_size=0 leaves a study nothing to choose on" in refused.err
    assert not Path("outputs/sweeps/other").exists()


def test_a_refused_study_leaves_no_live_page(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def live_page(folder: Path, *, wanted: bool) -> Iterator[None]:
        assert wanted
        (folder / "report.html").touch()  # the real one takes seconds to start
        yield

    monkeypatch.setattr(import_module("optlab.sweep.conclude"), "live_page", live_page)
    assert study("batch_size=5000", "report.live=true").code == 1
    assert not Path("outputs/sweeps/which").exists()


def test_a_run_of_a_study_can_be_typed_and_is_the_same_run() -> None:
    assert study("optimizer=adam", SPACES.replace("{low:0.001,high:0.1}", "0.01")).code == 0
    [first, _] = of_phase("confirm")
    typed = command(*first.overrides)
    assert typed.code == 0, typed.err
    [folder] = Path("outputs/runs").iterdir()
    again = RunRecord.read(folder)
    assert (again.id, again.metrics) == (first.id, first.metrics)


def test_every_mistake_costs_one_line_and_leaves_nothing() -> None:
    for word, said in {
        "hydra.sweeper.trials=0": "hydra.sweeper.trials=0: must be 1 or more",
        "hydra.sweeper.sampler=random": "hydra.sweeper.sampler=random: must be one of",
        "hydra.sweeper.confirmation_seeds=[0,1]": "0 is a tuning seed too",
        "optimizer.lr=0.1,0.2": "a study takes values from the optimizer's search space",
        "optimizer.beta=0.9": "optimizer.beta",
        "hydra.sweeper.spaces.sgd.lr.low=2": "from 2 to 1 the space is empty",
    }.items():
        words = [word] if "spaces" not in word else ["hydra.sweeper.spaces={sgd:{lr:{low:2.0,high:1.0}}}"]
        refused = study(*words)
        assert refused.code == 1
        assert said in refused.err
        assert refused.err.count("\n") == 1, refused.err
    assert not Path("outputs").exists()


def test_the_plain_sweeper_is_the_default_and_an_experiment_may_choose_the_study() -> None:
    assert "StudySweeper" in command("experiment=compare_digits", "--cfg", "hydra").out
    assert "GridSweeper" in command("--cfg", "hydra").out


def test_more_confirmation_seeds_and_another_optimizer_repeat_nothing() -> None:
    assert study("hydra.sweeper.extensions=0").code == 0
    before = {path: path.read_bytes() for path in Path("outputs/sweeps/which").glob("*/run.json")}
    more = study("hydra.sweeper.extensions=0", "hydra.sweeper.confirmation_seeds=3", optimizers="sgd,adam,rmsprop")
    assert more.code == 0, more.err
    assert "by 2 to 3 confirmation seeds, rmsprop; what it chose stays chosen" in more.out
    assert all(path.read_bytes() == content for path, content in before.items())
    confirmed = {(record.optimizer, record.seed) for record in of_phase("confirm")}
    assert confirmed == {(name, seed) for name in ("adam", "rmsprop", "sgd") for seed in (1, 2, 3)}
    assert {record.seed for record in of_phase("tune")} == {0}
    assert len(records()) == len(before) + 2 + 2 + 3  # a seed each; the newcomer's trials and seeds
    refused = study("hydra.sweeper.extensions=0", "hydra.sweeper.trials=3")
    assert refused.code == 1
    assert "a study may grow by confirmation seeds" in refused.err
