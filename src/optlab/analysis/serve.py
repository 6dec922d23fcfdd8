"""The folder of a report on the loopback address: for a browser elsewhere, through an ssh tunnel.

Nothing but that folder is served: no path leads out of it, neither by `..` nor by a link, and no name that begins with
a dot is there. Only this machine can connect, and only under its own name, so that no page of the web can read it.
"""

import errno
import getpass
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from optlab.errors import UserError
from optlab.rules.files import REPORT_FILE

ADDRESS = "127.0.0.1"
MOST_PORTS = 65535
TEXT = (".log", ".csv", ".json", ".yaml", ".md", ".tex", ".txt")  # shown, where a browser would save them


class Handler(SimpleHTTPRequestHandler):
    """Files of one folder, its page for `/`, and the names in a run folder."""

    server_version = "optlab"
    sys_version = ""
    extensions_map = SimpleHTTPRequestHandler.extensions_map | dict.fromkeys(TEXT, "text/plain; charset=utf-8")

    def send_head(self) -> BytesIO | BinaryIO | None:
        name = (self.headers.get("Host") or "").rpartition(":")[0]
        if name not in (ADDRESS, "localhost"):
            self.send_error(HTTPStatus.FORBIDDEN, "this server is for this machine alone")
            return None
        if self.inside() is None:
            self.send_error(HTTPStatus.NOT_FOUND, "not in the folder of the report")
            return None
        return super().send_head()

    def inside(self) -> Path | None:
        """The file or folder that is asked for, where it lies within the folder that is served."""
        root = Path(self.directory).resolve()
        try:
            found = Path(self.translate_path(self.path)).resolve(strict=True)
        except (OSError, ValueError):
            return None
        if found != root and root not in found.parents:
            return None
        asked = unquote(urlsplit(self.path).path).split("/")
        names = [*asked, *found.relative_to(root).parts]
        return None if any(name.startswith(".") or "\0" in name for name in names) else found

    def translate_path(self, path: str) -> str:
        return super().translate_path(f"/{REPORT_FILE}" if urlsplit(path).path == "/" else path)

    def list_directory(self, path: str) -> BytesIO | None:  # type: ignore[override]
        """The names in a run folder, without those that begin with a dot."""
        names = sorted(entry.name + "/" * entry.is_dir() for entry in Path(path).iterdir() if entry.name[0] != ".")
        content = self.listing(names).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return BytesIO(content)

    def listing(self, names: list[str]) -> str:
        from html import escape
        from urllib.parse import quote

        title = escape(unquote(urlsplit(self.path).path))
        items = "".join(f'<li><a href="./{quote(name)}">{escape(name)}</a></li>' for name in ["../", *names])
        return f'<!doctype html><meta charset="utf-8"><title>{title}</title><h1>{title}</h1><ul>{items}</ul>'

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing: what is printed is about the sweep."""


@contextmanager
def serving(folder: Path, wanted: int | str) -> Iterator[int]:
    """Serve a folder on the loopback address while the body runs; gives the port, a free one for 0.

    Raises:
        UserError: the port is taken, or none that may be used.
    """
    text = str(wanted)
    port = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= port <= MOST_PORTS:
        raise UserError(f"--serve {wanted}: a port is a number from 1 to {MOST_PORTS}; 0 takes a free one")

    def handler(*arguments: object, **more: object) -> Handler:
        return Handler(*arguments, directory=str(folder), **more)  # type: ignore[arg-type]

    try:
        server = ThreadingHTTPServer((ADDRESS, port), handler)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = "taken" if taken else f"of no use here ({error.strerror})"
        raise UserError(f"--serve {port}: this port is {why}; type another, or 0 for a free one") from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="report-server", daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def where_to_look(port: int) -> str:
    """What to open here, and what to type elsewhere."""
    tunnel = f"ssh -L {port}:{ADDRESS}:{port} {getpass.getuser()}@{socket.gethostname()}"
    return f"serve   http://{ADDRESS}:{port}/ ; from another machine first: {tunnel}"
