"""The command line as a person types it, in processes of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from optlab.record import RunRecord
from optlab.rules import instruments
from tests import forked
from tests.commandline import ROOT, command
from tests.conftest import SMALL, Train, words_of
from tests.metrics import read_metrics
from tests.test_resume import weights

QUIET = ("logger=none", "trainer=cpu", "batch_size=64", *SMALL)


def python(*words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )


def test_paths_may_hold_an_apostrophe(train: Train) -> None:
    train("model=linear", folder="it's")
    assert command("mode=test", "ckpt=it's", "logger=none").code == 0
    assert command("ckpt=it's", "trainer.max_epochs=3", "hydra.run.dir=what's on").code == 0
    assert RunRecord.read(Path("what's on")).epochs == 3


def test_a_run_whose_output_nobody_reads_any_more_ends_as_interrupted_without_a_word() -> None:
    words = [*words_of("trainer.max_epochs=500", "hydra.run.dir=run"), "callbacks=default"]
    started = subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    assert started.stderr is not None
    while not started.stdout.readline().startswith("     1 "):  # its first epoch
        pass
    started.stdout.close()  # as `head` does
    assert started.wait(120) == 130
    assert started.stderr.read() == ""
    started.stderr.close()
    assert RunRecord.read(Path("run")).status == "interrupted"
    assert Path("run/checkpoints/last.ckpt").exists()


def test_a_run_prints_its_result_and_where_it_lies() -> None:
    result = command(*QUIET, "optimizer=rmsprop", "trainer.max_epochs=2")
    assert result.code == 0
    assert result.err == ""
    folder = Path(re.findall(r"run folder  (\S+)", result.out)[0])
    assert re.fullmatch(r"outputs/runs/\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d-rmsprop", str(folder))
    record = RunRecord.read(folder)
    assert record.overrides == [*QUIET, "optimizer=rmsprop", "trainer.max_epochs=2"]
    assert re.search(rf"test accuracy +│ +{record.metrics['test/acc']:.4f} ", result.out)
    assert len(read_metrics(folder / "metrics.csv")) == 2
    assert {path.name for path in folder.iterdir()} == {".hydra", "checkpoints", "metrics.csv", "run.json", "train.log"}
    table = [line for line in result.out.splitlines() if re.match(r" +\d+ +\d+ ", line)]
    assert len(table) == 2  # a line an epoch


def test_two_runs_of_one_second_get_two_folders() -> None:
    for _ in range(3):
        assert command(*QUIET, "trainer.max_epochs=1", "trainer.limit_train_batches=1", "callbacks=quiet").code == 0
    assert len(list(Path("outputs/runs").iterdir())) == 3


def test_help_shows_groups_options_and_examples() -> None:
    result = command("--help")
    assert result.code == 0
    for group in ROOT.joinpath("conf").iterdir():
        if group.is_dir() and group.name != "hydra":
            names = ", ".join(sorted(file.stem for file in group.glob("*.yaml")))
            assert f"{group.name}: {names}" in result.out
    examples = result.out.partition("Examples\n")[2].partition("\n\n")[0]
    assert examples.count("  python train.py") == 3
    assert "python train.py -m hydra/sweeper=study" in result.out


def test_cfg_job_shows_the_config_and_runs_nothing() -> None:
    result = command("optimizer=sgd", "optimizer.lr=0.5", "--cfg", "job")
    assert result.code == 0
    assert "_target_: torch.optim.SGD\n  lr: 0.5" in result.out
    assert not Path("outputs").exists()


def test_options_complete_with_tab() -> None:
    line = "train.py optimizer=ada"
    done = python("-sc", "query=bash", COMP_LINE=line, COMP_POINT=str(len(line)))
    assert set(done.communicate()[0].split()) >= {"optimizer=adam", "optimizer=adagrad", "optimizer=adamw"}


def test_config_comes_up_and_the_workers_of_a_sweep_begin_without_torch() -> None:
    run = f"runpy.run_path({str(ROOT / 'train.py')!r}, run_name='__main__')\nimport optlab.sweep.launchers.server"
    program = f"import runpy, sys; sys.argv[1:] = ['--cfg', 'job']; {run}"
    check = "\nassert not {'torch', 'lightning', 'wandb', 'pydantic', 'numpy'} & set(sys.modules), 'heavy import'"
    subprocess.run([sys.executable, "-c", program + check], check=True, stdout=subprocess.DEVNULL)


def test_ctrl_c_saves_records_and_says_how_to_continue(train: Train) -> None:
    words = [*QUIET, "optimizer=momentum", "trainer.max_epochs=400", "seed=2"]
    started = python(*words, "hydra.run.dir=stopped")  # a new one: its start and its end are tried, too
    csv = Path("stopped/metrics.csv")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (csv.exists() and len(csv.read_text().splitlines()) > 2):
        time.sleep(0.02)
    started.send_signal(signal.SIGINT)
    output = started.communicate(timeout=60)[0]
    assert started.returncode == 130
    assert "python train.py ckpt=stopped/checkpoints/last.ckpt" in output
    assert "Traceback" not in output
    record = RunRecord.read(Path("stopped"))
    assert record.status == "interrupted"
    epochs = record.epochs + 2
    # The command that was printed needs none of the run's settings again.
    result = command("ckpt=stopped/checkpoints/last.ckpt", f"trainer.max_epochs={epochs}", "hydra.run.dir=continued")
    assert result.code == 0
    train("optimizer=momentum", "seed=2", f"trainer.max_epochs={epochs}", folder="whole")
    assert weights(Path("continued")).keys() == weights(Path("whole")).keys()
    for name, value in weights(Path("whole")).items():
        assert value.equal(weights(Path("continued"))[name])


def test_any_optimizer_class_can_be_named() -> None:
    words = ("optimizer._target_=pytorch_optimizer.Lion", "optimizer.lr=3e-4", "optimizer.betas=[0.9,0.95]")
    result = command(*QUIET, *words, "trainer.max_epochs=1", "hydra.run.dir=run")
    assert result.code == 0
    assert "betas=[0.9, 0.95]" in result.out
    assert RunRecord.read(Path("run")).optimizer == "pytorch_optimizer.Lion"


def test_a_multirun_names_its_folders_by_the_contract() -> None:
    result = command("-m", *QUIET, "optimizer=sgd,adam", "seed=0,1", "trainer.max_epochs=1", "sweep=first")
    assert result.code == 0
    names = sorted(path.name for path in Path("outputs/sweeps/first").iterdir() if (path / "run.json").exists())
    assert len(names) == 4
    for name in names:
        record = RunRecord.read(Path("outputs/sweeps/first") / name)
        assert name == f"{record.optimizer}-lr{record.lr}-seed{record.seed}-{record.id}"


def test_two_processes_give_the_losses_of_one() -> None:
    words = (
        "logger=none",
        "trainer.max_epochs=2",
        "model=mlp",
        "dataset.val_size=102",
        "batch_size=100",
        "+callbacks.predictions._target_=optlab.callbacks.Predictions",
        "+callbacks.instruments._target_=optlab.callbacks.Instruments",
        "hydra.run.dir=",
    )
    two = forked.start(*words, "hydra.run.dir=two", "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    assert two.wait() == 0, two.printed
    assert "Traceback" not in two.printed
    assert "warn" not in two.printed.lower()
    assert command(*words, "hydra.run.dir=one", "trainer=cpu").code == 0
    one_record, two_record = RunRecord.read(Path("one")), RunRecord.read(Path("two"))
    assert two_record.environment["devices"] == 2
    assert two_record.steps == one_record.steps == 28
    for name, value in one_record.metrics.items():
        assert two_record.metrics[name] == pytest.approx(value, rel=1e-5), name
    for a, b in zip(read_metrics(Path("one/metrics.csv")), read_metrics(Path("two/metrics.csv")), strict=True):
        for name in ("train/loss", "train/acc", "val/loss", "val/acc"):
            assert a[name] == pytest.approx(b[name], rel=1e-5)
    for mine, theirs in zip(instruments.read(Path("one")), instruments.read(Path("two")), strict=True):
        assert (mine.step, mine.layer) == (theirs.step, theirs.layer)
        for name in ("gradient_norm", "update_ratio", "cosine", "distance", "loss", "loss_change", "predicted_change"):
            assert theirs[name] == (mine[name] and pytest.approx(mine[name], rel=1e-3, abs=1e-6)), name
        assert theirs["snr"] is not None  # of other micro-batches
    worst = {place: read_metrics(Path(place, "predictions/worst.csv")) for place in ("one", "two")}
    assert [row["index"] for row in worst["two"]] == [row["index"] for row in worst["one"]]
    matrices = [Path(place, "predictions/confusion_matrix.csv").read_text() for place in ("one", "two")]
    assert matrices[0] == matrices[1]
    assert sum(map(sum, two_record.test["confusion"])) == 360  # each sample once


def test_a_run_needs_no_network_no_key_and_no_home() -> None:
    words = ("trainer=cpu", *SMALL, "trainer.max_epochs=1", "callbacks=quiet", "hydra.run.dir=run")
    environment = {"HOME": "/proc/nobody", "WANDB_API_KEY": "", "WANDB_BASE_URL": "http://127.0.0.1:9"}
    started = python(*words, **environment)
    output = started.communicate(timeout=60)[0]
    assert started.returncode == 0, output
    assert "W&B offline (no key" in output
    assert "Traceback" not in output
    assert json.loads(Path("run/run.json").read_text())["status"] == "finished"
