"""What W&B has of a sweep's runs, as the run folders tell: ids, project and entity, configurations, logged names."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from optlab.analysis.judge.contest import contests
from optlab.analysis.judge.verdict import judge
from optlab.analysis.read.plans import studies
from optlab.analysis.read.runs import Run, read_runs
from optlab.analysis.show.summary import Summary
from optlab.config.given import configuration
from optlab.errors import UserError
from optlab.record import shortest

# Of a config, what makes no difference to compare: labels, where to write, and what classes are called.
NO_SETTING = (
    "seed",
    "sweep",
    "phase",
    "protocol",
    "logger",
    "callbacks",
    "ckpt",
    "retry",
    "dry_run",
    "mode",
    "input",
    "trust",
)
NO_SETTINGS_BELOW = ("_target_", "search")


@dataclass(frozen=True)
class Mirrored:
    """A sweep whose runs are in W&B, or will be after `wandb sync`.

    Attributes:
        name: of the sweep.
        summary: what its runs say, as in its report.
    """

    name: str
    summary: Summary

    @property
    def runs(self) -> Sequence[Run]:
        return self.summary.runs.runs

    @cached_property
    def ids(self) -> dict[Run, list[str]]:
        """W&B's ids of each run that has any; a run that was continued offline has several."""
        found = {run: wandb_ids(run.folder) for run in self.runs}
        return {run: ids for run, ids in found.items() if ids}

    @property
    def has_report_run(self) -> bool:
        """Whether the sweep's report was logged as a run of its own."""
        return bool(wandb_ids(self.summary.folder))

    @property
    def sweeps(self) -> list[str]:
        """The config key `sweep` of its runs."""
        return sorted({str(run.record.config.get("sweep") or self.name) for run in self.runs})

    @property
    def confirmed(self) -> bool:
        """Whether there are confirmation runs, beside which those of tuning are no result."""
        return any(run.record.phase == "confirm" for run in self.runs)

    def color(self, run: Run) -> str:
        """The report's colour of its optimizer."""
        return self.summary.palette.color(run.record.optimizer)

    @cached_property
    def configurations(self) -> dict[str, str]:
        """The config key `configuration` of the runs, each with the colour of its optimizer."""
        words = {configuration(run.record.config): self.color(run) for run in self.runs}
        return dict(sorted(words.items()))

    @property
    def metrics(self) -> list[str]:
        """What its contests choose by, each once: `val/acc`."""
        return list(dict.fromkeys(contest.selection.name for contest in self.summary.contests))

    @cached_property
    def columns(self) -> list[str]:
        """The columns of metrics.csv that some run has numbers in, in the order of the file."""
        return list(dict.fromkeys(name for run in self.runs for name in run.history))

    @property
    def timings(self) -> list[str]:
        """The names in `timing` of run.json that some run has a number for."""
        timings = [run.record.timing for run in self.runs]
        return list(dict.fromkeys(name for timing in timings for name, value in timing.items() if value is not None))

    @cached_property
    def swept(self) -> dict[str, list[Any]]:
        """The keys of the config that were swept, by dotted name, with their values, a number or a word each.

        Optimizer and schedule where there are several, and what else takes several values under one of them: what an
        optimizer has and another lacks was not swept.
        """
        values = by_key(each for group in self.settings.values() for each in group)
        varied = {key for group in self.settings.values() for key, each in by_key(group).items() if len(each) > 1}
        names = [key for key in ("optimizer.name", "lr.name") if len(values.get(key, [])) > 1]
        return {key: values[key] for key in [*names, *sorted(varied - set(names), key=order)]}

    @property
    def axes(self) -> dict[str, dict[str, list[Any]]]:
        """What was swept, for one plot each: what all runs have, and by optimizer what else was swept of it.

        A run that lacks the key of an axis has no line, so what one optimizer has alone stands in a plot of its own.
        """
        everything = [each for group in self.settings.values() for each in group]
        shared = {key: each for key, each in self.swept.items() if all(key in config for config in everything)}
        found = {"": shared} if shared else {}
        for (optimizer, _), group in self.settings.items():
            values = by_key(group)
            own = {key: values[key] for key in self.swept if len(values.get(key, [])) > 1}
            if own.keys() - shared.keys():
                found[optimizer] = found.get(optimizer, {}) | own
        return found

    @cached_property
    def settings(self) -> dict[tuple[str, str], list[dict[str, Any]]]:
        """The config of each run as dotted keys, by optimizer and schedule."""
        groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for run in self.runs:
            groups.setdefault(run.contender, []).append(settings(run.record.config))
        return groups

    @property
    def project(self) -> str:
        """The project that the runs' config names.

        Raises:
            UserError: they name several, or none.
        """
        return self.one("project", {str(loggers(run).get("project") or "") for run in self.ids} - {""})

    @property
    def entity(self) -> str | None:
        """The entity that the runs' config or WANDB_ENTITY names; None is the default one of the account.

        Raises:
            UserError: they name several.
        """
        named = {str(each) for run in self.ids if (each := loggers(run).get("entity"))}
        return self.one("entity", named) if named else os.environ.get("WANDB_ENTITY") or None

    def one(self, key: str, values: set[str]) -> str:
        if len(values) == 1:
            return values.pop()
        said = f"several ({', '.join(sorted(values))})" if values else "none"
        raise UserError(f"{self.name}: its runs name {said} as W&B's {key}; type --{key} NAME")


def read(sweep: Path, metric: str | None = None) -> Mirrored:
    """Read a sweep and judge it, without writing anything.

    Raises:
        UserError: the folder cannot be read, or none of its runs was logged to W&B.
    """
    runs = read_runs([sweep])
    found = contests(runs, metric)
    verdicts = [judge(contest, None, studies(contest.runs)) for contest in found]
    summary = Summary(sweep, runs, found, verdicts, [None] * len(found))
    mirrored = Mirrored(sweep.absolute().name, summary)
    if not mirrored.ids:
        raise UserError(
            f"{shortest(sweep)}: none of its {len(runs.runs)} runs was logged to W&B; "
            "a dashboard needs a sweep that ran with logger=wandb"
        )
    return mirrored


def wandb_ids(folder: Path) -> list[str]:
    """W&B's ids of a run, each once, from the names of the files that it keeps in the run folder.

    The folders around them tell no id: of two that are made within one second the later gets -1 behind it.
    """
    files = sorted(folder.glob("wandb/*run-*-*/run-*.wandb"))  # not by the link `latest-run`
    return list(dict.fromkeys(file.stem.removeprefix("run-") for file in files))


def loggers(run: Run) -> Mapping[str, Any]:
    """The config of W&B's logger."""
    logger = run.record.config.get("logger")
    node = logger.get("wandb") if isinstance(logger, dict) else None
    return node if isinstance(node, dict) else {}


def settings(node: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Dotted keys of a config that could be swept, with their values: numbers and words."""
    found: dict[str, Any] = {}
    for key, value in node.items():
        if (not path and key in NO_SETTING) or (path and key in NO_SETTINGS_BELOW):
            continue
        if isinstance(value, dict):
            found |= settings(value, f"{path}{key}.")
        elif isinstance(value, str | int | float):  # a list is no axis
            found[path + key] = value
    return found


def by_key(configs: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The values of each key, each once, sorted where they are numbers."""
    values: dict[str, list[Any]] = {}
    for config in configs:
        for key, value in config.items():
            known = values.setdefault(key, [])
            if value not in known:
                known.append(value)
    return {key: sorted(each) if all(map(is_number, each)) else each for key, each in values.items()}


def order(key: str) -> tuple[bool, bool, str]:
    """The learning rate, then what else the optimizer has, then the rest."""
    return key != "optimizer.lr", not key.startswith("optimizer."), key


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_logarithmic(values: Sequence[Any]) -> bool:
    """Whether values are positive numbers that span a decade or more."""
    return all(is_number(value) and value > 0 for value in values) and max(values) >= 10 * min(values)
