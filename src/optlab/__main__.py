"""`optlab` as it is installed: a command, or the training of train.py. Light at import."""

import os
import sys
from typing import Any

from optlab import commands
from optlab.errors import UserError


def main() -> Any:
    """The console script; returns the exit code."""
    arguments = sys.argv[1:]
    try:
        command = commands.called(arguments)
    except UserError as error:
        print(f"optlab: {error}", file=sys.stderr)
        return 1
    if command is not None:
        return commands.run(command, arguments[1:])
    if "--version" in arguments:
        from importlib.metadata import version

        print(f"optlab {version('optlab')}")
        return 0
    if any(word.startswith("query=") for word in arguments) and "COMP_LINE" in os.environ:
        names, overrides = commands.completing(os.environ["COMP_LINE"])
        print("".join(f"{name}\n" for name in names), end="")
        if not overrides:
            from optlab.config.completion import completed

            print(completed(arguments) or "")
            return 0
    from optlab.cli import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
