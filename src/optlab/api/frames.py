"""Runs, learning curves, configurations and comparisons as pandas frames, with the numbers of the report.

Every column is documented here, and in docs/api.md. Values are in the metric's own unit (an accuracy of 0.97, a
difference of 0.004); what a run does not have is missing (NaN, None).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from optlab.analysis.judge import statistics
from optlab.analysis.judge.compare import Comparison
from optlab.analysis.judge.contest import Configuration, Contender, Contest
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.statistics import Interval, Spread
from optlab.analysis.judge.verdict import Verdict
from optlab.analysis.read.runs import Run
from optlab.analysis.show.tables.tried import metric_order, tried
from optlab.record import identity
from optlab.rules.messages import Message

RUNS = {
    "folder": "the run folder",
    "sweep": "the folder that was read, and holds it",
    "id": "the run's id: of all that can change its result",
    "setting": "what is held constant, in words: runs of one setting are compared",
    "configuration": "id of all but the seed: runs that share it differ by chance alone",
    "optimizer": "its name",
    "schedule": "the name of the learning rate's schedule",
    "lr": "base learning rate",
    "seed": "of weights, order and augmentation",
    "model": "its name",
    "dataset": "its name",
    "phase": "`train`, or `tune` and `confirm` of a study",
    "status": "`finished`, `diverged`, `stopped` (ended early by plan), `failed`, `interrupted` or `running`",
    "epochs": "trained",
    "steps": "optimizer steps",
    "seconds": "of training by the clock, which counts no validation and nothing that is made once",
    "step_milliseconds": "of a step on average, by the same clock",
    "forward_milliseconds": "of a step's network and loss; missing of runs under 100 steps",
    "backward_milliseconds": "of its gradients",
    "optimizer_milliseconds": "of its update",
    "state_bytes_per_parameter": "what the optimizer keeps beside the weights",
    "peak_host_mib": "the most memory that the run's process held, with Python, torch and the data set",
    "peak_device_mib": "the most that tensors held on a GPU; missing on a CPU",
    "began": "when training began in the last process that trained it, UTC",
    "ended": "when it ended there, UTC",
    "host": "the machine",
    "best_metric": "what the run is judged by, as `val/acc`",
    "best_value": "its best value over the epochs",
    "best_epoch": "the epoch that had it, from 1",
    "error": "what went wrong, of a failed run",
}
CURVES = {
    "run": "the run's id",
    "optimizer": "its name",
    "schedule": "the name of the learning rate's schedule",
    "lr": "base learning rate of the run",
    "seed": "of the run",
    "epoch": "from 1",
    "step": "optimizer steps so far",
    "seconds": "of training so far",
    "metric": "`train/loss`, `val/acc` ...; `lr` is the learning rate of the epoch",
    "value": "of the metric, at the end of the epoch",
}
ADVICE = {
    "run": "the run's id",
    "optimizer": "its name",
    "schedule": "the name of the learning rate's schedule",
    "lr": "base learning rate of the run",
    "seed": "of the run",
    "kind": "`lr_too_small`, `lr_too_large`, `gradients_explode` ...",
    "subject": "the layer or schedule that it is about, where it is about one",
    "words": "what to type, as `optimizer.lr=0.03`",
    "text": "the advice with its evidence",
}
CONFIGURATIONS = {
    "setting": "as in `runs`",
    "contender": "the optimizer, with its schedule where several are compared",
    "optimizer": "its name",
    "schedule": "the name of the learning rate's schedule",
    "lr": "base learning rate",
    "configuration": "as in `runs`",
    "chosen": "whether the contender enters the verdict with it",
    "metric": "what configurations are chosen by",
    "n": "seeds that it was judged by: those of tuning in a study",
    "mean": "over them, a diverged run at chance level",
    "sd": "over them (n - 1)",
    "low": "lower end of the 95 % interval of the mean, from 3 seeds on",
    "high": "upper end",
    "best": "the best of them",
    "diverged": "runs, all phases",
    "stopped": "runs that ended early by plan, all phases; they have no part in `mean`",
    "failed": "runs, all phases",
    "unfinished": "runs, all phases",
    "final_metric": "what the verdict judges by: the test split where every run has it",
    "final_n": "seeds of the verdict; of chosen configurations alone, as all that follows",
    "final_mean": "over them",
    "final_sd": "over them (n - 1)",
    "final_low": "lower end of its 95 % interval",
    "final_high": "upper end",
}
COMPARISONS = {
    "setting": "as in `runs`",
    "metric": "what is compared",
    "better": "the contender with the better mean",
    "worse": "the other one",
    "n": "seeds that both have, or the fewer of both where less than two are shared",
    "paired": "whether the seeds are shared, and the differences paired",
    "difference": "positive where `better` is better",
    "low": "lower end of its 95 % interval, corrected for nothing",
    "high": "upper end",
    "sd": "of the paired differences, as the t-test believes it",
    "unpaired_difference": "of the means of all runs of both",
    "unpaired_low": "lower end of its 95 % interval",
    "unpaired_high": "upper end",
    "p": "two-sided, of the t-test on the differences",
    "p_holm": "corrected by Holm over all pairs of the setting; this one decides, at 5 %",
    "sign_flip_p": "of the sign-flip test, which assumes less",
    "sign_flip_p_holm": "corrected",
    "wilcoxon_p": "of Wilcoxon's test, which assumes less",
    "wilcoxon_p_holm": "corrected",
    "probability_better": "that a run of `better` beats one of `worse`",
    "differ": "whether the two differ",
    "cannot_be_told_apart": "the contrary",
    "seeds_needed": "fewest seeds that would tell them apart (power 0.8); missing above 1,000",
    "seeds_needed_low": "the same at the lower end of what is known of the sd",
    "seeds_needed_high": "and at the upper end; missing above 1,000",
}

# Keys of the config that say the same as a column above, or nothing of the run itself.
SAID_BY_COLUMNS = ("seed", "optimizer.lr", "optimizer.name", "lr.name", "model.name", "dataset.name", "loss.name")
COSTS = (
    *("forward_milliseconds", "backward_milliseconds", "optimizer_milliseconds"),
    *("state_bytes_per_parameter", "peak_host_mib", "peak_device_mib"),
)
CURVE_AXES = ("epoch", "step", "seconds")


def runs_frame(runs: Sequence[Run], contests: Sequence[Contest]) -> pd.DataFrame:
    """A row a run: `RUNS`, then a column a metric (its final value), then one for each config key that varies."""
    setting_of = {run.folder: contest.label for contest in contests for run in contest.runs}
    metrics = sorted({name for run in runs for name in run.record.metrics}, key=metric_order)
    varied = varied_keys([run.record.config for run in runs])
    rows = []
    for run, keys in zip(runs, varied, strict=True):
        record = run.record
        fixed = {
            "folder": str(run.folder),
            "sweep": str(run.sweep),
            "id": record.id,
            "setting": setting_of[run.folder],
            "configuration": run.configuration,
            "optimizer": record.optimizer,
            "schedule": record.lr_schedule,
            "lr": record.lr,
            "seed": record.seed,
            "model": record.model,
            "dataset": record.dataset,
            "phase": record.phase,
            "status": record.status,
            "epochs": record.epochs,
            "steps": record.steps,
            "seconds": number(record.timing.get("fit_seconds")),
            "step_milliseconds": number(record.timing.get("step_milliseconds")),
            **{name: number(record.costs.get(name)) for name in COSTS},
            "began": moment(record.timing.get("began")),
            "ended": moment(record.timing.get("ended")),
            "host": record.environment.get("host"),
            "best_metric": record.best.get("metric"),
            "best_value": number(record.best.get("value")),
            "best_epoch": record.best.get("epoch"),
            "error": (record.error or {}).get("message"),
        }
        rows.append([*fixed.values(), *(number(record.metrics.get(name)) for name in metrics), *keys.values()])
    return frame(rows, [*RUNS, *metrics, *(varied[0] if varied else ())], whole=("best_epoch",))


def varied_keys(configs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each config the values of the keys that are not the same in all, by dotted key; None where it has none."""
    flats = [dict(leaves(identity(config))) for config in configs]
    names = dict.fromkeys(name for flat in flats for name in flat if name not in SAID_BY_COLUMNS)
    varying = [name for name in names if len({json.dumps(flat.get(name)) for flat in flats}) > 1]
    return [{name: flat.get(name) for name in varying} for flat in flats]


def leaves(node: Any, path: str = "") -> Iterable[tuple[str, Any]]:
    """Dotted keys and their values; a list is a value."""
    if not isinstance(node, dict):
        yield path, node
        return
    for key, value in node.items():
        yield from leaves(value, f"{path}.{key}" if path else str(key))


def curves_frame(runs: Sequence[Run]) -> pd.DataFrame:
    """A row for each run, metric and epoch that has a value."""
    parts = []
    for run in runs:
        epochs = run.history.get("epoch", np.empty(0))
        for name, values in run.history.items():
            there = np.isfinite(values)
            if name in CURVE_AXES or not there.any():
                continue
            nothing = np.full(len(epochs), np.nan)
            parts.append(
                pd.DataFrame(
                    {
                        "run": run.record.id,
                        "optimizer": run.record.optimizer,
                        "schedule": run.record.lr_schedule,
                        "lr": run.record.lr,
                        "seed": run.record.seed,
                        **{axis: run.history.get(axis, nothing)[there] for axis in CURVE_AXES},
                        "metric": name,
                        "value": values[there],
                    }
                )
            )
    whole = {"epoch": "Int64", "step": "Int64"}
    return pd.concat(parts, ignore_index=True).astype(whole) if parts else pd.DataFrame(columns=list(CURVES))


def advice_frame(runs: Sequence[Run]) -> pd.DataFrame:
    """A row for each piece of advice of each run."""
    rows = []
    for run in runs:
        record = run.record
        of = [record.id, record.optimizer, record.lr_schedule, record.lr, record.seed]
        for each in map(Message.read, record.advice or []):
            rows.append([*of, each.kind, each.subject, str(each.fields.get("words", "")), each.text])
    return frame(rows, list(ADVICE))


def configurations_frame(contests: Sequence[Contest]) -> pd.DataFrame:
    """A row a configuration: `CONFIGURATIONS`, then a column for each hyperparameter besides lr that was tried."""
    entries = [(contest, of, each) for contest in contests for of in contest.contenders for each in of.tried]
    names = dict.fromkeys(key_of(name) for _, _, each in entries for name in each.varied)
    rows = [configuration_row(*entry, names) for entry in entries]
    return frame(rows, [*CONFIGURATIONS, *names], whole=("final_n",))


def key_of(name: str) -> str:
    """A hyperparameter of a configuration as the dotted key of the config: `optimizer.momentum`."""
    return name if name.startswith("lr.") else f"optimizer.{name}"


def configuration_row(contest: Contest, contender: Contender, each: Configuration, names: Iterable[str]) -> list[Any]:
    entry, metric = tried(contest, contender, each), contest.selection
    scores = list(each.tuning_values(metric).values())
    finals = list(contender.values(contest.metric).values()) if entry.chosen else []
    best = (max if metric.higher_is_better else min)(scores, default=None)
    config = dict(leaves(each.runs[0].record.config))
    return [
        contest.label,
        contender.name,
        contender.optimizer,
        contender.schedule,
        each.lr,
        each.id,
        entry.chosen,
        metric.name,
        *numbers_of(metric, entry.tuned, scores),
        best,
        each.count("diverged"),
        each.count("stopped"),
        each.count("failed"),
        each.count("running") + each.count("interrupted"),
        contest.metric.name,
        *numbers_of(contest.metric, entry.final, finals, missing=not entry.chosen),
        *(config.get(name) for name in names),
    ]


def numbers_of(metric: Metric, of: Spread, values: Sequence[float], *, missing: bool = False) -> list[Any]:
    """n, mean, sd and the ends of the interval."""
    ends = metric.clip(statistics.mean_interval(values))
    return [None if missing else of.n, number(of.mean), number(of.sd), *pair(ends)]


def comparisons_frame(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """A row a pair of contenders of one setting, best against the next first."""
    rows = [comparison_row(verdict, each) for verdict in verdicts for each in verdict.comparisons]
    return frame(rows, list(COMPARISONS), whole=("seeds_needed", "seeds_needed_low", "seeds_needed_high"))


def comparison_row(verdict: Verdict, c: Comparison) -> list[Any]:
    needed = (None, None, None) if c.differ else (c.seeds_needed, *(c.seeds_range or (None, None)))
    return [
        verdict.label,
        verdict.metric.name,
        c.better,
        c.worse,
        c.n,
        c.paired,
        c.difference,
        *pair(c.interval),
        number(c.sd),
        c.unpaired_difference,
        *pair(c.unpaired_interval),
        c.t_p,
        c.t_p_holm,
        number(c.sign_flip_p),
        number(c.sign_flip_p_holm),
        number(c.wilcoxon_p),
        number(c.wilcoxon_p_holm),
        c.improvement,
        c.differ,
        not c.differ,
        *needed,
    ]


# -- cells


def frame(rows: Sequence[Sequence[Any]], columns: Sequence[str], *, whole: Sequence[str] = ()) -> pd.DataFrame:
    """Rows under columns; those of whole numbers that may be missing are of pandas' Int64."""
    built = pd.DataFrame([list(row) for row in rows], columns=list(columns))
    return built.astype(dict.fromkeys(whole, "Int64"))


def number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def moment(seconds: float | None) -> Any:
    """A time in seconds since 1970 as pandas has it."""
    return pd.NaT if seconds is None else pd.Timestamp(round(1000 * seconds), unit="ms", tz="UTC")


def pair(interval: Interval | None) -> tuple[float, float]:
    return (np.nan, np.nan) if interval is None else interval
