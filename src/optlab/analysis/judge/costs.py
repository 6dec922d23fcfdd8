"""What a contender costs besides tuning: its optimizer's state, memory, and what the parts of a step take."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optlab.analysis.judge.contest import Contender
from optlab.analysis.judge.seconds import step_milliseconds
from optlab.analysis.read.runs import Run


@dataclass(frozen=True)
class Cost:
    """Medians over the runs of a contender that tell; None where none does.

    A step's `forward`, `backward` and `optimizer` are of a look behind the last epoch, over one full batch as Python
    takes it; `step` is the mean over a whole run by its clock, in whichever engine.
    """

    state_bytes_per_parameter: float | None
    peak_host_mib: float | None
    peak_device_mib: float | None
    step: float | None  # milliseconds, as what follows
    forward: float | None
    backward: float | None
    optimizer: float | None


def cost(contender: Contender) -> Cost | None:
    """The cost of a contender; None where its runs are from before it was recorded."""
    runs = [run for run in contender.runs if run.record.costs]
    if not runs:
        return None

    def middle(value: Callable[[Run], float | None]) -> float | None:
        known = [number for run in runs if (number := value(run)) is not None]
        return float(np.median(known)) if known else None

    def recorded(name: str) -> float | None:
        return middle(lambda run: run.record.costs.get(name))

    return Cost(
        recorded("state_bytes_per_parameter"),
        recorded("peak_host_mib"),
        recorded("peak_device_mib"),
        middle(step_milliseconds),
        recorded("forward_milliseconds"),
        recorded("backward_milliseconds"),
        recorded("optimizer_milliseconds"),
    )
