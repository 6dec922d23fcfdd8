"""scripts/gpu_check.py has a result for every step, whatever a step does, and its steps are commands that exist."""

import json
from pathlib import Path
from typing import Any

import gpu_check
import pytest
import torch

from optlab.config import compose, resolve
from optlab.config.schema import Config
from tests.commandline import command

NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU on this machine")


def python(code: str) -> list[str]:
    return ["-c", code]


def read(folder: Path, seconds: float) -> dict[str, Any]:
    return {"number": json.loads((folder / "number.json").read_text()), "nothing": None, "names": ["a|b", "c"]}


WRITES = "open('number.json', 'w').write('7')"
STEPS = [
    gpu_check.Step("good", python(WRITES), 20, read),
    gpu_check.Step("bad", python(f"{WRITES}; print(); raise SystemExit('it went | wrong')"), 20, read),
    gpu_check.Step("endless", python("import time; print('waits', flush=True); time.sleep(60)"), 0.5, read),
    gpu_check.Step("empty", python("pass"), 20, read),
    gpu_check.Step("under MPS", python(WRITES), 20, read, mps=True),
    gpu_check.Step("last", python(WRITES), 20, read),
]


def test_a_step_that_fails_or_takes_too_long_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_check, "steps", lambda rehearse: STEPS)
    monkeypatch.setattr(gpu_check, "MPS", "no-such-program")
    assert gpu_check.main(["--rehearse", "--folder", str(tmp_path)]) == 1
    content = json.loads((tmp_path / "gpu_check.json").read_text())
    assert content["rehearsed"] is True
    found = {step["name"]: step for step in content["steps"]}
    assert [step["status"] for step in content["steps"]] == [
        *("passed", "failed", "too slow", "failed", "left out", "passed"),
    ]
    assert found["good"]["found"] == {"number": 7, "nothing": None, "names": ["a|b", "c"]}
    assert found["bad"]["why"] == "it went | wrong"
    assert found["bad"]["found"]["number"] == 7  # what it left before it failed
    assert found["endless"]["seconds"] < 15
    assert "left nothing to read (FileNotFoundError" in found["empty"]["why"]
    assert "no-such-program is not installed" in found["under MPS"]["why"]
    table = (tmp_path / "gpu_check.md").read_text().splitlines()
    assert "| good | passed | 0 | number 7; names a/b, c |" in table
    assert len([line for line in table if line.startswith("| ")]) == 1 + len(STEPS)
    assert "waits" in (tmp_path / "03-endless" / "log.txt").read_text()
    assert capsys.readouterr().out.count("\n") == len(STEPS) + 1


def test_when_the_time_is_up_the_rest_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu_check, "steps", lambda rehearse: STEPS[:1])
    assert gpu_check.main(["--rehearse", "--folder", str(tmp_path), "--minutes", "0.1"]) == 0
    assert json.loads((tmp_path / "gpu_check.json").read_text())["steps"][0]["why"] == "no time was left"


@NO_GPU
def test_without_a_gpu_it_says_so_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu_check.main([]) == 2
    assert capsys.readouterr().err == (
        "gpu_check: PyTorch finds no GPU on this machine; --rehearse tries the check on the CPU\n"
    )
    assert not Path("outputs").exists()


def test_a_step_that_does_not_exist_is_answered_with_those_that_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu_check.main(["--rehearse", "--only", "nonsense"]) == 2
    assert "tests marked gpu, bench cnn-128" in capsys.readouterr().err


def test_its_commands_can_be_typed() -> None:
    import bench

    steps = gpu_check.steps()
    assert len({step.name for step in steps}) == len(steps)
    assert len(gpu_check.steps(rehearse=True)) > 8
    for step in steps:
        program, *words = step.words
        if program == gpu_check.TRAIN:
            sweeps = [word for word in words if word.startswith(("seed=", "hydra/", "hydra."))]
            config = Config.parse(resolve(compose([word for word in words if word not in ("-m", *sweeps)])))
            assert config.trainer.accelerator == "gpu"
            assert config.dataset.arguments["samples"] == 50_000
        elif program == gpu_check.BENCH:
            options = bench.parser().parse_args(words)
            case = next(case for case in bench.CASES if [case.name] == options.only).on_gpu()
            assert case.samples == 50_000
            assert case.epochs >= 3
            assert set(options.without) < {*bench.RIVALS, *bench.GPU_RIVALS, "compiled", "kernels"}
            assert set(case.rivals) - set(options.without)
        else:
            assert any(word.endswith("engine/test_gpu.py") for word in words)


def test_what_runs_and_sweeps_leave_can_be_read() -> None:
    [run, *_] = gpu_check.engines(rehearse=True)
    [one_by_one, *_] = gpu_check.sweeps(rehearse=True)
    small = ("model=mlp", "dataset.samples=64", "dataset.test_samples=32", "batch_size=16")
    for step in (run, one_by_one):
        assert command(*step.words[1:], *small).code == 0
    found = run.read(Path(), 1.0)
    assert found["status"] == "finished"
    assert found["milliseconds a step"] > 0
    assert found["images/s"] > 0
    found = one_by_one.read(Path(), 2.0)
    assert found["finished"] == "2 of 2"
    assert found["images/s, start to report"] == 2 * 58 / 2  # of 64 samples 6 are held out
