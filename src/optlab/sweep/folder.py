"""The folder of a sweep: named and shared, or new and nobody else's; and the locks of its jobs."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from optlab.config import places
from optlab.config.overrides import check_sweep_name
from optlab.errors import UserError
from optlab.planned import Planned, PlannedRun
from optlab.record import cannot_write, shortest, write_whole
from optlab.rules.commands import sweep_command, sweep_commands
from optlab.rules.files import SWEEP_FILE

LOCKS = ".locks"


@contextmanager
def open_sweep(config: DictConfig) -> Iterator[Path]:
    """The absolute folder of a sweep, fixed in `config` (`sweep`, and through it `hydra.sweep.dir`).

    A sweep that is not named gets a folder of its own, claimed by making it, so that two that start in the same
    second do not meet; it is removed again when the body ends without having put anything there. A named one may
    exist: the sweep then goes on in it, beside other processes that do the same. With `dry_run` no folder is made.

    Raises:
        UserError: a name that cannot be a folder's, or a folder that another program made.
    """
    named = not OmegaConf.is_interpolation(config, "sweep")
    placed = any(str(word).startswith("hydra.sweep.dir=") for word in config.hydra.overrides.hydra)
    check_sweep_name(config.sweep)
    name = str(config.sweep)
    fix_name(config, name)
    folder = Path(config.hydra.sweep.dir).absolute()
    if named or placed:
        check_is_ours(folder)
        yield folder
        return
    if config.dry_run:
        yield folder
        return
    folder = claim(config, name)
    try:
        yield folder
    finally:
        if not any(folder.iterdir()):
            folder.rmdir()


def fix_name(config: DictConfig, name: str) -> None:
    with read_write(config), open_dict(config):
        config.sweep = name


def claim(config: DictConfig, name: str) -> Path:
    """Make a folder that did not exist: `<name>`, or `<name>-2`, `<name>-3` ... where others were quicker."""
    number = 1
    while True:
        fix_name(config, name if number == 1 else f"{name}-{number}")
        folder = Path(config.hydra.sweep.dir).absolute()
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
        except FileExistsError:
            number += 1
        except OSError as error:
            raise cannot_write(folder, error) from error
        else:
            return folder


def check_is_ours(folder: Path) -> None:
    """Raise UserError when a folder holds something and was not made by a sweep."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{shortest(folder)} is a file; give the sweep another name with sweep=NAME")
    if not folder.exists() or (folder / SWEEP_FILE).exists():
        return
    strangers = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if strangers and not (folder / SWEEP_FILE).exists():  # asked again: another process may have just begun the sweep
        raise UserError(
            f"{shortest(folder)} holds {strangers[0]} and no {SWEEP_FILE}, so no sweep made it; "
            "choose another name with sweep=NAME"
        )


def write_plan(config: DictConfig, folder: Path) -> None:
    """Write multirun.yaml: `commands`, all that were typed for this sweep, and the last one's config as Hydra does."""
    try:
        (folder / LOCKS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    with FileLock(folder / LOCKS / "plan.lock"):
        command = sweep_command(config.hydra.overrides, places.current().words)
        commands = dict.fromkeys([*commands_of(folder), command])
        text = yaml.safe_dump({"commands": list(commands)}, width=math.inf)
        write_whole(folder / SWEEP_FILE, text + OmegaConf.to_yaml(config))


def write_planned(folder: Path, runs: Iterable[PlannedRun], expected: int = 0, threads: int | None = None) -> None:
    """Add runs to planned.json, beside those of other commands on this sweep; one that cannot be read is replaced.

    Args:
        expected: how many runs there will be in all, where more are to come than are known.
        threads: of each run, where a command before did not say it.
    """
    with FileLock(folder / LOCKS / "plan.lock"):
        try:
            before = Planned.read(folder) or Planned()
        except UserError:
            before = Planned()
        after = before.adding(runs, expected, threads)
        if after != before:
            after.write(folder)


def commands_of(folder: Path) -> list[str]:
    """The commands typed so far for a sweep, in order; a file that cannot be read is replaced."""
    try:
        content = yaml.safe_load((folder / SWEEP_FILE).read_text(encoding="utf-8"))
        return sweep_commands(content)
    except (OSError, ValueError, yaml.YAMLError, AttributeError, LookupError, TypeError):
        return []


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Whether this process has the run folder to itself for the time of the block; never waits.

    The lock is the operating system's, so a killed process leaves none behind. Its file stands beside the run
    folder, not in it.
    """
    lock = lock_of(folder)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def lock_of(folder: Path) -> FileLock:
    locks = folder.parent / LOCKS
    locks.mkdir(parents=True, exist_ok=True)
    return FileLock(locks / f"{folder.name}.lock")
