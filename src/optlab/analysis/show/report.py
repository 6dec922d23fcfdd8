"""report.html: one file that needs no network, with the verdict in words, figures to explore and tables to sort."""

import base64
import gzip
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from optlab.analysis.judge.contest import Contest
from optlab.analysis.judge.verdict import Verdict
from optlab.analysis.read.published import Published
from optlab.analysis.read.runs import Runs
from optlab.analysis.show import interactive, tables
from optlab.analysis.show.colors import color, dash
from optlab.analysis.show.tables import Table
from optlab.rules.words import plural


@dataclass(frozen=True)
class Track:
    """One contender's line in the ranking: places are percent of the shared scale."""

    name: str
    color: str
    dash: str
    configuration: str
    score: str
    sd: str
    letters: str
    mean: float | None
    low: float | None
    high: float | None
    seeds: list[tuple[float, str]]
    note: str


def render(
    runs: Runs,
    contests: Sequence[Contest],
    verdicts: Sequence[Verdict],
    relative: Mapping[Path, str],
    published: Sequence[Published | None],
) -> str:
    """The page.

    Args:
        runs: what was read, for counts, sources and commands.
        contests, verdicts: one verdict a contest, in the same order.
        relative: the link to each run folder.
        published: for each contest, the curves to draw behind its learning curves.
    """
    environment = Environment(
        loader=PackageLoader("optlab.analysis.show", "page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    sections = []
    for index, (contest, verdict, behind) in enumerate(zip(contests, verdicts, published, strict=True)):
        drawn = [replace(table, id=f"{table.id}-{index}") for table in tables_of(contest, verdict, several=False)]
        sections.append(
            {
                "id": f"setting-{index}",
                "contest": contest,
                "verdict": verdict,
                "tracks": tracks(contest, verdict),
                "ticks": axis_ticks(contest, verdict),
                "figures": interactive.figures(contest, verdict, behind),
                "tables": drawn,
                "commands": commands(contest),
            }
        )
    profile = interactive.performance_profile(contests)
    specs: dict[str, Any] = {str(section["id"]): section["figures"] for section in sections}
    specs["profile"] = [profile] if profile else []
    return environment.get_template("report.html.j2").render(
        title=" + ".join(dict.fromkeys(folder.absolute().name for folder in runs.folders)),
        version=version("optlab"),
        made=f"{datetime.now():%Y-%m-%d %H:%M}",
        runs=runs,
        counts=", ".join(f"{n:,} {status}" for status, n in runs.counts().items() if n),
        sections=sections,
        profile=profile,
        chips=chips(contests),
        sweep_commands=runs.commands,
        links={str(folder): link for folder, link in relative.items()},
        specs=script_json(specs),
        bundle=plotly_bundle(),
        color_of=contender_color(contests),
        plural=plural,
        style=part("report.css"),
        script=part("report.js"),
    )


def tables_of(contest: Contest, verdict: Verdict, several: bool) -> list[Table]:
    """Every table of a contest, with its setting in the title where there are several."""
    drawn = [
        tables.standings(verdict),
        tables.differences(verdict),
        tables.tuning_table(verdict),
        tables.configurations(contest),
        tables.run_table(contest),
    ]
    if several:
        drawn = [replace(table, title=f"{table.title}: {verdict.label}") for table in drawn]
    return [table for table in drawn if table.rows]


# -- the ranking


def tracks(contest: Contest, verdict: Verdict) -> list[Track]:
    """The ranking: each contender's seeds, mean and interval on one scale."""
    low, high = scale(contest, verdict)
    metric = verdict.metric

    def place(value: float) -> float:
        return round(100 * min(1.0, max(0.0, (value - low) / (high - low))), 2)

    found = []
    for s in verdict.standings:
        values = contest.contender(s.name).values(metric)
        notes = [f"{s.diverged} diverged"] if s.diverged else []
        score, _, sd = tables.plus_minus(metric, s.final, s.diverged).partition(" ± ")
        notes += [plural(s.final.n, "seed")] if s.final.n else ["no run is over"]
        found.append(
            Track(
                name=s.name,
                color=color(s.optimizer),
                dash=dash(s.schedule),
                configuration=s.configuration,
                score=score,
                sd=sd,
                letters=s.letters,
                mean=None if s.final.mean is None else place(s.final.mean),
                low=place(s.interval[0]) if s.interval else None,
                high=place(s.interval[1]) if s.interval else None,
                seeds=[(place(value), f"seed {seed}: {metric.text(value)}") for seed, value in values.items()],
                note=", ".join(reversed(notes)),
            )
        )
    return found


def scale(contest: Contest, verdict: Verdict) -> tuple[float, float]:
    """The range of the ranking: every seed and interval end, with a margin; far outliers are cut off at its end."""
    metric = verdict.metric
    values = [v for s in verdict.standings for v in contest.contender(s.name).values(metric).values()]
    ends = [end for s in verdict.standings if s.interval for end in s.interval]
    inside = [s.final.median for s in verdict.standings if s.final.median is not None]
    if not inside:
        return 0.0, 1.0
    reach = 3 * (max(inside) - min(inside)) or max(values) - min(values) or abs(inside[0]) or 1.0
    low = max(min([*values, *ends]), min(inside) - reach)
    high = min(max([*values, *ends]), max(inside) + reach)
    margin = 0.04 * (high - low) or 0.01
    return low - margin, high + margin


def axis_ticks(contest: Contest, verdict: Verdict) -> list[tuple[float, str]]:
    """Round numbers on the ranking's scale, two to seven: place in percent and text in the unit shown."""
    low, high = (end * verdict.metric.scale for end in scale(contest, verdict))
    power = 10.0 ** math.floor(math.log10((high - low) / 6))
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= (high - low) / 6)
    values = [n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [(round(100 * (value - low) / (high - low), 2), f"{value:.{digits}f}") for value in values]


# -- commands and colours


OF_THE_SWEEP = ("seed=", "sweep=", "phase=", "protocol=")  # a repetition goes into folders of its own


def commands(contest: Contest) -> list[tuple[str, str]]:
    """For each contender, the command that repeats its entered runs, all seeds.

    A loop of single runs for those of a study: with -m their preset would start the whole study.
    """
    found = []
    for contender in contest.contenders:
        if not contender.entered:
            continue
        seeds = [str(run.record.seed) for run in contender.entered]
        words = contender.entered[0].command.split(" ")[2:]
        kept = " ".join(word for word in words if not word.startswith(OF_THE_SWEEP))
        if contender.entered[0].record.phase == "confirm":
            command = f"for seed in {' '.join(seeds)}; do python train.py {kept} seed=$seed; done"
        else:
            command = f"python train.py -m {kept} seed={','.join(seeds)}"
        found.append((contender.name, command))
    return found


def chips(contests: Sequence[Contest]) -> list[tuple[str, str, str]]:
    """Name, colour and dash of each contender, in the order in which they first stand."""
    found = {c.name: (c.name, color(c.optimizer), dash(c.schedule)) for x in contests for c in x.contenders}
    return list(found.values())


def contender_color(contests: Sequence[Contest]) -> dict[str, str]:
    return {c.name: color(c.optimizer) for contest in contests for c in contest.contenders}


# -- what the page carries with it


def part(name: str) -> str:
    return (files("optlab.analysis.show") / "page" / name).read_text(encoding="utf-8")


@cache
def plotly_bundle() -> str:
    """plotly.js from the plotly package, gzipped, as base64: 2 MB instead of 5. The browser unpacks it by itself."""
    script = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return base64.b64encode(gzip.compress(script, compresslevel=9, mtime=0)).decode("ascii")


def script_json(content: Mapping[str, Any]) -> str:
    """JSON that may stand inside a script element."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
