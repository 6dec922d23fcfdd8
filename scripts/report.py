"""Read sweeps and say what they show: python scripts/report.py outputs/sweeps/first

Writes report.html, runs.csv, summary.json, tables (Markdown, LaTeX) and figures (PNG, SVG) from the run folders alone,
without torch. A sweep that is still running is read as far as it got; several sweeps are compared together.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from optlab.errors import UserError


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="report.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sweeps", nargs="+", type=Path, metavar="SWEEP", help="a folder like outputs/sweeps/first")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where to write; default: the folder of a sweep, or outputs/reports/"
    )
    parser.add_argument("--metric", help="judge by this, like val/acc; default: test where all have it")
    parser.add_argument(
        "--target",
        type=float,
        help="the value that time-to-target asks for: 0.9 is 90 %% accuracy; default: that of each study's plan",
    )
    parser.add_argument(
        "--reference", metavar="CSV", help="published curves to draw behind one's own; default: those of the plan"
    )
    parser.add_argument(
        "--no-figures", action="store_true", help="leave out PNG and SVG (on the page too): seconds less"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    from optlab.analysis import build, print_table

    try:
        summary = build(
            options.sweeps,
            options.out,
            figures=not options.no_figures,
            metric=options.metric,
            target=options.target,
            reference=options.reference,
        )
    except UserError as error:
        print(f"optlab: {error}", file=sys.stderr)
        return 1
    print_table(summary, problems=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
