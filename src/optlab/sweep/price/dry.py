"""`dry_run=true`: what a command would take, said without making a run or writing a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.plugins.launcher import Launcher
from rich.console import Console

from optlab.config.schema import Config
from optlab.console import console_for
from optlab.errors import UserError
from optlab.folders import PARENTS
from optlab.sweep.job import MODES, Job
from optlab.sweep.price.asked import look_at_gpus, sharer_of
from optlab.sweep.price.plan import Planned, at_once, left, planned
from optlab.sweep.price.quote import Rounds, downloads, quote
from optlab.sweep.price.show import print_price
from optlab.sweep.price.study import seen_from_here

if TYPE_CHECKING:
    from optlab.sweep.study.conduct import Study

NOTHING = "dry_run=true: nothing was run or written"
BEGINS = "; the same command without it begins"
SHOWS = "; the same command without it trains nothing and shows the results"


def of_grid(
    jobs: Sequence[Job],
    folder: Path,
    launcher: Launcher,
    name: str,
    factors: Mapping[str, Sequence[str]],
    said: Sequence[str],
    retry: bool,
) -> None:
    """Print what a grid would take.

    Args:
        name: of the launcher, as typed.
        factors: what is compared, by key.
        said: what the grid says of itself before its first run.
    """
    console = console_for("words")
    console.print(f"\n[bold]Sweep {folder.name}[/bold], {len(jobs)} runs", soft_wrap=True)
    width = max(map(len, factors), default=0)
    for key, values in factors.items():
        console.print(f"{key:<{width}}  {', '.join(values)}", markup=False, soft_wrap=True)
    for line in said:
        console.print(line, markup=False, soft_wrap=True)
    say([[planned(job, retry=retry) for job in jobs]], folder, launcher, name, retry, console)


def of_study(study: "Study", name: str, retry: bool) -> None:
    """Print what is left of a study, whose plan stands above."""
    say(seen_from_here(study, retry=retry), study.folder, study.launcher, name, retry, console_for("words"))


def of_run(plain: Mapping[str, Any]) -> None:
    """Print what a single run would take, behind a checkpoint or from its beginning.

    Raises:
        UserError: the run would be refused.
    """
    config = Config.parse(plain)
    if config.mode not in MODES:
        raise UserError(f"mode={config.mode}: dry_run says what training takes; leave it out, as this takes no time")
    done = 0
    if config.ckpt is not None:
        from optlab import checkpoint, resume

        done = resume.epochs_of(checkpoint.read(config.ckpt))
    say(
        [[Planned(config, epochs_done=done)]],
        Path("outputs", PARENTS[config.mode]),
        None,
        "",
        False,
        console_for("words"),
    )


def say(rounds: Rounds, folder: Path, launcher: Launcher | None, name: str, retry: bool, console: Console) -> None:
    """Print the price of what is left of these rounds, and that nothing was done."""
    if (sharer := sharer_of(launcher)) is not None:  # before this process uses a GPU itself
        look_at_gpus(sharer, at_once(left(rounds, retry=retry)))
    found = quote(rounds, launcher, name, retry=retry, offline=True)
    console.print()
    price = found.price()
    print_price(price, folder, console)
    for line in downloads(rounds, retry=retry):
        console.print(f"data     {line}", markup=False, soft_wrap=True)
    console.print(NOTHING + (BEGINS if price.left else SHOWS), markup=False, soft_wrap=True)
