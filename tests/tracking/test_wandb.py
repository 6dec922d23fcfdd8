"""Weights & Biases offline, read back with its own tool; and that it cannot fail a run."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from optlab.tracking import wandb as tracking_wandb
from tests.conftest import Train
from tests.metrics import read_metrics
from tests.test_resume import interrupted


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(Path.cwd()))


def leet(folder: Path) -> dict[str, Any]:
    """What W&B's own reader finds in the offline run under a run folder."""
    (place,) = folder.glob("wandb/offline-run-*")
    program = Path(sys.executable).with_name("wandb")
    done = subprocess.run([program, "leet", "inspect", "--summary", "--json", place], capture_output=True, check=True)
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def test_the_offline_record_holds_config_history_and_summary(train: Train) -> None:
    record = train("logger=wandb", "optimizer=momentum", "logger.wandb.tags=[a]")
    seen = leet(Path("run"))
    assert seen["config"]["optimizer"]["lr"] == 0.03  # resolved, not a reference
    assert seen["config"]["configuration"].startswith("momentum lr=0.03 constant model=mlp")
    assert (seen["config"]["phase"], seen["config"]["status"]) == ("train", "finished")
    assert seen["config"]["sweep"] == record.config["sweep"]
    summary = seen["summary"]
    assert summary["status"] == "finished"
    assert summary["last/val/acc"] == record.metrics["val/acc"]
    assert summary["best/value"] == record.best["value"]
    assert summary["train/loss"]["last"] == read_metrics(Path("run/metrics.csv"))[-1]["train/loss"]
    assert summary["train/loss"]["max"] == read_metrics(Path("run/metrics.csv"))[0]["train/loss"]
    assert summary["trainer/global_step"] in (42, {"last": 42}) or summary["trainer/global_step"]["last"] == 42


def test_every_run_of_a_process_has_its_own_record_and_exit_state(train: Train, tmp_path: Path) -> None:
    train("logger=wandb", folder="good")
    train("logger=wandb", "optimizer=sgd", "optimizer.lr=1e18", "loss=mse", folder="diverged")
    interrupted(tmp_path / "stopped", 5, "logger=wandb")
    with pytest.raises(RuntimeError):
        train("logger=wandb", "model=linear", "model._target_=tests.test_run.Broken", folder="broken")
    found = {name: leet(Path(name))["summary"]["status"] for name in ("good", "diverged", "stopped", "broken")}
    assert found == {"good": "finished", "diverged": "diverged", "stopped": "interrupted", "broken": "failed"}


def test_without_a_key_the_mode_is_offline_and_says_why() -> None:
    assert tracking_wandb.choose_mode("auto") == ("offline", "no key: `wandb login` stores one")
    assert tracking_wandb.choose_mode("offline")[0] == "offline"


def test_with_a_key_the_mode_depends_on_a_short_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    started = time.monotonic()
    assert tracking_wandb.choose_mode("auto") == ("offline", "127.0.0.1 does not answer")
    assert time.monotonic() - started < 5
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert tracking_wandb.choose_mode("auto")[0] == "online"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert tracking_wandb.choose_mode("auto")[0] == "disabled"


def test_a_key_in_the_netrc_file_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not tracking_wandb.has_key("https://api.wandb.example")
    Path(".netrc").write_text("machine api.wandb.example login user password " + "k" * 40)
    Path(".netrc").chmod(0o600)
    assert tracking_wandb.has_key("https://api.wandb.example")


def test_a_server_that_takes_connections_and_never_answers_costs_seconds_and_no_run(
    train: Train, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tracking_wandb, "INIT_SECONDS", 3.0)
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        started = time.monotonic()
        record = train("logger=wandb")
        assert time.monotonic() - started < 40
    assert record.status == "finished"
    assert "W&B could not start" in caplog.text


def test_a_tracker_that_breaks_in_the_middle_does_not_stop_the_run(
    train: Train, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import wandb

    def fail(self: Any, *args: Any, **kwargs: Any) -> None:
        raise wandb.errors.CommError("the service died")

    monkeypatch.setattr(wandb.sdk.wandb_run.Run, "log", fail)
    assert train("logger=wandb").status == "finished"
    assert caplog.text.count("the service died") == 1
