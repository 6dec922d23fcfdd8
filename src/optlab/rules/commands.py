"""The commands that repeat a run or a sweep, and what a person types for them: the one place that knows the words.

What is recorded says `python train.py`, whoever recorded it; what a person is shown says what they typed.
"""

import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

RECORDED = "python train.py"
SCRIPTS = {  # in a checkout's scripts/
    "report": "report",
    "dashboard": "wandb_dashboard",
    "conformance": "conformance",
    "surfaces": "surfaces",
}
CHECKOUT = (Path(__file__).parents[3] / "train.py").is_file()  # false: installed from a wheel
OF_THE_SWEEP = ("retry=", "dry_run=", "report.live=")  # the words that say how a sweep goes, and nothing of its runs
PLACES = ("sweep=", "hydra.sweep.dir=")  # the words that say which folder a sweep goes to


def program() -> str:
    """What was typed to start this process: `optlab`, `python -m optlab`, or `python train.py` in a checkout."""
    script = Path(next(iter(sys.argv), ""))
    if script.stem == "optlab":
        return "optlab"
    if script.name == "__main__.py" and script.parent.name == "optlab":
        return "python -m optlab"
    return RECORDED if CHECKOUT else "optlab"


def tool(name: str) -> str:
    """What is typed for a command beside training, such as `report`: `optlab report`, or a checkout's script."""
    if program() == RECORDED:
        return f"python scripts/{SCRIPTS[name]}.py" if name in SCRIPTS else f"optlab {name}"
    return f"{program()} {name}"


def install(extra: str) -> str:
    """What installs the packages of an extra."""
    return f"pip install -e '.[{extra}]'" if CHECKOUT else f"pip install 'optlab[{extra}]'"


def as_typed(text: str) -> str:
    """A text that speaks of `python train.py` and a checkout's scripts, with the words that this process was typed by.

    What stands behind two spaces or more, such as a second column, stays where it is.
    """
    words = {f"python scripts/{script}.py": tool(name) for name, script in SCRIPTS.items()} | {RECORDED: program()}

    def line(match: re.Match[str]) -> str:
        word = words[match["word"]]
        gap = len(match["gap"]) + len(match["word"]) - len(word) if match["gap"] else 0
        return f"{word}{match['rest']}{' ' * max(gap, 2 if match['gap'] else 0)}"

    known = "|".join(map(re.escape, words))
    return re.sub(rf"(?P<word>{known})(?P<rest>(?:(?! {{2}}|{known}).)*)(?P<gap>(?: {{2,}})?)", line, text)


def run_command(overrides: Iterable[str]) -> str:
    """What repeats one run."""
    return f"{program()} {run_words(overrides)}".rstrip()


def run_words(overrides: Iterable[str]) -> str:
    """The words of `run_command`, without those that were about its sweep."""
    return shlex.join(word for word in overrides if not word.startswith(OF_THE_SWEEP))


def sweep_command(overrides: Mapping[str, Any], flags: Iterable[str] = ()) -> str:
    """A multirun as it is recorded, by Hydra's record of its words; without those that change no run's result.

    Args:
        flags: the words that say where the config comes from, of which Hydra records only those that are overrides.
    """
    words = [flag for flag in flags if flag.startswith("--")]
    words += [str(word) for word in overrides.get("hydra") or [] if not str(word).startswith("hydra.mode=")]
    words += [str(word) for word in overrides.get("task") or [] if not str(word).startswith(OF_THE_SWEEP)]
    return " ".join([f"{RECORDED} -m", *map(shlex.quote, words)])


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
