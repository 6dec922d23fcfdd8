"""The tables of what runs measured of themselves (`callbacks=instruments`): the quantities, and what they advise."""

from dataclasses import dataclass

import numpy as np

from optlab.analysis.judge.contest import Contender, Contest
from optlab.analysis.read.runs import Run
from optlab.analysis.show.tables.table import Column, Row, Table, cells, named
from optlab.rules.instruments import ALL, BY_NAME
from optlab.rules.messages import Message

SHOWN = ("update_ratio", "gradient_norm", "cosine", "snr", "noise_scale", "effective_lr", "distance", "clipped")


def quantities(contest: Contest) -> Table:
    """One row a contender: each quantity of all layers, the median over its measured steps, then over seeds."""
    entries = [c for c in contest.contenders if any(run.measured for run in c.entered)]
    columns: list[Column[Contender]] = [
        named("optimizer", lambda c: c.name),
        *(quantity_column(name) for name in SHOWN if any(typical(c, name) is not None for c in entries)),
        Column("measured", "measured steps", measured_steps),
    ]
    note = "Median over the measured steps of a run, over all layers together; then over seeds."
    return Table("instruments", "Instruments", columns, [Row(cells(columns, c)) for c in entries], note)


def quantity_column(name: str) -> Column[Contender]:
    def value(contender: Contender) -> float | None:
        return typical(contender, name)

    def text(contender: Contender) -> str:
        return "–" if (found := typical(contender, name)) is None else f"{found:.3g}"

    return Column(name, BY_NAME[name].title, value, text)


def typical(contender: Contender, name: str) -> float | None:
    """The median over measured steps, then over seeds; None where nothing was measured."""
    columns = [run.measured[ALL][name] for run in contender.entered if run.measured and name in run.measured[ALL]]
    return float(np.median([np.nanmedian(column) for column in columns])) if columns else None


def measured_steps(contender: Contender) -> int:
    return sum(len(run.measured[ALL]["step"]) for run in contender.entered if run.measured)


@dataclass(frozen=True)
class Advised:
    """What some runs of a contender were advised, by one kind of advice."""

    contender: str
    first: Message
    given: int
    seeds: int


def advice(contest: Contest) -> Table:
    """One row for each kind of advice of a contender: in how many of its seeds, and the words of the first."""
    columns: list[Column[Advised]] = [
        named("optimizer", lambda a: a.contender),
        Column("seeds", "seeds", lambda a: a.given, lambda a: f"{a.given} of {a.seeds}"),
        Column("type", "type", lambda a: str(a.first.fields.get("words") or "–"), left=True),
        Column("advice", "advice (of the first of these seeds)", lambda a: a.first.text, left=True, wraps=True),
    ]
    rows = [Row(cells(columns, each)) for contender in contest.contenders for each in advised(contender)]
    note = "From the numbers of each run by itself; a run that gives none has no row here."
    return Table("advice", "Advice", columns, rows, note)


def advised(contender: Contender) -> list[Advised]:
    """What its entered runs were advised, what most were first; out of those whose instruments were looked at."""
    looked = [run for run in sorted(contender.entered, key=seed_of) if run.record.advice is not None]
    found: dict[str, list[Message]] = {}
    for run in looked:
        for each in map(Message.read, run.record.advice or []):
            found.setdefault(each.kind, []).append(each)
    rows = [Advised(contender.name, each[0], len(each), len(looked)) for each in found.values()]
    return sorted(rows, key=lambda row: -row.given)


def seed_of(run: Run) -> int:
    return run.record.seed
