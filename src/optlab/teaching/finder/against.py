"""The finder held against full studies: python scripts/find_lr.py --against outputs/sweeps/STUDY

For each optimizer of a study on disk the range test is made again in the study's setting (network, data, batch size,
loss ...), and its suggestion stands beside the lr that the study chose. That one is not exact either: beside it stand
its neighbours that are as good but for the spread over seeds.
"""

import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from optlab import trust
from optlab.analysis.judge.contest import Contender, Contest, contests
from optlab.analysis.judge.metric import Metric
from optlab.analysis.read.runs import read_runs
from optlab.console import console_for
from optlab.errors import UserError
from optlab.record import shortest
from optlab.rules.arguments import Parser
from optlab.teaching.finder.find import measured
from optlab.teaching.finder.finding import Finding
from optlab.teaching.finder.write import range_of, shown

HALF = 0.5  # decades
GROUPS = ("model", "module", "loss", "optimizer", "dataset", "metrics")  # whose classes a test calls


@dataclass(frozen=True)
class Row:
    """An optimizer of a study, and what the finder says of it."""

    setting: str
    optimizer: str
    best: float  # the study's lr
    as_good: tuple[float, float]  # its neighbours that are as good, from and to
    finding: Finding

    @property
    def decades(self) -> float | None:
        """How far the suggestion is from the study's best; above it where positive."""
        return None if self.finding.lr is None else math.log10(self.finding.lr / self.best)

    @property
    def is_near(self) -> bool:
        return self.decades is not None and abs(self.decades) <= HALF


def rows_of(folder: Path, *, seeds: int, steps: int, trusts: bool = False) -> list[Row]:
    """A row for each optimizer that a study, or a sweep over lrs, has chosen an lr for.

    Raises:
        UserError: no runs there, or runs that name classes which only their own conf/ knows.
    """
    found = []
    for contest in contests(read_runs([folder])):
        for contender in contest.contenders:
            if contender.chosen is not None and len(contender.lr_only) > 1:
                config = config_of(contender, folder, trusts=trusts)
                finding = measured(config | {"find_lr": config["find_lr"] | {"seeds": seeds, "steps": steps}})
                as_good = equals(contender, contest.selection)
                found.append(Row(setting_of(contest), contender.name, contender.chosen.lr, as_good, finding))
    if not found:
        raise UserError(f"{shortest(folder)}: no optimizer there ran at several lrs; name the folder of a study")
    return found


def config_of(contender: Contender, folder: Path, *, trusts: bool) -> dict[str, Any]:
    """The config of a run of the chosen lr, as one of the finder; classes in it are called, so they are looked at."""
    assert contender.chosen is not None
    config = contender.chosen.runs[0].record.config
    for group in () if trusts else GROUPS:
        trust.check_options(str(shortest(folder)), group, config.get(group))
    ours: dict[str, Any] = {
        "mode": "find_lr",
        "phase": "train",
        "protocol": None,
        "ckpt": None,
        "seed": 0,
        "logger": {},
    }
    return config | ours | {"callbacks": {}, "find_lr": {}}


def equals(contender: Contender, metric: Metric) -> tuple[float, float]:
    """From which lr to which its neighbours are as good as the chosen one, but for the spread of that over seeds."""
    chosen = contender.chosen
    assert chosen is not None
    values = list(chosen.tuning_values(metric).values())
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    sign = 1 if metric.higher_is_better else -1
    least = sign * statistics.fmean(values) - spread
    tried = contender.lr_only
    good = [sign * mean(list(each.tuning_values(metric).values()), sign) >= least for each in tried]
    first = last = tried.index(chosen)
    while first > 0 and good[first - 1]:
        first -= 1
    while last + 1 < len(tried) and good[last + 1]:
        last += 1
    return tried[first].lr, tried[last].lr


def mean(values: Sequence[float], sign: int) -> float:
    return statistics.fmean(values) if values else -sign * math.inf


def setting_of(contest: Contest) -> str:
    config = contest.runs[0].record
    return f"{config.model} on {config.dataset}, batch size {config.config['batch_size']}"


def table_of(rows: Sequence[Row]) -> Table:
    table = Table(
        "setting", "optimizer", "study's best", "as good", "finder", "range", "decades", "within half a decade"
    )
    for column in table.columns[2:7]:
        column.justify = "right"
    for row in rows:
        low, high = row.as_good
        table.add_row(
            row.setting,
            row.optimizer,
            f"{row.best:.2g}",
            f"{low:.2g} to {high:.2g}",
            shown(row.finding.lr),
            range_of(row.finding),
            "–" if row.decades is None else f"{row.decades:+.2f}",
            "yes" if row.is_near else "no",
        )
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    parser = Parser("scripts/find_lr.py", __doc__)
    parser.add_argument("--against", nargs="+", type=Path, required=True, metavar="STUDY", help="folders of studies")
    parser.add_argument(
        "--seeds", type=int, default=1, help="range tests of each optimizer, by their median; default 1"
    )
    parser.add_argument("--steps", type=int, default=200, help="of a range test; default 200")
    parser.add_argument("--trust", action="store_true", help="call whatever classes the runs of these folders name")
    options = parser.parse_args(arguments)
    try:
        rows = [
            row
            for folder in options.against
            for row in rows_of(folder, seeds=options.seeds, steps=options.steps, trusts=options.trust)
        ]
    except UserError as error:
        print(f"optlab: {error}", file=sys.stderr)
        return 1
    console = console_for("words")
    console.print(table_of(rows))
    console.print(f"{sum(row.is_near for row in rows)} of {len(rows)} within half a decade of the study's best")
    return 0
