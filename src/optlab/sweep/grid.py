"""Plain multirun: every combination of the values that are separated by commas, each trained once."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from optlab.adapters.hydra import ConfigLoader, Override, choices, combinations, looks_elsewhere, parse
from optlab.adapters.process import cores
from optlab.console import console_for
from optlab.errors import UserError
from optlab.rules.threads import needs_work
from optlab.sweep import lengthen
from optlab.sweep.conclude import conclude, import_meanwhile
from optlab.sweep.execute import execute, side_by_side
from optlab.sweep.folder import open_sweep, write_plan, write_planned
from optlab.sweep.job import Job, Outcome, check, plan, unique
from optlab.sweep.price.fit import fit_to_gpus
from optlab.sweep.progress import watching
from optlab.sweep.threads import decide


def sweep(config_loader: ConfigLoader, config: DictConfig, launcher: Launcher, arguments: Sequence[str]) -> None:
    """Run every combination of the overrides that were typed in one sweep folder, and conclude it.

    Raises:
        UserError: a combination cannot work; nothing was written.
        SystemExit: see `conclude`.
    """
    with open_sweep(config) as folder:
        if (folder / "protocol.yaml").exists():
            raise UserError(f"{folder} holds a study, which other runs would spoil; type sweep=NAME for another folder")
        lists = combinations(arguments, config_loader)
        if not lists:
            raise UserError(f"{' '.join(arguments)}: no run comes of these values; type some, as in seed=0,1,2")
        every = [plan(config_loader, config, overrides) for overrides in lists]
        jobs = unique(every)
        finds = of_one_mode(jobs) == "find_lr"
        if looks_elsewhere(launcher) and not needs_work(len(jobs), cores()):  # else this process imports torch, too
            import_meanwhile(launcher)  # while workers import torch, and not while they begin to train
        check(jobs, launcher)
        threads = decide(folder, config, [job.config for job in every], len(jobs)).beside(launcher)
        threads.tell(launcher)
        jobs = [job.on_threads(threads.number) for job in jobs]
        said = [threads.line, *lengthen.lines(jobs)]
        if config.dry_run:
            price_of(jobs, folder, config, launcher, parse(arguments, config_loader), said)
            return
        import_meanwhile(launcher)
        say = partial(console_for("words").print, markup=False, soft_wrap=True)
        for line in said:
            say(line)
        fit_to_gpus(jobs, launcher, say, retry=config.retry)
        write_plan(config, folder)
        write_planned(folder, (job.planned(folder) for job in jobs), threads=threads.number)
        for line in side_by_side(launcher, jobs):
            say(line)
        watch = partial(watching, title=config.sweep)
        work = partial(execute, launcher, jobs, retry=config.retry, watch=watch)
        conclude(folder, work, live=config.report.live and not finds, show=show_findings if finds else None)


def price_of(
    jobs: Sequence[Job],
    folder: Path,
    config: DictConfig,
    launcher: Launcher,
    overrides: Sequence[Override],
    said: Sequence[str],
) -> None:
    """Print what these jobs would take, and what the sweep would say of itself before its first run."""
    from optlab.sweep.price.dry import of_grid

    swept = [each for each in overrides if each.is_sweep_override()]
    factors = {each.key_or_group: [str(value) for value in each.sweep_string_iterator()] for each in swept}
    of_grid(jobs, folder, launcher, str(choices(config)["hydra/launcher"]), factors, said, bool(config.retry))


def of_one_mode(jobs: Sequence[Job]) -> str:
    """What all jobs do.

    Raises:
        UserError: some train and others do not.
    """
    modes = {job.config.mode for job in jobs}
    if len(modes) > 1:
        raise UserError(f"mode={','.join(sorted(modes))}: a sweep does one of these; type two commands")
    return modes.pop()


def show_findings(folder: Path, outcomes: Sequence[Outcome]) -> None:
    """The table and the figure of a sweep of mode=find_lr, of the jobs that are done."""
    from optlab.teaching.finder.many import show

    done = [outcome.job.folder for outcome in outcomes if outcome.state == "finished"]
    if done:
        show(folder, done)
