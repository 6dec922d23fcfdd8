"""The runs of a sweep or study, as far as the plan and the folder know them: looked at, and nothing written."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from optlab.config.schema import Config
from optlab.sweep import lengthen
from optlab.sweep.job import Job, Outcome, outcome


@dataclass(frozen=True)
class Planned:
    """A run of the plan.

    Attributes:
        config: its own, or one like it where only later results say which point it tries.
        outcome: what its folder says; None where it is not known which run it will be.
        epochs_done: of the run that is left to do: before it was stopped, or by the same run of fewer epochs.
    """

    config: Config
    outcome: Outcome | None = None
    epochs_done: int = 0

    @property
    def state(self) -> str:
        return self.outcome.state if self.outcome is not None else "missing"

    def is_left(self, *, retry: bool) -> bool:
        """Whether the sweep has this run to do."""
        return self.outcome is None or not self.outcome.settled or (retry and self.state == "failed")


def planned(job: Job, *, retry: bool = False) -> Planned:
    """What the folder of a job says."""
    found = outcome(job)
    if found.settled and not (retry and found.state == "failed"):
        return Planned(job.config, found)
    if found.state in ("interrupted", "running") and lengthen.last_checkpoint(job.folder).exists():
        assert found.record is not None
        return Planned(job.config, found, found.record.epochs or rows_of(job))
    before = lengthen.shorter(job.folder, job.config)
    done = before.epochs if before is not None and before.unfit is None and found.state != "failed" else 0
    return Planned(job.config, found, done)


def rows_of(job: Job) -> int:
    """The epochs in a job's metrics.csv: of a run that was killed, run.json says none."""
    try:
        return max(0, (job.folder / "metrics.csv").read_bytes().count(b"\n") - 1)
    except OSError:
        return 0


def unknown(config: Config, phase: str, runs: int) -> list[Planned]:
    """So many runs like this one, of which nothing is known yet."""
    return [Planned(config.with_(phase=phase))] * runs


def left(rounds: Sequence[Sequence[Planned]], *, retry: bool) -> list[list[Planned]]:
    """What of each round is still to be done."""
    kept = [[replace(run) for run in runs if run.is_left(retry=retry)] for runs in rounds]
    return [runs for runs in kept if runs]


def at_once(rounds: Sequence[Sequence[Planned]]) -> int:
    """The most runs of one round, which may all be under way at a time."""
    return max(map(len, rounds), default=0)
