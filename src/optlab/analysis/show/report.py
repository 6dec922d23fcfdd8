"""report.html: one file that needs no network, with the verdict in words, figures to explore and tables to sort."""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from optlab.analysis.judge.contest import Contest
from optlab.analysis.show.colors import Palette, dash
from optlab.analysis.show.figures import Described
from optlab.analysis.show.figures.to_plotly import spec
from optlab.analysis.show.ranking import axis_ticks, tracks
from optlab.analysis.show.summary import Summary
from optlab.analysis.show.tables import tables_of
from optlab.analysis.show.tables.overview import overview
from optlab.rules.words import plural


def render(summary: Summary, figures: Described) -> str:
    """The page."""
    contests, verdicts, runs = summary.contests, summary.verdicts, summary.runs
    environment = Environment(
        loader=PackageLoader("optlab.analysis.show", "page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    sections = []
    for index, (contest, verdict, drawn) in enumerate(zip(contests, verdicts, figures.of_contests, strict=True)):
        tables = tables_of(contest, verdict, summary.relative, several=False)
        sections.append(
            {
                "id": summary.places[index],
                "contest": contest,
                "verdict": verdict,
                "tracks": tracks(contest, verdict, summary.palette),
                "ticks": axis_ticks(contest, verdict),
                "figures": [spec(figure) for figure in drawn],
                "tables": [replace(table, id=f"{table.id}-{index}") for table in tables],
                "commands": commands(contest),
            }
        )
    across = [spec(figure) for figure in figures.across]
    specs: dict[str, Any] = {str(section["id"]): section["figures"] for section in sections}
    specs["across"] = across
    return environment.get_template("report.html.j2").render(
        title=" + ".join(dict.fromkeys(folder.absolute().name for folder in runs.folders)),
        version=version("optlab"),
        made=f"{datetime.now():%Y-%m-%d %H:%M}",
        runs=runs,
        counts=", ".join(f"{n:,} {status}" for status, n in runs.counts().items() if n),
        sections=sections,
        overview=overview(verdicts, summary.places),
        across=across,
        chips=chips(contests, summary.palette),
        sweep_commands=runs.commands,
        links=summary.relative,
        specs=script_json(specs),
        bundle=plotly_bundle(),
        color_of=contender_color(contests, summary.palette),
        marker_of=contender_marker(contests, summary.palette),
        plural=plural,
        style="".join(part(f"{name}.css") for name in STYLES),
        script="".join(part(f"{name}.js") for name in SCRIPTS),
    )


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


def chips(contests: Sequence[Contest], palette: Palette) -> list[tuple[str, str, str]]:
    """Name, colour and dash of each contender, in the order in which they first stand."""
    found = {c.name: (c.name, palette.color(c.optimizer), dash(c.schedule)) for x in contests for c in x.contenders}
    return list(found.values())


def contender_marker(contests: Sequence[Contest], palette: Palette) -> dict[str, str]:
    return {c.name: palette.marker(c.optimizer) for contest in contests for c in contest.contenders}


def contender_color(contests: Sequence[Contest], palette: Palette) -> dict[str, str]:
    return {c.name: palette.color(c.optimizer) for contest in contests for c in contest.contenders}


# -- what the page carries with it


STYLES = ("base", "markers", "verdict", "figures", "tables", "phone", "print")  # in this order
SCRIPTS = ("page", "figures", "theme", "settings", "tables")


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
