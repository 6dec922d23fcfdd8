"""What `optlab` does beside training: each command is a module here, with a `main(arguments)` that gives the exit code.

The modules are imported when they are called: a report takes no Hydra, and `optlab --help` none of them.
"""

from collections.abc import Sequence
from importlib import import_module

from optlab.errors import UserError
from optlab.rules.nearest import nearest

COMMANDS = {
    "report": "read sweeps and say what they show",
    "dashboard": "build a W&B workspace for a sweep",
    "conformance": "check an optimizer of your own",
    "surfaces": "draw the paths of optimizers over functions of two weights",
    "init": "write a small project of your own",
}


def called(arguments: Sequence[str]) -> str | None:
    """The command that the first word names; None where it is an override or a flag, which are the training's.

    Raises:
        UserError: a word that is nearly a command.
    """
    word = arguments[0] if arguments else ""
    if word in COMMANDS:
        return word
    if word.isidentifier() and (close := nearest(word, COMMANDS, cutoff=0.7)):
        raise UserError(f"{word}: there is no such command; did you mean {close[0]}? known: {', '.join(COMMANDS)}")
    return None


def completing(line: str) -> tuple[list[str], bool]:
    """The commands that may be meant where a shell's line ends, and whether overrides may be, too.

    Behind a command stands what `optlab.config.completion` knows of it.
    """
    words = line.split()[1:]
    if words and (len(words) > 1 or line.endswith(" ")):
        return [], words[0] not in COMMANDS
    return [name for name in COMMANDS if name.startswith("".join(words))], True


def run(command: str, arguments: Sequence[str]) -> int:
    """Run a command; returns its exit code."""
    return int(import_module(f"optlab.commands.{command}").main(arguments))
