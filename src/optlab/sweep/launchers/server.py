"""Where the workers of a sweep come from. Light at import, so that they begin to import torch before all else."""

import os
from collections.abc import Mapping
from typing import Any

from optlab.adapters.forkserver import ForkServer
from optlab.adapters.process import cores
from optlab.sweep.launchers.slots import is_distributed

FORKED = "optlab.sweep.launchers.forked"
WORK = f"{FORKED}:work"
IMPORTS = ("optlab.run", "optlab.cli", "optlab.sweep.work", FORKED)  # what the first job would wait for


def server_for(config: Mapping[str, Any], n_jobs: int | None) -> ForkServer | None:
    """Where the workers of a sweep come from; begins to import beside the planning. None where it needs no workers.

    Windows has no signal that asks a worker to save and stop, so there are none there.
    """
    one_by_one = (n_jobs or cores()) == 1 or is_distributed(config) or os.name == "nt"
    return None if one_by_one or config.get("dry_run") else ForkServer(WORK, IMPORTS)
