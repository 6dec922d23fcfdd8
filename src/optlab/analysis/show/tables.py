"""Tables: one structure, written as Markdown, LaTeX, CSV, HTML (by the report) and in the terminal (rich)."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from optlab.analysis.judge.compare import Comparison
from optlab.analysis.judge.contest import Configuration, Contender, Contest
from optlab.analysis.judge.metric import PARTS, Metric
from optlab.analysis.judge.statistics import LEAST_SEEDS, Spread, smallest_p, spread
from optlab.analysis.judge.target import AXIS_LABELS, TimeToTarget
from optlab.analysis.judge.verdict import Standing, Verdict
from optlab.analysis.read.runs import Run
from optlab.rules.words import divergence, plural


@dataclass(frozen=True)
class Cell:
    """What is shown, what it is sorted by, the run folder to link to, and the words that find its runs."""

    text: str
    sort: float | str = ""
    folder: str = ""
    contender: str = ""
    find: str = ""


@dataclass(frozen=True)
class Table:
    """Columns with a name each; `numeric` ones stand right. `strong` rows are marked. `note` says how to read it.

    `words` are what a row is found by when it is searched, `commands` what repeats it; one a row, or none at all.
    """

    id: str
    title: str
    columns: list[str]
    rows: list[list[Cell]]
    note: str = ""
    numeric: set[int] = field(default_factory=set)
    strong: set[int] = field(default_factory=set)
    words: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)


def cell(value: float | int | None, text: str | None = None) -> Cell:
    """A number; None is a dash that sorts last."""
    if value is None:
        return Cell("–", math.inf)
    return Cell(f"{value:,}" if text is None else text, float(value))


def named(contender: str) -> Cell:
    return Cell(contender, contender, contender=contender)


# -- the tables of a verdict


def standings(verdict: Verdict) -> Table:
    """One row a contender: the chosen configuration and what it scored."""
    metric = verdict.metric
    by_epoch = metric if metric.part != "test" else verdict.selection
    rows = []
    for s in verdict.standings:
        f = s.final
        rows.append(
            [
                named(s.name),
                Cell(s.configuration, s.lr or 0.0),
                cell(f.mean, plus_minus(metric, f, s.diverged)),
                cell(f.mean if s.interval else None, metric.interval(s.interval)),
                cell(f.median, metric.number(f.median)),
                quartiles(metric, f),
                cell(s.best.mean, plus_minus(by_epoch, s.best, s.diverged)),
                Cell(str(f.n), f.n, find=f"{s.name} lr={s.lr:g}" if s.lr is not None else s.name),
                cell(s.diverged),
                Cell(s.letters, s.letters),
            ]
        )
    columns = [
        "optimizer",
        "configuration",
        f"{metric.axis}, mean ± sd",
        "95 % interval",
        "median",
        "quartiles",
        f"best epoch, {by_epoch.axis}",
        "n",
        "diverged",
        "group",
    ]
    note = (
        "Final value over seeds, a diverged run at chance level. Optimizers that share a letter in the last column "
        "cannot be told apart."
    )
    return Table("standings", "Standings", columns, rows, note, set(range(2, 9)))


def quartiles(metric: Metric, final: Spread) -> Cell:
    if final.q1 is None or final.q3 is None:
        return cell(None)
    return cell(final.q3 - final.q1, metric.interval((final.q1, final.q3)))


def differences(verdict: Verdict) -> Table:
    """One row a pair."""
    metric = verdict.metric
    rows = []
    for c in verdict.comparisons:
        settle = "> 1,000" if c.seeds_needed is None else f"{c.seeds_needed:,}"
        rows.append(
            [
                named(c.better),
                named(c.worse),
                cell(c.difference, metric.number(c.difference)),
                cell(c.interval[0] if c.interval else None, metric.interval(c.interval)),
                cell(c.unpaired_difference, unpaired_text(metric, c)),
                cell(c.t_p_holm, p_text(c.t_p_holm)),
                cell(c.sign_flip_p_holm, p_text(c.sign_flip_p_holm)),
                cell(c.wilcoxon_p_holm, p_text(c.wilcoxon_p_holm)),
                cell(c.improvement, f"{c.improvement:.2f}"),
                cell(c.n),
                Cell("differ" if c.differ else "not told apart", float(not c.differ)),
                Cell("–", math.inf) if c.differ else cell(c.seeds_needed or math.inf, settle),
            ]
        )
    columns = [
        "better",
        "worse",
        "paired difference" + (" (points)" if metric.is_share else ""),
        "95 % interval",
        "unpaired",
        "p (t-test)",
        "p (sign-flip)",
        "p (Wilcoxon)",
        "P(better)",
        "n",
        "verdict",
        "seeds needed",
    ]
    strong = {i for i, c in enumerate(verdict.comparisons) if c.differ}
    note = how_decided(verdict.comparisons)
    return Table("differences", "Differences", columns, rows, note, {*range(2, 10), 11}, strong)


def how_decided(comparisons: Sequence[Comparison]) -> str:
    """The rule beside the table of pairs, and what its columns mean."""
    n = min((c.n for c in comparisons), default=0)
    test = "paired t-test" if all(c.paired for c in comparisons) else "t-test (Welch's where seeds do not pair)"
    return (
        f"How it is decided: the {test} at 5 % after Holm's correction for {plural(len(comparisons), 'pair')}, from "
        f"{LEAST_SEEDS} seeds on. The sign-flip and Wilcoxon tests beside it assume less and do not decide: with "
        f"{plural(n, 'seed')} they cannot go below {smallest_p(n):.4g} before correction, however large the gap. All "
        "p-values are two-sided and corrected, the intervals are not. P(better): the chance that a run of the better "
        "one beats one of the other. Seeds needed: for power 0.8 if the gap and spread seen are the true ones."
    )


def unpaired_text(metric: Metric, c: Comparison) -> str:
    return f"{signed(metric, c.unpaired_difference)} {metric.interval(c.unpaired_interval)}"


def tuning_table(verdict: Verdict) -> Table:
    """One row a contender: what tuning cost and gained, how wide the plateau is, how fast the target is reached."""
    metric = verdict.selection
    rows = []
    for s in verdict.standings:
        hits = s.target.get("epoch")
        rows.append(
            [
                named(s.name),
                cell(s.tuning.trials),
                cell(s.spent.runs),
                cell(s.spent.epochs),
                cell(s.spent.seconds, f"{s.spent.seconds:,.1f}"),
                cell(divergence_rate(s), f"{100 * divergence_rate(s):.0f} %"),
                cell(s.plateau.decades, s.plateau.text) if s.plateau else cell(None),
                cell(s.gain.difference, signed(metric, s.gain.difference)) if s.gain else cell(None),
                *(median_cell(s.target.get(axis)) for axis in AXIS_LABELS),
                cell(hits.hits / hits.runs, f"{hits.hits} of {hits.runs}") if hits else cell(None),
            ]
        )
    aim = f"{verdict.selection.text(verdict.target)}" if verdict.target is not None else "target"
    columns = [
        "optimizer",
        "trials",
        "runs",
        "epochs",
        "seconds",
        "diverged",
        "lr plateau (decades)",
        "gain over default lr",
        f"epochs to {aim}",
        "samples",
        "seconds ",
        "reached",
    ]
    chosen = "" if verdict.target_given else " (about half of the optimizers get there; --target sets another)"
    within = "a point" if metric.is_share else "5 %"
    note = (
        f"Plateau: the decades of lr within {within} of the best {metric.label}. Times are medians over seeds to reach "
        f"{aim} {metric.label}{chosen}; ∞ where fewer than half ever do. Gain: chosen against default lr, same seeds."
    )
    return Table("tuning", "Tuning and time to target", columns, rows, note, set(range(1, 12)))


def divergence_rate(s: Standing) -> float:
    return s.tried_diverged / s.spent.runs if s.spent.runs else 0.0


def median_cell(target: TimeToTarget | None) -> Cell:
    if target is None:
        return cell(None)
    if math.isinf(target.median):
        return Cell("∞", math.inf)
    return cell(target.median, f"{target.median:,.2f}" if target.median % 1 else f"{target.median:,.0f}")


def configurations(contest: Contest) -> Table:
    """One row a configuration: mean ± sd over the seeds that it was chosen on; the chosen one of each is marked."""
    entries = [(c, x) for c in contest.contenders for x in c.tried]
    columns = ["optimizer", "schedule", "lr", "other", contest.selection.axis, "n"]
    columns += ["diverged", "failed", "unfinished", "chosen", contest.metric.axis, "n "]
    return Table(
        "configurations",
        "Configurations",
        columns,
        [configuration_row(contest, c, x) for c, x in entries],
        f"Mean ± sd over the seeds that were chosen on. ★ marks what each optimizer enters the verdict with; its "
        f"{contest.metric.label} over the seeds of the verdict stands beside it.",
        {2, 4, 5, 6, 7, 8, 10, 11},
        {i for i, (c, x) in enumerate(entries) if x is c.chosen},
    )


def configuration_row(contest: Contest, contender: Contender, x: Configuration) -> list[Cell]:
    other = ", ".join(f"{key} {value}" for key, value in x.varied.items()) or "–"
    tuned = spread(list(x.tuning_values(contest.selection).values()))
    chosen = x is contender.chosen and tuned.n > 0  # with no run over, nothing was chosen yet
    final = spread(list(contender.values(contest.metric).values()) if chosen else [])
    tuned_diverged, diverged = (
        sum(run.record.status == "diverged" for run in runs) for runs in (x.tuning, contender.entered)
    )
    return [
        Cell(contender.optimizer, contender.optimizer, contender=contender.name),
        Cell(contender.schedule, contender.schedule),
        cell(x.lr, f"{x.lr:g}"),
        Cell(other, other),
        cell(tuned.mean, plus_minus(contest.selection, tuned, tuned_diverged)),
        Cell(str(tuned.n), tuned.n, find=f"{contender.name} configuration={x.id[:8]}"),
        cell(x.count("diverged")),
        cell(x.count("failed")),
        cell(x.count("running") + x.count("interrupted")),
        Cell("★" if chosen else "", float(not chosen)),
        cell(final.mean, plus_minus(contest.metric, final, diverged)) if chosen else Cell("", math.inf),
        cell(final.n) if chosen else Cell("", math.inf),
    ]


def run_table(contest: Contest) -> Table:
    """One row a run, each with its folder."""
    metrics = [contest.selection.of_part(part) for part in PARTS]
    metrics = [m for m in metrics if any(run.record.metrics.get(m.name) is not None for run in contest.runs)]
    runs = [(contender, run) for contender in contest.contenders for run in contender.runs]
    columns = ["optimizer", "lr", "seed", "phase", "status", *(m.axis for m in metrics)]
    columns += ["best epoch", "epochs", "seconds", "run"]
    return Table(
        "runs",
        "Runs",
        columns,
        [run_row(contender, run, metrics) for contender, run in runs],
        "Every number above comes from these folders.",
        {1, 2, *range(5, len(columns) - 1)},
        words=[
            f"{c.name} lr={run.record.lr:g} seed={run.record.seed} {run.record.phase} {run.record.status} "
            f"configuration={run.configuration[:8]} {run.record.id}"
            for c, run in runs
        ],
        commands=[run.command for _, run in runs],
    )


def run_row(contender: Contender, run: Run, metrics: Sequence[Metric]) -> list[Cell]:
    r = run.record
    seconds = r.timing.get("fit_seconds")
    return [
        named(contender.name),
        cell(r.lr, f"{r.lr:g}"),
        cell(r.seed, str(r.seed)),
        Cell(r.phase, r.phase),
        Cell(status_text(run), r.status),
        *(cell(r.metrics.get(m.name), m.number(r.metrics.get(m.name))) for m in metrics),
        cell(r.best.get("epoch")),
        cell(r.epochs),
        cell(seconds, None if seconds is None else f"{seconds:,.2f}"),
        Cell(r.id, r.id, str(run.folder)),
    ]


def status_text(run: Run) -> str:
    """The status, with the epoch of a divergence."""
    if run.record.status == "diverged" and run.record.diverged:
        return divergence(run.record.diverged)
    return run.record.status


# -- as text


def plus_minus(metric: Metric, values: Spread, diverged: int) -> str:
    """`97.31 ± 0.24`, in the unit shown; without the sd where it is but the distance of one seed to chance level."""
    sd = None if diverged and values.n < LEAST_SEEDS else values.sd
    return metric.number(values.mean) if sd is None else f"{metric.number(values.mean)} ± {metric.number(sd)}"


def signed(metric: Metric, value: float) -> str:
    return ("+" if value >= 0 else "−") + metric.number(abs(value))


def p_text(p: float | None) -> str | None:
    return None if p is None else "< 0.0001" if p < 1e-4 else f"{p:.4f}" if p < 0.01 else f"{p:.3f}"


def markdown(tables: Sequence[Table]) -> str:
    """GitHub's Markdown, a heading and a note each."""
    parts = []
    for table in tables:
        rule = ["--:" if i in table.numeric else ":--" for i in range(len(table.columns))]
        body = [[c.text.replace("|", "\\|") for c in row] for row in table.rows]
        lines = ["| " + " | ".join(row) + " |" for row in ([c.strip() for c in table.columns], rule, *body)]
        parts.append(f"## {table.title}\n\n" + "\n".join(lines) + (f"\n\n{table.note}" if table.note else ""))
    return "\n\n".join(parts) + "\n"


LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"}
LATEX |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$"}
LATEX |= {"±": r"$\pm$", "−": "$-$", "–": "--", "∞": r"$\infty$", "★": r"$\star$", "·": r"$\cdot$", "≥": r"$\geq$"}


def latex(tables: Sequence[Table]) -> str:
    """LaTeX with booktabs, a table environment each; strong rows in bold."""
    parts = ["% needs \\usepackage{booktabs}"]
    for table in tables:
        align = "".join("r" if i in table.numeric else "l" for i in range(len(table.columns)))
        lines = [" & ".join(escape(c.strip()) for c in table.columns) + r" \\", r"\midrule"]
        for i, row in enumerate(table.rows):
            texts = [escape(c.text) for c in row]
            lines.append(" & ".join(rf"\textbf{{{t}}}" if i in table.strong and t else t for t in texts) + r" \\")
        body = "\n".join([rf"\begin{{tabular}}{{{align}}}", r"\toprule", *lines, r"\bottomrule", r"\end{tabular}"])
        caption = escape(f"{table.title}. {table.note}".strip())
        label = rf"\label{{tab:{table.id}}}"
        parts.append(
            "\n".join([r"\begin{table}", r"\centering", body, rf"\caption{{{caption}}}", label, r"\end{table}"])
        )
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    return "".join(LATEX.get(char, char) for char in text)


def runs_csv(runs: Sequence[Run], relative: dict[Path, str]) -> str:
    """One row a run: what it is, how it ended, its final and best values, what it cost, and its folder."""
    metrics = sorted({name for run in runs for name in run.record.metrics}, key=metric_order)
    names = ["id", "optimizer", "lr_schedule", "lr", "seed", "phase", "status", "model", "dataset", *metrics]
    names += ["best_metric", "best_value", "best_epoch", "diverged_epoch", "epochs", "steps", "fit_seconds", "folder"]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
    writer.writeheader()
    for run in runs:
        r = run.record
        row = {name: getattr(r, name) for name in names[:9]}
        row |= {name: r.metrics.get(name) for name in metrics}
        row |= {f"best_{key}": r.best.get(key) for key in ("metric", "value", "epoch")}
        row |= {"diverged_epoch": (r.diverged or {}).get("epoch"), "epochs": r.epochs, "steps": r.steps}
        row |= {"fit_seconds": r.timing.get("fit_seconds"), "folder": relative[run.folder]}
        writer.writerow(row)
    return buffer.getvalue()


def metric_order(name: str) -> tuple[int, str]:
    part = name.partition("/")[0]
    return (list(PARTS).index(part) if part in PARTS else len(PARTS)), name
