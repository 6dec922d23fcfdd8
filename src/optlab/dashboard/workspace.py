"""The workspace: a section a question, in the order of the report.

W&B's own rules that it is built around: a panel has no filter of its own (see `rules.tracked.CONFIRM_EPOCH`); bar
charts, scatter and parallel coordinates read summaries, and only line plots read histories; a line plot groups by one
key; colours of groups follow the grouping of the table of runs.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from optlab.adapters.wandb_workspaces import content_of
from optlab.analysis.judge.contest import Contest
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.verdict import Verdict
from optlab.analysis.show.tables.outcome import standings
from optlab.analysis.show.tables.write import markdown
from optlab.dashboard.mirrored import Mirrored, is_logarithmic
from optlab.rules.tasks import TASKS
from optlab.rules.tracked import CONFIRM_EPOCH, COUNT, DIVERGED, LAST, TIMING
from optlab.rules.words import slug

KINDS = "|".join(sorted({kind for task in TASKS.values() for kind in task.metrics(outputs=10)}))
QUALITY = re.compile(rf"(train|val|test)/({KINDS})")  # what learning curves show
BOOKKEEPING = ("epoch", "step", "seconds", "lr")
COST = re.compile(r"byte|memory|seconds|flop", re.IGNORECASE)
GROUP = "configuration"  # the config key that curves are grouped by
MOST_RUNS = 1000  # runs a panel shows at most


def build(mirrored: Mirrored, entity: str, project: str) -> ws.Workspace:
    """The workspace of a sweep, not saved."""
    metric = mirrored.metrics[0]
    sections = [
        verdict(mirrored),
        curves(mirrored),
        learning_rate(mirrored),
        search(mirrored),
        divergences(),
        cost(mirrored),
        instruments(mirrored),
    ]
    colors: dict[object, object] = {words: color for words, color in mirrored.configurations.items()}  # noqa: C416
    most = min(MOST_RUNS, max(10, len(mirrored.runs)))
    return ws.Workspace(
        entity=entity,
        project=project,
        name=f"optlab: {without_symbols(mirrored.name)}",
        sections=[section for section in sections if section is not None],
        settings=ws.WorkspaceSettings(x_axis="epoch", max_runs=most, remove_legends_from_panels=False),
        runset_settings=ws.RunsetSettings(
            filters=f"Config('sweep') in {literal(mirrored.sweeps)}",
            groupby=[ws.Config(GROUP)],
            order=[ws.Ordering(ws.Summary(LAST + metric), ascending=not Metric(metric).higher_is_better)],
            group_colors=colors,
            run_settings={
                id: ws.RunSettings(color=mirrored.color(run)) for run, ids in mirrored.ids.items() for id in ids
            },
        ),
    )


def as_json(workspace: ws.Workspace) -> str:
    """What `save` sends: the entity, project and name of the view, and its spec."""
    return json.dumps(content_of(workspace), indent=1, ensure_ascii=False) + "\n"


def without_symbols(name: str) -> str:
    """A name without what the library refuses in one, which it calls emojis: `=` and `<` too."""
    return "".join("-" if unicodedata.category(char) in ("So", "Sk", "Sm", "Sc", "Cs") else char for char in name)


def literal(names: Sequence[str]) -> str:
    """A list of texts for a filter; the library rewrites `=`, `<` and `>` wherever they stand, so they are escaped."""
    text = json.dumps(list(names))
    return re.sub("[=<>]", lambda match: f"\\x{ord(match[0]):02x}", text)


# -- the questions


def verdict(mirrored: Mirrored) -> ws.Section:
    """Which is best, and is it real?"""
    pairs = zip(mirrored.summary.contests, mirrored.summary.verdicts, strict=True)
    several = len(mirrored.summary.contests) > 1
    panels: list[Any] = []
    for contest, judged in pairs:
        panels.append(wr.MarkdownPanel(markdown=in_words(contest, judged, several=several)))
        if mirrored.has_report_run:
            panels.append(wr.WeavePanelSummaryTable(table_name=report_key(judged, "verdict", several=several)))
    return section("Which optimizer is best, and is it real?", panels, columns=1)


def report_key(verdict: Verdict, name: str, *, several: bool) -> str:
    """The key of a table in the report run of the sweep."""
    return f"{slug(verdict.label)}/{name}" if several else name


def in_words(contest: Contest, verdict: Verdict, *, several: bool) -> str:
    """The verdict as the report says it: headline, sentences, warnings, and the table of standings."""
    parts = [f"## {escaped(contest.label)}"] if several else []
    parts += [f"### {escaped(verdict.headline)}", *map(escaped, verdict.sentences)]
    parts += ["\n".join(f"- ⚠ {escaped(str(warning))}" for warning in verdict.said_once)] if verdict.said_once else []
    table = markdown([standings(verdict)]).replace("## Standings\n\n", "")  # names in it are escaped already
    facts = ", ".join(f"{key} {value}" for key, value in verdict.facts.items())
    parts += [table.strip(), f"{escaped(facts)}. Made from the run folders, as report.html is."]
    return "\n\n".join(parts)


def escaped(text: str) -> str:
    """Text that markdown shows as it is: names may hold tags."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def curves(mirrored: Mirrored) -> ws.Section:
    """How does it learn? Mean and standard deviation over seeds, a line a configuration."""
    names = [name for name in mirrored.columns if QUALITY.fullmatch(name)]
    ordered = dict.fromkeys([*(name for name in mirrored.metrics if name in names), *names])
    kind = "confirmation runs" if mirrored.confirmed else "all runs"
    panels = [over_epochs(mirrored, name, f"{Metric(name).label}, {kind}: mean ± sd over seeds") for name in ordered]
    return section("How does each configuration learn?", panels, columns=2)


def learning_rate(mirrored: Mirrored) -> ws.Section:
    """How much does the learning rate matter?"""
    panels = [
        wr.ScatterPlot(
            title=f"{Metric(name).label} by learning rate",
            x=wr.Config("optimizer.lr"),
            y=wr.SummaryMetric(LAST + name),
            log_x=True,
            legend_template="${config:configuration}, seed ${config:seed}, ${config:phase}",
        )
        for name in mirrored.metrics
    ]
    return section("How much does the learning rate matter?", panels, columns=1)


def search(mirrored: Mirrored) -> ws.Section | None:
    """What was swept, and what of it mattered?"""
    if not mirrored.swept:
        return None
    panels: list[Any] = []
    for name in mirrored.metrics:
        panels += [coordinates(Metric(name), optimizer, keys) for optimizer, keys in mirrored.axes.items()]
        panels.append(wr.ParameterImportancePlot(with_respect_to=LAST + name))
    return section("What was swept, and what of it mattered?", panels, columns=2)


def coordinates(metric: Metric, optimizer: str, keys: Mapping[str, Sequence[Any]]) -> wr.ParallelCoordinatesPlot:
    """A line a run over the values of these keys to the metric, on which better is up."""
    axes = [
        wr.ParallelCoordinatesPlotColumn(
            metric=wr.Config(key), display_name=key, log=True if is_logarithmic(values) else None
        )
        for key, values in keys.items()
    ]
    last = wr.ParallelCoordinatesPlotColumn(
        metric=wr.SummaryMetric(LAST + metric.name),
        display_name=metric.label,
        inverted=None if metric.higher_is_better else True,
    )
    title = f"what was swept{f' of {optimizer}' if optimizer else ''}, and {metric.label}"
    return wr.ParallelCoordinatesPlot(title=title, columns=[*axes, last])


def divergences() -> ws.Section:
    """What diverged or failed?"""
    panels = [
        wr.BarPlot(title="runs by status", metrics=[COUNT], groupby=wr.Config("status"), groupby_aggfunc="sum"),
        wr.BarPlot(
            title="share of runs that diverged, by optimizer",
            metrics=[DIVERGED],
            groupby=wr.Config("optimizer.name"),
            groupby_aggfunc="mean",
        ),
        wr.RunComparer(diff_only=True),
    ]
    return section("What diverged, and what failed?", panels, columns=2)


def cost(mirrored: Mirrored) -> ws.Section | None:
    """What does a step cost, where the runs recorded it?"""
    names = [TIMING + name for name in mirrored.timings]
    names += [LAST + name for name in extra(mirrored) if COST.search(name)]
    panels = [
        wr.BarPlot(
            title=f"{name.split('/', 1)[1].replace('_', ' ')}, by optimizer",
            metrics=[name],
            groupby=wr.Config("optimizer.name"),
            groupby_aggfunc="mean",
            groupby_rangefunc="stddev",
        )
        for name in names
    ]
    return section("What does it cost?", panels, columns=3, is_open=False) if panels else None


def instruments(mirrored: Mirrored) -> ws.Section | None:
    """What did the instruments see, where runs had any?"""
    names = [name for name in extra(mirrored) if not COST.search(name)]
    panels = [over_epochs(mirrored, name, f"{name}: mean ± sd over seeds") for name in names]
    return section("What did the instruments see?", panels, columns=2, is_open=False) if panels else None


# -- what they share


def extra(mirrored: Mirrored) -> Iterator[str]:
    """The columns of metrics.csv that callbacks added."""
    return (name for name in mirrored.columns if name not in BOOKKEEPING and not QUALITY.fullmatch(name))


def over_epochs(mirrored: Mirrored, name: str, title: str) -> wr.LinePlot:
    """A line a configuration over the epochs: the mean over seeds in a band of one standard deviation."""
    is_loss = name.endswith("/loss")
    return wr.LinePlot(
        title=title,
        x=CONFIRM_EPOCH if mirrored.confirmed else "epoch",
        y=[name],
        title_x="epoch",
        log_y=True if is_loss else None,
        groupby=wr.Config(GROUP),
        groupby_aggfunc="mean",
        groupby_rangefunc="stddev",
        smoothing_factor=0,
        smoothing_type="none",
        max_runs_to_show=min(MOST_RUNS, max(10, len(mirrored.runs))),
    )


def section(name: str, panels: Sequence[Any], *, columns: int, is_open: bool = True) -> ws.Section:
    """Panels in so many columns, as many rows as they need."""
    rows = max(1, min(3, -(-len(panels) // columns)))
    layout = ws.SectionLayoutSettings(columns=columns, rows=rows)
    return ws.Section(name=name, panels=list(panels), is_open=is_open, layout_settings=layout)
