"""What the runs of a plan cost: those on disk say it, and of what none of them is like, ten steps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.plugins.launcher import Launcher

from optlab.adapters.process import import_lightning
from optlab.errors import UserError
from optlab.sweep.price.estimate import Costs, Price, estimate
from optlab.sweep.price.measured import Measured, configuration
from optlab.sweep.price.plan import Planned, left
from optlab.sweep.price.recorded import recorded
from optlab.sweep.price.workers import Workers, workers_of

Rounds = Sequence[Sequence[Planned]]  # each waits for the one before


@dataclass(frozen=True)
class Quote:
    """A plan with the costs of its runs: what a price is computed from, with these workers or with others.

    Attributes:
        rounds: the whole plan.
        left: of each round what is still to be done.
        costs: by `configuration`.
    """

    rounds: Rounds
    left: Rounds
    costs: Costs
    workers: Workers

    @property
    def measured(self) -> list[Measured]:
        """The costs that are known."""
        return [cost for cost in self.costs.values() if isinstance(cost, Measured)]

    @property
    def is_whole(self) -> bool:
        """Whether each configuration of what is left is known."""
        return not any(isinstance(self.costs[configuration(run.config)], str) for runs in self.left for run in runs)

    def price(self, workers: Workers | None = None, left: Rounds | None = None) -> Price:
        """Of what is left, or of other rounds; with the workers that there are, or with others."""
        workers = workers or self.workers
        return estimate(self.rounds, self.left if left is None else left, self.costs, workers, self.slower(workers))

    def slower(self, workers: Workers) -> float:
        """How many times as long a step takes beside those of other workers; asked of torch where steps were taken."""
        if workers.at_a_time == 1 or not any(cost.source == "steps" for cost in self.measured):
            return 1.0
        from optlab.sweep.price.together import slowdown

        return slowdown(workers)


def quote(
    rounds: Rounds,
    launcher: Launcher | None,
    name: str,
    *,
    retry: bool = False,
    strict: bool = True,
    offline: bool = False,
) -> Quote:
    """Look at what is on disk, and measure what is not.

    Args:
        launcher: as it was set up; None where this process makes the runs.
        name: of the launcher, as typed.
        retry: failed runs are to be made again.
        strict: a configuration that its run would refuse is refused, and else one that is not known.
        offline: nothing is downloaded, so that a configuration whose data are not here yet is not known.

    Raises:
        UserError: see `strict`.
    """
    runs = [run for each in rounds for run in each]
    to_do = left(rounds, retry=retry)
    at_once = max(map(len, to_do), default=0)
    workers = workers_of(launcher, name, runs[0].config, at_once) if runs else Workers(name, 1)
    costs: dict[str, Measured | str] = {**recorded(runs)}
    sources: dict[str, Any] = {}
    for run in (run for each in to_do for run in each):
        if (key := configuration(run.config)) not in costs:
            costs[key] = cost_of(run, sources, workers.threads, strict=strict, offline=offline)
    known = [cost for cost in costs.values() if isinstance(cost, Measured)]
    if launcher is not None and hasattr(launcher, "runs_take") and known:
        on_device = [cost.device_mib if isinstance(cost, Measured) else None for cost in costs.values()]
        largest = None if None in on_device else most(on_device)  # one that is not known may take more than a share
        launcher.runs_take(most(cost.host_mib for cost in known), largest)
        workers = workers_of(launcher, name, runs[0].config, at_once)  # as many as there is memory for
    return Quote(rounds, to_do, costs, workers)


def most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def downloads(rounds: Rounds, *, retry: bool = False) -> list[str]:
    """What has to be downloaded before the runs that are left, a line for each data set."""
    if not (to_do := left(rounds, retry=retry)):
        return []
    import_lightning()  # which a complete sweep does without
    from optlab.inputs import missing

    found = dict.fromkeys(missing(run.config) for each in to_do for run in each)
    return [line for line in found if line is not None]


def cost_of(
    run: Planned, sources: dict[str, Any], threads: int | None, *, strict: bool, offline: bool
) -> Measured | str:
    """From ten steps; a text where these cannot be taken."""
    import_lightning()  # which a complete sweep does without
    from optlab.inputs import missing
    from optlab.sweep.price.measure import NotMeasured, measure

    try:
        if offline and missing(run.config) is not None:
            return "its data are not here yet"
        return measure(run.config, sources, threads)
    except NotMeasured as reason:
        return str(reason)
    except UserError as refusal:
        if strict:
            raise
        return str(refusal)
