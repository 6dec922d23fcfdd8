"""Write a small project of your own: a network, a data set, a test, and the config that names them.

optlab init mine && cd mine
optlab model=mine dataset=mine
"""

import shlex
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from optlab.errors import UserError
from optlab.rules.arguments import Parser
from optlab.rules.commands import program, tool
from optlab.rules.words import plural

# In the order in which they are best read.
FILES = ("README.md", "mine.py", "conf/model/mine.yaml", "conf/dataset/mine.yaml", "test_mine.py")


def parser() -> Parser:
    parser = Parser(tool("init"), __doc__)
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(), metavar="FOLDER", help="where to write; default: here"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    folder: Path = parser().parse_args(arguments).folder
    try:
        write(folder)
    except UserError as error:
        print(f"optlab: {error}", file=sys.stderr)
        return 1
    for name in FILES:
        print(f"wrote  {folder / name}")
    go = f"cd {shlex.quote(str(folder))} && " if folder != Path() else ""
    print(f"train  {go}{program()} model=mine dataset=mine")
    return 0


def write(folder: Path) -> None:
    """Write the project, or nothing of it.

    Raises:
        UserError: a file of it is there already, or the folder cannot be written to.
    """
    taken = [name for name in FILES if (folder / name).exists() or (folder / name).is_symlink()]
    if taken:
        more = f" and {plural(len(taken) - 1, 'other file')} of the project" if len(taken) > 1 else ""
        raise UserError(f"{folder / taken[0]}{more}: there already; name another folder, as in {tool('init')} mine2")
    template = files("optlab.commands") / "project"
    made: list[Path] = []
    try:
        for name in FILES:
            for parent in reversed((folder / name).parents):
                if not parent.exists():
                    parent.mkdir()
                    made.append(parent)
            with (folder / name).open("x", encoding="utf-8") as file:
                made.append(folder / name)
                file.write((template / name).read_text(encoding="utf-8"))
    except OSError as error:
        for path in reversed(made):
            path.rmdir() if path.is_dir() else path.unlink()
        raise UserError(f"{folder}: cannot be written to ({error.strerror}); name another folder") from error
