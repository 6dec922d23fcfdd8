"""report.py --serve: the report's folder on the loopback address, and nothing else."""

import http.client
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from optlab.analysis.serve import serving, where_to_look
from optlab.errors import UserError

NAME = {"Host": "127.0.0.1:1"}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    root = tmp_path_factory.mktemp("served")
    (root / "secret.txt").write_text("secret")
    (root / "first-secrets").mkdir()
    (root / "first-secrets" / "a").write_text("secret")
    folder = root / "first"
    (folder / "run <b>" / ".hydra").mkdir(parents=True)
    (folder / "report.html").write_text("<p>page</p>")
    (folder / "run <b>" / "train.log").write_text("<b>loss</b>")
    (folder / "run <b>" / ".hydra" / "config.yaml").write_text("hidden")
    (folder / "out.txt").symlink_to(root / "secret.txt")
    (folder / "up").symlink_to(root)
    (folder / "within").symlink_to(folder / "run <b>")
    with serving(folder, 0) as port:
        yield port


def ask(port: int, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers=NAME if headers is None else headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_the_page_and_the_logs_of_its_runs_are_there(port: int) -> None:
    assert ask(port, "/") == (200, "<p>page</p>")
    assert ask(port, "/report.html?again=1#runs") == (200, "<p>page</p>")
    assert ask(port, "/run%20%3Cb%3E/train.log") == (200, "<b>loss</b>")
    assert ask(port, "/within/train.log") == (200, "<b>loss</b>")
    assert ask(port, "/", "HEAD") == (200, "")
    status, names = ask(port, "/run%20%3Cb%3E/")
    assert status == 200
    assert "train.log" in names
    assert "<h1>/run &lt;b&gt;/</h1>" in names
    assert ".hydra" not in names


@pytest.mark.parametrize(
    "path",
    [
        *("/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/run/../../secret.txt", "//../secret.txt"),
        *("/out.txt", "/up/", "/up/secret.txt", "/up/first-secrets/a", "/../first-secrets/a", "/..%5csecret.txt"),
        *("/run%20%3Cb%3E/.hydra/config.yaml", "/within/.hydra/", "/a%00b", "/nothing", "/%ff"),
    ],
)
def test_no_path_leads_out_and_hidden_files_are_not_there(port: int, path: str) -> None:
    status, text = ask(port, path)
    assert status == 404
    assert "secret" not in text.replace("first-secrets", "")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_changed(port: int, method: str) -> None:
    assert ask(port, "/", method)[0] == 501


def test_a_page_of_the_web_under_another_name_reads_nothing(port: int) -> None:
    assert ask(port, "/", headers={"Host": f"evil.example:{port}"})[0] == 403
    assert ask(port, "/", headers={"Host": f"localhost:{port}"})[0] == 200


def test_only_the_loopback_address_is_served(port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.2", port))  # free: on 0.0.0.0 it would be taken
    assert f"ssh -L {port}:127.0.0.1:{port} " in where_to_look(port)


def test_a_port_that_cannot_be_had_is_one_line(port: int, tmp_path: Path) -> None:
    for taken, words in (
        (port, "this port is taken; type another"),
        (70000, "a number from 1 to 65535"),
        ("abc", "--serve abc: a port is a number"),
    ):
        with pytest.raises(UserError, match=words), serving(tmp_path, taken):
            pass
    if os.getuid():
        with pytest.raises(UserError, match="of no use"), serving(tmp_path, 1):
            pass
