"""What a finding is shown by: find_lr.png, find_lr.html (one file that needs no network), and lines on the terminal."""

import io
import shlex
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from optlab.analysis.show.colors import Palette
from optlab.analysis.show.figures.description import Figure
from optlab.analysis.show.figures.stills import inline
from optlab.analysis.show.figures.to_matplotlib import picture_of, save
from optlab.analysis.show.figures.to_plotly import spec
from optlab.analysis.show.report import part, plotly_bundle, script_json
from optlab.analysis.show.templates import templates
from optlab.record import shortest, write_whole
from optlab.rules.commands import program
from optlab.rules.words import plural
from optlab.teaching.finder.figure import NOTE, figure_of
from optlab.teaching.finder.finding import Finding

PAGE, PICTURE = "find_lr.html", "find_lr.png"
RULE = (
    "The suggestion is half of the lr with the lowest smoothed loss of the test: the best lr is usually within a "
    "factor of 2 of the largest that does not diverge (Bengio 2012, section 3.1.1), which the test passes before its "
    "loss turns (Smith 2015). The range is from a tenth of that lr (Gugger and Howard, fastai) to itself."
)


def write(findings: Sequence[Finding], folder: Path) -> tuple[Path, Path]:
    """Write picture and page of findings of one setting; the paths.

    Raises:
        UserError: the folder cannot be written.
    """
    figure = figure_of(findings, title_of(findings))
    picture = picture_of(figure)
    save(picture, folder / "find_lr", [".png"])
    vector = io.BytesIO()
    picture.savefig(vector, format="svg", metadata={"Date": None})
    write_whole(folder / PAGE, render(findings, figure, inline(vector.getvalue().decode("utf-8"), "still-")))
    return folder / PICTURE, folder / PAGE


def render(findings: Sequence[Finding], figure: Figure, still: str) -> str:
    """The page; `still` is an `<svg>` for where no script runs."""
    environment = templates("optlab.teaching.finder", "files")
    drawn = next(iter(spec(figure)["choices"].values()))
    palette = Palette.of(finding.name for finding in findings)
    rows = [
        {
            "optimizer": finding.name,
            "color": palette.color(finding.name),
            "lr": shown(finding.lr),
            "range": range_of(finding),
            "command": command(finding),
            "said": [each.text for each in finding.said],
        }
        for finding in findings
    ]
    return environment.get_template("find_lr.html.j2").render(
        title=title_of(findings),
        setting=setting_of(findings[0]),
        rows=rows,
        rule=RULE,
        note=NOTE,
        still=still,
        spec=script_json({"data": drawn["data"], "layout": drawn["layout"]}),
        bundle=plotly_bundle(),
        style=part("base.css"),
        version=version("optlab"),
    )


# -- the terminal


def print_findings(findings: Sequence[Finding], folder: Path, console: Console) -> None:
    """A table where there are several optimizers, else lines; what is to be known of each, and where figures are."""
    console.print()
    console.print(title_of(findings), style="bold", markup=False, soft_wrap=True)
    console.print(setting_of(findings[0]), markup=False, soft_wrap=True)
    if len(findings) > 1:
        table = Table("optimizer", "suggested lr", "range", "steepest at", "tests")
        for column in table.columns[1:4]:
            column.justify, column.no_wrap = "right", True
        for finding in findings:
            found = finding.suggestion
            steepest = "–" if found is None else f"{found.steepest:.2g}"
            ended = ", ".join(dict.fromkeys(ENDED[test.ended] for test in finding.tests))
            row = (shown(finding.lr), range_of(finding), steepest, ended)
            table.add_row(finding.name, *row)
        console.print(table)
    elif (found := findings[0].suggestion) is not None:
        console.print(f"suggested   lr {shown(findings[0].lr)}, in the range {range_of(findings[0])}")
        console.print(f"steepest    at lr {found.steepest:.2g}, which other finders suggest")
    for finding in findings:
        for each in finding.said:
            console.print(each.text, markup=False, soft_wrap=True)
    for finding in findings:
        if (typed := command(finding)) is not None:
            console.print(f"{'to use it':<10}  {typed}", markup=False, soft_wrap=True)
    console.print(f"figure      {shortest((folder / PICTURE).absolute())}", markup=False, soft_wrap=True)
    console.print(f"page        {shortest((folder / PAGE).absolute())}", markup=False, soft_wrap=True)


ENDED = {"high": "to the end", "diverged": "diverged", "not_finite": "not finite"}


def title_of(findings: Sequence[Finding]) -> str:
    facts = findings[0].facts
    names = ", ".join(finding.name for finding in findings)
    return f"{facts['model']} on {facts['dataset']}: lr of {names}"


def setting_of(finding: Finding) -> str:
    """`200 steps from lr 1e-07 to 10, batch size 32, seeds 0, 1, 2, on cpu`."""
    options, facts = finding.options, finding.facts
    seeds = ", ".join(str(test.seed) for test in finding.tests)
    return (
        f"{plural(int(options['steps']), 'step')} from lr {options['low']:g} to {options['high']:g}, "
        f"batch size {facts['batch_size']}, seed{'s' if len(finding.tests) > 1 else ''} {seeds}, on {facts['device']}"
    )


def shown(lr: float | None) -> str:
    return "–" if lr is None else f"{lr:g}"


def range_of(finding: Finding) -> str:
    return "–" if finding.low is None else f"{shown(finding.low)} to {shown(finding.high)}"


def command(finding: Finding) -> str | None:
    """What trains with the suggested lr; None without one."""
    words = finding.words
    return None if words is None else f"{program()} {shlex.join(words)}"
