"""From sweep folders to everything that is made of them: tables, figures, summary, report."""

import json
from collections.abc import Sequence
from pathlib import Path

from optlab.analysis.judge.contest import Contest, contests
from optlab.analysis.judge.verdict import judge
from optlab.analysis.read.plans import Study, reference_of, studies
from optlab.analysis.read.published import Published, read_published
from optlab.analysis.read.runs import Runs, read_runs
from optlab.analysis.show.figures import describe
from optlab.analysis.show.report import render
from optlab.analysis.show.summary import MADE_BY, Summary, as_json
from optlab.analysis.show.tables import tables_of
from optlab.analysis.show.tables.overview import overview
from optlab.analysis.show.tables.table import Table
from optlab.analysis.show.tables.tried import all_runs
from optlab.analysis.show.tables.write import as_csv, latex, markdown
from optlab.errors import UserError
from optlab.record import cannot_write, shortest, write_whole
from optlab.rules.files import PLAN_FILE, SWEEP_FILE

SUMMARY_FILE = "summary.json"


def build(
    sweeps: Sequence[Path],
    out: Path | None = None,
    *,
    figures: bool = True,
    pdf: bool = False,
    metric: str | None = None,
    target: float | None = None,
    reference: Path | str | None = None,
) -> Summary:
    """Read sweeps, judge, and write runs.csv, summary.json, tables.md, tables.tex, report.html and figures.

    Nothing is written unless everything could be read and judged; each file is replaced whole.

    Args:
        sweeps: sweep folders, or single run folders; sweeps of one setting are compared together.
        out: where to write; without it the sweep's own folder, or outputs/reports/<names> for several sweeps and for
            runs of none.
        figures: also write PNG and SVG figures, and put them into the page for where no script runs; it takes seconds.
        pdf: write the figures as PDF too, for papers.
        metric: what to judge by, like `val/acc`; without it what the runs say, on the test split where all have it.
        target: the value of time-to-target, in the metric's own unit (0.9 for 90 %).
        reference: published curves to draw behind the learning curves: a CSV file, or the name of shipped ones.

    Where target and reference are not given, each setting has those of the plans (protocol.yaml) of its own studies.

    Raises:
        UserError: a folder or file cannot be used or written, or no run has the metric.
    """
    runs = read_runs([Path(sweep) for sweep in sweeps])
    summary = judged(runs, out, metric=metric, target=target, reference=reference)
    check_ours(summary.folder)
    write(summary, figures=figures, pdf=pdf)
    return summary


def judged(
    runs: Runs,
    out: Path | None = None,
    *,
    metric: str | None = None,
    target: float | None = None,
    reference: Path | str | None = None,
) -> Summary:
    """What some runs say; nothing is written. See `build` for the rest."""
    found = contests(runs, metric)
    planned = [studies(contest.runs) for contest in found]
    published = published_for(found, planned, reference)
    verdicts = [judge(c, target, s) for c, s in zip(found, planned, strict=True)]
    folder = out if out is not None else default_folder(runs.folders)
    return Summary(folder, runs, found, verdicts, published)


def published_for(
    found: Sequence[Contest], planned: Sequence[Sequence[Study]], given: Path | str | None
) -> list[Published | None]:
    """For each contest the published curves to draw behind its own: those given or planned, of its data set and model.

    Raises:
        UserError: a file cannot be used, or what was given belongs to no contest.
    """
    names = [given or reference_of(studies) for studies in planned]
    read = {name: read_published(name) for name in names if name is not None}
    fitting = [
        name if name is not None and read[name].belongs_to(c.runs[0].record) else None
        for name, c in zip(names, found, strict=True)
    ]
    if given is not None and not any(fitting):
        where = ", ".join(f"{key}={value}" for key, value in read[given].setting.items())
        raise UserError(f"reference {given}: its curves are of {where}, and no run here is; leave it out")
    return [None if name is None else read[name] for name in fitting]


def default_folder(sweeps: Sequence[Path]) -> Path:
    """The folder of one sweep, known by the plan in it; for all else, single runs too, one under outputs/reports."""
    if len(sweeps) == 1 and any((sweeps[0] / name).exists() for name in (SWEEP_FILE, PLAN_FILE)):
        return sweeps[0]
    return Path("outputs", "reports", "+".join(dict.fromkeys(folder.absolute().name for folder in sweeps)))


def check_ours(folder: Path) -> None:
    """Raise UserError where a summary of another program would be overwritten."""
    path = folder / SUMMARY_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict) or content.get("made_by") != MADE_BY:
        raise UserError(
            f"{shortest(path)}: not written by optlab, so it is not overwritten; choose another --out FOLDER"
        )


def write(summary: Summary, *, figures: bool, pdf: bool = False) -> None:
    """Write everything that is made of a summary; each file is replaced whole."""
    folder = summary.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    write_whole(folder / "runs.csv", as_csv(all_runs(summary.runs.runs, summary.relative)))
    write_whole(folder / SUMMARY_FILE, as_json(summary))
    static = static_tables(summary)
    write_whole(folder / "tables.md", markdown(static))
    write_whole(folder / "tables.tex", latex(static))
    described = describe(summary)
    pictures = {}
    if figures:
        from optlab.analysis.show.figures.stills import stills  # these imports take a second
        from optlab.analysis.show.figures.to_matplotlib import draw_all

        labels = [contest.label for contest in summary.contests]
        written = draw_all(described, labels, folder / "figures", pdf=pdf)
        pictures = stills(described, labels, summary.places, written)
    write_whole(summary.report, render(summary, described, pictures))


def static_tables(summary: Summary) -> list[Table]:
    """The tables of tables.md and tables.tex: all but those of single runs, which runs.csv has."""
    several = len(summary.contests) > 1
    pairs = zip(summary.contests, summary.verdicts, strict=True)
    drawn = [table for c, v in pairs for table in tables_of(c, v, summary.relative, several=several)]
    across = overview(summary.verdicts, summary.places)
    return [table for table in (across, *drawn) if table.rows and table.id != "runs"]
