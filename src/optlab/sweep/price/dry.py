"""`dry_run=true`: what a command would take, said without making a run or writing a file."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.plugins.launcher import Launcher
from rich.console import Console

from optlab.config.schema import Config
from optlab.console import console_for
from optlab.errors import UserError
from optlab.folders import PARENTS
from optlab.sweep import lengthen
from optlab.sweep.job import MODES, Job
from optlab.sweep.price.estimate import Price, estimate
from optlab.sweep.price.measured import Measured, configuration
from optlab.sweep.price.plan import Planned, left, planned
from optlab.sweep.price.recorded import recorded
from optlab.sweep.price.show import print_price
from optlab.sweep.price.study import replayed, rounds
from optlab.sweep.price.workers import Workers, workers_of
from optlab.sweep.study.samplers import TreeParzen

if TYPE_CHECKING:
    from optlab.inputs import Sources
    from optlab.sweep.study.conduct import Study

NOTHING = "dry_run=true: nothing was run or written; the same command without it begins"


def of_grid(
    jobs: Sequence[Job], folder: Path, launcher: Launcher, name: str, factors: Mapping[str, Sequence[str]], retry: bool
) -> None:
    """Print what a grid would take.

    Args:
        name: of the launcher, as typed.
        factors: what is compared, by key.
    """
    console = console_for("words")
    console.print(f"\n[bold]Sweep {folder.name}[/bold], {len(jobs)} runs", soft_wrap=True)
    width = max(map(len, factors), default=0)
    for key, values in factors.items():
        console.print(f"{key:<{width}}  {', '.join(values)}", markup=False, soft_wrap=True)
    for line in lengthen.lines(jobs):
        console.print(line, markup=False, soft_wrap=True)
    say([[planned(job, retry=retry) for job in jobs]], folder, launcher, name, retry, console)


def of_study(study: "Study", name: str, retry: bool) -> None:
    """Print what is left of a study, whose plan stands above."""
    with tempfile.TemporaryDirectory(prefix="optlab-") as apart:
        if study.propose is not None:  # TPE writes down what it is asked
            study.propose = TreeParzen(Path(apart), study.protocol.options.sampler_seed, study.protocol.trials)
        replayed(study, retry=retry)
        plan = rounds(study, retry=retry)
    say(plan, study.folder, study.launcher, name, retry, console_for("words"))


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


def say(
    rounds: Sequence[Sequence[Planned]],
    folder: Path,
    launcher: Launcher | None,
    name: str,
    retry: bool,
    console: Console,
) -> None:
    """Print the price of what is left of these rounds, and that nothing was done."""
    runs = [run for each in rounds for run in each]
    workers = (
        workers_of(launcher, name, runs[0].config, max(len(runs) for runs in rounds)) if runs else Workers(name, 1)
    )
    console.print()
    print_price(price(rounds, workers, retry=retry), folder, console)
    console.print(NOTHING, markup=False, soft_wrap=True)


def price(
    rounds: Sequence[Sequence[Planned]], workers: Workers, *, retry: bool = False, sources: "Sources | None" = None
) -> Price:
    """The price of what is left, from runs on disk where there are such of a configuration, else from ten steps.

    Raises:
        UserError: a run would be refused.
    """
    to_do = left(rounds, retry=retry)
    costs: dict[str, Measured | str] = {**recorded(run for runs in rounds for run in runs)}
    unknown = {configuration(run.config): run for runs in to_do for run in runs}
    unknown = {key: run for key, run in unknown.items() if key not in costs}
    slower = 1.0
    if unknown:
        from optlab.sweep.price.measure import NotMeasured, measure  # with torch, which a complete sweep does without
        from optlab.sweep.price.together import slowdown

        shared: Sources = {} if sources is None else sources
        for key, run in unknown.items():
            try:
                costs[key] = measure(run.config, shared)
            except NotMeasured as reason:
                costs[key] = str(reason)
        slower = slowdown(workers)
    return estimate(rounds, to_do, costs, workers, slower)
