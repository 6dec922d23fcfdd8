"""trace.html: one file that needs no network, made of what trace.json holds."""

from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from optlab.analysis.show.templates import templates
from optlab.record import write_whole
from optlab.teaching.formulas import SOURCES
from optlab.teaching.page import beside, drawing, parts
from optlab.teaching.page.bilingual import Bilingual
from optlab.teaching.page.numbers import degrees, short, whole
from optlab.teaching.page.sliders import knobs, recomputable
from optlab.teaching.words import say

Plain = Mapping[str, Any]

STYLES = ("trace", "formula", "beside", "phone", "print")  # in this order, behind the report's own base.css
SCRIPTS = ("page", "walk", "formula", "sliders")


def write(trace: Plain, path: Path, lang: str = "en") -> None:
    """Write the page of a trace.

    Args:
        trace: what trace.json holds.
        path: the file.
        lang: the language in which it opens where the reader has chosen none.

    Raises:
        UserError: it cannot be written.
    """
    write_whole(path, render(trace, lang))


def render(trace: Plain, lang: str = "en") -> str:
    """The page of a trace, as a text."""
    environment = templates("optlab.teaching.page", "files")
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":"), "allow_nan": False}
    bilingual = Bilingual(lang)
    formulas = [recomputable(step) for step in trace["steps"]]
    environment.globals.update(
        t=bilingual.text,
        a=bilingual.attributes,
        words=bilingual.words,
        sources=SOURCES,
        say=partial(say, lang=lang),
        short=short,
        degrees=degrees,
        indent=beside.indent,
        whole=whole,
        glyph=parts.glyph,
        math=parts.math,
        share=parts.share,
        largest=parts.largest,
        cells=partial(parts.cells, task=trace["run"]["task"]),
        left_out=parts.left_out,
        target=parts.target,
        joined=parts.joined,
        both=parts.both,
        fall=parts.fall,
        outcome=parts.outcome,
        entered=partial(beside.entered, trace["compare"]),
        listing=beside.listing,
        strip=drawing.strip,
        histogram=drawing.histogram,
        angle=drawing.angle,
    )
    return environment.get_template("trace.html.j2").render(
        trace=trace,
        run=trace["run"],
        lang=lang,
        version=version("optlab"),
        code=parts.CODE,
        followed=parts.followed(trace["followed"]),
        worked=formulas,
        sliders=lambda at: knobs(formulas[at]),
        early=part("early.js"),
        style=report_style() + "".join(part(f"{name}.css") for name in STYLES),
        script="".join(part(f"{name}.js") for name in SCRIPTS),
    )


def part(name: str) -> str:
    return (files("optlab.teaching.page") / "files" / name).read_text(encoding="utf-8")


def report_style() -> str:
    """The colours, fonts and cards of a report, so that the pages of a project look alike."""
    return (files("optlab.analysis.show") / "page" / "base.css").read_text(encoding="utf-8")
