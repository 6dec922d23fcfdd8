"""MLflow's files read back with its own client; and servers that refuse, hang, or die in the middle of a run."""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Train
from tests.metrics import read_metrics
from tests.test_resume import interrupted

NAMES = ("TRACKING_URI", "ALLOW_FILE_STORE", "DISABLE_TELEMETRY", "HTTP_REQUEST_TIMEOUT", "HTTP_REQUEST_MAX_RETRIES")


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:  # what a run sets for the process is to be taken back as well
        monkeypatch.setenv(f"MLFLOW_{name}", "")
        monkeypatch.delenv(f"MLFLOW_{name}")
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def runs_in(store: Path, experiment: str = "optlab") -> list[Any]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"file:{store.absolute()}")
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return list(client.search_runs([found.experiment_id]))


def history(store: Path, run: str, metric: str) -> list[tuple[int, float]]:
    from mlflow.tracking import MlflowClient

    found = MlflowClient(f"file:{store.absolute()}").get_metric_history(run, metric)
    return [(each.step, each.value) for each in found]


def test_its_files_hold_parameters_tags_and_every_epoch(train: Train, caplog: pytest.LogCaptureFixture) -> None:
    record = train("logger=mlflow", "optimizer=momentum", "sweep=mine", folder="mine/run")
    (run,) = runs_in(Path("mine/run/mlflow"), "mine")
    assert (run.info.status, run.info.run_name) == ("FINISHED", "momentum-lr0.03-seed0")
    assert run.data.params["optimizer/lr"] == "0.03"
    assert run.data.tags["configuration"].startswith("momentum lr=0.03 constant")
    assert [run.data.tags[key] for key in ("phase", "sweep", "status")] == ["train", "mine", "finished"]
    rows = read_metrics(Path("mine/run/metrics.csv"))
    for name in ("train/loss", "val/acc"):
        seen = history(Path("mine/run/mlflow"), run.info.run_id, name)
        assert seen == [(row["step"], row[name]) for row in rows]
    assert run.data.metrics["test/loss"] == record.metrics["test/loss"]
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def test_jobs_that_begin_together_share_an_experiment(
    train: Train, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from mlflow.tracking import MlflowClient

    make = MlflowClient.create_experiment

    def made_by_another(self: Any, name: str, **words: Any) -> Any:
        make(self, name, **words)
        return make(self, name, **words)  # what is raised for a name that is taken

    monkeypatch.setattr(MlflowClient, "create_experiment", made_by_another)
    train("logger=mlflow")
    assert [run.info.status for run in runs_in(Path("run/mlflow"))] == ["FINISHED"]
    assert "stopped recording" not in caplog.text


def test_every_run_of_a_process_ends_with_its_own_status(train: Train, tmp_path: Path) -> None:
    shared = ("logger=mlflow", f"logger.mlflow.tracking_uri=file:{tmp_path}/shared")
    train(*shared, folder="good")
    train(*shared, "optimizer=sgd", "optimizer.lr=1e18", "loss=mse", folder="diverged")
    interrupted(tmp_path / "stopped", 5, *shared)
    with pytest.raises(RuntimeError):
        train(*shared, "model=linear", "model._target_=tests.test_run.Broken", folder="broken")
    found = {(run.data.tags["status"], run.info.status) for run in runs_in(tmp_path / "shared")}
    assert found == {
        ("finished", "FINISHED"),
        ("diverged", "FINISHED"),
        ("interrupted", "KILLED"),
        ("failed", "FAILED"),
    }


def test_a_run_that_goes_on_goes_on_in_the_same_mlflow_run(train: Train, tmp_path: Path) -> None:
    words = ("logger=mlflow", "trainer.max_epochs=3")
    interrupted(tmp_path / "run", 30, *words)
    assert [run.info.status for run in runs_in(Path("run/mlflow"))] == ["KILLED"]
    train(*words, f"ckpt={tmp_path}/run/checkpoints/last.ckpt")
    (run,) = runs_in(Path("run/mlflow"))
    assert (run.info.status, run.data.tags["status"]) == ("FINISHED", "finished")
    assert [step for step, _ in history(Path("run/mlflow"), run.info.run_id, "val/acc")] == [21, 42, 63]


# -- servers


class Server(BaseHTTPRequestHandler):
    """As much of MLflow's server as a run needs; after `lives` requests it takes them and never answers."""

    seen: list[str]
    lives = 1000
    over: threading.Event
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        type(self).seen.append(self.path.split("?")[0].rpartition("2.0/mlflow/")[2])
        if len(type(self).seen) > type(self).lives:
            self.over.wait(60)
            self.close_connection = True
            return
        info = {"run_id": "r", "run_uuid": "r", "experiment_id": "1", "status": "RUNNING", "artifact_uri": "file:/x"}
        experiment = {"experiment_id": "1", "name": "optlab", "lifecycle_stage": "active", "artifact_location": "/x"}
        body = json.dumps({"experiment": experiment, "experiment_id": "1", "run": {"info": info, "data": {}}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def server(lives: int = 1000) -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []
    over = threading.Event()
    handler = type("Handler", (Server,), {"seen": seen, "lives": lives, "over": over})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as it:
        it.daemon_threads = True
        it.block_on_close = False
        threading.Thread(target=it.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{it.server_address[1]}", seen
        over.set()
        it.shutdown()


def test_a_server_gets_the_run(train: Train) -> None:
    with server() as (address, seen):
        assert train("logger=mlflow", f"logger.mlflow.tracking_uri={address}").status == "finished"
    assert seen.count("runs/create") == 1
    assert seen.count("runs/log-batch") >= 3
    assert seen[-1] == "runs/update"


def timed(train: Train, address: str, most: float) -> None:
    started = time.monotonic()
    assert train("logger=mlflow", f"logger.mlflow.tracking_uri={address}").status == "finished"
    assert time.monotonic() - started < most


def test_a_server_that_refuses_costs_nothing(train: Train, caplog: pytest.LogCaptureFixture) -> None:
    timed(train, "http://me:hunter2@127.0.0.1:9", 5)
    assert "hunter2" not in caplog.text
    assert caplog.text.count("MLflow could not start (ConnectionError: http://127.0.0.1:9 does not answer)") == 1


def test_a_server_that_takes_connections_and_never_answers_costs_seconds(
    train: Train, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as it:
        timed(train, f"http://127.0.0.1:{it.getsockname()[1]}", 30)
    assert caplog.text.count("MLflow stopped recording this run") == 1


def test_a_server_that_dies_in_the_middle_costs_seconds(
    train: Train, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with server(lives=9) as (address, seen):
        timed(train, address, 30)
        assert len(seen) >= 9
    assert caplog.text.count("MLflow stopped recording this run") == 1
