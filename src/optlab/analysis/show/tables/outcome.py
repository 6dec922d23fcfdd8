"""The tables of a verdict, a row a contender or a pair: standings, differences, tuning."""

import math
from collections.abc import Callable, Sequence

from optlab.analysis.judge.cautions import roughly
from optlab.analysis.judge.compare import Comparison
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.seconds import StepTime
from optlab.analysis.judge.statistics import LEAST_SEEDS, MOST_SEEDS, smallest_p
from optlab.analysis.judge.target import TimeToTarget
from optlab.analysis.judge.verdict import Standing, Verdict
from optlab.analysis.show.tables.table import Column, Row, Table, cells, named, shown
from optlab.analysis.show.tables.text import p_text, plus_minus, signed
from optlab.rules.words import plural


def standings(verdict: Verdict) -> Table:
    """One row a contender: the chosen configuration and what it scored."""
    columns = standing_columns(verdict)
    note = (
        "Final value over seeds, a diverged run at chance level. Optimizers that share a letter in the last column "
        "cannot be told apart."
    )
    return Table("standings", "Standings", columns, [Row(cells(columns, s)) for s in verdict.standings], note)


def standing_columns(verdict: Verdict) -> list[Column[Standing]]:
    metric = verdict.metric
    by_epoch = metric if metric.part != "test" else verdict.selection
    return [
        named("optimizer", lambda s: s.name),
        Column("configuration", "configuration", lambda s: s.configuration, sort=lambda s: s.lr or 0.0, left=True),
        Column(
            "mean",
            f"{metric.axis}, mean ± sd",
            lambda s: s.final.mean,
            lambda s: plus_minus(metric, s.final, s.diverged),
        ),
        Column(
            "interval",
            "95 % interval",
            lambda s: s.final.mean if s.interval else None,
            lambda s: metric.interval(s.interval),
        ),
        Column("median", "median", lambda s: s.final.median, lambda s: metric.number(s.final.median)),
        Column("quartiles", "quartiles", middle_half, lambda s: metric.interval(quartiles(s))),
        Column(
            "best_epoch",
            f"best epoch, {by_epoch.axis}",
            lambda s: s.best.mean,
            lambda s: plus_minus(by_epoch, s.best, s.diverged),
        ),
        Column(
            "n",
            "n",
            lambda s: s.final.n,
            find=lambda s: f"{s.name} lr={s.lr:g}" if s.lr is not None else s.name,
        ),
        Column("diverged", "diverged", lambda s: s.diverged),
        Column("group", "group", lambda s: s.letters, left=True),
    ]


def quartiles(s: Standing) -> tuple[float, float] | None:
    return None if s.final.q1 is None or s.final.q3 is None else (s.final.q1, s.final.q3)


def middle_half(s: Standing) -> float | None:
    """The distance of the quartiles."""
    return None if (ends := quartiles(s)) is None else ends[1] - ends[0]


def differences(verdict: Verdict) -> Table:
    """One row a pair."""
    columns = difference_columns(verdict.metric)
    rows = [Row(cells(columns, c), strong=c.differ) for c in verdict.comparisons]
    return Table("differences", "Differences", columns, rows, how_decided(verdict.comparisons))


def difference_columns(metric: Metric) -> list[Column[Comparison]]:
    def p_column(name: str, heading: str, p: Callable[[Comparison], float | None]) -> Column[Comparison]:
        return Column(name, heading, p, lambda c: p_text(p(c)))

    return [
        named("better", lambda c: c.better),
        named("worse", lambda c: c.worse),
        Column(
            "difference",
            "paired difference" + (" (points)" if metric.is_share else ""),
            lambda c: c.difference,
            lambda c: metric.number(c.difference),
        ),
        Column(
            "interval",
            "95 % interval",
            lambda c: c.interval[0] if c.interval else None,
            lambda c: metric.interval(c.interval),
        ),
        Column(
            "unpaired",
            "unpaired",
            lambda c: c.unpaired_difference,
            lambda c: unpaired_text(metric, c),
            wraps=True,
        ),
        p_column("t_p", "p (t-test)", lambda c: c.t_p_holm),
        p_column("sign_flip_p", "p (sign-flip)", lambda c: c.sign_flip_p_holm),
        p_column("wilcoxon_p", "p (Wilcoxon)", lambda c: c.wilcoxon_p_holm),
        Column("improvement", "P(better)", lambda c: c.improvement, lambda c: f"{c.improvement:.2f}"),
        Column("n", "n", lambda c: c.n),
        Column("verdict", "verdict", lambda c: "differ" if c.differ else "not told apart", left=True),
        Column("seeds_needed", "seeds needed", seeds_needed, seeds_text),
    ]


def seeds_needed(c: Comparison) -> float | None:
    """How many seeds would tell a pair apart that cannot be told apart; infinite where no number would do."""
    if c.differ:
        return None
    return math.inf if c.seeds_needed is None else c.seeds_needed


def seeds_text(c: Comparison) -> str:
    """`20 to 350`: how far the number is known."""
    if c.differ or c.sd is None:
        return shown(None)
    if c.seeds_range is None:
        return f"> {MOST_SEEDS:,}"
    fewest, most = c.seeds_range
    ends = [f"{roughly(fewest):,}", f"> {MOST_SEEDS:,}" if most is None else f"{roughly(most):,}"]
    return " to ".join(dict.fromkeys(ends))


def how_decided(comparisons: Sequence[Comparison]) -> str:
    """The rule beside the table of pairs, and what its columns mean."""
    n = min((c.n for c in comparisons), default=0)
    test = "paired t-test" if all(c.paired for c in comparisons) else "t-test (Welch's where seeds do not pair)"
    return (
        f"How it is decided: the {test} at 5 % after Holm's correction for {plural(len(comparisons), 'pair')}, from "
        f"{LEAST_SEEDS} seeds on. The sign-flip and Wilcoxon tests beside it assume less and do not decide: with "
        f"{plural(n, 'seed')} they cannot go below {smallest_p(n):.4g} before correction, however large the gap. All "
        "p-values are two-sided and corrected, the intervals are not. P(better): the chance that a run of the better "
        "one beats one of the other. Seeds needed: for power 0.8 if the gap seen is the true one, over the 95 % "
        "interval of the spread."
    )


def unpaired_text(metric: Metric, c: Comparison) -> str:
    return f"{signed(metric, c.unpaired_difference)} {metric.interval(c.unpaired_interval)}"


def tuning_table(verdict: Verdict) -> Table:
    """One row a contender: what tuning cost and gained, how wide the plateau is, how fast the target is reached."""
    metric, aim = verdict.selection, aim_of(verdict)
    columns = tuning_columns(verdict)
    chosen = "" if verdict.target_given else " (about half of the optimizers get there; --target sets another)"
    within = "a point" if metric.is_share else "5 %"
    note = (
        f"Plateau: the decades of lr within {within} of the best {metric.label}. Times are medians over seeds to reach "
        f"{aim} {metric.label}{chosen}; ∞ where fewer than half ever do. Gain: chosen against default lr, same seeds."
    )
    if any(column.name == "undisturbed" for column in columns):
        note += " Undisturbed: each step as long as in the fastest run that was computed alike."
    rows = [Row(cells(columns, s)) for s in verdict.standings]
    return Table("tuning", "Tuning and time to target", columns, rows, note)


def tuning_columns(verdict: Verdict) -> list[Column[Standing]]:
    metric = verdict.selection

    def to_target(axis: str, heading: str) -> Column[Standing]:
        def value(s: Standing) -> float | None:
            return s.target[axis].median if axis in s.target else None

        return Column(f"{axis}s_to_target", heading, value, lambda s: time_text(value(s)))

    def reached(s: Standing) -> TimeToTarget | None:
        return s.target.get("epoch")

    return [
        named("optimizer", lambda s: s.name),
        Column("trials", "trials", lambda s: s.tuning.trials),
        Column("runs", "runs", lambda s: s.spent.runs),
        Column("epochs", "epochs", lambda s: s.spent.epochs),
        Column("seconds", "seconds", lambda s: s.spent.seconds, lambda s: f"{s.spent.seconds:,.1f}"),
        *undisturbed(verdict, "undisturbed", "seconds, undisturbed", lambda time, _: time.spent),
        Column("diverged", "diverged", divergence_rate, lambda s: f"{100 * divergence_rate(s):.0f} %"),
        Column(
            "plateau",
            "lr plateau (decades)",
            lambda s: s.plateau.decades if s.plateau else None,
            lambda s: s.plateau.text if s.plateau else shown(None),
        ),
        Column(
            "gain",
            "gain over default lr",
            lambda s: s.gain.difference if s.gain else None,
            lambda s: signed(metric, s.gain.difference) if s.gain else shown(None),
        ),
        to_target("epoch", f"epochs to {aim_of(verdict)}"),
        to_target("sample", "samples"),
        to_target("second", "seconds"),
        *undisturbed(verdict, "undisturbed_to_target", "seconds, undisturbed", undisturbed_to_target),
        Column(
            "reached",
            "reached",
            lambda s: hits.hits / hits.runs if (hits := reached(s)) else None,
            lambda s: f"{hits.hits} of {hits.runs}" if (hits := reached(s)) else shown(None),
        ),
    ]


def undisturbed(
    verdict: Verdict, name: str, heading: str, seconds: Callable[[StepTime, Standing], float | None]
) -> list[Column[Standing]]:
    """A column of seconds without what slowed single runs down, where something did."""
    if not any(s.step_time is not None and s.step_time.disturbed for s in verdict.standings):
        return []

    def value(s: Standing) -> float | None:
        return None if s.step_time is None else seconds(s.step_time, s)

    def text(s: Standing) -> str:
        found = value(s)
        return shown(None) if found is None else "∞" if math.isinf(found) else f"{found:,.1f}"

    return [Column(name, heading, value, text)]


def undisturbed_to_target(time: StepTime, s: Standing) -> float | None:
    return s.target["epoch"].median * time.epoch if "epoch" in s.target else None


def aim_of(verdict: Verdict) -> str:
    return "target" if verdict.target is None else verdict.selection.text(verdict.target)


def divergence_rate(s: Standing) -> float:
    return s.tried_diverged / s.spent.runs if s.spent.runs else 0.0


def time_text(time: float | None) -> str:
    if time is None:
        return shown(None)
    if math.isinf(time):
        return "∞"
    return f"{time:,.2f}" if time % 1 else f"{time:,.0f}"
