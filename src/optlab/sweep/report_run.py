"""A sweep's report for Weights & Biases, from what `optlab.analysis.build` returned: nothing is computed anew here.

Media stand in the folder of the W&B run, tables and charts elsewhere too (see docs/wandb.md, "Traps"): so every number
of the verdict is in the summary, and the page is there as a whole.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optlab.analysis import Summary
from optlab.analysis.build import SUMMARY_FILE
from optlab.analysis.judge.contest import Configuration, Contest
from optlab.analysis.judge.statistics import Interval, Spread, mean_interval
from optlab.analysis.judge.verdict import Verdict
from optlab.analysis.show.figures.series import curves
from optlab.analysis.show.tables.tried import tried
from optlab.config.given import configuration as in_words
from optlab.record import finite
from optlab.rules.words import slug

Row = dict[str, str | float | int | bool | None]


def log_report(run: Any, summary: Summary) -> None:
    """Log the verdict's numbers, page, figures, tables and learning curves of a sweep to an open W&B run.

    Tables come last: online, W&B asks the server about each before it takes it, and what went before is then safe.
    """
    import wandb

    run.summary.update(finite(numbers(summary)))
    pages = {"report": wandb.Html(str(summary.report), inject=False)}
    run.log(pages | {f"figures/{path.stem}": wandb.Image(str(path)) for path in pictures(summary)})
    logged: dict[str, Any] = {}
    for prefix, contest, verdict in settings(summary):
        for name, rows in (("verdict", standings(contest, verdict)), ("configurations", configurations(contest))):
            if rows:
                logged[prefix + name] = wandb.Table(list(rows[0]), [list(row.values()) for row in rows])
        for metric, drawn in curves(contest).items():
            logged[f"{prefix}curves/{metric}"] = wandb.plot.line_series(
                xs=[finite(curve.axes["epoch"].tolist()) for curve in drawn],
                ys=[finite(curve.median.tolist()) for curve in drawn],
                keys=[curve.contender for curve in drawn],
                title=f"{metric}, median over seeds",
                xname="epoch",
                split_table=True,
            )
    run.log(logged)


def settings(summary: Summary) -> Iterator[tuple[str, Contest, Verdict]]:
    """Each setting with what its keys begin with: nothing where there is only one."""
    several = len(summary.contests) > 1
    for contest, verdict in zip(summary.contests, summary.verdicts, strict=True):
        yield f"{slug(verdict.label)}/" if several else "", contest, verdict


def pictures(summary: Summary) -> list[Path]:
    """The pictures that were drawn with this summary; what an earlier report left beside them is older."""
    made = (summary.folder / SUMMARY_FILE).stat().st_mtime_ns
    return sorted(path for path in (summary.folder / "figures").glob("*.png") if path.stat().st_mtime_ns >= made)


# -- the summary


def numbers(summary: Summary) -> dict[str, Any]:
    """The summary of the run: how many runs of each status, and each setting's verdict, in the metric's own unit."""
    found: dict[str, Any] = {"status": "finished", "runs": summary.counts}
    for prefix, contest, verdict in settings(summary):
        found |= {prefix + key: value for key, value in said(contest, verdict).items()}
    return found


def said(contest: Contest, verdict: Verdict) -> dict[str, Any]:
    """The verdict of a setting: in words, the leader's numbers, those of every contender and of every pair.

    `winner` is the leader where it is told apart from all others and learned something, and else null.
    """
    ranked = [standing for standing in verdict.standings if standing.final.n]
    leader = ranked[0] if ranked else None
    beaten = [pair for pair in verdict.comparisons if leader and pair.better == leader.name and pair.differ]
    won = leader is not None and len(ranked) > 1 and len(beaten) == len(ranked) - 1
    won &= not any(each.kind in ("at_chance", "all_diverged") for each in verdict.qualifiers)
    return {
        "setting": verdict.label,
        "metric": verdict.metric.name,
        "selection_metric": verdict.selection.name,
        "headline": verdict.headline,
        "sentences": list(verdict.sentences),
        "warnings": [warning.text for warning in verdict.said_once],
        "winner": leader.name if leader and won else None,
        "leader": leader.name if leader else None,
        **(spread_of(leader.final, leader.interval) if leader else {}),
        "contenders": {row.pop("contender"): row for row in standings(contest, verdict)},
        "differences": {
            f"{pair.better} - {pair.worse}": {
                "difference": pair.difference,
                **ends(pair.interval),
                "n": pair.n,
                "p": pair.t_p_holm,
                "differ": pair.differ,
            }
            for pair in verdict.comparisons
        },
    }


def spread_of(spread: Spread, interval: Interval | None) -> Row:
    return {"mean": spread.mean, "sd": spread.sd, "n": spread.n, **ends(interval)}


def ends(interval: Interval | None) -> Row:
    """The ends of a 95 % interval."""
    return {"low": interval[0], "high": interval[1]} if interval else {"low": None, "high": None}


# -- the tables


def standings(contest: Contest, verdict: Verdict) -> list[Row]:
    """A row a contender, best first: the configuration that it enters the verdict with, and what that scored."""
    chosen = {contender.name: contender.chosen for contender in contest.contenders}
    return [
        {
            "contender": each.name,
            "configuration": words(chosen[each.name]),
            "best lr": each.lr,
            "letters": each.letters,
            **spread_of(each.final, each.interval),
            "diverged": each.diverged,
        }
        for each in verdict.standings
    ]


def configurations(contest: Contest) -> list[Row]:
    """A row a configuration that was tried, over the seeds that it was chosen on."""
    metric = contest.selection
    found = []
    for entry in (tried(contest, contender, each) for contender in contest.contenders for each in contender.tried):
        interval = metric.clip(mean_interval(list(entry.configuration.tuning_values(metric).values())))
        found.append(
            {
                "contender": entry.contender.name,
                "configuration": words(entry.configuration),
                "lr": entry.lr,
                "best": entry.chosen,
                **spread_of(entry.tuned, interval),
                "diverged": entry.configuration.count("diverged"),
                "failed": entry.configuration.count("failed"),
            }
        )
    return found


def words(configuration: Configuration | None) -> str | None:
    """What the runs of a configuration log as `configuration`."""
    return None if configuration is None else in_words(configuration.runs[0].record.config)
