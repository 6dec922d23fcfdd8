"""SwanLab offline, read from the files that its own `swanlab sync` uploads; its mode, and that it asks for nothing."""

import logging
import socket
from pathlib import Path

import pytest

from optlab.config.schema import Call
from optlab.errors import UserError
from optlab.tracking.known import SwanLab
from tests.conftest import Train
from tests.test_resume import interrupted

pytest.importorskip("swanlab")

CALL = {"_target_": "swanlab.integration.pytorch_lightning.SwanLabLogger"}


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "MODE", "API_HOST", "PROJ_NAME"):
        monkeypatch.delenv(f"SWANLAB_{name}", raising=False)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(Path.cwd()))
    monkeypatch.setenv("SWANLAB_ROOT", str(Path.cwd() / "swanlab-home"))


def content(folder: Path) -> bytes:
    """What the one run under a run folder holds; its numbers are packed, its names are not."""
    (file,) = folder.glob("swanlab/run-*/*.swanlab")
    return file.read_bytes()


def test_its_files_hold_config_metrics_and_how_each_run_ended(
    train: Train, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "optlab")
    train("logger=swanlab", folder="good")
    interrupted(tmp_path / "stopped", 5, "logger=swanlab")
    good, stopped = content(Path("good")), content(Path("stopped"))
    for name in (b"train/loss", b"val/acc", b"test/loss", b"adam-lr0.001-seed0"):
        assert name in good
    (config,) = Path("good").glob("swanlab/run-*/files/config.yaml")
    assert "adam lr=0.001 constant" in config.read_text()
    assert "finished" in config.read_text()
    assert b"interrupted" in stopped
    assert caplog.text.count("SwanLab: offline (no key: `swanlab login` stores one)") == 2
    assert "stopped recording" not in caplog.text


def mode(**arguments: str) -> str:
    return SwanLab("swanlab", Call.parse(CALL | arguments)).mode()


def test_with_a_key_the_mode_depends_on_a_short_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mode() == "offline"
    assert mode(mode="local") == "local"
    monkeypatch.setenv("SWANLAB_API_KEY", "k" * 21)
    monkeypatch.setenv("SWANLAB_API_HOST", "http://127.0.0.1:9")
    assert mode() == "offline"
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("SWANLAB_API_HOST", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert mode() == "online"
    monkeypatch.setenv("SWANLAB_MODE", "disabled")
    assert mode() == "disabled"


def test_a_mode_that_is_none_is_refused_before_a_run_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        UserError, match=r"logger\.swanlab\.mode=onlin: must be one of online, offline, local, disabled"
    ):
        SwanLab("swanlab", Call.parse(CALL | {"mode": "onlin"})).check()
    monkeypatch.setenv("SWANLAB_MODE", "of")
    with pytest.raises(UserError, match="SWANLAB_MODE=of"):
        SwanLab("swanlab", Call.parse(CALL)).check()
