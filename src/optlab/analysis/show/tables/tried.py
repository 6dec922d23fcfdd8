"""The tables of what was run, a row a configuration or a run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from optlab.analysis.judge.contest import Configuration, Contender, Contest
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.statistics import Spread, spread
from optlab.analysis.read.runs import Run
from optlab.analysis.show.tables.table import Column, Row, Table, cells, shown
from optlab.analysis.show.tables.text import plus_minus
from optlab.rules.messages import language
from optlab.rules.words import divergence


@dataclass(frozen=True)
class Tried:
    """A configuration of a contender, and what it scored: while it was chosen, and in the verdict if it was."""

    contender: Contender
    configuration: Configuration
    tuned: Spread
    final: Spread
    chosen: bool

    @property
    def lr(self) -> float:
        return self.configuration.lr

    @property
    def other(self) -> str:
        return ", ".join(f"{key} {value}" for key, value in self.configuration.varied.items()) or "–"


def tried(contest: Contest, contender: Contender, configuration: Configuration) -> Tried:
    tuned = spread(list(configuration.tuning_values(contest.selection).values()))
    chosen = configuration is contender.chosen and tuned.n > 0  # with no run over, nothing was chosen yet
    final = spread(list(contender.values(contest.metric).values()) if chosen else [])
    return Tried(contender, configuration, tuned, final, chosen)


def configurations(contest: Contest) -> Table:
    """One row a configuration: mean ± sd over the seeds that it was chosen on; the chosen one of each is marked."""
    columns = configuration_columns(contest)
    entries = [tried(contest, contender, x) for contender in contest.contenders for x in contender.tried]
    return Table(
        "configurations",
        "Configurations",
        columns,
        [Row(cells(columns, entry), strong=entry.configuration is entry.contender.chosen) for entry in entries],
        f"Mean ± sd over the seeds that were chosen on. ★ marks what each optimizer enters the verdict with; its "
        f"{contest.metric.label} over the seeds of the verdict stands beside it.",
    )


def configuration_columns(contest: Contest) -> list[Column[Tried]]:
    tuned, final = (f"{m.name} %" if m.is_share else m.name for m in (contest.selection, contest.metric))
    return [
        Column(
            "optimizer",
            "optimizer",
            lambda t: t.contender.optimizer,
            brief="optimizer",
            left=True,
            contender=lambda t: t.contender.name,
        ),
        Column("schedule", "schedule", lambda t: t.contender.schedule, brief="schedule", left=True),
        Column("lr", "lr", lambda t: t.lr, lambda t: f"{t.lr:g}", brief="lr"),
        Column("other", "other", lambda t: t.other, brief="other", left=True, wraps=True),
        Column(
            "tuned",
            contest.selection.axis,
            lambda t: t.tuned.mean,
            lambda t: plus_minus(contest.selection, t.tuned, diverged(t.configuration.tuning)),
            brief=tuned,
        ),
        Column(
            "tuned_n",
            "n",
            lambda t: t.tuned.n,
            brief="n",
            find=lambda t: f"{t.contender.name} configuration={t.configuration.id[:8]}",
        ),
        Column("diverged", "diverged", lambda t: t.configuration.count("diverged"), brief="diverged"),
        *([stopped_column()] if any(run.record.status == "stopped" for run in contest.runs) else []),
        Column("failed", "failed", lambda t: t.configuration.count("failed"), brief="failed"),
        Column("unfinished", "unfinished", unfinished, brief="left"),
        Column(
            "chosen",
            "chosen",
            lambda t: "★" if t.chosen else "",
            sort=lambda t: float(not t.chosen),
            brief="",
            left=True,
        ),
        Column(
            "final",
            contest.metric.axis,
            lambda t: t.final.mean,
            lambda t: plus_minus(contest.metric, t.final, diverged(t.contender.entered)) if t.chosen else "",
            brief=final,
        ),
        Column(
            "final_n",
            "n",
            lambda t: t.final.n if t.chosen else None,
            lambda t: shown(t.final.n) if t.chosen else "",
            brief="n",
        ),
    ]


def stopped_column() -> Column[Tried]:
    """How many runs a study stopped; on the page behind which epoch, as all seeds of a trial stop together."""

    def text(entry: Tried) -> str:
        epochs = [run.record.epochs for run in entry.configuration.runs if run.record.status == "stopped"]
        return f"epoch {max(epochs)}" if epochs else ""

    return Column("stopped", "stopped", lambda t: t.configuration.count("stopped"), text, brief="stopped")


def unfinished(entry: Tried) -> int:
    return entry.configuration.count("running") + entry.configuration.count("interrupted")


def diverged(runs: Sequence[Run]) -> int:
    return sum(run.record.status == "diverged" for run in runs)


# -- runs


def run_table(contest: Contest, relative: Mapping[Path, str]) -> Table:
    """One row a run of a contest, each with its folder."""
    contender_of = {run.folder: c.name for c in contest.contenders for run in c.runs}
    shown = [contest.selection.of_part(part) for part in language.PARTS]
    shown = [m for m in shown if any(run.record.metrics.get(m.name) is not None for run in contest.runs)]
    columns = run_columns(contest.runs, relative, lambda run: contender_of[run.folder], shown)
    rows = [
        Row(
            cells(columns, run),
            words=f"{contender_of[run.folder]} lr={run.record.lr:g} seed={run.record.seed} {run.record.phase} "
            f"{run.record.status} configuration={run.configuration[:8]} {run.record.id}",
            command=run.command,
        )
        for run in contest.runs
    ]
    return Table("runs", "Runs", columns, rows, "Every number above comes from these folders.")


def all_runs(runs: Sequence[Run], relative: Mapping[Path, str]) -> Table:
    """One row a run of every setting, for runs.csv: what it is, how it ended, what it cost, and its folder."""
    columns = run_columns(runs, relative, lambda run: run.record.optimizer)
    return Table("runs", "Runs", columns, [Row(cells(columns, run)) for run in runs])


def run_columns(
    runs: Sequence[Run],
    relative: Mapping[Path, str],
    contender_of: Callable[[Run], str],
    shown: Sequence[Metric] = (),
) -> list[Column[Run]]:
    """The columns of runs, in the order of runs.csv.

    Args:
        runs: those of the table; each metric that one of them has gets a column.
        relative: where each run's folder lies, seen from the report.
        contender_of: what a run is called on the page.
        shown: the metrics that the page shows; the others are for CSV alone.
    """
    headings = {metric.name: metric.axis for metric in shown}
    names = sorted({name for run in runs for name in run.record.metrics}, key=metric_order)
    return [
        Column("id", None, lambda run: run.record.id),
        Column(
            "optimizer",
            "optimizer",
            lambda run: run.record.optimizer,
            contender_of,
            sort=contender_of,
            left=True,
            contender=contender_of,
        ),
        Column("lr_schedule", None, lambda run: run.record.lr_schedule),
        Column("lr", "lr", lambda run: run.record.lr, lambda run: f"{run.record.lr:g}"),
        Column("seed", "seed", lambda run: run.record.seed, lambda run: str(run.record.seed)),
        Column("phase", "phase", lambda run: run.record.phase, left=True),
        Column("status", "status", lambda run: run.record.status, status_text, left=True),
        Column("model", None, lambda run: run.record.model),
        Column("dataset", None, lambda run: run.record.dataset),
        *(metric_column(Metric(name).seeing(run.record for run in runs), headings.get(name)) for name in names),
        *(best_column(key, "best epoch" if key == "epoch" else None) for key in ("metric", "value", "epoch")),
        Column("diverged_epoch", None, lambda run: (run.record.diverged or {}).get("epoch")),
        Column("epochs", "epochs", lambda run: run.record.epochs),
        Column("steps", None, lambda run: run.record.steps),
        Column("fit_seconds", "seconds", fit_seconds, seconds_text),
        Column(
            "folder",
            "run",
            lambda run: relative[run.folder],
            lambda run: run.record.id,
            sort=lambda run: run.record.id,
            left=True,
            folder=lambda run: relative[run.folder],
        ),
    ]


def metric_column(metric: Metric, heading: str | None) -> Column[Run]:
    def value(run: Run) -> float | None:
        return run.record.metrics.get(metric.name)

    return Column(metric.name, heading, value, lambda run: metric.number(value(run)))


def best_column(key: str, heading: str | None) -> Column[Run]:
    return Column(f"best_{key}", heading, lambda run: run.record.best.get(key))


def fit_seconds(run: Run) -> float | None:
    return run.record.timing.get("fit_seconds")


def seconds_text(run: Run) -> str:
    return shown(None) if (seconds := fit_seconds(run)) is None else f"{seconds:,.2f}"


def status_text(run: Run) -> str:
    """The status, with the epoch of a divergence."""
    diverged = run.record.status == "diverged" and run.record.diverged
    return divergence(run.record.diverged) if diverged else run.record.status


def metric_order(name: str) -> tuple[int, str]:
    part = name.partition("/")[0]
    return (list(language.PARTS).index(part) if part in language.PARTS else len(language.PARTS)), name
