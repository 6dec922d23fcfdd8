"""The bench runs and says what it says it does; its figures are for people to judge."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

SAMPLES = 256
BENCH = str(Path(__file__).parents[1] / "scripts" / "bench.py")


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, BENCH, *words], capture_output=True, text=True)


def test_a_case_trains_optlab_and_its_rivals_in_turn(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(Path(BENCH).parent))
    import bench as script
    from benchmark import machine

    [case] = (case for case in script.CASES if case.name == "digits-64-adam")
    monkeypatch.setattr(script, "CASES", (replace(case, samples=SAMPLES, epochs=3),))
    monkeypatch.setattr(machine.seconds_of, "__defaults__", (1,))  # rounds, of which the best is the peak
    assert script.main(["--quick", "--only", "digits-64-adam", "--rounds", "2", "--json", "bench.json"]) == 0
    printed = capsys.readouterr().out
    content = json.loads(Path("bench.json").read_text())
    assert content["machine"]["matmul_gflops_fp32"] > 0
    rows = content["digits-64-adam"]
    faster = "compiled" if torch.cuda.is_available() else "kernels"
    assert set(rows) >= {"optlab", faster, "textbook", "bare_channels_last"}
    assert rows["optlab"]["time_against_optlab"] == rows[faster][f"time_against_{faster}"] == [1, 1, 1]
    for row in rows.values():
        assert len(row["epoch_seconds"]) == 2
        assert row["images_per_second"] == pytest.approx(SAMPLES / (sum(row["epoch_seconds"]) / 2), rel=1e-6)
        assert row["peak_mib"] > 100 or sys.platform != "linux"
    for words in ("of matmul peak", f"optlab, {faster}", "bare channels last", "ms/step", f"time / {faster}'s"):
        assert words in printed


def test_instruments_are_measured_against_the_same_command_without(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(Path(BENCH).parent))
    import bench as script
    from benchmark import machine

    [case] = (case for case in script.CASES if case.name == "digits-64")
    assert set(script.INSTRUMENTED) < {case.name for case in script.CASES}
    monkeypatch.setattr(script, "CASES", (replace(case, samples=SAMPLES, epochs=2),))
    monkeypatch.setattr(machine.seconds_of, "__defaults__", (1,))
    assert script.main(["--only", "instruments", "--rounds", "1"]) == 0
    assert "digits-64: epoch with instruments / without: " in capsys.readouterr().out


def test_an_unknown_case_is_answered_with_those_that_exist() -> None:
    done = bench("--only", "nonsense")
    assert done.returncode == 2
    assert "cnn-128" in done.stderr
    assert "Traceback" not in done.stderr


def test_contestants_are_started_anew_as_often_as_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(BENCH).parent))
    from benchmark.turns import compete

    says_its_process = """
import os
from benchmark.protocol import await_turn, say
say("ready")
while True:
    await_turn()
    say("done", seconds=os.getpid())
"""
    one = compete({"one": ["-c", says_its_process]}, rounds=3, starts=2)["one"]
    assert len(one.seconds) == 6  # the turn that warms up is not among them
    assert [one.seconds.count(process) for process in dict.fromkeys(one.seconds)] == [3, 3]


def test_a_contestant_that_fails_is_named_with_what_it_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(BENCH).parent))
    from benchmark.turns import Failed, compete

    with pytest.raises(Failed, match=r"broken ended without 'ready':\n(.*\n)*.*no such thing"):
        compete({"broken": ["-c", "raise SystemExit('no such thing')"]}, rounds=1)


def test_a_sweep_is_told_against_what_loops_trained_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(BENCH).parent))
    from benchmark import sweep
    from benchmark.turns import Failed

    with monkeypatch.context() as patched:
        patched.setattr(sweep, "TRAIN", "-c")  # a command that does nothing
        with pytest.raises(Failed, match="trained on 0 samples and not on 5,172"):
            sweep.seconds_of(sweep.Plan(4, 1))

    class Loop:
        """Says every second that it has trained its turn, the first of which ended at second 10."""

        def __init__(self) -> None:
            self.now = 10.0

        def hear(self, expected: str) -> dict[str, float]:
            self.now += 1
            return {"time": self.now}

    a_second = sweep.EPOCHS_A_TURN * sweep.SAMPLES
    loop: Any = Loop()
    assert sweep.samples_between(loop, 10.0, 12.5, 20.25) == pytest.approx(7.75 * a_second)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells who started whom")
def test_a_sweep_stands_still_with_all_that_it_started_and_that_time_is_not_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(Path(BENCH).parent))
    from benchmark import sweep

    def states() -> list[str]:
        return [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[0] for each in found]

    def pause() -> None:
        time.sleep(0.3)
        during.extend(states())

    during: list[str] = []
    with subprocess.Popen(["sh", "-c", "(sleep 60 & sleep 60; true); true"]) as process:
        while len(found := sweep.family(process.pid)) < 4:
            time.sleep(0.01)
        assert "T" not in states()
        assert sweep.seconds_still(process.pid, pause) >= 0.3
        assert during == ["T"] * len(found)
        assert "T" not in states()
        for each in found:
            with suppress(ProcessLookupError):  # it ended by itself, as the one that it waited for was killed
                os.kill(each, signal.SIGKILL)
