"""trace.html: one file that needs no network, made of what trace.json holds."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from optlab.record import write_whole
from optlab.teaching.words import say


def write(trace: Mapping[str, Any], path: Path, lang: str = "en") -> None:
    """Write the page of a trace.

    Args:
        trace: what trace.json holds.
        path: the file.
        lang: the language in which it opens where the reader has chosen none.

    Raises:
        UserError: it cannot be written.
    """
    write_whole(path, render(trace, lang))


def render(trace: Mapping[str, Any], lang: str = "en") -> str:
    """The page of a trace, as a text."""
    environment = Environment(
        loader=PackageLoader("optlab.teaching.page", "files"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template("trace.html.j2").render(
        title=say("page.title", lang, optimizer=trace["run"]["optimizer"]), lang=lang, version=version("optlab")
    )
