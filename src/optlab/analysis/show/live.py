"""The card on top of a page whose sweep still runs: what is running, what is left, when it will end."""

from dataclasses import dataclass
from datetime import datetime

from optlab.analysis.read.progress import Progress, Seen
from optlab.rules.words import duration, plural

MOST_SHOWN = 12  # runs by name


@dataclass(frozen=True)
class Live:
    """What a page says of a sweep that is not over.

    Attributes:
        progress: the sweep at the moment of writing.
        every: seconds until the page is written again.
    """

    progress: Progress
    every: float

    @property
    def running(self) -> list[Seen]:
        return self.progress.running[:MOST_SHOWN]

    @property
    def more(self) -> int:
        """Running ones that are not shown by name."""
        return len(self.progress.running) - len(self.running)

    @property
    def headline(self) -> str:
        done = f"{self.progress.over:,} of {plural(self.progress.total, 'run')} done"
        if self.progress.running:
            return f"Running: {done}"
        return f"All {done}" if self.progress.complete else f"Nothing is running: {done}"

    @property
    def facts(self) -> list[str]:
        """What is under way, left and went wrong, in the order of interest."""
        progress = self.progress
        numbers = {
            "running": len(progress.running),
            "left": progress.left,
            "diverged": progress.count("diverged"),
            "failed": progress.count("failed"),
        }
        found = [f"{n:,} {word}" for word, n in numbers.items() if n]
        return found + [f"{phase.name} {phase.over:,} of {phase.runs:,}" for phase in progress.phases]

    @property
    def still(self) -> list[str]:
        """Runs that say they run, and whose files say otherwise; and a sweep in which nothing happens."""
        progress = self.progress
        found = [
            f"{run.name}: no sign of life for {duration(progress.now - (run.changed or progress.now))}, "
            f"{epochs(run)}. It may have been stopped or killed; the sweep's command goes on with it."
            for run in progress.silent[:MOST_SHOWN]
        ]
        if len(progress.silent) > MOST_SHOWN:
            found.append(f"{len(progress.silent) - MOST_SHOWN:,} more without a sign of life.")
        if not progress.running and not progress.silent and not progress.complete:
            since = "no run has begun yet" if progress.quiet is None else f"for {duration(progress.quiet)}"
            found.append(
                f"Nothing is running: {since}. Runs may wait in a queue; a sweep that was stopped goes on "
                "with its command."
            )
        return found

    @property
    def ends(self) -> float | None:
        """When it will be over, in seconds since 1970; None before anything shows it."""
        left = self.progress.seconds_left
        return None if left is None else self.progress.now + left


def epochs(run: Seen) -> str:
    return f"epoch {run.epochs:,} of {run.horizon:,}" if run.horizon > 0 else f"epoch {run.epochs:,}"


def clock(seconds: float, now: float) -> str:
    """A moment as a person says it: `18:45`, or with its date where that is another day."""
    at, today = datetime.fromtimestamp(seconds), datetime.fromtimestamp(now)
    return f"{at:%H:%M}" if at.date() == today.date() else f"{at:%Y-%m-%d %H:%M}"
