"""Where a run comes from that goes on from the checkpoint of another: `continued_from` in run.json."""

import logging
from pathlib import Path
from typing import Any

from optlab.checkpoint import Checkpoint
from optlab.errors import UserError
from optlab.record import RunRecord, run_id
from optlab.resume import epochs_of

log = logging.getLogger(__name__)

VERSIONS = ("python", "torch", "lightning", "optlab")


def continued_from(saved: Checkpoint, record: RunRecord) -> dict[str, Any] | None:
    """The run whose first epochs are this one's own: `id`, `folder` (its name), `epochs`, and `differs`.

    `differs` names what changes bits and was different there (see `numerics` in run.json, and the versions): where it
    is empty the run has the bits, on a CPU, of one that trained all its epochs at once.

    Args:
        saved: what the run goes on from. The last checkpoint of the same run tells of the other that it went on from.
        record: of the run, its environment and numerics filled in.
    """
    folder, id = Path(saved.path).absolute().parent.parent, run_id(saved.config)
    try:
        before = RunRecord.read(folder)
    except UserError:  # a checkpoint that was moved
        before = None
    if before is not None and before.id != id:
        before = None
    if id == record.id:
        return None if before is None else before.continued_from
    differs = [] if before is None else differences(before, record)
    if differs:
        log.warning("its first epochs were computed otherwise (%s): bits may differ", ", ".join(differs))
    return {"id": id, "folder": folder.name, "epochs": epochs_of(saved), "differs": differs}


def differences(before: RunRecord, record: RunRecord) -> list[str]:
    """The names of numerics and versions that differ between two records, or did where the earlier one comes from."""
    numerics = [key for key, value in record.numerics.items() if before.numerics.get(key) != value]
    versions = [key for key in VERSIONS if before.environment.get(key) != record.environment.get(key)]
    further_back = (before.continued_from or {}).get("differs", [])
    return list(dict.fromkeys([*numerics, *versions, *further_back]))
