"""Figures of a search over several hyperparameters: parallel coordinates, and which of them mattered."""

from collections.abc import Sequence
from typing import Literal

from scipy.stats import rankdata

from optlab.analysis.judge.contest import Contender
from optlab.analysis.judge.importance import FEWEST, Importances
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.searched import Kind, Scale, Trial, searched, trials, word
from optlab.analysis.show.colors import GREY
from optlab.analysis.show.figures.description import Axis, Figure, Interval, Line, Mark, Panel, Points, Text
from optlab.analysis.show.figures.subject import Subject
from optlab.rules.words import enumerated, plural

FEWEST_LINES = 4
ASIDE = 0.03  # between an axis and the words at it, where axes are 1 apart
# Blue for the worst trial to orange for the best: steps alike in OKLab (Ottosson 2020), one lightness, so that each
# shows on white and on near-black, and told apart without red or green.
SHADES = ("#567fca", "#7876cd", "#946ec6", "#ac68b7", "#bf62a1", "#cd6087", "#d6616a", "#d9664a", "#d66f1f")


def parallel_coordinates(subject: Subject) -> Figure | None:
    """Every trial of a contender as a line over what was searched; the last axis is what it scored."""
    metric = subject.contest.selection
    panels = {}
    for contender in subject.contest.contenders:
        found = trials(contender, metric)
        names = searched(found)
        if len(names) > 1 and len(found) >= FEWEST_LINES:
            panels[contender.name] = panel_of(contender, found, names, metric)
    if not panels:
        return None
    note = (
        "Each line is a trial, from blue for the worst to orange for the best; the thick one with a star was chosen. "
        "Dashed, with a cross: a run of it diverged, and counts at chance. Trials with a failed run are left out."
    )
    return Figure(
        id="parallel",
        file="parallel_coordinates",
        title="Every trial of the search",
        note=" ".join([note, *too_few(subject)]),
        key="a line a trial, blue: worst, orange: best; star: chosen; dashed, cross: runs diverged",
        x={"hyperparameter": Axis()},
        panels=panels,
        choose="optimizer",
        wide=True,
    )


def panel_of(contender: Contender, found: Sequence[Trial], names: Sequence[str], metric: Metric) -> Panel:
    """The axes of one contender, its trials over them, the best ones on top, and what stands at the axes."""
    # Every axis is drawn from 0 to 1, at 0, 1, 2 ...; the last one is the metric's.
    scales = {name: Scale.of(trial.settings[name] for trial in found) for name in names}
    able: list[Kind] = ["linear"] if metric.is_share else ["log", "linear"]
    scores = Scale.of([trial.mean * metric.scale for trial in found], able)
    quality = rankdata([metric.sign * trial.mean for trial in found])  # ties have one rank
    marks: list[Mark] = [Line(x=[i, i], y=[0, 1], color=GREY, width=1) for i in range(len(names) + 1)]
    worst_first = sorted(range(len(found)), key=lambda i: (found[i].configuration is contender.chosen, quality[i]))
    for i in worst_first:
        trial = found[i]
        y = [scales[name].position(trial.settings[name]) for name in names]
        y.append(scores.position(trial.mean * metric.scale))
        shade = SHADES[round((quality[i] - 1) / max(len(found) - 1, 1) * (len(SHADES) - 1))]
        marks += trial_marks(
            trial, y, shade, said(trial, names, metric), chosen=trial.configuration is contender.chosen
        )
    for i, scale in enumerate([*scales.values(), scores]):
        ticks = scale.ticks()
        beside = i + ASIDE if i == len(names) else i - ASIDE
        anchor: Literal["left", "right"] = "left" if i == len(names) else "right"
        marks.append(Text(x=[beside] * len(ticks), y=list(ticks), words=list(ticks.values()), anchor=anchor))
    labels = [
        *("learning rate" if name == "lr" else name for name in names),
        metric.name + (" (%)" if metric.is_share else ""),
    ]
    return Panel(Axis(range=(-0.06, 1.06), ticks={}), marks, x=Axis(names=labels))


def trial_marks(trial: Trial, y: Sequence[float], shade: str, hover: str, *, chosen: bool) -> list[Mark]:
    """A line, and at its end, on the metric's axis, how the trial ended."""
    x = list(range(len(y)))
    line = Line(
        x=x,
        y=y,
        color=shade,
        width=3.2 if chosen else 1.4,
        opacity=1.0 if chosen else 0.75,
        dash="dash" if trial.diverged else "solid",
        hover=hover,
    )
    marker = "star" if chosen else "x" if trial.diverged else "circle"
    return [line, Points(x=x[-1:], y=y[-1:], color=shade, marker=marker, size=11 if chosen else 5)]


def said(trial: Trial, names: Sequence[str], metric: Metric) -> str:
    """What a trial set and scored: `lr 0.01, momentum 0.9: 97.20 % (mean of 2 runs)`."""
    settings = ", ".join(f"{name} {word(trial.settings[name])}" for name in names)
    runs = len(trial.configuration.tuning_values(metric))
    diverged = f", {trial.diverged} diverged" if trial.diverged else ""
    return f"{settings}\n{metric.text(trial.mean)} ({f'mean of {runs} runs' if runs > 1 else '1 run'}{diverged})"


# -- importance


def importance(subject: Subject) -> Figure | None:
    """The share of each hyperparameter in what makes trials good, for each contender with trials enough."""
    panels = {told.contender: bars(told, subject) for told in subject.verdict.importance if told.shares}
    if not panels:
        return None
    note = (
        "How far the good trials lie elsewhere than all (PED-ANOVA, Watanabe et al. 2023), as shares, with the 95 % "
        "interval over bootstrap samples of the trials. Full: the interval lies above an even share (dashed); open: it "
        "may be noise. Two that matter only together do not show."
    )
    return Figure(
        id="importance",
        file="importance",
        title="Which hyperparameters mattered",
        note=" ".join([note, *too_few(subject)]),
        key="full: above an even share (dashed); open: may be noise",
        x={"share": Axis()},
        panels=panels,
        choose="optimizer",
    )


def bars(told: Importances, subject: Subject) -> Panel:
    """A bar a hyperparameter, the largest on top, with its interval and its value."""
    contender = subject.contest.contender(told.contender)
    shade = subject.palette.color(contender.optimizer)
    ordered = [*told.shares][::-1]
    even = 100 * told.even
    marks: list[Mark] = [Line(x=[even, even], y=[-0.5, len(ordered) - 0.5], color=GREY, width=1.2, dash="dash")]
    for row, each in enumerate(ordered):
        share, low, high = (100 * value for value in (each.share, each.low, each.high))
        stands_out = each.low > told.even
        marks += [
            Line(x=[0, share], y=[row, row], color=shade, width=9, opacity=0.35),
            Interval(
                x=share,
                y=row,
                low=min(low, share),
                high=max(high, share),
                along="x",
                marker="full" if stands_out else "open",
                color=shade,
                label=each.name,
                hover=f"{each.name}: {share:.0f} % [{low:.0f}, {high:.0f}]\n{told.trials} trials, {told.good} good",
            ),
            Text(x=[103], y=[row], words=[f"{share:.0f} %"], anchor="left"),
        ]
    return Panel(
        Axis(names=[each.name for each in ordered]),
        marks,
        x=Axis(label=f"share of importance (%), {told.trials} trials", range=(0, 116)),
    )


def too_few(subject: Subject) -> list[str]:
    """Whose trials are too few for importance."""
    metric = subject.contest.selection
    each = {contender.name: trials(contender, metric) for contender in subject.contest.contenders}
    few = {name: len(found) for name, found in each.items() if len(searched(found)) > 1 and len(found) < FEWEST}
    if not few:
        return []
    whose = enumerated(f"{name} {plural(number, 'trial')}" for name, number in few.items())
    return [f"Too few trials to say which mattered: {whose}; from {FEWEST} on the report says it."]
