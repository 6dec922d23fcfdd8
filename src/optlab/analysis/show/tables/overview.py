"""The table over several settings: a row a setting, a column a contender."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from optlab.analysis.judge.verdict import Standing, Verdict
from optlab.analysis.show.tables.table import Column, Row, Table, cells

Entry = tuple[Verdict, str]  # a setting, and where it stands on the page


def overview(verdicts: Sequence[Verdict], places: Sequence[str]) -> Table:
    """What each contender scored in each setting: mean, letter and rank; no rows for a single setting."""
    names = list(dict.fromkeys(s.name for verdict in verdicts for s in verdict.standings))
    metrics = {verdict.metric.name for verdict in verdicts}
    columns: list[Column[Entry]] = [
        Column("setting", "setting", lambda e: e[0].label, left=True, place=lambda e: e[1]),
        *([Column("metric", "judged by", lambda e: e[0].metric.axis, left=True)] if len(metrics) > 1 else []),
        *(score_column(name, alone=len(names) == 1) for name in names),
    ]
    entries = list(zip(verdicts, places, strict=True)) if len(verdicts) > 1 else []
    what = "Mean" if len(metrics) > 1 else f"Mean {verdicts[0].metric.axis}" if verdicts else "Mean"
    note = f"{what}."
    if len(names) > 1:
        note = f"{what}, then the letter (those that share one in a row cannot be told apart) and the rank by mean. "
        note = (note + mean_ranks(verdicts, names)).strip()
    return Table("overview", "Overview", columns, [Row(cells(columns, entry)) for entry in entries], note)


def score_column(name: str, *, alone: bool) -> Column[Entry]:
    """A contender in every setting; where it is alone in all of them, without letter and rank."""

    def found(entry: Entry) -> Standing | None:
        return next((s for s in entry[0].standings if s.name == name and s.final.mean is not None), None)

    def text(entry: Entry) -> str:
        s, verdict = found(entry), entry[0]
        if s is None:
            return "–"
        if alone:
            return verdict.metric.number(s.final.mean)
        parts = (verdict.metric.number(s.final.mean), s.letters, f"#{ranks(verdict)[name]}")
        return " ".join(part for part in parts if part)

    return Column(name, name, lambda e: s.final.mean if (s := found(e)) else None, text)


def ranks(verdict: Verdict) -> dict[str, int]:
    """The rank of each contender that has a mean, 1 for the best; equal means share the better one."""
    return {name: int(rank) for name, rank in ranked(verdict, "min").items()}


def ranked(verdict: Verdict, method: str) -> dict[str, float]:
    scored = [s for s in verdict.standings if s.final.mean is not None]
    losses = [float(f"{-verdict.metric.sign * (s.final.mean or 0.0):.12g}") for s in scored]  # 0.1 + 0.2 is 0.3
    return dict(zip((s.name for s in scored), map(float, rankdata(losses, method=method)), strict=True))


def mean_ranks(verdicts: Sequence[Verdict], names: Sequence[str]) -> str:
    """The mean rank of those that are in every setting, where there are two of them (ties count half)."""
    every = [ranked(verdict, "average") for verdict in verdicts]
    means = {name: float(np.mean([each[name] for each in every])) for name in names if all(name in e for e in every)}
    if len(means) < 2:
        return ""
    return f"Mean rank: {', '.join(f'{name} {means[name]:.2f}' for name in sorted(means, key=lambda n: means[n]))}."
