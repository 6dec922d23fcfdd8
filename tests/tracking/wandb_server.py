"""A stand-in for W&B's server on the loopback address: takes what `wandb sync` sends, and remembers it."""

import gzip
import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from tests.tracking.leet import PROGRAM


@dataclass
class Seen:
    """What a server was asked: GraphQL operations with their variables, and the files that were uploaded."""

    url: str
    operations: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)

    def of(self, operation: str) -> list[dict[str, Any]]:
        return [variables for name, variables in self.operations if name == operation]


@contextmanager
def wandb_server() -> Iterator[Seen]:
    """A server for the time of the block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # the client hangs up when it has finished
        seen = Seen(f"http://127.0.0.1:{server.server_address[1]}")
        server.seen = seen  # type: ignore[attr-defined]
        Thread(target=server.serve_forever, daemon=True).start()
        yield seen
        server.shutdown()


def sync(place: Path, server: Seen) -> str:
    """`wandb sync` of an offline run to the server, in a process of its own; what it printed."""
    env = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}  # nothing of this process'
    env |= {"WANDB_API_KEY": "k" * 40, "WANDB_BASE_URL": server.url}
    done = subprocess.run([PROGRAM, "sync", place], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        body, seen = self.body(), self.seen
        if self.path != "/graphql":
            return self.answer({})
        content = json.loads(body)
        found = re.search(r"(?:query|mutation)\s+(\w+)", content["query"])
        name, variables = found[1] if found else "", content.get("variables") or {}
        seen.operations.append((name, variables))
        return self.answer({"data": answers(name, variables, seen.url)})

    def do_PUT(self) -> None:
        self.seen.files[self.path.removeprefix("/storage/").replace("%20", " ")] = self.body()
        self.answer({})

    @property
    def seen(self) -> Seen:
        return self.server.seen  # type: ignore[attr-defined,no-any-return]

    def body(self) -> bytes:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(content) if self.headers.get("Content-Encoding") == "gzip" else content

    def answer(self, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def answers(operation: str, variables: dict[str, Any], url: str) -> dict[str, Any]:
    """As little of what W&B answers as its client goes on with."""
    project = {"name": "optlab", "entity": {"name": "somebody"}}
    manifest = {"id": "M", "file": {"name": "", "uploadUrl": f"{url}/storage/manifest", "uploadHeaders": []}}
    if operation == "Viewer":
        return {"viewer": {"id": "V", "username": "somebody", "entity": "somebody", "flags": "{}"}}
    if operation == "ArtifactType":
        kind = {"id": "T", "name": "run_table", "description": "", "createdAt": ""}
        return {"project": {"artifactType": kind, "artifact": None}}
    if operation == "UpsertBucket":
        bucket = {"id": "B", "name": variables["name"], "displayName": "", "config": "{}", "project": project}
        return {"upsertBucket": {"bucket": {**bucket, "historyLineCount": 0}, "inserted": True}}
    if operation == "CreateRunFiles":
        files = [{"name": name, "uploadUrl": f"{url}/storage/{name}"} for name in variables["files"]]
        return {"createRunFiles": {"runID": "B", "uploadHeaders": [], "files": files}}
    if operation == "CreateArtifact":
        return {"createArtifact": {"artifact": {"id": "A", "state": "PENDING", "artifactSequence": {"id": "S"}}}}
    if operation == "CreateArtifactManifest":
        return {"createArtifactManifest": {"artifactManifest": manifest}}
    if operation == "UpdateArtifactManifest":
        return {"updateArtifactManifest": {"artifactManifest": manifest}}
    if operation == "CreateArtifactFiles":
        names = [each["name"] for each in variables["input"]["artifactFiles"]]
        where = {"uploadHeaders": [], "storagePath": "", "artifact": {"id": "A"}}
        nodes = [{"node": {"name": name, "uploadUrl": f"{url}/storage/artifact/{name}", **where}} for name in names]
        return {"createArtifactFiles": {"files": {"edges": nodes}}}
    if operation == "CommitArtifact":
        return {"commitArtifact": {"artifact": {"id": "A"}}}
    return {}
