"""`numerics` in run.json: what changes bits and not what is computed, as it was when the run was over."""

import json
import platform
import subprocess
from pathlib import Path

import torch

from optlab import environment
from optlab.record import RunRecord
from tests.conftest import Train


def test_numerics_say_what_changes_bits_and_stand_in_the_record(train: Train) -> None:
    record = train("model=cnn", "trainer.max_epochs=1", "batch_size=431", "trainer.precision=bf16-mixed")
    found = record.numerics
    assert found == json.loads(Path("run/run.json").read_text())["numerics"] == RunRecord.read(Path("run")).numerics
    assert {key: value for key, value in found.items() if not key.startswith("cpu_")} == {
        "engine": "loop",
        "kernels": {},
        "compile": False,
        "device": "cpu",
        "device_name": None,
        "devices": 1,
        "threads": 1,
        "precision": "bf16-mixed",
        "tf32": False,
        "float32_matmul_precision": "high",
        "deterministic": False,
        "cudnn_benchmark": False,
        "channels_last": True,
    }
    assert found["cpu_model"] == environment.cpu_model()
    assert found["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert set(record.environment) >= {"python", "torch", "device", "device_name", "threads", "precision", "engine"}


def test_numerics_follow_the_run_and_its_id_does_not(train: Train) -> None:
    short = ("trainer.max_epochs=1", "batch_size=431")
    one = train(*short, folder="one")
    two = train(*short, "engine=eager", "trainer.threads=2", folder="two")
    assert torch.get_num_threads() == 1, "the next run of this process computes on this one's threads"
    assert one.id == two.id
    differ = {key for key in one.numerics if one.numerics[key] != two.numerics[key]}
    assert differ == {"engine", "threads"}
    assert (two.numerics["engine"], two.numerics["threads"], two.environment["threads"]) == ("eager", 2, 2)
    other = train(*short, "channels_last=false", "tf32=false", "model=cnn", folder="other")
    assert (other.numerics["channels_last"], other.numerics["float32_matmul_precision"]) == (False, "highest")


def test_an_older_record_without_numerics_can_be_read(train: Train) -> None:
    train("trainer.max_epochs=1")
    path = Path("run/run.json")
    content = json.loads(path.read_text())
    del content["numerics"]
    path.write_text(json.dumps(content))
    assert RunRecord.read(Path("run")).numerics == {}


def test_the_processor_has_a_name() -> None:
    name = environment.cpu_model()
    assert name
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and platform.machine() == "x86_64":
        assert f": {name}\n" in cpuinfo.read_text()


def test_the_state_of_the_code_is_its_commit_and_whether_files_of_it_were_changed(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        author = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
        command = ["git", "-C", str(tmp_path), *author, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    file = tmp_path / "net.py"
    file.write_text("first\n")
    assert environment.git_state(tmp_path) is None, "no repository"
    git("init")
    assert environment.git_state(tmp_path) is None, "nothing is committed"
    git("add", ".")
    git("commit", "-m", "first")
    (tmp_path / "other.py").write_text("not of it\n")
    clean = {"commit": git("rev-parse", "HEAD"), "dirty": False}
    assert environment.git_state(tmp_path) == clean
    file.write_text("second\n")
    assert environment.git_state(tmp_path) == clean | {"dirty": True}
