"""Figures of what was measured within runs (`callbacks=instruments`): over training, and layer by layer."""

from collections.abc import Sequence

import numpy as np

from optlab.analysis.judge.contest import Contender
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.statistics import FloatArray
from optlab.analysis.read.runs import Run
from optlab.analysis.show.colors import dash
from optlab.analysis.show.figures import series
from optlab.analysis.show.figures.curves import FEW_LINES, FEW_SEEDS, LONG, curve_marks
from optlab.analysis.show.figures.description import Axis, Figure, Line, Mark, Panel
from optlab.analysis.show.figures.marks import line_of, said
from optlab.analysis.show.figures.subject import Subject
from optlab.rules.instruments import ALL, BY_NAME, Quantity
from optlab.rules.words import plural

# What a report shows of all layers, what a reader asks first standing first; pictures have the first few.
OVER_TRAINING = (
    "update_ratio",
    "gradient_norm",
    "cosine",
    "snr",
    "loss_change",
    "effective_lr",
    "distance",
    "weight_norm",
    "update_norm",
    "clipped",
    "dead_units",
)
IN_PICTURES = OVER_TRAINING[:4]
BY_LAYER = ("update_ratio", "gradient_norm", "weight_norm", "cosine", "snr", "dead_units")
LATE = 3  # the last so-many-th of the measured steps, which layers are compared over
MOST_LAYERS = 40  # more names than an axis takes
AXIS = {"epoch": Axis(label="epoch", from_zero=True)}  # the first measured step is the first of all


def over_training(subject: Subject) -> Figure | None:
    """Each quantity of all layers together: median and quartiles over seeds at each measured step, by epoch."""
    found = {name: curves_of(subject.contest.contenders, name) for name in OVER_TRAINING}
    found = {name: curves for name, curves in found.items() if curves and worth_drawing(name, curves)}
    if not found:
        return None
    every = [curve for curves in found.values() for curve in curves]
    several = any(curve.seeds.max() > 1 for curve in every)
    note = [
        "Measured on single steps, over all layers.",
        "Median over seeds; the band holds the middle half of them." if several else "One seed each.",
    ]
    if any(run.record.status == "diverged" for c in subject.contest.contenders for run in measured(c)):
        note.append("A diverged seed ends where it diverged.")
    return Figure(
        id="instruments",
        file="instruments",
        title="Instruments",
        note=" ".join(note),
        x=AXIS,
        panels={words(name): panel(subject, BY_NAME[name], curves) for name, curves in found.items()},
        choose="quantity",
        wide=True,
        late=max(float(curve.axes["epoch"][-1]) for curve in every) >= LONG,
    )


def words(name: str) -> str:
    """`update ratio`."""
    return name.replace("_", " ")


def worth_drawing(name: str, curves: Sequence[series.Curve]) -> bool:
    """Whether there is anything to see: runs that are not clipped have no share of clipped steps."""
    return name not in ("clipped", "dead_units") or any((curve.median > 0).any() for curve in curves)


def measured(contender: Contender) -> list[Run]:
    """The entered runs that had instruments."""
    return [run for run in contender.entered if run.measured]


def curves_of(contenders: Sequence[Contender], quantity: str) -> list[series.Curve]:
    return [curve for contender in contenders if (curve := curve_of(contender, quantity)) is not None]


def curve_of(contender: Contender, quantity: str) -> series.Curve | None:
    """A quantity over the entered runs, aligned by step."""
    runs = [run for run in measured(contender) if quantity in run.measured[ALL]]
    if not runs:
        return None
    steps = np.unique(np.concatenate([run.measured[ALL]["step"] for run in runs]))
    values = np.full((len(runs), len(steps)), np.nan)
    for row, run in zip(values, runs, strict=True):
        row[np.searchsorted(steps, run.measured[ALL]["step"])] = drawable(run.measured[ALL][quantity], quantity)
    known = np.isfinite(values)
    if not known.any():
        return None
    keep = series.thinned(known.any(axis=0), series.MOST_POINTS)
    q1, median, q3 = np.nanquantile(values[:, keep], (0.25, 0.5, 0.75), axis=0)
    longest = max(runs, key=lambda run: len(run.axes["epoch"]))
    axes = {"epoch": longest.epochs_at(steps[keep])}
    return series.Curve(contender.name, quantity, axes, median, q1, q3, known[:, keep].sum(axis=0).astype(float))


def is_log(quantity: str) -> bool:
    """Whether a quantity is drawn on a logarithmic axis: signal-to-noise is an estimate, and is below 0 by chance."""
    return BY_NAME[quantity].scale == "log" and quantity != "snr"


def drawable(values: FloatArray, quantity: str) -> FloatArray:
    """The values, without those that a logarithmic axis has no place for."""
    return np.where(values > 0, values, np.nan) if is_log(quantity) else values


def panel(subject: Subject, quantity: Quantity, curves: Sequence[series.Curve]) -> Panel:
    metric, log = Metric(quantity.name), is_log(quantity.name)
    of = {curve.contender: subject.contest.contender(curve.contender) for curve in curves}
    marks = seed_marks(subject, list(of.values()), quantity.name)
    marks += [mark for curve in curves for mark in curve_marks(subject.palette, of[curve.contender], curve, metric)]
    unit = f" ({quantity.unit})" if quantity.unit else ""
    reach = None if log else window(curves)
    y = Axis(label=quantity.title + unit, log=log, zero_line=not log, range=reach)
    return Panel(y, marks, in_pictures=quantity.name in IN_PICTURES)


def window(curves: Sequence[series.Curve]) -> tuple[float, float] | None:
    """What the medians do after the first tenth, with a margin below 0 too, where these quantities may well be."""
    if (found := series.window(curves)) is None:
        return None
    low, high = found
    return low - (0.06 * (high - low) if low < 0 else 0.0), high


def seed_marks(subject: Subject, contenders: Sequence[Contender], quantity: str) -> list[Mark]:
    """A thin line for each seed; a picture has them where they are few."""
    runs = {c.name: [run for run in measured(c) if quantity in run.measured[ALL]] for c in contenders}
    lines = sum(map(len, runs.values()))
    few = max(map(len, runs.values())) <= FEW_SEEDS and lines <= FEW_LINES
    most = max(series.LEAST_POINTS, min(series.MOST_POINTS, series.SEED_POINTS // lines))
    marks: list[Mark] = []
    for contender in contenders:
        if len(runs[contender.name]) < 2:
            continue  # its curve is its only seed
        x, y = list[FloatArray](), list[FloatArray]()
        for run in runs[contender.name]:
            columns = run.measured[ALL]
            values = drawable(columns[quantity], quantity)
            keep = series.thinned(np.isfinite(values), most)
            x += [run.epochs_at(columns["step"][keep]), np.array([np.nan])]
            y += [values[keep], np.array([np.nan])]
        marks.append(
            Line(
                of=[contender.name],
                x=np.concatenate(x),
                y=np.concatenate(y),
                color=subject.palette.color(contender.optimizer),
                dash=dash(contender.schedule),
                opacity=0.6,
                width=0.6,
                switch="seeds",
                in_pictures=few,
            )
        )
    return marks


def by_layer(subject: Subject) -> Figure | None:
    """Each quantity layer by layer over the last third of the measured steps, where two layers or more have it."""
    contenders = [c for c in subject.contest.contenders if measured(c)]
    layers = list(
        dict.fromkeys(name for c in contenders for run in measured(c) for name in run.measured if name != ALL)
    )
    if not 1 < len(layers) <= MOST_LAYERS:
        return None
    panels = {words(name): layer_panel(subject, contenders, layers, name) for name in BY_LAYER}
    panels = {name: each for name, each in panels.items() if each.marks}
    if not panels:
        return None
    return Figure(
        id="layers",
        file="instruments_by_layer",
        title="Instruments, layer by layer",
        note="Median over the last third of the measured steps, then over seeds. From the input to the output.",
        x={"layer": Axis(names=layers)},
        panels=panels,
        choose="quantity",
        wide=True,
    )


def layer_panel(subject: Subject, contenders: Sequence[Contender], layers: Sequence[str], quantity: str) -> Panel:
    of, marks = BY_NAME[quantity], list[Mark]()
    for contender in contenders:
        values = drawable(np.array([late(measured(contender), layer, quantity) for layer in layers]), quantity)
        if not np.isfinite(values).any() or (quantity == "dead_units" and not np.nanmax(values) > 0):
            continue
        n = plural(len(measured(contender)), "seed")
        hover = [f"{said(Metric(quantity), value)}, {n}" for value in values]
        x = [float(place) for place in range(len(layers))]
        marks.append(line_of(subject.palette, contender, x, values, points=True, hover=hover))
    log = is_log(quantity)
    return Panel(Axis(label=of.title, log=log, zero_line=not log), marks, in_pictures=False)


def late(runs: Sequence[Run], layer: str, quantity: str) -> float:
    """The median of a layer over the last of its measured steps, then over runs; NaN where it was not measured."""
    medians = []
    for run in runs:
        values = run.measured.get(layer, {}).get(quantity, np.empty(0))
        values = values[-max(1, len(values) // LATE) :]
        if np.isfinite(values).any():
            medians.append(float(np.nanmedian(values)))
    return float(np.median(medians)) if medians else float("nan")
