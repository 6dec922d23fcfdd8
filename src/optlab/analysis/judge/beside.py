"""Which runs trained side by side: on the same device at the same time, as a launcher lets them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from optlab.analysis.read.runs import Run

Device = tuple[str, str, str]


def device_of(run: Run) -> Device:
    """What runs share that are at the same: a host's processor, or one of its GPUs."""
    told = run.record.environment
    host, device, number = (str(told.get(key) or "") for key in ("host", "device", "device_id"))
    return host, device, number


def span_of(run: Run) -> tuple[float, float] | None:
    """When training began and ended in the last process that trained it, in seconds since 1970; None if not told."""
    began, ended = (run.record.timing.get(key) for key in ("began", "ended"))
    return None if began is None or ended is None else (began, ended)


def side_by_side(runs: Sequence[Run]) -> Mapping[Path, int]:
    """For each run that says when it trained, how many trained on its device at a time, at most; with itself."""
    devices: dict[Device, list[tuple[float, float, Path]]] = defaultdict(list)
    for run in runs:
        if (span := span_of(run)) is not None:
            devices[device_of(run)].append((*span, run.folder))
    found: dict[Path, int] = {}
    for spans in devices.values():
        begins, ends = np.sort([span[0] for span in spans]), np.sort([span[1] for span in spans])
        # Of those that had begun by the time that one begins, those that had not ended.
        at_once = np.arange(1, len(begins) + 1) - np.searchsorted(ends, begins, side="right")
        for began, ended, folder in spans:
            first, last = np.searchsorted(begins, began, side="left"), np.searchsorted(begins, ended, side="left")
            found[folder] = max(1, int(at_once[first : max(last, first + 1)].max()))
    return found
