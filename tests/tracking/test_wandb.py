"""Weights & Biases offline, read back with its own tool; and that it cannot fail a run."""

import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from optlab.errors import UserError
from optlab.rules import instruments
from optlab.tracking import wandb as tracking_wandb
from tests.conftest import Train
from tests.metrics import read_metrics
from tests.test_resume import interrupted
from tests.tracking.leet import leet, no_key
from tests.tracking.wandb_server import sync, wandb_server

__all__ = ["no_key"]  # a fixture


def test_the_offline_record_holds_config_history_and_summary(train: Train) -> None:
    measured = "+callbacks.instruments._target_=optlab.callbacks.Instruments"
    dead = ("model=linear", "model._target_=tests.test_advice.Dead")
    record = train("logger=wandb", "optimizer=momentum", "logger.wandb.tags=[a]", measured, *dead)
    seen = leet(Path("run"))
    assert seen["config"]["optimizer"]["lr"] == 0.03  # resolved, not a reference
    assert seen["config"]["configuration"].startswith("momentum lr=0.03 constant model=Dead")
    assert (seen["config"]["phase"], seen["config"]["status"]) == ("train", "finished")
    assert seen["config"]["sweep"] == record.config["sweep"]
    assert "logger" not in seen["config"]  # another tracker's keys
    summary = seen["summary"]
    assert summary["status"] == "finished"
    assert summary["last/val/acc"] == record.metrics["val/acc"]
    assert summary["best/value"] == record.best["value"]
    assert summary["train/loss"]["last"] == read_metrics(Path("run/metrics.csv"))[-1]["train/loss"]
    assert summary["train/loss"]["max"] == read_metrics(Path("run/metrics.csv"))[0]["train/loss"]
    for row in instruments.read(Path("run"))[-4:]:  # of the last measured step: all, and three layers
        for quantity, value in row.values.items():
            if value is not None:
                shown = summary[instruments.logged_name(quantity, row.layer)]
                shown = shown if "." in row.layer else shown["last"]  # W&B keeps no extremes of names with a dot
                assert shown == pytest.approx(value, rel=1e-6), (quantity, row.layer)
    assert record.advice
    assert summary["advice"] == [each["text"] for each in record.advice]
    assert summary["trainer/global_step"] in (42, {"last": 42}) or summary["trainer/global_step"]["last"] == 42


def test_every_run_of_a_process_has_its_own_record_and_exit_state(train: Train, tmp_path: Path) -> None:
    train("logger=wandb", folder="good")
    train("logger=wandb", "optimizer=sgd", "optimizer.lr=1e18", "loss=mse", folder="diverged")
    interrupted(tmp_path / "stopped", 5, "logger=wandb")
    with pytest.raises(RuntimeError):
        train("logger=wandb", "model=linear", "model._target_=tests.test_run.Broken", folder="broken")
    found = {name: leet(Path(name))["summary"]["status"] for name in ("good", "diverged", "stopped", "broken")}
    assert found == {"good": "finished", "diverged": "diverged", "stopped": "interrupted", "broken": "failed"}


def test_an_offline_run_is_uploaded(train: Train) -> None:
    """As far as a stand-in for the server can tell: the run with its config, its history, its files."""
    train("logger=wandb", "logger.wandb.group=first")
    [place] = Path("run").glob("wandb/offline-run-*")
    with wandb_server() as server:
        assert "Finished syncing" in sync(place, server)
    first = server.of("UpsertBucket")[0]
    assert (first["project"], first["groupName"], first["jobType"]) == ("optlab", "first", "train")
    assert json.loads(first["config"])["configuration"]["value"].startswith("adam lr=0.001 constant")
    assert json.loads(server.files["wandb-summary.json"])["status"] == "finished"


def test_the_best_checkpoint_is_an_artifact(train: Train) -> None:
    """It is uploaded from where it lies, so that offline it is not there twice."""
    train("logger=wandb", "logger.wandb.log_model=best")
    [place] = Path("run").glob("wandb/offline-run-*")
    assert not list(Path.home().glob(".local/share/wandb/artifacts/staging/*"))
    with wandb_server() as server:
        sync(place, server)
    [artifact] = server.of("CreateArtifact")
    assert artifact["input"]["artifactTypeName"] == "model"
    assert {alias["alias"] for alias in artifact["input"]["aliases"]} == {"latest", "best"}
    assert server.files["artifact/best.ckpt"] == Path("run/checkpoints/best.ckpt").read_bytes()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("all", "logger.wandb.log_model=all: must be one of false, best; every checkpoint of every run would take"),
        ("best callbacks=no_checkpoints", "logger.wandb.log_model=best: these callbacks keep no best.ckpt; type callb"),
        ("best callbacks.checkpoint.best=false", "logger.wandb.log_model=best: these callbacks keep no best.ckpt"),
    ],
)
def test_a_checkpoint_that_is_not_there_is_refused_before_the_run(train: Train, words: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        train("logger=wandb", *f"logger.wandb.log_model={words}".split())
    assert not Path("run").exists()


def test_a_run_that_goes_on_in_its_folder_is_one_wandb_run(train: Train, tmp_path: Path) -> None:
    """Two parts of one run offline, which `wandb sync` puts together: it asks the server where the first one ended."""
    interrupted(tmp_path / "run", 30, "logger=wandb")
    train("logger=wandb", "ckpt=run/checkpoints/last.ckpt")
    first, second = sorted(Path("run").glob("wandb/offline-run-*/*.wandb"))
    assert first.name == second.name
    with wandb_server() as server:
        sync(second.parent, server)
    assert [each["name"] for each in server.of("RunResumeStatus")] == [first.stem.removeprefix("run-")]
    train("logger=wandb", "ckpt=run/checkpoints/last.ckpt", "trainer.max_epochs=3", folder="longer")
    [other] = Path("longer").glob("wandb/offline-run-*/*.wandb")
    assert other.name != first.name


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
