"""From runs to what is compared: settings, contenders, configurations.

A *setting* is what is held constant: model, data, batch size, epochs and the rest. Within it a *contender* is an
optimizer with a schedule, and a *configuration* of it is one choice of learning rate and other hyperparameters, run
with several seeds. Each contender enters the verdict with one configuration, chosen on validation.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from optlab.analysis.judge.beside import side_by_side
from optlab.analysis.judge.metric import Metric
from optlab.analysis.read.runs import Run, Runs, flat
from optlab.errors import UserError
from optlab.rules.choice import Candidate, best, score_of
from optlab.rules.space import numbers
from optlab.rules.words import natural, plural


@dataclass(frozen=True, eq=False)
class Configuration:
    """All runs that differ in their seed alone; `varied` names the hyperparameters besides lr that were tried."""

    id: str
    lr: float
    varied: dict[str, str]
    runs: list[Run]

    def values(self, metric: Metric, runs: Iterable[Run] | None = None) -> dict[int, float]:
        """The final value of each run that is over, by seed."""
        scored = {run.record.seed: metric.final(run.record) for run in (self.runs if runs is None else runs)}
        return {seed: value for seed, value in sorted(scored.items()) if value is not None}

    def tuning_values(self, metric: Metric) -> dict[int, float]:
        """The final values that the configuration was chosen by: of phase "tune", or all where it has none."""
        return self.values(metric, self.tuning)

    @property
    def tuning(self) -> list[Run]:
        """The runs that the configuration was chosen by."""
        return [run for run in self.runs if run.record.phase == "tune"] or self.runs

    def candidate(self, metric: Metric) -> "Candidate[Configuration]":
        """The configuration as the rule of choice sees it: by those of its tuning runs that are over or failed.

        One that was stopped has no end to be compared by, and so no score.
        """
        over = [run.record for run in self.tuning if run.is_over or run.record.status in ("failed", "stopped")]
        return Candidate(self, [score_of(record, metric.name) for record in over], self.optimizer)

    @property
    def optimizer(self) -> Mapping[str, Any]:
        """The optimizer's config."""
        optimizer: Mapping[str, Any] = self.runs[0].record.config["optimizer"]
        return optimizer

    @cached_property
    def hyperparameters(self) -> dict[str, float]:
        """Every number in the optimizer's config, by the name that a search space gives it."""
        return numbers(self.optimizer)

    def has_phase(self, phase: str) -> bool:
        return any(run.record.phase == phase for run in self.runs)

    def count(self, status: str) -> int:
        return sum(run.record.status == status for run in self.runs)

    @property
    def label(self) -> str:
        return " ".join([f"lr {self.lr:g}", *(f"{key} {value}" for key, value in self.varied.items())])


@dataclass(frozen=True, eq=False)
class Contender:
    """An optimizer with a schedule: what it tried, what was chosen, and the runs that enter the verdict.

    `judged` are the tried ones that could be chosen: none of the runs that they are judged by failed.
    """

    name: str
    optimizer: str
    schedule: str
    tried: list[Configuration]
    chosen: Configuration | None
    entered: list[Run]
    judged: list[Configuration]

    @cached_property
    def typed(self) -> frozenset[str]:
        """The overrides of one of its runs: all of them name the same arm of a study."""
        return frozenset(self.runs[0].record.overrides)

    @cached_property
    def runs(self) -> list[Run]:
        return [run for configuration in self.tried for run in configuration.runs]

    @property
    def tuning(self) -> list[Run]:
        """The runs that configurations were chosen on: phase "tune", or all where there is no such phase."""
        return [run for run in self.runs if run.record.phase == "tune"] or self.runs

    def values(self, metric: Metric) -> dict[int, float]:
        """The final value of each entered run that is over, by seed."""
        return self.chosen.values(metric, self.entered) if self.chosen else {}

    def best_values(self, metric: Metric) -> dict[int, float]:
        """The best value over the epochs of each entered run, by seed; chance level for a diverged one."""
        return {run.record.seed: value for run in self.entered if (value := best_value(run, metric)) is not None}

    @cached_property
    def lr_only(self) -> list[Configuration]:
        """The configurations that differ from the chosen one in lr alone, by rising lr."""
        if self.chosen is None:
            return []
        return sorted((c for c in self.tried if c.varied == self.chosen.varied), key=lambda c: c.lr)


@dataclass(frozen=True, eq=False)
class Contest:
    """One setting: its contenders, best mean first, and what they are judged by.

    `selection` is the metric that configurations are chosen by (validation); `metric` the one of the verdict: its
    counterpart on the test split wherever every entered run has one, which the choice has not seen. `beside` says of
    runs that tell how many trained on their device at a time, those of other settings among them.
    """

    label: str
    facts: dict[str, str]
    contenders: list[Contender]
    selection: Metric
    metric: Metric
    confirmed: bool
    to_come: int = 0  # runs that are planned and not begun; where a sweep has several settings nobody knows of which
    beside: Mapping[Path, int] = field(default_factory=dict)

    @property
    def runs(self) -> list[Run]:
        return [run for contender in self.contenders for run in contender.runs]

    def contender(self, name: str) -> Contender:
        return next(contender for contender in self.contenders if contender.name == name)

    @property
    def typed(self) -> set[str]:
        """Every override of its runs."""
        return {word for run in self.runs for word in run.record.overrides}

    @property
    def unfinished(self) -> int:
        """Runs that are not over, with those that are planned."""
        return self.to_come + sum(run.record.status in ("running", "interrupted") for run in self.runs)


def contests(runs: Runs, metric: str | None = None) -> list[Contest]:
    """The contests that some sweeps hold, by their labels (numbers by value), those without a result last.

    Raises:
        UserError: no run has the metric.
    """
    if metric is not None:
        check_metric(metric, runs.runs)
    by_setting: dict[str, list[Run]] = defaultdict(list)
    for run in runs.runs:
        by_setting[run.setting].append(run)
    labels = setting_labels(by_setting)
    beside = side_by_side(runs.runs)
    built = [replace(contest(labels[key], each, metric), beside=beside) for key, each in by_setting.items()]
    if len(built) == 1:
        built = [replace(built[0], to_come=runs.to_come)]
    return sorted(built, key=lambda c: (not any(run.is_over for run in c.runs), natural(c.label)))


def contest(label: str, runs: Sequence[Run], metric: str | None) -> Contest:
    """The contest of the runs of one setting."""
    records = [run.record for run in runs]
    selection = Metric(selection_metric(runs, metric)).seeing(records)
    by_contender: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        by_contender[run.contender].append(run)
    confirmed = any(run.record.phase == "confirm" for run in runs)
    several_schedules = len({schedule for _, schedule in by_contender}) > 1
    contenders = [
        contender(f"{key[0]} · {key[1]}" if several_schedules else key[0], members, selection, confirmed)
        for key, members in by_contender.items()
    ]
    judged = (Metric(metric) if metric else verdict_metric(selection, contenders)).seeing(records)

    def order(entry: Contender) -> tuple[float, str]:
        values = list(entry.values(judged).values())
        return (-judged.sign * float(np.mean(values)) if values else np.inf), entry.name

    return Contest(label, facts(runs), sorted(contenders, key=order), selection, judged, confirmed)


def contender(name: str, runs: Sequence[Run], selection: Metric, confirmed: bool) -> Contender:
    """One optimizer with one schedule, its configuration chosen."""
    by_configuration: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_configuration[run.configuration].append(run)
    flats = {key: hyperparameters(members[0]) for key, members in by_configuration.items()}
    names = sorted({n for f in flats.values() for n in f})
    varying = [n for n in names if len({f.get(n) for f in flats.values()}) > 1]
    tried = [
        Configuration(
            key,
            members[0].record.lr,
            {n.removeprefix("optimizer."): flats[key].get(n, "–") for n in varying},
            sorted(members, key=in_order),
        )
        for key, members in by_configuration.items()
    ]
    tried.sort(key=lambda c: (c.lr, list(c.varied.values())))
    chosen = choose(tried, selection, confirmed)
    entered = [] if chosen is None else chosen.runs
    if confirmed:
        entered = [run for run in entered if run.record.phase == "confirm"]
    judged = [c for c in tried if c.candidate(selection).mean is not None]
    return Contender(name, runs[0].record.optimizer, runs[0].record.lr_schedule, tried, chosen, entered, judged)


def in_order(run: Run) -> tuple[bool, bool, int]:
    """Runs by phase and seed: tuning first, confirmation last."""
    return run.record.phase == "confirm", run.record.phase != "tune", run.record.seed


def choose(tried: Sequence[Configuration], selection: Metric, confirmed: bool) -> Configuration | None:
    """The configuration that a study's own rule chooses (see `optlab.rules.choice.best`).

    With confirmation runs the choice was made on the tuning runs before them, so only a confirmed configuration can be
    chosen, by its tuning runs where it has some. Where a study tuned, one with a failed run is no choice. In any other
    sweep it is one where no configuration is whole, and where no run is over the first tried stands for all.
    """
    able = [c for c in tried if not confirmed or c.has_phase("confirm")]
    candidates = [each for c in able if (each := c.candidate(selection)).scores]
    tuned = [each for each in candidates if each.of.has_phase("tune")]
    chosen = best(tuned) or best(candidates) or best(without_failures(candidates))
    if chosen is not None:
        return chosen.of
    return next((c for c in able if not c.has_phase("tune") or c.has_phase("confirm")), None)


def without_failures(candidates: Iterable[Candidate[Configuration]]) -> list[Candidate[Configuration]]:
    """Candidates that no study tuned, judged by those of their runs that did not fail."""
    free = [each for each in candidates if not each.of.has_phase("tune")]
    return [replace(each, scores=[score for score in each.scores if score is not None]) for each in free]


def passed_over(contender: Contender, selection: Metric) -> Configuration | None:
    """What would have been chosen, had none of its runs failed, where no study says so itself."""
    if contender.chosen not in contender.judged or any(run.record.phase != "train" for run in contender.runs):
        return None
    winner = best(without_failures(c.candidate(selection) for c in contender.tried))
    return winner.of if winner is not None and winner.of is not contender.chosen else None


def best_value(run: Run, metric: Metric) -> float | None:
    """The best value of a metric over the epochs of a run that is over; chance level for a diverged one."""
    if not run.is_over or run.record.status == "diverged":
        return metric.final(run.record)
    column = run.history.get(metric.name, np.empty(0))
    column = column[np.isfinite(column)]
    if not len(column):
        return None
    return float(column.max() if metric.higher_is_better else column.min())


# -- metrics


def selection_metric(runs: Sequence[Run], metric: str | None) -> str:
    """What configurations are chosen by: what the runs say they are judged by, unless another is asked for.

    A test metric is never chosen by.
    """
    if metric is not None and not metric.startswith("test/"):
        return metric
    said = Counter(str(run.record.data["metric"]) for run in runs if run.record.data.get("metric"))
    if said:
        return said.most_common(1)[0][0]
    known = {name for run in runs for name in run.history}
    return next((name for name in ("val/acc", "val/loss", "train/acc") if name in known), "train/loss")


def verdict_metric(selection: Metric, contenders: Sequence[Contender]) -> Metric:
    """The selection metric on the test split, where every entered run that finished has it; else itself."""
    test = selection.of_part("test")
    finished = [run for c in contenders for run in c.entered if run.record.status == "finished"]
    measured = [test.final(run.record) is not None for run in finished]
    return test if measured and all(measured) else selection


def check_metric(metric: str, runs: Sequence[Run]) -> None:
    """Raise UserError for a metric that no run has."""
    known = sorted({name for run in runs for name in (*run.record.metrics, *run.history) if "/" in name})
    if metric not in known:
        raise UserError(f"--metric {metric}: no run here has it; they have {', '.join(known) or 'none yet'}")


# -- names


def hyperparameters(run: Run) -> dict[str, str]:
    """What a contender may vary besides its learning rate: the optimizer's arguments and the schedule's."""
    config = run.record.config
    optimizer = {key: value for key, value in config["optimizer"].items() if key not in ("lr", "search", "name")}
    return flat({"optimizer": optimizer, "lr": {k: v for k, v in config["lr"].items() if k != "name"}})


def setting_labels(by_setting: Mapping[str, Sequence[Run]]) -> dict[str, str]:
    """`cnn on digits`, with the keys that differ where that is not enough: `cnn on digits, batch_size 64`."""
    names = {key: f"{runs[0].record.model} on {runs[0].record.dataset}" for key, runs in by_setting.items()}
    flats = {key: constants(runs[0]) for key, runs in by_setting.items()}
    labels = {}
    for key, name in names.items():
        rivals = [flats[other] for other in names if names[other] == name]
        differing = [n for n in flats[key] if len({f.get(n) for f in rivals}) > 1]
        labels[key] = ", ".join([name, *(f"{n} {flats[key][n]}" for n in differing if n in flats[key])])
    return labels


def constants(run: Run) -> dict[str, str]:
    """What a setting holds constant, as dotted keys."""
    left_out = ("optimizer", "lr", "seed", "sweep", "report", "phase", "logger", "callbacks", "ckpt", "protocol")
    kept = {key: value for key, value in run.record.config.items() if key not in left_out}
    return flat(kept) | ({"data": run.fingerprint[:8]} if run.fingerprint else {})


def facts(runs: Sequence[Run]) -> dict[str, str]:
    """What a reader wants to know of a setting: sizes, batch, epochs, precision, device."""
    record = runs[0].record
    data, trainer = record.data, record.config.get("trainer", {})
    sizes = [f"{data[part]:,} {name}" for part, name in SIZES.items() if data.get(part)]
    devices = sorted({device_of(run) for run in runs})
    return {
        "model": record.model,
        "data": f"{record.dataset} ({', '.join(sizes)})" if sizes else record.dataset,
        "batch size": str(record.config.get("batch_size", "?")),
        "epochs": str(trainer.get("max_epochs", "?")),
        "precision": str(record.environment.get("precision", trainer.get("precision", "?"))),
        "device": ", ".join(devices),
    }


def device_of(run: Run) -> str:
    """What a run was computed on: of a CPU the model, where it is recorded, as its architecture names no device."""
    given, model = run.record.environment, run.record.numerics.get("cpu_model")
    if given.get("device") == "cpu" and model:
        return f"{model}, {plural(int(threads), 'thread')}" if (threads := given.get("threads")) else str(model)
    return str(given.get("device_name") or given.get("device") or "?")


SIZES = {"train": "train", "val": "validation", "test": "test"}
