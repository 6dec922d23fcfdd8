"""The steps of a run, taken one after the other as they are."""

from typing import Any

from torch.optim.lr_scheduler import ReduceLROnPlateau

from optlab.engine.buffers import BufferedStep


class PlainSteps:
    """Takes each step as it is, and the schedule's after it.

    Args:
        schedule: what `lr=...` made; one that goes by epochs (ReduceLROnPlateau) is left to the module.
    """

    def __init__(self, step: BufferedStep, schedule: Any) -> None:
        self.step = step
        self.schedule = None if isinstance(schedule, ReduceLROnPlateau) else schedule

    def begin_epoch(self) -> None:
        """Take up the epoch's order; also where a run goes on within an epoch."""
        self.step.begin_epoch()

    def notice(self) -> None:
        """Look whether the network has been changed since the last step; steps that are taken as they are need not."""

    def take(self, index: int) -> None:
        """The step over batch number `index` of the epoch."""
        self.learn_from(index)
        if self.schedule is not None:
            self.schedule.step()

    def learn_from(self, index: int) -> None:
        self.step.plain(index)

    def show_gradients(self) -> None:
        """Let each weight's `.grad` be the gradient of the last step, for those who look behind it; here it is."""
