"""What the Tab key offers beyond Hydra's completion: run folders, and the values behind a comma. Light at import."""

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from optlab.config.places import groups, options

RUNS = ("outputs/runs/*", "outputs/sweeps/*/*")
# By which commands they are read.
READ: dict[str, tuple[str, ...]] = {
    "report": ("outputs/sweeps/*", "outputs/runs/*"),
    "dashboard": ("outputs/sweeps/*",),
}
SEPARATORS = {"bash": " ", "zsh": " ", "fish": "\n"}


def line_of(arguments: Sequence[str]) -> list[str] | None:
    """The words behind the program's name where a shell asks what may stand there; the last is the one to complete."""
    if not {"-sc", "--shell-completion"} & set(arguments) or not any(word.startswith("query=") for word in arguments):
        return None
    line = os.environ.get("COMP_LINE", "")
    try:
        words = shlex.split(line)
    except ValueError:  # a quotation mark without its second
        words = line.split()
    start = 2 if words and Path(words[0]).name.startswith("python") else 1
    return [*words[start:], ""] if line[-1:].isspace() else words[start:]


def completed(arguments: Sequence[str]) -> str | None:
    """What to print for the shell; None where Hydra knows more."""
    words = line_of(arguments)
    if not words or (found := suggestions(words)) is None:
        return None
    shell = next(word.partition("=")[2] for word in arguments if word.startswith("query="))
    return SEPARATORS.get(shell, " ").join(found)


def suggestions(words: Sequence[str]) -> list[str] | None:
    """What the last word may become; None where that is not known here."""
    *before, word = words
    if before and before[0] in READ and not word.startswith("-"):
        return folders(word, READ[before[0]], holding=("run.json", "multirun.yaml"))
    key, equals, value = word.partition("=")
    if equals and key == "ckpt":
        return [f"ckpt={folder}" for folder in folders(value, RUNS, holding=("checkpoints",))] or None
    group = key.lstrip("+")
    if equals and "," in value and group in groups():
        first, _, last = value.rpartition(",")
        taken = first.split(",")
        return [f"{key}={first},{name}" for name in options(group) if name.startswith(last) and name not in taken]
    return None


def folders(beginning: str, patterns: Iterable[str], *, holding: Sequence[str]) -> list[str]:
    """The folders that a path may become, of those that hold one of these, below where one stands."""
    found = (path for pattern in patterns for path in Path().glob(pattern) if path.is_dir())
    names = (str(path) for path in found if any((path / each).exists() for each in holding))
    return sorted(name for name in names if name.startswith(beginning.removeprefix("./")))
