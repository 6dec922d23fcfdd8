"""Build a W&B workspace for a sweep, as in: optlab dashboard outputs/sweeps/first

It asks what the report asks, a section a question: the verdict; learning curves, grouped by configuration with bands of
a standard deviation; the learning rate; what was swept and what of it mattered; divergences; cost and instruments where
they were recorded. Colours are the report's. The runs have to be in W&B: `wandb sync` uploads those made offline.
Each call saves a new view; nothing else in the project changes. Needs the extra `dashboard`.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from optlab.errors import UserError
from optlab.rules.arguments import Parser
from optlab.rules.commands import install, tool


def parser() -> Parser:
    parser = Parser(tool("dashboard"), __doc__)
    parser.add_argument("sweep", type=Path, metavar="SWEEP", help="a folder like outputs/sweeps/first")
    parser.add_argument(
        "--entity", help="a user or a team; default: that of the runs, of WANDB_ENTITY, or of the account"
    )
    parser.add_argument("--project", help="default: that of the runs")
    parser.add_argument("--metric", help="judge by this, like val/acc; default: test where all have it")
    parser.add_argument("--dry-run", action="store_true", help="print the workspace as JSON; needs no login")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        dashboard(options)
    except UserError as error:
        print(f"optlab: {error}", file=sys.stderr)
        return 1
    return 0


def dashboard(options: argparse.Namespace) -> None:
    if find_spec("wandb_workspaces") is None:
        raise UserError(f"a dashboard needs a package: {install('dashboard')}")
    from optlab.dashboard.mirrored import read

    mirrored = read(options.sweep, options.metric)
    if missing := len(mirrored.runs) - len(mirrored.ids):
        print(f"optlab: {missing} of {len(mirrored.runs)} runs were not logged to W&B", file=sys.stderr)
    project = options.project or mirrored.project
    entity = options.entity or mirrored.entity
    if not options.dry_run:
        from optlab.dashboard import save

        save.check_login()
        entity = entity or save.default_entity()
    elif entity is None:
        print("optlab: no entity is named; saving takes that of the account that is logged in", file=sys.stderr)
    from optlab.dashboard.workspace import as_json, build

    workspace = build(mirrored, entity or "", project)
    if options.dry_run:
        print(as_json(workspace), end="")
    else:
        print(f"saved  {save.save(workspace)}")
