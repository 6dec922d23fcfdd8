"""The one number of CPU threads that all runs of a sweep compute on: decided once, kept in its folder, typed for each.

It stands in protocol.yaml of a study and in planned.json of a grid, and as `trainer.threads=N` among the words of each
run. So the same sweep gives the same bits wherever its jobs run, however many at a time, and however often it stopped.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf

from optlab.adapters.process import cores, import_lightning
from optlab.config.schema import Config
from optlab.errors import UserError
from optlab.planned import Planned
from optlab.record import RECORD_FILE, RunRecord
from optlab.rules.files import PLAN_FILE
from optlab.rules.threads import ON_A_GPU, UNKNOWN, needs_work, threads_of
from optlab.rules.words import plural
from optlab.sweep.launchers.slots import COUNTS, visible_gpus

if TYPE_CHECKING:
    from optlab.inputs import Sources

LAUNCHERS = ("threads", "cpus_per_task")  # settings of a launcher that say how many threads a run has
OMP = "OMP_NUM_THREADS"
KINDS = ("model", "dataset", "batch_size", "module")  # what the work of a step depends on


@dataclass(frozen=True)
class Threads:
    """What was decided.

    Attributes:
        number: of each run; None: as torch chooses, or Lightning among the processes of a distributed run.
        line: how that came about.
    """

    number: int | None
    line: str

    def beside(self, launcher: Launcher) -> "Threads":
        """With a word on what the user may not have meant: more threads than this machine, where runs are here."""
        if self.number is None or self.number <= cores() or not getattr(launcher, "on_this_machine", True):
            return self
        return replace(self, line=f"{self.line}; this machine has {plural(cores(), 'core')}, for which they take turns")

    def tell(self, launcher: Launcher) -> None:
        """Let a launcher share out the machine by it: so many runs at a time as leave each its threads."""
        if self.number is not None and hasattr(launcher, "threads"):
            launcher.threads = self.number


def decide(folder: Path, config: DictConfig, configs: Sequence[Config], runs: int) -> Threads:
    """The threads of each run of a sweep: those that were typed, those that it began with, or what its plan gives.

    Args:
        folder: of the sweep.
        config: of the multirun.
        configs: of its runs, or of some that stand for them.
        runs: that may be made at the same time.

    Raises:
        UserError: several numbers were typed, or another than the runs in the folder have.
    """
    wanted, begun = typed(config, configs), kept(folder)
    there = [begun] if begun is not None else recorded(folder)
    if wanted is not None:
        if len(there) == 1 and there[0] != wanted[0]:
            raise UserError(
                f"{wanted[1]}: this sweep's runs compute on {plural(there[0], 'thread')}, and another number gives "
                "other last bits; leave it out, or type sweep=another-name"
            )
        return Threads(wanted[0], said(wanted[0], f"as {wanted[1].partition('=')[0]} says"))
    if any(is_distributed(each) for each in configs):
        return Threads(None, "threads: as Lightning shares the cores out among the processes of a run")
    if begun is not None:
        return Threads(begun, said(begun, "as this sweep began with"))
    if len(there) == 1:
        return Threads(there[0], said(there[0], "as the runs that are there"))
    decided = by_plan(configs, runs, offline=bool(config.dry_run))
    if not there:
        return decided
    mixed = f"those that are there have {' or '.join(map(str, there))}, so bits differ among them"
    return Threads(decided.number, f"{decided.line}; {mixed}")


def by_plan(configs: Sequence[Config], runs: int, *, offline: bool = False) -> Threads:
    """What the plan of a new sweep gives, on this machine; offline without downloading data to know a step's work."""
    on_cpu = all(each.trainer.accelerator == "cpu" for each in configs)
    many, gpus = cores(), 0 if on_cpu else len(visible_gpus())
    side_by_side = plural(runs, "run")
    if gpus:
        number = max(1, min(ON_A_GPU, many // min(runs, gpus)))
        return Threads(number, said(number, f"{side_by_side}, {plural(gpus, 'GPU')}, {plural(many, 'core')}"))
    plan = f"{side_by_side} on {plural(many, 'core')}"
    if allowed() == 1:
        return Threads(1, said(1, f"as {OMP} says"))
    if not needs_work(runs, many):
        return Threads(1, said(1, plan))
    flops, unknown = work(configs, offline=offline)
    number = min(threads_of(runs, many, flops), allowed() or many)
    if flops is None:
        return Threads(number, said(number, f"{plan}, and at most {UNKNOWN} as a step's work is not known ({unknown})"))
    return Threads(number, said(number, f"{plan}, and a step of {flops / 1e6:,.0f} MFLOP"))


def allowed() -> int | None:
    """The most threads that the environment lets a process have; None where it does not say."""
    value = os.environ.get(OMP, "")
    return int(value) if value.isdigit() and int(value) > 0 else None


def said(number: int, why: str) -> str:
    return f"{plural(number, 'thread')} a run: {why}"


def work(configs: Sequence[Config], *, offline: bool = False) -> tuple[float | None, str]:
    """The floating-point operations of the largest step; None, and why, where they are not known of one."""
    import_lightning()  # which most sweeps can do without here
    from optlab.flops import flops_of_step
    from optlab.inputs import missing

    kinds = {json.dumps([each.plain.get(key) for key in KINDS], sort_keys=True): each for each in configs}
    sources: Sources = {}
    try:
        if offline and any(missing(each) is not None for each in kinds.values()):
            return None, "its data are not here yet"
        return max(flops_of_step(each, sources) for each in kinds.values()), ""
    except Exception as error:  # of anyone's network or data: the runs themselves say what is wrong
        return None, " ".join(str(error).split()) or type(error).__name__


# -- what was typed, and what is there


def typed(config: DictConfig, configs: Sequence[Config]) -> tuple[int, str] | None:
    """The number that the user asked for, and the word that says so; None: none.

    Raises:
        UserError: there are several.
    """
    found = {f"trainer.threads={each.trainer.threads or 'null'}": each.trainer.threads for each in configs}
    launcher = OmegaConf.select(config, "hydra.launcher") or {}
    for key in LAUNCHERS:
        number = launcher.get(key)
        if isinstance(number, int):
            named = [each for each in found.values() if each is not None]
            if key == "threads" or not named:
                found = {word: each for word, each in found.items() if each is not None}
                found[f"hydra.launcher.{key}={number}"] = number
    if len(set(found.values())) > 1:
        raise UserError(f"{', '.join(found)}: all runs of a sweep compute on as many threads; type one number")
    return next(((number, word) for word, number in found.items() if number is not None), None)


def is_distributed(config: Config) -> bool:
    """Whether a run is made of several processes."""
    return any(str(config.trainer.plain.get(key, 1)) != "1" for key in COUNTS)


def kept(folder: Path) -> int | None:
    """The number that a sweep's folder holds; None in a new one, and in those of before."""
    if (folder / PLAN_FILE).exists():
        from optlab.sweep.study.protocol import read

        return number_of(read(folder / PLAN_FILE))
    try:
        planned = Planned.read(folder)
    except UserError:  # it is written again
        return None
    return None if planned is None else planned.threads


def number_of(content: Mapping[str, Any]) -> int | None:
    """The `threads` of a protocol.yaml."""
    number = content.get("threads")
    return number if isinstance(number, int) and number > 0 else None


def recorded(folder: Path) -> list[int]:
    """The numbers of threads that the runs in a folder have computed on, each once."""
    found = set()
    for path in folder.rglob(RECORD_FILE):
        try:
            found.add(RunRecord.read(path.parent).numerics.get("threads"))
        except UserError:  # the report names it
            continue
    return sorted(each for each in found if isinstance(each, int))
