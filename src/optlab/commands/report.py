"""Read sweeps and say what they show, as in: optlab report outputs/sweeps/first

Writes report.html, runs.csv, summary.json, tables (Markdown, LaTeX) and figures (PNG, SVG) from the run folders alone,
without torch. A sweep that is still running is read as far as it got; several sweeps are compared together. With
--watch the page is written again while runs come in, and refreshes itself in the browser.
"""

import argparse
import sys
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from optlab.errors import UserError
from optlab.record import shortest
from optlab.rules.arguments import Parser
from optlab.rules.commands import tool


def parser() -> Parser:
    parser = Parser(tool("report"), __doc__)
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
        "--watch", action="store_true", help="write the page again while runs come in, until all are over"
    )
    parser.add_argument(
        "--serve",
        metavar="PORT",
        help="the same, and serve it on 127.0.0.1 for a browser through an ssh tunnel",
    )
    figures = parser.add_mutually_exclusive_group()
    figures.add_argument(
        "--no-figures", action="store_true", help="leave out PNG and SVG (on the page too): seconds less"
    )
    figures.add_argument("--pdf", action="store_true", help="figures as PDF too, for papers: vectors with their fonts")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        if options.watch or options.serve is not None:
            return watched(options)
        report(options)
    except UserError as error:
        print(f"optlab: {error}", file=sys.stderr)
        return 1
    return 0


def report(options: argparse.Namespace) -> None:
    """Write everything once, and print the table."""
    from optlab.analysis import build, print_table

    summary = build(
        options.sweeps,
        options.out,
        figures=not options.no_figures,
        pdf=options.pdf,
        metric=options.metric,
        target=options.target,
        reference=options.reference,
    )
    print_table(summary, problems=True)


def watched(options: argparse.Namespace) -> int:
    """Write the page until the sweeps are over, then everything; with --serve until Ctrl-C."""
    from optlab.analysis import print_table
    from optlab.analysis.serve import serving, where_to_look
    from optlab.analysis.watch import Watched, watch

    found = Watched(options.sweeps, options.out, options.metric, options.target, options.reference)
    try:
        with nullcontext() if options.serve is None else serving(found.folder, options.serve) as port:
            if port is not None:
                print(where_to_look(port), flush=True)
            print_table(watch(found, figures=not options.no_figures, pdf=options.pdf, say=say), problems=True)
            if port is not None:
                say("serve   goes on until Ctrl-C")
                threading.Event().wait()
    except KeyboardInterrupt:
        print(f"\nstopped; {shortest(found.page)} stays as it is")
        return 130
    return 0


def say(line: str) -> None:
    print(line, flush=True)  # at once, into a pipe too
