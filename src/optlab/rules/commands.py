"""The commands that repeat a run or a sweep."""

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

OF_THE_SWEEP = ("retry=", "report.live=")  # the words that say how a sweep goes, and nothing of its runs
PLACES = ("sweep=", "hydra.sweep.dir=")  # the words that say which folder a sweep goes to


def run_command(overrides: Iterable[str]) -> str:
    """What repeats one run."""
    words = [word for word in overrides if not word.startswith(OF_THE_SWEEP)]
    return " ".join(["python train.py", *map(shlex.quote, words)])


def sweep_command(overrides: Mapping[str, Any], flags: Iterable[str] = ()) -> str:
    """A multirun as it is typed, by Hydra's record of its words; without those that change no run's result.

    Args:
        flags: the words that say where the config comes from, of which Hydra records only those that are overrides.
    """
    words = [flag for flag in flags if flag.startswith("--")]
    words += [str(word) for word in overrides.get("hydra") or [] if not str(word).startswith("hydra.mode=")]
    words += [str(word) for word in overrides.get("task") or [] if not str(word).startswith(OF_THE_SWEEP)]
    return " ".join(["python train.py -m", *map(shlex.quote, words)])


def once_more(command: str) -> str:
    """A sweep's command without the folder that it went to: all of it runs again, in a new folder named by the time."""
    return shlex.join(word for word in shlex.split(command) if not word.startswith(PLACES))


def going_on(command: str, sweep: str) -> str:
    """A sweep's command with its folder: the runs that are there stay, and those that are missing are run."""
    words = shlex.split(command)
    return command if any(word.startswith(PLACES) for word in words) else shlex.join([*words, f"sweep={sweep}"])


def sweep_commands(plan: Mapping[str, Any]) -> list[str]:
    """All that was typed for a sweep, by the content of its multirun.yaml; Hydra's own sweepers know the last only."""
    commands = plan.get("commands")
    if isinstance(commands, list) and commands:
        return [str(command) for command in commands]
    overrides = plan.get("hydra", {}).get("overrides", {})
    return [sweep_command(overrides)] if any(overrides.get(key) for key in ("hydra", "task")) else []
