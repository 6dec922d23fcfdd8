"""compare.png and demo.png: what trace.compare and trace.demo show, as pictures for notes and slides."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from optlab.analysis.show.colors import Palette
from optlab.analysis.show.figures.description import Axis, Figure, Line, Panel
from optlab.analysis.show.figures.fonts import in_fonts_that_have_it
from optlab.analysis.show.figures.to_matplotlib import picture_of, save
from optlab.teaching import words

Plain = Mapping[str, Any]
Say = Callable[..., str]

CORRECT, OTHER = "#2563eb", "#c2410c"


def draw(trace: Plain, folder: Path, say: Say) -> list[Path]:
    """Write the pictures that a trace has; their paths. Where no font has Chinese letters they are in English.

    Raises:
        UserError: the folder cannot be written.
    """
    written = []
    for name, describe in (("compare", compared), ("demo", demonstrated)):
        if trace[name] is None:
            continue
        picture = picture_of(describe(trace[name], say))
        if in_fonts_that_have_it(picture):  # no font here has the letters of this language
            picture = picture_of(describe(trace[name], partial(words.say, lang="en")))
        written += save(picture, folder / name, [".png"])
    return written


def line(rows: Sequence[Plain], key: str, label: str, color: str, **more: Any) -> Line:
    """A number over the steps; steps where it is not known are left out."""
    there = [row for row in rows if row[key] is not None]
    return Line(x=[row["step"] for row in there], y=[row[key] for row in there], label=label, color=color, **more)


def figure(name: str, panels: Mapping[str, Panel], say: Say, title: str) -> Figure:
    axis = Axis(label=say("trace.demo.step"), whole=True)
    return Figure(id=name, file=name, title=title, note="", x={"step": axis}, panels=panels)


def compared(compare: Plain, say: Say) -> Figure:
    """Length of the update, its angle to the negative gradient and the loss behind it, a line an optimizer."""
    names = [each["name"] for each in compare["optimizers"]]
    palette = Palette.of(name.partition(":")[0] for name in names)
    axes = {
        "update_norm": Axis(label=say("trace.compare.update_norm"), log=True),
        "angle": Axis(label=say("trace.compare.angle"), from_zero=True),
        "after": Axis(label=say("trace.compare.after")),
    }
    panels = {}
    for key, axis in axes.items():
        marks = []
        for each in compare["optimizers"]:
            optimizer = each["name"].partition(":")[0]
            look = {"marker": palette.marker(optimizer), "markers": 12}
            marks.append(line(each["steps"], key, each["name"], palette.color(optimizer), **look))
        panels[key] = Panel(axis, marks)
    return figure("compare", panels, say, say("trace.compare.title"))


def demonstrated(demo: Plain, say: Say) -> Figure:
    """The loss behind each step, the gradient's norm and the weight, of the correct run and of the other."""
    axes = {
        "after": Axis(label=say("trace.compare.after")),
        "gradient_norm": Axis(label=say("trace.demo.gradient_norm"), from_zero=True),
        "weight": Axis(label=say("trace.demo.weight")),
    }
    panels = {}
    for key, axis in axes.items():
        right = line(demo["correct"], key, say("trace.demo.correct"), CORRECT, marker="circle", markers=12)
        other = line(demo["other"], key, say("trace.demo.other"), OTHER, marker="x", markers=12, dash="dash")
        panels[key] = Panel(axis, [right, other])
    return figure("demo", panels, say, demo["name"])
