"""More epochs for a sweep: what was trained is not trained again, and the result is that of a run of that length."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from optlab.analysis import read_runs
from optlab.analysis.judge.contest import contests
from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.record import RECORD_FILE, RunRecord, job_name, run_id
from optlab.sweep.job import Job
from optlab.sweep.lengthen import last_checkpoint, lines
from tests.commandline import Result, command
from tests.conftest import QUICK
from tests.metrics import read_metrics
from tests.sweep.helpers import LOG, words_of, write

pytestmark = pytest.mark.usefixtures("no_report")


def sweep(epochs: int, *words: str, name: str = "first") -> Result:
    result = command(*words_of(*words, f"trainer.max_epochs={epochs}", name=name))
    assert result.code == 0, result.err
    return result


def folder_of(epochs: int, name: str = "first") -> Path:
    """The run folder of the only job of this length."""
    folders = [path.parent for path in Path("outputs/sweeps", name).glob(f"*/{RECORD_FILE}")]
    [folder] = [each for each in folders if RunRecord.read(each).config["trainer"]["max_epochs"] == epochs]
    return folder


def record_of(epochs: int, name: str = "first") -> RunRecord:
    return RunRecord.read(folder_of(epochs, name))


def change(epochs: int, **fields: Any) -> None:
    """Change fields of the record of the job of this length."""
    path = folder_of(epochs) / RECORD_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize(
    ("shorter", "words"),
    [
        (2, ["optimizer=momentum", "lr=step", "lr.step_size=3"]),
        # The shorter run validates in its last epoch, in which the longer one does not.
        (
            3,
            ["optimizer=adam", "lr=plateau", "lr.patience=0", "trainer.check_val_every_n_epoch=2", "test_weights=best"],
        ),
    ],
)
def test_more_epochs_go_on_bit_for_bit(shorter: int, words: list[str]) -> None:
    sweep(shorter, *words)
    before = (folder_of(shorter) / RECORD_FILE).read_bytes()
    result = sweep(5, *words)
    assert f"1 run of 5 epochs: from epoch {shorter + 1} on, behind the same of {shorter}" in result.out
    assert (folder_of(shorter) / RECORD_FILE).read_bytes() == before
    sweep(5, *words, name="whole")
    ours, whole = folder_of(5), folder_of(5, "whole")
    assert ours.name == whole.name
    tables = [[row | {"seconds": None} for row in read_metrics(each / "metrics.csv")] for each in (ours, whole)]
    assert tables[0] == tables[1]
    for name in ("last.ckpt", "best.ckpt"):
        states = [torch.load(each / "checkpoints" / name, weights_only=True)["state_dict"] for each in (ours, whole)]
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[1])
    records = record_of(5), record_of(5, "whole")
    assert records[0].metrics == records[1].metrics
    assert records[0].continued_from == {
        "id": record_of(shorter).id,
        "folder": folder_of(shorter).name,
        "epochs": shorter,
        "differs": [],
    }
    assert records[1].continued_from is None


def test_the_record_keeps_where_a_run_came_from_and_the_report_sees_several_lengths_as_settings() -> None:
    sweep(1)
    change(1, numerics=record_of(1).numerics | {"threads": 64})
    sweep(2)
    sweep(3)
    said = {"id": record_of(2).id, "folder": folder_of(2).name, "epochs": 2, "differs": ["threads"]}
    assert record_of(3).continued_from == said
    settings = contests(read_runs([Path("outputs/sweeps/first")]))
    assert [each.label for each in settings] == [f"mlp on digits, trainer.max_epochs {n}" for n in (1, 2, 3)]
    change(3, status="interrupted")
    assert "from epoch" not in sweep(3).out  # on from its own checkpoint
    assert record_of(3).continued_from == said


def job_of(epochs: int, *words: str) -> Job:
    """A job in the folder `sweep` that is only pretended."""
    config = Config.parse(resolve(compose([*QUICK, *words, f"trainer.max_epochs={epochs}"])))
    return Job((), Path("sweep", job_name(config.plain)).absolute(), run_id(config.plain), config)


def finished(job: Job, **fields: Any) -> None:
    write(job, "finished", **({"epochs": job.config.trainer.max_epochs} | fields))
    last_checkpoint(job.folder).parent.mkdir()
    last_checkpoint(job.folder).touch()


def said_of(job: Job) -> str | None:
    """What is said of a job before it begins; None for nothing."""
    found = lines([job])
    return found[0] if found else None


def test_the_longest_of_the_shorter_runs_is_gone_on_from() -> None:
    for epochs in (2, 3, 10):
        finished(job_of(epochs))
    assert said_of(job_of(9)) == "1 run of 9 epochs: from epoch 4 on, behind the same of 3"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["lr=cosine"], "lr=cosine is laid out for the whole length"),
        (["lr.warmup_fraction=0.1"], "lr=constant with its warm-up is laid out for the whole length"),
        (["callbacks=early_stopping"], "callbacks.early_stopping may go by the length"),
        ([LOG], "callbacks.log may go by the length"),
        (["module._target_=mine.Lit"], "module is your own, which may go by the length"),
        (["test_weights=best"], "best.ckpt is missing"),
    ],
)
def test_what_may_go_by_the_length_trains_from_the_first_epoch_and_it_is_said(words: list[str], reason: str) -> None:
    finished(job_of(2, *words))
    said = said_of(job_of(9, *words))
    assert said == f"1 run of 9 epochs: from the first epoch, and not behind the same of 2: {reason}"


def test_runs_that_differ_in_more_or_did_not_get_their_epochs_are_left_alone() -> None:
    job = job_of(9)
    finished(job_of(2, "batch_size=32"))  # of the same name but for its id
    finished(job_of(3, "seed=1"))
    finished(job_of(4), epochs=3)
    write(job_of(5), "interrupted", epochs=5)
    assert said_of(job) is None
    finished(job_of(6))
    assert said_of(job) is not None
    write(job, "interrupted")
    last_checkpoint(job.folder).parent.mkdir()
    last_checkpoint(job.folder).touch()  # it goes on from its own
    assert said_of(job) is None


def test_a_shorter_run_that_cannot_be_gone_on_from_costs_a_line_and_no_failure() -> None:
    sweep(1)
    (folder_of(1) / "checkpoints" / "last.ckpt").write_bytes(b"cut")
    sweep(2)
    assert record_of(2).continued_from is None
    assert record_of(2).status == "finished"
    log = (folder_of(2) / "train.log").read_text()
    assert "trains from the first epoch, as it cannot go on from fewer: ckpt=" in log
