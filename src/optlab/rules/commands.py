"""The commands that repeat a run or a sweep."""

import shlex
from collections.abc import Iterable, Mapping
from typing import Any


def run_command(overrides: Iterable[str]) -> str:
    """What repeats one run."""
    return " ".join(["python train.py", *map(shlex.quote, overrides)])


def sweep_command(overrides: Mapping[str, Any]) -> str:
    """A multirun as it is typed, by Hydra's record of its words; without those that change no run's result."""
    words = [str(word) for word in overrides.get("hydra") or [] if not str(word).startswith("hydra.mode=")]
    words += [str(word) for word in overrides.get("task") or [] if not str(word).startswith("retry=")]
    return " ".join(["python train.py -m", *map(shlex.quote, words)])


def sweep_commands(plan: Mapping[str, Any]) -> list[str]:
    """All that was typed for a sweep, by the content of its multirun.yaml; Hydra's own sweepers know the last only."""
    commands = plan.get("commands")
    if isinstance(commands, list) and commands:
        return [str(command) for command in commands]
    overrides = plan.get("hydra", {}).get("overrides", {})
    return [sweep_command(overrides)] if any(overrides.get(key) for key in ("hydra", "task")) else []
