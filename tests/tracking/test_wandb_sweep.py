"""conf/wandb_sweep.yaml as `wandb agent` uses it: its own code makes the command, and the run is the agent's."""

import json
import queue
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from wandb.wandb_agent import Agent

from optlab.check import check_config
from optlab.config import compose, resolve
from optlab.config.groups import options
from optlab.config.schema import Config
from optlab.record import RunRecord

ROOT = Path(__file__).parents[2]
FILE = ROOT / "conf" / "wandb_sweep.yaml"
OF_AGENTS = ("WANDB_RUN_ID", "WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH", "WANDB_PROJECT", "WANDB_DIR")


def content() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return loaded


def drawn(parameters: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Values as W&B's server draws them from the two kinds of ranges that the file has."""
    return {
        name: rng.choice(one["values"]) if "values" in one else one["min"] * (one["max"] / one["min"]) ** rng.random()
        for name, one in parameters.items()
    }


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # wandb leaves the file open
def test_wandb_reads_the_file_and_every_draw_is_a_run_that_can_start() -> None:
    from wandb.sdk.launch.sweeps.utils import load_sweep_config  # five seconds, which every worker would take

    assert load_sweep_config(str(FILE)) == content()
    assert content()["metric"] == {"name": "val/acc", "goal": "maximize"}
    assert set(content()["parameters"]["optimizer"]["values"]) <= set(options("optimizer"))
    assert content()["parameters"]["optimizer.lr"]["distribution"] == "log_uniform_values"
    rng = random.Random(0)
    for _ in range(4):
        words = [f"{name}={value}" for name, value in drawn(content()["parameters"], rng).items()]
        check_config(Config.parse(resolve(compose(words))))


def test_an_agents_command_trains_the_agents_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*OF_AGENTS, "WANDB_API_KEY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SWEEP_ID", "swept123")
    monkeypatch.setenv("WANDB_PROJECT", "ours")  # as `wandb agent ENTITY/ours/swept123` sets it
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    monkeypatch.chdir(ROOT)
    chosen = drawn(content()["parameters"], random.Random(1))
    short = {"model": "mlp", "trainer.max_epochs": 1, "trainer": "cpu", "hydra.run.dir": str(tmp_path / "run")}
    agent = Agent(None, queue.Queue(), sweep_id="swept123")
    agent._sweep_command = content()["command"]
    arguments = {name: {"value": value} for name, value in (chosen | short).items()}
    agent._command_run({"type": "run", "run_id": "agents01", "program": content()["program"], "args": arguments})
    assert agent._run_processes["agents01"].wait(timeout=180) == 0
    record = RunRecord.read(tmp_path / "run")
    assert (record.status, record.optimizer, record.lr) == ("finished", chosen["optimizer"], chosen["optimizer.lr"])
    (place,) = (tmp_path / "run").glob("wandb/offline-run-*-agents01")  # the agent's run, and no other
    program = Path(sys.executable).with_name("wandb")
    lines = subprocess.run([program, "leet", "inspect", "--json", place], capture_output=True, text=True, check=True)
    records = [json.loads(line) for line in lines.stdout.splitlines()]
    begun = next(each["run"] for each in records if each["type"] == "run")
    assert (begun["run_id"], begun["sweep_id"], begun["project"]) == ("agents01", "swept123", "ours")
    sent = begun["config"]["update"]
    assert {name: sent[name] for name in chosen} == chosen  # W&B keeps the values that it drew, under their names
    assert sent["configuration"].startswith(f"{chosen['optimizer']} lr={chosen['optimizer.lr']} constant")
    assert any("val/acc" in each["history"]["item"] for each in records if each["type"] == "history")
