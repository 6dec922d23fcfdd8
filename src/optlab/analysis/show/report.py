"""report.html: one file that needs no network, with the verdict in words, figures to explore and tables to sort."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from optlab.analysis.judge.contest import Contest
from optlab.analysis.read.runs import Runs
from optlab.analysis.show.colors import Palette, dash
from optlab.analysis.show.figures import Described
from optlab.analysis.show.figures.names import brief
from optlab.analysis.show.figures.to_plotly import spec
from optlab.analysis.show.live import Live, clock, epochs
from optlab.analysis.show.ranking import axis_ticks, tracks
from optlab.analysis.show.summary import Summary
from optlab.analysis.show.tables import tables_of
from optlab.analysis.show.tables.overview import overview
from optlab.analysis.show.templates import templates
from optlab.rules.commands import as_typed, going_on, once_more, program, run_words
from optlab.rules.words import plural


def render(
    summary: Summary, figures: Described, stills: Mapping[tuple[str, str], str], live: Live | None = None
) -> str:
    """The page.

    Args:
        stills: for where no script runs, `<svg>` elements by section and figure; none where no pictures are wanted.
        live: how far the sweep is, on a page that reads itself again while it runs.
    """
    contests, verdicts, runs = summary.contests, summary.verdicts, summary.runs
    environment = templates("optlab.analysis.show", "page")
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
                "figures": without_gaps([spec(figure) for figure in drawn]),
                "tables": [replace(table, id=f"{table.id}-{index}") for table in tables],
                "commands": commands(contest),
            }
        )
    across = without_gaps([spec(figure) for figure in figures.across])
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
        stills=stills,
        problems=bool(runs.failures() or runs.skipped),
        chips=chips(contests, summary.palette),
        sweep_commands=sweep_commands(runs),
        links=summary.relative,
        live=live,
        clock=clock,
        epochs=epochs,
        link=summary.link,
        specs=script_json(specs),
        bundle=plotly_bundle(),
        color_of=contender_color(contests, summary.palette),
        marker_of=contender_marker(contests, summary.palette),
        plural=plural,
        brief=brief,
        early=part("early.js"),
        style="".join(part(f"{name}.css") for name in STYLES),
        script="".join(part(f"{name}.js") for name in SCRIPTS),
    )


def without_gaps(specs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Figures in an order in which each of half the width has another beside it; one that is left over gets it all."""
    left, found = list(specs), list[dict[str, Any]]()
    lone = False  # the last one found waits for another
    while left:
        beside = next((figure for figure in left if not figure["wide"]), None) if lone else left[0]
        if beside is None:
            break
        left.remove(beside)
        found.append(beside)
        lone = not lone and not beside["wide"]
    if lone:
        found[-1] = {**found[-1], "wide": True}
    return found + left  # those are wide


# -- commands and colours


OF_THE_SWEEP = ("seed=", "sweep=", "phase=", "protocol=")  # a repetition goes into folders of its own


def sweep_commands(runs: Runs) -> list[tuple[str, str]]:
    """What each command for a whole sweep does, and the command: all of it once more, and what is missing of it."""
    found = []
    several = len(runs.folders) > 1
    for folder, typed in runs.commands.items():
        name = folder.absolute().name
        of = f" of {name}" if several else ""
        found += [(f"the whole sweep{of} once more, in a new folder", once_more(command)) for command in typed]
        found += [(f"go on in {name}: only runs that are missing there", going_on(command, name)) for command in typed]
    return [(what, as_typed(command)) for what, command in found]


def commands(contest: Contest) -> list[tuple[str, str]]:
    """For each contender, the command that repeats its entered runs, all seeds.

    A loop of single runs for those of a study: with -m their preset would start the whole study.
    """
    found = []
    for contender in contest.contenders:
        if not contender.entered:
            continue
        seeds = [str(run.record.seed) for run in contender.entered]
        words = contender.entered[0].record.overrides
        kept = run_words(word for word in words if not word.startswith(OF_THE_SWEEP))
        if contender.entered[0].record.phase == "confirm":
            command = f"for seed in {' '.join(seeds)}; do {program()} {kept} seed=$seed; done"
        else:
            command = f"{program()} -m {kept} seed={','.join(seeds)}"
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


STYLES = ("base", "markers", "live", "verdict", "figures", "tables", "names", "phone", "print")  # in this order
SCRIPTS = ("page", "views", "figures", "zoom", "numbers", "theme", "settings", "tables", "copy", "live")


def part(name: str) -> str:
    return (files("optlab.analysis.show") / "page" / name).read_text(encoding="utf-8")


@cache
def plotly_bundle() -> str:
    """plotly.js's basic bundle, gzipped, as base64: half a megabyte. The browser unpacks it by itself."""
    packed = files("optlab.analysis.show") / "page" / "vendor" / "plotly-basic.min.js.gz"
    return base64.b64encode(packed.read_bytes()).decode("ascii")


def script_json(content: Mapping[str, Any]) -> str:
    """JSON that may stand inside a script element."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
