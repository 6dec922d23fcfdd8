"""How a command ends that cannot go on: one line for a person on stderr, and an exit code. Light at import."""

import sys
import traceback
from pathlib import Path
from typing import NoReturn


def complain(error: Exception) -> NoReturn:
    """Print one line (and where to find more) and exit with 1."""
    from optlab.config.mistakes import explain  # which a command that works has no need of

    lines = [f"optlab: {explain(error, sys.argv[1:])}", *getattr(error, "__notes__", [])]
    print("\n".join(lines), file=sys.stderr)
    sys.exit(1)


def leave_interrupted() -> NoReturn:
    """After Ctrl-C before training began."""
    print("optlab: interrupted before training began; nothing was written", file=sys.stderr)
    sys.exit(130)


def log_traceback(error: Exception, log_file: Path) -> None:
    """Put the traceback of a bug into the run's log, and where it stands onto the error."""
    with log_file.open("a", encoding="utf-8") as file:
        traceback.print_exception(error, file=file)
    error.add_note(f"the traceback stands in {log_file}; debug=true prints it here")
