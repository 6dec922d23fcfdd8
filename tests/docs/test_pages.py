"""The pages for users: what they show of a file is the file, and what they say to type composes."""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from optlab.commands import COMMANDS
from tests.commandline import ROOT, command

DOCS = ROOT / "docs"
PAGES = ("extend.md", "inside.md", "recipes.md", "sweeps.md")
BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
OWN_FOLDER = ("--config-dir", "there/conf")  # what a section copies is there, too


class Section(NamedTuple):
    page: str
    heading: str
    text: str

    @property
    def topic(self) -> str | None:
        """The folder of docs/examples that the section works on."""
        found = re.search(r"\(examples/(\w+)/\)", self.text)
        return found[1] if found else None

    @property
    def commands(self) -> Iterator[list[str]]:
        """The words of each command, without `optlab` and without the comment behind it."""
        for language, block in BLOCK.findall(self.text):
            if language == "console":
                for line in block.replace("\\\n", " ").splitlines():
                    if line.strip().startswith("$ optlab "):
                        yield shlex.split(line, comments=True)[2:]


def sections() -> list[Section]:
    found = []
    for page in PAGES:
        parts = re.split(r"(?m)^## ", (DOCS / page).read_text("utf-8"))[1:]
        found += [Section(page, *part.split("\n", 1)) for part in parts]
    return found


def named(section: Section) -> str:
    return f"{section.page}-{section.heading}"


def one_run(words: list[str]) -> list[str]:
    """The first run of a multirun, as `--cfg` shows no other."""
    if "-m" not in words:
        return words
    keys_and_values = (word.partition("=") for word in words if word != "-m")
    return [key + sign + (value if value[:1] in "[{" else value.split(",")[0]) for key, sign, value in keys_and_values]


def prepared(topic: str | None) -> None:
    if topic:
        shutil.copytree(DOCS / "examples" / topic, ".", dirs_exist_ok=True)
        if Path("conf").is_dir():
            shutil.copytree("conf", OWN_FOLDER[1])


@pytest.mark.parametrize("section", sections(), ids=named)
def test_what_is_shown_of_a_file_stands_in_it(section: Section) -> None:
    shown = [block for language, block in BLOCK.findall(section.text) if language in ("python", "yaml")]
    assert section.topic or not shown, "the section shows a file and links to no folder of docs/examples"
    folder = DOCS / "examples" / (section.topic or "")
    files = [path.read_text("utf-8") for kind in ("*.py", "*.yaml") for path in folder.rglob(kind)]
    for block in shown:
        assert any(block in text for text in files), f"in no file of docs/examples/{section.topic}:\n{block}"


@pytest.mark.parametrize("section", [each for each in sections() if any(each.commands)], ids=named)
def test_what_is_to_be_typed_composes(section: Section) -> None:
    prepared(section.topic)
    for words in section.commands:
        if words[0] in COMMANDS:
            continue  # test_examples.py types these
        if any(word.startswith("ckpt=") for word in words):
            continue  # those too: they begin with a run
        result = command(*one_run(words), "--cfg", "hydra" if "hydra" in shlex.join(words) else "job")
        assert result.code == 0, f"optlab {shlex.join(words)}\n{result.err}"


@pytest.mark.parametrize("page", [*PAGES, "notes.md", "notes.zh.md"])
def test_links_lead_somewhere(page: str) -> None:
    text = (DOCS / page).read_text("utf-8")
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    headings = {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        assert (DOCS / path).exists(), target
        assert path or anchor in headings, target


def test_the_floor_plan_names_every_room() -> None:
    text = (DOCS / "architecture.md").read_text("utf-8")
    rooms = [
        path.stem
        for path in (ROOT / "src" / "optlab").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    ]
    assert {room for room in rooms if not re.search(rf"`{room}[`/]", text)} <= {"__init__"}
