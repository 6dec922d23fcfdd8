"""The report's figures as Plotly's JSON, drawn by plotly.js in the reader's browser.

Plain dicts (tests check them against Plotly's schema) so that a report needs no Plotly import. A trace's `meta` says
which contenders it belongs to, for the toggles, and where its points stand on each x axis, for the switch.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from optlab.analysis.judge.contest import Contest
from optlab.analysis.judge.metric import PARTS, Metric
from optlab.analysis.judge.target import AXES, AXIS_LABELS
from optlab.analysis.judge.verdict import Verdict
from optlab.analysis.read.published import Published
from optlab.analysis.show import series
from optlab.analysis.show.colors import color, faint, marker
from optlab.analysis.show.traces import Figure, Trace, bands_of, figure_of, line, numbers, numbers_of_pairs, ticks, unit

MOST_NARROW = 6  # names on the x axis of a figure of half the width
MOST_PAIRS = 15  # of a figure; above, only those with the leader
ZERO_LINE = {"zeroline": True, "zerolinewidth": 1.5, "zerolinecolor": "rgb(140,148,160)"}
SEARCH_AXES = {"trial": "trials (configurations)", "epoch": "epochs", "second": "seconds of training"}


def figures(contest: Contest, verdict: Verdict, published: Published | None = None) -> list[Figure]:
    """Every figure that the runs of a contest have numbers for: {id, title, note, axes, choices, legend, wide}.

    `choices` maps what may be chosen (a metric) to {data, layout}; `axes` maps each x axis to its label, {} for one.
    """
    drawn = [draw(contest, verdict, published) for draw in FIGURES]
    return [figure for figure in drawn if figure is not None]


def learning_curves(contest: Contest, verdict: Verdict, published: Published | None) -> Figure | None:
    found = series.curves(contest)
    if not found:
        return None
    choices: dict[str, dict[str, Any]] = {}
    for name, curves in found.items():
        metric = Metric(name)
        bands = series.bands(contest, found, name, published)
        data = bands_of(bands, metric, "" if published is None else published.label)
        for curve in curves:
            contender = contest.contender(curve.contender)
            shade = color(contender.optimizer)
            meta = {"contenders": [curve.contender], "x": {axis: numbers(curve.axes[axis]) for axis in AXES}}
            both = {axis: x + x[::-1] for axis, x in meta["x"].items()}  # type: ignore[attr-defined]
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "x": both["epoch"],
                    "y": numbers(np.concatenate([curve.q3, curve.q1[::-1]]) * metric.scale),
                    "fill": "toself",
                    "fillcolor": faint(shade, 0.16),
                    "line": {"width": 0},
                    "hoverinfo": "skip",
                    "meta": meta | {"x": both},
                }
            )
            data.append(
                line(contender, meta["x"]["epoch"], curve.median * metric.scale)  # type: ignore[index]
                | {
                    "mode": "lines+markers" if len(curve.median) <= series.FEW_POINTS else "lines",
                    "marker": {"symbol": marker(contender.schedule), "size": 8},
                    "customdata": numbers_of_pairs(curve.q1 * metric.scale, curve.q3 * metric.scale),
                    "hovertemplate": f"%{{y:.4~g}}{unit(metric)} (%{{customdata[0]:.4~g}}–%{{customdata[1]:.4~g}})",
                    "meta": meta,
                }
            )
        view = series.window(curves, bands)
        y_axis: dict[str, Any] = {"title": {"text": metric.axis}}
        if view is not None:
            y_axis["range"] = [round(end * metric.scale, 6) for end in view]
        choices[name] = {
            "data": data,
            "layout": {"yaxis": y_axis, "xaxis": {"title": {"text": "epoch"}}, "hovermode": "x unified"},
        }
    note = "Median over seeds; the band holds the middle half of them. A diverged seed counts at chance level."
    if published is not None and any("published" in t["meta"] for choice in choices.values() for t in choice["data"]):
        note += f" Hatched: published test curves ({published.label}), mean ± sd, by epoch."
    return figure_of("curves", "Learning curves", note, choices, AXIS_LABELS, wide=True)


def final_per_seed(contest: Contest, verdict: Verdict, published: Published | None) -> Figure | None:
    metric = contest.metric
    shown = [s for s in verdict.standings if s.final.n]
    if not shown:
        return None
    data: list[Trace] = []
    values = {s.name: contest.contender(s.name).values(metric) for s in shown}
    for seed in sorted({seed for v in values.values() for seed in v}):
        with_it = [(i, v[seed]) for i, v in enumerate(values.values()) if seed in v]
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": [i for i, _ in with_it],
                "y": [round(value * metric.scale, 6) for _, value in with_it],
                "line": {"width": 0.8, "color": "rgba(140,148,160,0.45)"},
                "hoverinfo": "skip",
                "meta": {"contenders": []},
            }
        )
    for i, s in enumerate(shown):
        contender, v = contest.contender(s.name), values[s.name]
        places = np.full(len(v), float(i))
        data.append(
            line(contender, numbers(places), np.array(list(v.values())) * metric.scale)
            | {
                "mode": "markers",
                "marker": {
                    "size": 9,
                    "symbol": marker(contender.schedule),
                    "color": color(s.optimizer),
                    "opacity": 0.8,
                },
                "customdata": list(v),
                "hovertemplate": f"seed %{{customdata}}: %{{y:.4~g}}{unit(metric)}",
            }
        )
        mean = (s.final.mean or 0.0) * metric.scale
        low, high = (end * metric.scale for end in s.interval) if s.interval else (mean, mean)
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": s.name,
                "x": [i + 0.2],
                "y": [round(mean, 6)],
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [round(high - mean, 6)],
                    "arrayminus": [round(mean - low, 6)],
                    "color": color(s.optimizer),
                    "thickness": 2.5,
                    "width": 0,
                },
                "marker": {"symbol": "line-ew-open", "size": 14, "color": color(s.optimizer), "line": {"width": 3}},
                "hovertemplate": f"mean %{{y:.4~g}}{unit(metric)}, 95 % interval {metric.interval(s.interval)}",
                "meta": {"contenders": [s.name]},
            }
        )
    layout = {
        "xaxis": ticks([s.name for s in shown]) | {"range": [-0.5, len(shown) - 0.3]},
        "yaxis": {"title": {"text": metric.axis}},
    }
    note = "Each point is one seed, thin lines join one seed's runs; the bar is the mean"
    note += " with its 95 % interval." if any(s.interval for s in shown) else "."
    choices = {metric.name: {"data": data, "layout": layout}}
    return figure_of("finals", "Final value of every seed", note, choices, wide=len(shown) > MOST_NARROW)


def differences(contest: Contest, verdict: Verdict, published: Published | None) -> Figure | None:
    metric, pairs = contest.metric, verdict.leading_comparisons(MOST_PAIRS)
    if not pairs:
        return None
    data: list[Trace] = []
    for row, pair in enumerate(pairs):
        shade = color(contest.contender(pair.better).optimizer)
        low, high = pair.interval or (pair.difference, pair.difference)
        told = "differ" if pair.differ else "cannot be told apart"
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": f"{pair.better} − {pair.worse}",
                "x": [round(pair.difference * metric.scale, 6)],
                "y": [row],
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [round((high - pair.difference) * metric.scale, 6)],
                    "arrayminus": [round((pair.difference - low) * metric.scale, 6)],
                    "color": shade,
                    "thickness": 2.2,
                    "width": 0,
                },
                "marker": {
                    "size": 11,
                    "color": shade,
                    "symbol": "circle" if pair.differ else "circle-open",
                    "line": {"width": 2, "color": shade},
                },
                "hovertemplate": f"{metric.gap(pair.difference)} {metric.interval(pair.interval)}<br>"
                f"p {pair.t_p_holm:.3g}: {told}, n = {pair.n}",
                "meta": {"contenders": [pair.better, pair.worse]},
            }
        )
    names = [f"{pair.better} − {pair.worse}" for pair in pairs]
    ends = [0.0, *(end * metric.scale for pair in pairs for end in (pair.interval or (pair.difference,)))]
    margin = 0.06 * (max(ends) - min(ends)) or 1.0
    left, right = round(min(ends) - margin, 6), round(max(ends) + margin, 6)
    text = f"points of {metric.label}" if metric.is_share else f"{metric.label}, lower by"
    layout = {
        "xaxis": {"title": {"text": text}, "range": [left, right], **ZERO_LINE},
        "yaxis": ticks(names) | {"autorange": "reversed"},
        "height": 150 + 30 * len(pairs),
    }
    note = "Mean difference with its 95 % interval. Full: the two differ (Holm's correction over all pairs); open: not."
    if len(pairs) < len(verdict.comparisons):
        note += " Only pairs with the leader; the table has all."
    return figure_of("differences", "Differences", note, {metric.name: {"data": data, "layout": layout}})


def lr_sensitivity(contest: Contest, verdict: Verdict, published: Published | None) -> Figure | None:
    metric = contest.selection
    tried = [(c, p) for c in contest.contenders if len(p := series.lr_points(c, metric)) > 1 and p[0].lr > 0]
    if not tried:
        return None
    every = [value * metric.scale for _, points in tried for p in points for value in (p.low, p.high)]
    margin = 0.05 * (max(every) - min(every)) or 1.0
    bottom, top = min(every) - margin, max(every) + margin
    shaded: list[Trace] = []
    lines: list[Trace] = []
    for contender, points in tried:
        shade = color(contender.optimizer)
        for start, end in series.diverged_regions(points):
            shaded.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "name": f"{contender.name} diverged",
                    "x": [start, end, end, start],
                    "y": [bottom, bottom, top, top],
                    "fill": "toself",
                    "fillcolor": faint(shade, 0.08),
                    "line": {"width": 0},
                    "hoverinfo": "skip",
                    "meta": {"contenders": [contender.name]},
                }
            )
        y = np.array([p.mean for p in points]) * metric.scale
        lines.append(
            line(contender, [p.lr for p in points], y)
            | {
                "mode": "lines+markers",
                "marker": {
                    "symbol": ["star" if p.chosen else marker(contender.schedule) for p in points],
                    "size": [15 if p.chosen else 8 for p in points],
                    "color": shade,
                    "line": {"width": 0},
                },
                "customdata": [[p.runs, p.diverged, metric.number(p.low), metric.number(p.high)] for p in points],
                "hovertemplate": f"lr %{{x:.3~g}}: %{{y:.4~g}}{unit(metric)} (%{{customdata[2]}}–%{{customdata[3]}}), "
                "%{customdata[0]} runs, %{customdata[1]} diverged",
            }
        )
    layout = {
        "xaxis": {"type": "log", "title": {"text": "learning rate"}, "dtick": 1, "tickformat": "~g"},
        "yaxis": {"title": {"text": metric.axis}, "range": [bottom, top]},
    }
    note = "Mean over the runs of each learning rate; the star was chosen. Shaded: runs diverged, and count at chance."
    choices = {metric.name: {"data": shaded + lines, "layout": layout}}
    return figure_of("lr", "Sensitivity to the learning rate", note, choices)


def best_against_budget(contest: Contest, verdict: Verdict, published: Published | None) -> Figure | None:
    metric = contest.selection
    found = [s for c in contest.contenders if (s := series.search(c, metric)) is not None]
    if not found:
        return None
    data = []
    for s in found:
        contender = contest.contender(s.contender)
        axes = {"trial": numbers(s.trials), "epoch": numbers(s.epochs), "second": numbers(s.seconds)}
        data.append(
            line(contender, axes["trial"], s.best * metric.scale)
            | {
                "mode": "lines+markers",
                "marker": {"symbol": marker(contender.schedule), "size": 7, "color": color(contender.optimizer)},
                "hovertemplate": f"%{{y:.4~g}}{unit(metric)}",
                "meta": {"contenders": [s.contender], "x": axes},
            }
        )
    layout = {
        "xaxis": {"title": {"text": SEARCH_AXES["trial"]}},
        "yaxis": {"title": {"text": f"expected best {metric.axis}"}},
        "hovermode": "x unified",
    }
    note = "Expected best of k trials drawn at random from those that ran (Dodge et al. 2019): who leads depends on k."
    choices = {metric.name: {"data": data, "layout": layout}}
    return figure_of("budget", "Best so far against budget", note, choices, SEARCH_AXES)


def time_to_target(contest: Contest, verdict: Verdict, published: Published | None) -> Figure | None:
    reached = [s for s in verdict.standings if s.target]
    if verdict.target is None or not any(s.target["epoch"].hits for s in reached):
        return None
    ends = {axis: 1.04 * max(float(s.target[axis].times[-1]) for s in reached if s.target[axis].hits) for axis in AXES}
    data = []
    for s in reached:
        steps = {axis: series.target_steps(s.target[axis].times, s.target[axis].share, ends[axis]) for axis in AXES}
        contender = contest.contender(s.name)
        drawn = line(contender, steps["epoch"][0], np.array(steps["epoch"][1]))
        drawn["line"]["shape"] = "hv"
        hits = f"{s.target['epoch'].hits} of {s.target['epoch'].runs} reached it"
        data.append(
            drawn
            | {
                "mode": "lines",
                "hovertemplate": f"%{{y:.0f}} % ({hits})",
                "meta": {
                    "contenders": [s.name],
                    "x": {axis: numbers(np.array(x)) for axis, (x, _) in steps.items()},
                    "y": {axis: numbers(np.array(y)) for axis, (_, y) in steps.items()},
                },
            }
        )
    layout = {
        "xaxis": {"title": {"text": "epoch"}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": "seeds at the target (%)"}, "range": [-3, 103]},
        "hovermode": "x unified",
    }
    choices = {verdict.selection.name: {"data": data, "layout": layout}}
    aim = f"{verdict.selection.text(verdict.target)} {verdict.selection.label}"
    note = f"Share of seeds that have reached {aim} (Kaplan-Meier). A seed that never does keeps its line below 100 %."
    return figure_of("target", "Time to target", note, choices, AXIS_LABELS)


def generalisation_gap(contest: Contest, verdict: Verdict, published: Published | None) -> Figure | None:
    metric = contest.selection
    found = {c.name: series.parts(c, metric) for c in contest.contenders}
    shown = {name: parts for name, parts in found.items() if len(parts) > 1}
    if not shown:
        return None
    data: list[Trace] = []
    for i, (name, measured) in enumerate(shown.items()):
        contender = contest.contender(name)
        present = [(j, part) for j, part in enumerate(PARTS) if part in measured]
        means = np.array([np.mean([value for _, value in measured[part]]) for _, part in present]) * metric.scale
        symbols = {"train": "triangle-up", "val": "circle", "test": "square"}
        data.append(
            line(contender, [i + 0.22 * (j - 1) for j, _ in present], means)
            | {
                "mode": "lines+markers",
                "marker": {
                    "size": 10,
                    "symbol": [symbols[part] for _, part in present],
                    "color": color(contender.optimizer),
                },
                "customdata": [PARTS[part] for _, part in present],
                "hovertemplate": f"%{{customdata}} %{{y:.4~g}}{unit(metric)}",
            }
        )
    layout = {
        "xaxis": ticks(list(shown)),
        "yaxis": {"title": {"text": f"final {metric.kind if not metric.is_share else 'accuracy (%)'}"}},
    }
    note = "Mean final value on training (triangle), validation (circle) and test (square), diverged seeds left out."
    choices = {metric.name: {"data": data, "layout": layout}}
    return figure_of("gap", "Generalisation", note, choices, wide=len(shown) > MOST_NARROW)


def performance_profile(contests: Sequence[Contest]) -> Figure | None:
    """The share of runs over all settings that score at least tau; None unless contenders are in every setting."""
    found = series.profiles(contests) if len(contests) > 1 else {}
    data = []
    for name, scores in found.items():
        contender = next(c for x in contests for c in x.contenders if c.name == name)
        x, y = series.profile_steps(scores)
        drawn = line(contender, numbers(np.array(x)), np.array(y))
        drawn["line"]["shape"] = "vh"
        data.append(drawn | {"mode": "lines", "hovertemplate": "%{y:.0f} % score at least %{x:.3f}"})
    if not data:
        return None
    layout = {
        "xaxis": {"title": {"text": "score τ (0: chance, 1: best run of the setting)"}, "range": [0, 1.01]},
        "yaxis": {"title": {"text": "runs that score at least τ (%)"}, "range": [0, 103]},
    }
    note = "Over all settings: the higher a line, the more often that contender is near the best (Agarwal et al. 2021)."
    return figure_of("profile", "Performance profile", note, {"score": {"data": data, "layout": layout}})


FIGURES: tuple[Callable[[Contest, Verdict, Published | None], Figure | None], ...] = (
    learning_curves,
    final_per_seed,
    differences,
    lr_sensitivity,
    best_against_budget,
    time_to_target,
    generalisation_gap,
)
