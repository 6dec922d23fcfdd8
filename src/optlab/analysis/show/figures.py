"""The pictures: PNG and SVG by Matplotlib, for papers and slides. The report draws the same numbers by itself."""

import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator, NullFormatter

from optlab.analysis.judge.contest import Contender, Contest
from optlab.analysis.judge.metric import PARTS, Metric
from optlab.analysis.judge.target import AXES, AXIS_LABELS
from optlab.analysis.judge.verdict import Verdict
from optlab.analysis.read.published import Band, Published
from optlab.analysis.show import series
from optlab.analysis.show.colors import color, dash, marker
from optlab.record import cannot_write

STYLE: Any = {  # typed as a mapping from a closed set of names in Matplotlib's stubs
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a8f98",
    "axes.labelcolor": "#2b2f36",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e6ea",
    "grid.linewidth": 0.8,
    "xtick.color": "#5b616b",
    "ytick.color": "#5b616b",
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 160,
    "svg.fonttype": "none",
    "svg.hashsalt": "optlab",
}
LINES = {
    "solid": "-",
    "dash": "--",
    "dot": ":",
    "dashdot": "-.",
    "longdash": (0, (8, 3)),
    "longdashdot": (0, (8, 3, 2, 3)),
}
SYMBOLS = {"train": "^", "val": "o", "test": "s"}
MOST_PAIRS = 30  # of a figure; above, only those with the leader
POINTS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "cross": "P",
    "x": "X",
    "star": "*",
    "hexagon": "h",
}


def draw_all(
    contests: Sequence[Contest], verdicts: Sequence[Verdict], folder: Path, published: Sequence[Published | None]
) -> list[Path]:
    """Write every figure that the runs have numbers for, as PNG and SVG; one verdict and reference a contest.

    Raises:
        UserError: the folder cannot be written.
    """
    written = []
    with mpl.rc_context(STYLE):
        for contest, verdict, behind in zip(contests, verdicts, published, strict=True):
            prefix = "" if len(contests) == 1 else f"{slug(contest.label)}-"
            for name, draw in FIGURES.items():
                figure = draw(contest, verdict, behind)
                if figure is not None:
                    written += save(figure, folder / f"{prefix}{name}")
        if len(contests) > 1 and (figure := performance_profile(contests)) is not None:
            written += save(figure, folder / "performance_profile")
    return written


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure whole as PNG and SVG; the same numbers give the same bytes."""
    paths = []
    for suffix, metadata in ((".png", {"Software": "optlab"}), (".svg", {"Date": None, "Creator": "optlab"})):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix[1:], metadata=metadata)
        path = stem.with_name(stem.name + suffix)
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(buffer.getvalue())
            temporary.replace(path)
        except OSError as error:
            raise cannot_write(path, error) from error
        paths.append(path)
    return paths


def slug(label: str) -> str:
    """A file name for a setting."""
    return "".join(char if char.isalnum() else "-" for char in label).strip("-")


def style_of(contender: Contender) -> dict[str, Any]:
    return {"color": color(contender.optimizer), "linestyle": LINES[dash(contender.schedule)]}


def point_of(contender: Contender) -> str:
    return POINTS[marker(contender.schedule)]


# -- one figure a function: None where the runs have nothing to show


def learning_curves(contest: Contest, verdict: Verdict, published: Published | None) -> Figure | None:
    """Median and quartiles over seeds, validation above training, by epoch, sample and second."""
    found = series.curves(contest)
    rows = [name for name in found if name.endswith(contest.selection.kind)]
    if not rows:
        return None
    figure = Figure(figsize=(11, 3.1 * len(rows) + 0.4))
    panels = figure.subplots(len(rows), len(AXES), sharey="row", sharex="col", squeeze=False)
    for row, name in enumerate(rows):
        metric, bands = Metric(name), series.bands(contest, found, name, published)
        for column, axis in enumerate(AXES):
            panel = panels[row][column]
            if published is not None and axis == "epoch":
                draw_bands(panel, bands, metric, published.label)
            for curve in found[name]:
                contender = contest.contender(curve.contender)
                style, x = style_of(contender), curve.axes[axis]
                points = point_of(contender) if len(x) <= series.FEW_POINTS else None
                panel.plot(x, curve.median * metric.scale, label=curve.contender, marker=points, **style)
                low, high = curve.q1 * metric.scale, curve.q3 * metric.scale
                panel.fill_between(x, low, high, color=style["color"], alpha=0.15, linewidth=0)
            if row == len(rows) - 1:
                label_time(panel, axis)
        panels[row][0].set_ylabel(metric.axis)
        if (view := series.window(found[name], bands)) is not None:
            panels[row][0].set_ylim(*(end * metric.scale for end in view))
    panels[0][0].set_xlim(0, 1.02 * max(float(c.axes["epoch"][-1]) for c in found[rows[0]]))
    legend_above(figure, *panels[:, 0])
    return figure


def draw_bands(panel: Axes, bands: Sequence[Band], metric: Metric, label: str) -> None:
    """Published curves behind one's own: mean ± sd, hatched."""
    for band in bands:
        low, high = (band.mean - band.sd) * metric.scale, (band.mean + band.sd) * metric.scale
        shade = color(band.optimizer)
        panel.fill_between(band.epochs, low, high, color=shade, alpha=0.12, hatch="////", linewidth=0)
        name = f"{band.optimizer}, {label}"
        panel.plot(band.epochs, band.mean * metric.scale, color=shade, alpha=0.6, linewidth=0.9, label=name)


def final_per_seed(contest: Contest, verdict: Verdict, published: Published | None) -> Figure | None:
    """The final metric of each seed, one seed's runs joined by a line; mean and 95 % interval beside."""
    metric = contest.metric
    shown = [s for s in verdict.standings if s.final.n]
    if not shown:
        return None
    figure = Figure(figsize=(1.6 + 1.15 * len(shown), 4))
    panel = figure.subplots()
    values = [contest.contender(s.name).values(metric) for s in shown]
    for seed in sorted({seed for v in values for seed in v}):
        places = [(i, v[seed] * metric.scale) for i, v in enumerate(values) if seed in v]
        panel.plot(*zip(*places, strict=True), color="#b9bec7", linewidth=0.8, zorder=1)
    for i, (s, v) in enumerate(zip(shown, values, strict=True)):
        shade, symbol = color(s.optimizer), point_of(contest.contender(s.name))
        scaled = np.array(list(v.values())) * metric.scale
        panel.plot(np.full(len(scaled), i), scaled, symbol, color=shade, alpha=0.75, zorder=2)
        mean = float(scaled.mean())
        if s.interval:
            low, high = (end * metric.scale for end in s.interval)
            panel.plot([i + 0.22] * 2, [low, high], color=shade, linewidth=2.2)
        panel.plot([i + 0.22], [mean], "_", color=shade, markersize=14, markeredgewidth=2.4)
    panel.set_xticks(range(len(shown)), [s.name.replace(" · ", "\n") for s in shown])
    panel.set_xlim(-0.5, len(shown) - 0.3)
    panel.grid(axis="x", visible=False)
    panel.set_ylabel(metric.axis)
    return figure


def differences(contest: Contest, verdict: Verdict, published: Published | None) -> Figure | None:
    """Every pair: the difference and its 95 % interval; full where they differ, hollow where they may not."""
    pairs = verdict.leading_comparisons(MOST_PAIRS)[::-1]
    if not pairs:
        return None
    metric = contest.metric
    figure = Figure(figsize=(6.4, 0.9 + 0.36 * len(pairs)))
    panel = figure.subplots()
    for row, pair in enumerate(pairs):
        shade = color(contest.contender(pair.better).optimizer)
        if pair.interval:
            panel.plot([end * metric.scale for end in pair.interval], [row, row], color=shade, linewidth=2)
        fill = shade if pair.differ else "white"
        panel.plot([pair.difference * metric.scale], [row], "o", color=shade, markerfacecolor=fill, markersize=7)
    panel.axvline(0, color="#5b616b", linewidth=1)
    panel.set_ylim(-0.6, len(pairs) - 0.4)
    panel.set_yticks(range(len(pairs)), [f"{pair.better} − {pair.worse}" for pair in pairs])
    panel.grid(axis="y", visible=False)
    unit = "points" if metric.is_share else "lower"
    panel.set_xlabel(f"difference in {metric.label} ({unit})\nfull: they differ after Holm's correction; open: not")
    return figure


def lr_sensitivity(contest: Contest, verdict: Verdict, published: Published | None) -> Figure | None:
    """Final validation metric by learning rate, a panel a contender; the region where runs diverged is shaded."""
    metric = contest.selection
    tried = [(c, p) for c in contest.contenders if len(p := series.lr_points(c, metric)) > 1 and p[0].lr > 0]
    if not tried:
        return None
    columns = min(4, len(tried))
    rows = math.ceil(len(tried) / columns)
    figure = Figure(figsize=(2.9 * columns + 0.6, 2.7 * rows + 0.3))
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).flatten()
    for panel, (contender, points) in zip(panels, tried, strict=False):
        shade = color(contender.optimizer)
        x, y = np.array([p.lr for p in points]), np.array([p.mean for p in points]) * metric.scale
        low, high = (np.array([getattr(p, end) for p in points]) * metric.scale for end in ("low", "high"))
        panel.fill_between(x, low, high, color=shade, alpha=0.15, linewidth=0)
        panel.plot(x, y, marker=point_of(contender), **style_of(contender))
        for start, end in series.diverged_regions(points):
            panel.axvspan(start, end, color="#c0392b", alpha=0.09, linewidth=0, zorder=0)
        for point in points:
            if point.chosen:
                panel.plot(
                    [point.lr], [point.mean * metric.scale], "*", color=shade, markersize=13, markeredgecolor="white"
                )
        panel.set_xscale("log")
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.set_title(contender.name)
    for panel in panels[len(tried) :]:
        panel.set_visible(False)
    figure.supxlabel("learning rate (star: chosen; red: runs diverged)", fontsize=10, color="#2b2f36")
    panels[0].set_ylabel(metric.axis)
    return figure


def best_against_budget(contest: Contest, verdict: Verdict, published: Published | None) -> Figure | None:
    """Expected best validation metric after k trials: who wins depends on the budget."""
    found = [s for c in contest.contenders if (s := series.search(c, contest.selection)) is not None]
    if not found:
        return None
    figure = Figure(figsize=(9, 3.6))
    by_trial, by_second = figure.subplots(1, 2, sharey=True)
    for s in found:
        contender = contest.contender(s.contender)
        best = s.best * contest.selection.scale
        options = style_of(contender) | {"marker": point_of(contender)}
        by_trial.plot(s.trials, best, label=s.contender, **options)
        by_second.plot(s.seconds, best, **options)
    by_trial.xaxis.set_major_locator(MaxNLocator(integer=True))
    by_trial.set_xlabel("trials (configurations)")
    by_second.set_xlabel("seconds of training")
    by_trial.set_ylabel(f"expected best {contest.selection.axis}")
    legend_above(figure, by_trial)
    return figure


def time_to_target(contest: Contest, verdict: Verdict, published: Published | None) -> Figure | None:
    """The share of seeds that have reached the target, by Kaplan and Meier."""
    reached = [s for s in verdict.standings if s.target]
    if not reached or verdict.target is None or not any(s.target["epoch"].hits for s in reached):
        return None
    figure = Figure(figsize=(11, 3.3))
    for panel, axis in zip(figure.subplots(1, len(AXES), sharey=True), AXES, strict=True):
        end = 1.04 * max(float(s.target[axis].times[-1]) for s in reached if s.target[axis].hits)
        for s in reached:
            steps = s.target[axis]
            x, y = series.target_steps(steps.times, steps.share, end)
            label = f"{s.name} ({steps.hits} of {steps.runs})"
            panel.step(x, y, where="post", label=label, **style_of(contest.contender(s.name)))
        label_time(panel, axis)
        panel.set_ylim(-3, 103)
        if axis == "epoch":
            panel.set_ylabel("seeds at the target (%)")
            panel.set_title(f"target: {verdict.selection.text(verdict.target)} {verdict.selection.label}")
            legend_above(figure, panel)
    return figure


def generalisation_gap(contest: Contest, verdict: Verdict, published: Published | None) -> Figure | None:
    """The final metric on training, validation and test, side by side."""
    found = {c.name: series.parts(c, contest.selection) for c in contest.contenders}
    shown = {name: parts for name, parts in found.items() if len(parts) > 1}
    if not shown:
        return None
    scale = contest.selection.scale
    figure = Figure(figsize=(1.8 + 1.2 * len(shown), 3.8))
    panel = figure.subplots()
    for i, (name, measured) in enumerate(shown.items()):
        shade = color(contest.contender(name).optimizer)
        means = []
        for j, (part, symbol) in enumerate(SYMBOLS.items()):
            if part not in measured:
                continue
            x = i + 0.22 * (j - 1)
            values = np.array([value for _, value in measured[part]]) * scale
            panel.plot(np.full(len(values), x), values, ".", color=shade, alpha=0.35)
            means.append((x, float(values.mean())))
            panel.plot(*means[-1], symbol, color=shade, markersize=7, markeredgecolor="white")
        panel.plot(*zip(*means, strict=True), color=shade, linewidth=1.2, zorder=1)
    for part in (part for part in SYMBOLS if any(part in measured for measured in shown.values())):
        panel.plot([], [], SYMBOLS[part], color="#5b616b", markersize=7, label=PARTS[part])  # of no optimizer's colour
    panel.set_xticks(range(len(shown)), [name.replace(" · ", "\n") for name in shown])
    panel.grid(axis="x", visible=False)
    kind = contest.selection.label.partition(" ")[2]
    panel.set_ylabel(f"final {kind}{' (%)' if contest.selection.is_share else ''}")
    legend_above(figure, panel)
    return figure


def performance_profile(contests: Sequence[Contest]) -> Figure | None:
    """The share of runs over all settings that score at least tau."""
    found = series.profiles(contests)
    if not found:
        return None
    figure = Figure(figsize=(5.6, 3.8))
    panel = figure.subplots()
    for name, scores in found.items():
        contender = next(c for x in contests for c in x.contenders if c.name == name)
        x, y = series.profile_steps(scores)
        panel.step(x, y, where="pre", label=name, **style_of(contender))
    panel.set_xlabel("score τ (0: chance, 1: best run of the setting)")
    panel.set_ylabel("runs that score at least τ (%)")
    legend_above(figure, panel)
    return figure


FIGURES: dict[str, Callable[[Contest, Verdict, Published | None], Figure | None]] = {
    "learning_curves": learning_curves,
    "final_per_seed": final_per_seed,
    "differences": differences,
    "lr_sensitivity": lr_sensitivity,
    "best_against_budget": best_against_budget,
    "time_to_target": time_to_target,
    "generalisation_gap": generalisation_gap,
}


def label_time(panel: Axes, axis: str) -> None:
    """The x axis of a panel over time: whole epochs, and samples as 20k or 5M."""
    panel.set_xlabel(AXIS_LABELS[axis])
    panel.xaxis.set_major_locator(MaxNLocator(6, integer=axis == "epoch"))
    if axis == "sample":
        panel.xaxis.set_major_formatter(EngFormatter(sep=""))


def legend_above(figure: Figure, *panels: Axes) -> None:
    """One legend for all panels, above them."""
    pairs = [zip(*panel.get_legend_handles_labels(), strict=True) for panel in panels]
    named = {label: handle for pair in pairs for handle, label in pair}
    longest = max(map(len, named), default=0)
    columns = min(6, len(named)) if longest < 20 else 3
    figure.legend(named.values(), named, loc="outside upper left", ncols=columns, handlelength=1.8)
