"""Replay successive halving on finished full sweeps: python scripts/replay_stopping.py outputs/sweeps/STUDY

Says for each optimizer how often the rule (hydra.sweeper.stopping=halving) would have lost the winner of full training,
what that would have cost in the metric that was chosen by, and how many epochs it saves: for each number of seeds a
trial, over all combinations of those that the sweep has. Nothing is trained, and nothing is written.
"""

import math
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from optlab.analysis.judge.contest import contests
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.replay import Replayed, replay
from optlab.analysis.read.plans import studies
from optlab.analysis.read.runs import read_runs
from optlab.errors import UserError
from optlab.rules.arguments import Parser
from optlab.rules.stopping import Halving
from optlab.rules.words import plural


def parser() -> Parser:
    parser = Parser("scripts/replay_stopping.py", __doc__)
    parser.add_argument("sweeps", nargs="+", type=Path, metavar="FOLDER", help="of a sweep whose runs are over")
    parser.add_argument("--reduction", type=int, default=2, metavar="N", help="one in N trials goes on; default: 2")
    parser.add_argument("--first", type=int, metavar="EPOCH", help="the first rung; default: a fourth of the epochs")
    parser.add_argument("--metric", help="judge by this, like val/loss; default: what the runs are judged by")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    try:
        if given.reduction < 2 or (given.first is not None and given.first < 1):
            name, least = ("reduction", 2) if given.reduction < 2 else ("first", 1)
            raise UserError(f"--{name} {getattr(given, name)}: must be {least} or more")
        show(given.sweeps, given.reduction, given.first, given.metric)
    except UserError as error:
        print(f"optlab: {error}", file=sys.stderr)
        return 2
    return 0


def show(
    folders: Sequence[Path], reduction: int, first: int | None = None, metric: str | None = None
) -> list[Replayed]:
    """Print a table for each setting of the sweeps; returns what stands in them."""
    console = Console(highlight=False)
    runs = read_runs(folders)
    every = []
    for contest in contests(runs, metric):
        found = replay(
            contest,
            studies(contest.runs),
            lambda trials, horizon: Halving.of(trials, horizon, reduction, first),
        )
        console.print(f"\n{contest.label}, chosen by {contest.selection.name}", style="bold", soft_wrap=True)
        for rule, trials in dict.fromkeys((each.rule, each.trials) for each in found):
            behind = zip(rule.rungs, rule.kept, strict=True)
            steps = ", ".join(f"{keep} behind epoch {rung}" for rung, keep in behind)
            console.print(f"of {trials} trials go on: {steps}; {plural(rule.horizon, 'epoch')} in all")
        console.print(table(found, contest.selection))
        every += found
    return every


def table(found: Sequence[Replayed], metric: Metric) -> Table:
    """A line for each optimizer and number of seeds, and one for all optimizers."""
    unit = "points" if metric.is_share else metric.kind
    made = Table(
        *("optimizer", "seeds", "replays", "lost", "cost", "elsewhere", "worst", "saved"),
        caption=f"lost: replays that lose the winner. Cost: of these in {unit}, as a mean over all replays, on the "
        "seeds chosen by; elsewhere: on the other seeds (below 0: the rule chose better). Saved: of the epochs.",
        caption_justify="left",
    )
    for column in made.columns[1:]:
        column.justify = "right"
    for name in dict.fromkeys(each.contender for each in found):
        for each in found:
            if each.contender == name:
                made.add_row(name, *line([each], metric))
        made.add_section()
    for seeds in sorted({each.seeds for each in found}):
        made.add_row("all", *line([each for each in found if each.seeds == seeds], metric), style="bold")
    return made


def line(found: Sequence[Replayed], metric: Metric) -> list[str]:
    """The cells of some arms with one number of seeds, each arm of the same weight."""
    n, replays, lost = len(found), sum(each.replays for each in found), sum(len(each.lost) for each in found)
    elsewhere = [each.elsewhere for each in found]
    other = None if None in elsewhere else sum(each for each in elsewhere if each is not None) / n
    worst = max((one.cost for each in found for one in each.lost), default=0.0)
    saved = sum(each.saved for each in found) / n
    cells = [sum(each.cost for each in found) / n, other if replays > n else None, worst]
    return [
        str(found[0].seeds),
        str(replays),
        f"{lost} ({100 * lost / replays:.0f} %)",
        *("–" if value is None else shown(value, metric) for value in cells),
        f"{100 * saved:.0f} %",
    ]


def shown(value: float, metric: Metric) -> str:
    return "∞" if math.isinf(value) else f"{metric.scale * value:.2f}" if metric.is_share else f"{value:.4f}"
