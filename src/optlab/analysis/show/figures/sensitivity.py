"""Figures of what one key does while all else stays: the learning rate, any hyperparameter, any key of a setting."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from optlab.analysis.judge.contest import Configuration, Contender, Contest, constants
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.searched import Scale, Value, settings_of, value_of, without, word
from optlab.analysis.show.figures.description import Axis, Band, Figure, Mark, Panel, Points, Span
from optlab.analysis.show.figures.marks import line_of, unit
from optlab.analysis.show.figures.subject import Subject
from optlab.rules.words import plural, short_slug

GROUPS = ("dataset", "model", "loss")  # of the config, each with a name; two of them are no two values of a key
NOTE = (
    "Mean over the runs of each {of}, the band from the lowest to the highest of them, a dot a run; the star was "
    "chosen. Shaded: runs diverged, and count at chance."
)
KEY = "dot: a run; star: chosen; red: runs diverged"


@dataclass(frozen=True)
class Point:
    """One value of what was varied: the result of each run by seed, and how many of the runs diverged."""

    at: Value
    values: Mapping[int, float]
    diverged: int
    chosen: bool = False
    said: str = ""

    @property
    def mean(self) -> float:
        return float(np.mean([*self.values.values()]))


# -- within a setting


def lr_sensitivity(subject: Subject) -> Figure | None:
    """Final validation metric by learning rate, all else as chosen; the region where runs diverged is shaded."""
    found = {c: points for c in subject.contest.contenders if (points := lr_points(c, subject.contest.selection))}
    if not found:
        return None
    across = Across(Axis(label="learning rate", log=True), place=as_number)
    panel = panel_of(subject, found, across, subject.contest.selection)
    return Figure(
        id="lr",
        file="lr_sensitivity",
        title="Sensitivity to the learning rate",
        note=" ".join([NOTE.format(of="learning rate"), *left_out(subject.contest)]),
        key=KEY,
        x={"lr": across.axis},
        panels={subject.contest.selection.name: panel},
        facets=[contender.name for contender in found],
    )


def lr_points(contender: Contender, metric: Metric) -> list[Point]:
    """The learning rates that a contender tried, all else as chosen; none where it is one, or one is 0."""
    points = slice_of(contender, "lr", metric)
    return points if all(as_number(point.at) > 0 for point in points) else []


def key_sensitivity(subject: Subject) -> Figure | None:
    """Final validation metric by each other hyperparameter that was swept, all else as chosen."""
    contest = subject.contest
    names = dict.fromkeys(name for c in contest.contenders for t in c.tried for name in settings_of(t) if name != "lr")
    panels = {}
    for name in names:
        found = {c: points for c in contest.contenders if (points := slice_of(c, name, contest.selection))}
        if found:
            panels[name] = panel_over(subject, found, name, contest.selection)
    note = " ".join([NOTE.format(of="value"), "All else is as chosen.", *left_out(contest)])
    return figure_of("sensitivity", "sensitivity", panels, note)


def left_out(contest: Contest) -> list[str]:
    """What to say where trials were stopped early: those that are drawn are the ones that were ahead."""
    stopped = [configuration for c in contest.contenders for configuration in c.tried if configuration.count("stopped")]
    if not stopped:
        return []
    tried = sum(len(c.tried) for c in contest.contenders)
    return [
        f"Of {plural(tried, 'trial')}, {len(stopped)} were stopped early and have no final value: only those that went "
        "on to the end are drawn, and for an optimizer with such trials no best so far against budget."
    ]


def slice_of(contender: Contender, name: str, metric: Metric) -> list[Point]:
    """The values of one hyperparameter that a contender tried, all else as chosen; none where it is only one."""
    if contender.chosen is None:
        return []
    rest = without(settings_of(contender.chosen), name)
    tried = [(c, settings_of(c)) for c in contender.tried]
    alike = [(c, settings[name]) for c, settings in tried if name in settings and without(settings, name) == rest]
    points = [point_of(c, value, metric, chosen=c is contender.chosen) for c, value in alike]
    return in_order([point for point in points if point.values])


def point_of(configuration: Configuration, value: Value, metric: Metric, *, chosen: bool) -> Point:
    diverged = sum(run.record.status == "diverged" for run in configuration.tuning)
    return Point(value, configuration.tuning_values(metric), diverged, chosen)


def in_order(points: Sequence[Point]) -> list[Point]:
    """Points in the order of their axis; none below two."""
    scale = Scale.of(point.at for point in points) if len(points) > 1 else None
    return [] if scale is None else sorted(points, key=lambda point: scale.position(point.at))


# -- over settings


def setting_sensitivity(subjects: Sequence[Subject]) -> Figure | None:
    """The metric of the verdict by each key that tells settings apart, each optimizer as chosen in each of them."""
    panels = {}
    for name, (key, group) in slices_of_settings(subjects).items():
        metric = next(iter(group.values())).contest.metric
        found: dict[Contender, list[Point]] = {}
        for contender in next(iter(group.values())).contest.contenders:
            points = [p for value, s in group.items() if (p := setting_point(s, contender.name, value)) is not None]
            if points := in_order(points):
                found[contender] = points
        if found:
            panels[name] = panel_over(subjects[0], found, key, metric)
    note = (
        "Mean over the seeds of each setting, the band from the lowest to the highest of them, a dot a seed; each "
        "optimizer with what was chosen for it in that setting. Shaded: runs diverged, and count at chance."
    )
    return figure_of("settings", "sensitivity_to", panels, note)


def setting_point(subject: Subject, name: str, value: Value) -> Point | None:
    """What a contender came to in a setting; None where it is not there, or no run of it is over."""
    contender = next((c for c in subject.contest.contenders if c.name == name), None)
    if contender is None or contender.chosen is None:
        return None
    values = contender.values(subject.contest.metric)
    diverged = sum(run.record.status == "diverged" for run in contender.entered)
    return Point(value, values, diverged, said=f", {contender.chosen.label}") if values else None


def slices_of_settings(subjects: Sequence[Subject]) -> dict[str, tuple[str, dict[Value, Subject]]]:
    """Settings that differ in one key alone, by its value: by the name of the slice, with the key.

    Where a key was swept at several values of another, there is a slice for each of these, and its name says which.
    """
    each = [coordinates(subject) for subject in subjects]
    varying = [name for name in dict.fromkeys(n for c in each for n in c) if len({c.get(name) for c in each}) > 1]
    found: dict[str, tuple[str, dict[Value, Subject]]] = {}
    for key in varying:
        slices: dict[tuple[str | None, ...], list[tuple[str, Subject]]] = defaultdict(list)
        others = [name for name in varying if name != key]
        for subject, at in zip(subjects, each, strict=True):
            if key in at and key not in ("metric judged", *GROUPS):
                slices[tuple(at.get(name) for name in others)].append((at[key], subject))
        kept = {rest: group for rest, group in slices.items() if 1 < len(group) == len({value for value, _ in group})}
        for rest, group in kept.items():
            said = [f"{name} {value}" for name, value in zip(others, rest, strict=True)]
            name = ", ".join([key, *said]) if len(kept) > 1 else key
            found[name] = key, {value_of(value): subject for value, subject in group}
    return found


def coordinates(subject: Subject) -> dict[str, str]:
    """What a setting holds constant, by key; a data set, model or loss is its name and what it was given."""
    keys = {key: value for key, value in constants(subject.contest.runs[0]).items() if key != "data"}
    named = {key.partition(".")[0]: value for key, value in keys.items() if key in [f"{g}.name" for g in GROUPS]}
    return keys | named | {"metric judged": subject.contest.metric.name}


# -- how it is drawn


@dataclass(frozen=True)
class Across:
    """An x axis, and where a value stands on it."""

    axis: Axis
    place: Callable[[Value], float]


def as_number(value: Value) -> float:
    return float(value)


def across(name: str, values: Sequence[Value]) -> Across:
    """The x axis of a key: words and 1 - value stand at positions with ticks, other numbers as themselves."""
    scale = Scale.of(values)
    if scale.kind == "words":
        ends = (-0.5, len(scale.values) - 0.5)
        ticks = {float(i): word(value) for i, value in enumerate(scale.values)}
        return Across(Axis(label=name, ticks=ticks, range=ends), lambda value: float(scale.values.index(word(value))))
    if scale.kind == "one_minus_log":
        return Across(Axis(label=name, ticks=scale.ticks(), range=(-0.08, 1.08)), scale.position)
    return Across(Axis(label=name, log=scale.kind == "log", ticks=dict(scale.marked())), as_number)


def figure_of(id: str, file: str, panels: Mapping[str, Panel], note: str) -> Figure | None:
    """A figure with a panel a key, switched on the page and a picture each."""
    if not panels:
        return None
    only = next(iter(panels)) if len(panels) == 1 else ""
    return Figure(
        id=id,
        file=f"{file}-{short_slug(only)}" if only else file,
        title=f"Sensitivity to {only}" if only else "Sensitivity to each key",
        note=note,
        key=KEY if "star" in note else "dot: a seed; red: runs diverged",
        x={"key": Axis()},
        panels=panels,
        choose="key",
    )


def panel_over(subject: Subject, found: Mapping[Contender, Sequence[Point]], name: str, metric: Metric) -> Panel:
    return panel_of(subject, found, across(name, [p.at for points in found.values() for p in points]), metric, name)


def panel_of(
    subject: Subject, found: Mapping[Contender, Sequence[Point]], over: Across, metric: Metric, name: str = "lr"
) -> Panel:
    """The lines of all contenders, the regions where runs diverged behind them; a panel each in a picture."""
    every = [value * metric.scale for points in found.values() for p in points for value in p.values.values()]
    margin = 0.05 * (max(every) - min(every)) or 1.0
    shaded = [
        Span(of=[contender.name], low=low, high=high, color=subject.palette.color(contender.optimizer))
        for contender, points in found.items()
        for low, high in diverged_regions([over.place(p.at) for p in points], [p.diverged for p in points], over.axis)
    ]
    lines = [mark for c, points in found.items() for mark in marks(subject, c, points, over, metric, name)]
    reach = (min(every) - margin, max(every) + margin)
    own = None if name == "lr" else over.axis
    return Panel(Axis(label=metric.axis, range=reach), [*shaded, *lines], x=own, facets=[c.name for c in found])


def marks(
    subject: Subject, contender: Contender, points: Sequence[Point], over: Across, metric: Metric, name: str
) -> list[Mark]:
    """The mean by value, the spread behind it with every run in it, and a star on what was chosen."""
    of, shade, x = [contender.name], subject.palette.color(contender.optimizer), [over.place(p.at) for p in points]
    mean = np.array([p.mean for p in points]) * metric.scale
    low, high = (np.array([end(p.values.values()) for p in points]) * metric.scale for end in (min, max))
    drawn: list[Mark] = [Band(of=of, x=x, low=low, high=high, color=shade)]
    runs = [(place, value * metric.scale) for place, p in zip(x, points, strict=True) for value in p.values.values()]
    if len(runs) > len(points):
        dots = ([place for place, _ in runs], [value for _, value in runs])
        drawn.append(Points(of=of, x=dots[0], y=dots[1], color=shade, size=3, opacity=0.9))
    hover = [hover_of(p, metric, name) for p in points]
    drawn.append(line_of(subject.palette, contender, x, mean, points=True, hover=hover))
    chosen = [i for i, p in enumerate(points) if p.chosen]
    if chosen:
        at = [x[i] for i in chosen]
        drawn.append(Points(of=of, x=at, y=mean[chosen], color=shade, marker="star", size=10))
    return drawn


def hover_of(point: Point, metric: Metric, name: str) -> str:
    """`momentum 0.9: 97.2 % (96.8–97.5), 2 runs, 0 diverged`."""
    values = point.values.values()
    spread = f"{metric.number(min(values))}–{metric.number(max(values))}"
    runs = f"{plural(len(values), 'run')}, {point.diverged} diverged"
    return f"{name} {word(point.at)}: {metric.scale * point.mean:.4g}{unit(metric)} ({spread}), {runs}{point.said}"


def diverged_regions(places: Sequence[float], diverged: Sequence[int], axis: Axis) -> list[tuple[float, float]]:
    """Where runs diverged, as ranges of x that reach half-way to the neighbours as the axis shows them."""
    x = [math.log(place) for place in places] if axis.log else list(places)
    middles = [(a + b) / 2 for a, b in pairwise(x)]
    ends = [2 * x[0] - middles[0], *middles, 2 * x[-1] - middles[-1]]
    regions: list[tuple[float, float]] = []
    for i, count in enumerate(diverged):
        if count:
            start = regions.pop()[0] if regions and regions[-1][1] == ends[i] else ends[i]
            regions.append((start, ends[i + 1]))
    return [(math.exp(low), math.exp(high)) for low, high in regions] if axis.log else regions
