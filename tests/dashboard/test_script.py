"""scripts/wandb_dashboard.py as it is typed: JSON alone on stdout, one request to save, and one line for what fails."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import wandb

from optlab.commands import dashboard
from optlab.dashboard import save
from tests.analysis.made import make_sweep
from tests.dashboard.sweeps import study

SCRIPT = Path(__file__).parents[2] / "scripts" / "wandb_dashboard.py"


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_ENTITY", "NETRC", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(Path.cwd()))


class Client:
    """Stands where wandb's client sends GraphQL; keeps what it is asked."""

    asked: list[tuple[str, dict[str, Any]]] = []  # noqa: RUF012
    default_entity = "me"
    app_url = "https://wandb.example/"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._service_api = self

    def execute_graphql(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((query, variables))
        return {"upsertView": {"view": {"id": "1", "name": variables["name"]}, "inserted": True}}


@contextmanager
def server() -> Iterator[str]:
    """The address of a host that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def sections_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    sections: list[dict[str, Any]] = spec["section"]["panelBankConfig"]["sections"]
    return sections


def failed(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of a command that fails."""
    assert dashboard.main(words) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("optlab: ")
    return printed.err.strip().split("\n")[-1]


def test_saving_sends_one_request_with_what_the_dry_run_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study(tmp_path / "which")
    assert dashboard.main(["which", "--entity", "team", "--dry-run"]) == 0
    shown = json.loads(capsys.readouterr().out)
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    monkeypatch.setattr(wandb, "Api", Client)
    Client.asked.clear()
    with server() as address:
        monkeypatch.setenv("WANDB_BASE_URL", address)
        assert dashboard.main(["which", "--entity", "team"]) == 0
    ((query, variables),) = Client.asked
    assert "upsertView" in query
    assert (
        (variables["entityName"], variables["projectName"]) == (shown["entity"], shown["project"]) == ("team", "optlab")
    )
    assert variables["displayName"] == "optlab: which"
    assert variables["type"] == "project-view"
    sent = json.loads(variables["spec"])
    names = [[each["name"] for each in sections_of(spec)] for spec in (sent, shown["spec"])]
    assert names[0] == names[1]
    assert capsys.readouterr().out.startswith("saved  https://wandb.example/team/optlab?nw=")


def test_without_an_entity_it_is_the_accounts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study(tmp_path / "s")
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    monkeypatch.setattr(wandb, "Api", Client)
    Client.asked.clear()
    with server() as address:
        monkeypatch.setenv("WANDB_BASE_URL", address)
        assert dashboard.main(["s", "--project", "mine"]) == 0
    assert [(each["entityName"], each["projectName"]) for _, each in Client.asked] == [("me", "mine")]


def test_without_a_login_or_a_host_it_says_so_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study(tmp_path / "s")
    assert "saving needs a login: type wandb login" in failed(["s"], capsys)
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    assert "127.0.0.1 does not answer, so nothing was saved" in failed(["s"], capsys)


def test_a_host_that_never_answers_costs_a_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Hanging(Client):
        def execute_graphql(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
            time.sleep(2)
            return {}

    study(tmp_path / "s")
    monkeypatch.setattr(save, "SAVE_SECONDS", 0.2)
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    monkeypatch.setattr(wandb, "Api", Hanging)
    with server() as address:
        monkeypatch.setenv("WANDB_BASE_URL", address)
        assert "has not answered for 0.2 s" in failed(["s", "--entity", "e"], capsys)


def test_what_wandb_refuses_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Refusing(Client):
        def execute_graphql(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
            raise wandb.errors.CommError("permission\ndenied")

    study(tmp_path / "s")
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    monkeypatch.setattr(wandb, "Api", Refusing)
    with server() as address:
        monkeypatch.setenv("WANDB_BASE_URL", address)
        assert "W&B did not take it (CommError: permission denied)" in failed(["s", "--entity", "e"], capsys)


def test_bad_input_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_sweep(tmp_path / "plain", {"adam": [0.9]})
    assert "there is no such folder" in failed(["nowhere", "--dry-run"], capsys)
    assert "logger=wandb" in failed(["plain", "--dry-run"], capsys)
    study(tmp_path / "s")
    assert "--metric val/recall: no run here has it" in failed(["s", "--metric", "val/recall", "--dry-run"], capsys)
    monkeypatch.setattr(dashboard, "find_spec", lambda name: None)
    assert "pip install -e '.[dashboard]'" in failed(["s", "--dry-run"], capsys)


def test_as_a_command_it_prints_json_without_torch(tmp_path: Path) -> None:
    study(tmp_path / "s")
    check = (
        "import sys, runpy; sys.argv = ['wandb_dashboard.py', 's', '--dry-run']\n"
        f"try: runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        "found = {'torch', 'lightning'} & set(sys.modules)\n"
        "assert not found, found"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["displayName"] == "optlab: s"
    assert done.stderr == "optlab: no entity is named; saving takes that of the account that is logged in\n"
