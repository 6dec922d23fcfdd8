"""The command line of what is typed beside training: argparse's, whose mistakes are one line as everywhere else."""

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Reads a command's words; ends the process with 1 and one line where it cannot.

    Args:
        prog: as typed.
        description: printed by --help as it stands.
    """

    def __init__(self, prog: str, description: str | None) -> None:
        super().__init__(prog=prog, description=description, formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message: str) -> NoReturn:
        usage = " ".join(self.format_usage().split()).removeprefix("usage: ")
        self.exit(1, f"optlab: {message}; type {usage}\n")
