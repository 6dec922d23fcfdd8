"""Which folders of config files are in force: optlab's own, and those of whoever uses it. Light at import.

A user's folders are `--config-dir DIR`, those of `hydra.searchpath=[...]`, and `conf` where the command is typed. Each
adds options to any group, and groups of its own. Where two hold a file of the same name the first counts: optlab's own
before the others (a name in a table or a folder always means the same), then what was typed, then `./conf`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from optlab import objects

_INSIDE = Path(__file__).parents[1] / "conf"  # where an installed package has it
CONFIG_FOLDER = _INSIDE if _INSIDE.is_dir() else Path(__file__).parents[3] / "conf"
CONFIG_NAME = "train"
USERS_FOLDER = "conf"  # in the folder where a command is typed


@dataclass(frozen=True)
class Places:
    """Where a command takes its config from.

    Args:
        users: the user's folders, absolute, those that count first before the others.
        name: of the config that everything starts from, a file of one of the folders without its `.yaml`.
        words: what says so on the command line, to be typed again.
    """

    users: tuple[Path, ...] = ()
    name: str = CONFIG_NAME
    words: tuple[str, ...] = ()

    @property
    def folders(self) -> tuple[Path, ...]:
        return (CONFIG_FOLDER, *self.users)

    @property
    def import_paths(self) -> list[str]:
        """Where the modules lie that the user's configs name: beside the config folders, and where one stands."""
        return [str(folder) for folder in dict.fromkeys([Path.cwd(), *(each.parent for each in self.users)])]


_chosen: Places | None = None  # Hydra, too, keeps one application a process


@contextmanager
def using(places: Places) -> Iterator[None]:
    """Let these be in force within the block, for every thread of the process."""
    before = _chosen
    use(places)
    try:
        yield
    finally:
        use(before)


def use(places: Places | None) -> None:
    """Let these be in force from now on; None: those of a command without any words."""
    global _chosen
    _chosen = places


def chosen() -> Places | None:
    """What `using` or `use` put in force; None in another program."""
    return _chosen


def current() -> Places:
    """What is in force."""
    return _chosen or Places(beside())


def beside() -> tuple[Path, ...]:
    """The folder `conf` where one stands, unless it is optlab's own or holds no config."""
    folder = Path.cwd() / USERS_FOLDER
    if not folder.is_dir() or folder.resolve() == CONFIG_FOLDER.resolve() or not any(folder.rglob("*.yaml")):
        return ()
    return (folder,)


# -- what they hold


def folders() -> tuple[Path, ...]:
    """The config folders in force, optlab's own first."""
    return current().folders


def groups() -> list[str]:
    """The names of all groups but Hydra's own."""
    found = {path.name for folder in folders() for path in folder.iterdir() if path.is_dir()}
    return sorted(name for name in found if name != "hydra" and not name.startswith((".", "_")))


def options(group: str) -> list[str]:
    """The options of a group (`model`, `hydra/launcher`), in all folders, and what a program offers besides."""
    files = {path.stem for folder in folders() for path in (folder / group).glob("*.yaml")}
    return sorted({*files, *objects.options(group)})


def file_of(group: str, option: str) -> Path | None:
    """The yaml of an option; of a config that everything starts from where the group is empty."""
    # Looked up among the names that are there: an option may come from anywhere, and is no path.
    found = (path for folder in folders() for path in sorted((folder / group).glob("*.yaml")) if path.stem == option)
    return next(found, None)


def content_of(group: str, option: str) -> dict[str, Any]:
    """What the yaml of an option holds, without what it inherits; {} where there is none."""
    file = file_of(group, option)
    return read(file) if file is not None else objects.node(group, option)


def whole(group: str, option: str) -> dict[str, Any]:
    """What the yaml of an option holds, over what it inherits from others of its group (`defaults: [cnn]`)."""
    found: dict[str, Any] = {}
    for parent in parents(group, option):
        found |= whole(group, parent)
    return found | {key: value for key, value in content_of(group, option).items() if key != "defaults"}


def parents(group: str, option: str) -> list[str]:
    """The options of its own group that a yaml inherits from, by its defaults list."""
    entries = content_of(group, option).get("defaults") or []
    names = [entry.lstrip("/") for entry in entries if isinstance(entry, str)]
    known = [name for name in options(group) if name != option]
    return [name for name in names if name in known]


def default_option(group: str, config: str | None = None) -> str:
    """The option that a group has unless another is typed; `null` for none.

    Args:
        config: that everything starts from; the one in force without it.
    """
    name = config or current().name
    for entry in reversed(content_of("", name).get("defaults") or []):
        for key, option in entry.items() if isinstance(entry, dict) else ():
            if key.removeprefix("override").strip().lstrip("/") == group:
                return str("null" if option is None else option)
    return next((found for parent in parents("", name) if (found := default_option(group, parent)) != "null"), "null")


def read(file: Path) -> dict[str, Any]:
    """What a yaml holds, interpolations as they stand there. Not to be changed."""
    return _read(file, file.stat().st_mtime_ns)


@cache
def _read(file: Path, modified: int) -> dict[str, Any]:
    content = OmegaConf.to_container(OmegaConf.load(file))
    return {str(key): each for key, each in content.items()} if isinstance(content, dict) else {}


def hidden(group: str, option: str) -> Path | None:
    """The user's file that has the name of one of optlab's own options, and so does not count."""
    files = [folder / group / f"{option}.yaml" for folder in folders()]
    if not files[0].is_file():
        return None
    return next((file for file in files[1:] if file.is_file()), None)
