"""Draw the paths of optimizers over functions of two weights, as in: optlab surfaces --optimizers sgd,adam

The optimizers are the options of that name, those of your own conf/ too, with every setting but lr as their yaml has
it. Each lr is searched in the same way, or typed. Writes a picture and an animation of each surface, surfaces.html to
explore them, and surfaces.json with every point of every path.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from optlab.errors import UserError
from optlab.record import shortest
from optlab.rules.arguments import Parser
from optlab.rules.commands import tool

if TYPE_CHECKING:
    from optlab.config.schema import Optimizer
    from optlab.teaching.surfaces.functions import Pair, Surface
    from optlab.teaching.surfaces.record import Walked

DEFAULT = "sgd,momentum,adam,rmsprop"
MOST_STEPS = 10_000


def parser() -> Parser:
    parser = Parser(tool("surfaces"), __doc__)
    parser.add_argument("--optimizers", default=DEFAULT, metavar="NAMES", help=f"default: {DEFAULT}")
    parser.add_argument("--surface", metavar="NAMES", help="rosenbrock, rastrigin, beale, ravine, saddle; default: all")
    parser.add_argument("--steps", default="200", help="of each path; default: 200")
    parser.add_argument("--lr", default="auto", help="of all optimizers, like 0.01; default: auto, searched for each")
    parser.add_argument("--start", nargs=2, metavar=("X", "Y"), help="where paths begin; default: each surface's own")
    parser.add_argument("--config-dir", metavar="DIR", help="a folder with optimizers of your own, as conf/ beside you")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: a new folder in outputs/surfaces/")
    parser.add_argument("--no-animation", action="store_true", help="leave out the GIFs")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = parser().parse_args(words)
    from optlab.adapters.torch import on_threads

    try:
        with on_threads(1):
            surfaces(options, f"{tool('surfaces')} {shlex.join(words)}".rstrip())
    except UserError as error:
        print(f"optlab: {error}", file=sys.stderr)
        return 1
    return 0


def surfaces(options: argparse.Namespace, command: str) -> None:
    """Check what was typed, walk every path, and write what shows them."""
    from optlab.teaching.surfaces.functions import SURFACES, named
    from optlab.teaching.surfaces.record import walked

    shown = [named(name) for name in listed(options.surface)] if options.surface else list(SURFACES.values())
    steps = whole("--steps", options.steps)
    lr = None if options.lr == "auto" else number("--lr", options.lr, positive=True)
    start = started(options.start, shown) if options.start else None
    settings = chosen(listed(options.optimizers), options.config_dir)
    folder = options.out or Path("outputs", "surfaces", f"{datetime.now():%Y-%m-%d_%H-%M-%S}")
    found = []
    for surface in shown:
        found.append(walked(surface, settings, steps, lr, start))
        print_table(found[-1])
    write(found, steps, command, folder, animated=not options.no_animation)


def chosen(names: Sequence[str], config_dir: str | None) -> "list[Optimizer]":
    """The settings of the optimizers, as runs have them.

    Raises:
        UserError: there is no such option, or it has no path over a surface.
    """
    from optlab.config import compose, resolve
    from optlab.config.schema import Optimizer
    from optlab.teaching.surfaces.walk import check

    found = []
    for name in names:
        config = resolve(compose([f"optimizer={name}"], config_dir=config_dir))
        settings = Optimizer.parse(config["optimizer"], "optimizer.")
        check(settings)
        found.append(settings)
    return found


def write(found: "Sequence[Walked]", steps: int, command: str, folder: Path, *, animated: bool) -> None:
    """The files, a line for each.

    Raises:
        UserError: the folder cannot be written to.
    """
    from optlab.teaching.surfaces import animation, page, pictures, record

    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "surfaces.json").write_text(record.as_json(found, steps, command), encoding="utf-8")
        for each in found:
            pictures.write(each, folder / f"{each.surface.name}.png")
            if animated:
                animation.write(each, steps, folder / f"{each.surface.name}.gif")
        (folder / "surfaces.html").write_text(page.render(found, steps, command), encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"--out {folder}: cannot write there: {error.strerror or error}; type another folder"
        ) from error
    print(f"page  {shortest(folder / 'surfaces.html')}")
    print(f"all   {shortest(folder)}")


def print_table(found: "Walked") -> None:
    """A surface and how each path over it ended."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    title = f"{found.surface.title}: {found.surface.formula}"
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("optimizer")
    for heading in ("lr", "f above minimum", "distance", "steps", "gradients"):
        table.add_column(heading, justify="right")
    for way in found.ways:
        lr = f"{way.lr:g}" + (" (edge)" if way.edge else "")
        end = [f"{way.above:.2g}", f"{way.distance:.2g}"] if way.diverged is None else ["diverged", "–"]
        table.add_row(way.optimizer, lr, *end, str(len(way.path.f) - 1), str(way.path.evaluations))
    Console(highlight=False).print(table)


# -- what was typed


def listed(typed: str) -> list[str]:
    """The names between commas, each once.

    Raises:
        UserError: there is none.
    """
    names = list(dict.fromkeys(name.strip() for name in typed.split(",") if name.strip()))
    if not names:
        raise UserError(f"{typed!r}: names nothing; type names with commas between them, like {DEFAULT}")
    return names


def started(typed: Sequence[str], shown: "Sequence[Surface]") -> "Pair":
    """The point where paths begin.

    Raises:
        UserError: no two numbers, or a point so far out that it would count as diverged.
    """
    from optlab.teaching.surfaces.walk import inside

    x, y = (number("--start", each) for each in typed)
    for surface in shown:
        if not inside(surface, x, y):
            raise UserError(
                f"--start {x:g} {y:g}: further from {surface.title}'s picture than {surface.far:g}, where paths "
                f"count as diverged; its own start is {surface.start[0]:g} {surface.start[1]:g}"
            )
    return x, y


def number(option: str, typed: str, *, positive: bool = False) -> float:
    """A number as it was typed.

    Raises:
        UserError: it is none, or not finite, or not above 0 where it has to be.
    """
    import math

    words = "a number above 0, or auto" if positive else "two numbers, like -1.2 1"
    try:
        value = float(typed)
    except ValueError as error:
        raise UserError(f"{option} {typed}: must be {words}") from error
    if not math.isfinite(value) or (positive and value <= 0):
        raise UserError(f"{option} {typed}: must be {words}")
    return value


def whole(option: str, typed: str) -> int:
    """A number of steps as it was typed."""
    if not (typed.isdecimal() and 1 <= int(typed) <= MOST_STEPS):
        raise UserError(f"{option} {typed}: must be a whole number from 1 to {MOST_STEPS:,}")
    return int(typed)
