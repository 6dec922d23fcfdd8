"""What the runs of a plan cost: those on disk say it, and of what none of them is like, ten steps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from hydra.plugins.launcher import Launcher

from optlab.adapters.process import cores
from optlab.config.schema import Config
from optlab.sweep.launchers.questions import Ask, NoAnswer
from optlab.sweep.price.asked import here, sharer_of
from optlab.sweep.price.estimate import Costs, Price, estimate
from optlab.sweep.price.measured import Measured, configuration
from optlab.sweep.price.plan import Planned, at_once, left
from optlab.sweep.price.recorded import recorded
from optlab.sweep.price.steps import Beside, Downloads, Steps
from optlab.sweep.price.workers import Workers, workers_of

Rounds = Sequence[Sequence[Planned]]  # each waits for the one before


@dataclass(frozen=True)
class Quote:
    """A plan with the costs of its runs: what a price is computed from, with these workers or with others.

    Attributes:
        rounds: the whole plan.
        left: of each round what is still to be done.
        costs: by `configuration`.
        ask: whom to ask how much longer a step takes beside others.
    """

    rounds: Rounds
    left: Rounds
    costs: Costs
    workers: Workers
    ask: Ask = here

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
        """How many times as long a step takes beside those of other workers; tried out where steps were taken."""
        return slowdown(workers, self.ask) if any(cost.source == "steps" for cost in self.measured) else 1.0


def quote(
    rounds: Rounds,
    launcher: Launcher | None,
    name: str,
    *,
    retry: bool = False,
    strict: bool = True,
    offline: bool = False,
    ask: Ask = here,
    patience: float | None = None,
) -> Quote:
    """Look at what is on disk, measure what is not, and let the launcher share out the machine by what runs take.

    Args:
        launcher: as it was set up; None where this process makes the runs.
        name: of the launcher, as typed.
        retry: failed runs are to be made again.
        strict: a configuration that its run would refuse is refused, and else one that is not known.
        offline: nothing is downloaded, so that a configuration whose data are not here yet is not known.
        ask: who takes the steps.
        patience: see `Ask`.

    Raises:
        UserError: see `strict`.
    """
    runs = [run for each in rounds for run in each]
    to_do = left(rounds, retry=retry)
    many = at_once(to_do)
    workers = workers_of(launcher, name, runs[0].config, many) if runs else Workers(name, 1)
    costs: dict[str, Measured | str] = {**recorded(runs)}
    wanted = different(run.config for each in to_do for run in each)
    sharer = sharer_of(launcher)
    # of runs on disk it is known what their tensors held of a GPU, and not what torch reserved for them
    shares = sharer is not None and sharer.may_share_gpus(many)
    unknown = [key for key in wanted if shares or key not in costs]
    steps = Steps([wanted[key].plain for key in unknown], workers.threads, strict, offline)
    for key, found in zip(unknown, answers_of(steps, ask, patience), strict=True):
        costs[key] = with_device(costs.get(key), found)
    if sharer is not None and wanted:
        known = [cost for cost in costs.values() if isinstance(cost, Measured)]
        on_device = [cost.device_mib if isinstance(cost, Measured) else None for cost in map(costs.get, wanted)]
        largest = None if None in on_device else most(on_device)  # one that is not known may take more than a share
        sharer.runs_take(most(cost.host_mib for cost in known), largest)
        workers = workers_of(launcher, name, runs[0].config, many)  # as many as there is memory for
    return Quote(rounds, to_do, costs, workers, ask)


def slowdown(workers: Workers, ask: Ask = here) -> float:
    """How many times as long a step takes beside those of the other workers; 1.0 for one at a time."""
    if not workers.here or workers.at_a_time == 1:
        return 1.0
    wanted = workers.at_a_time * (workers.threads or 1)
    crowded = max(1.0, wanted / cores())  # more runs than cores take turns
    try:
        return crowded * float(ask(Beside(min(wanted, cores()))))
    except NoAnswer:  # and so nothing is known beyond that
        return crowded


def different(configs: Iterable[Config]) -> dict[str, Config]:
    """The first config of each configuration, by its name."""
    found: dict[str, Config] = {}
    for config in configs:
        found.setdefault(configuration(config), config)
    return found


def answers_of(steps: Steps, ask: Ask, patience: float | None) -> list[Measured | str]:
    """What is answered of each config, or why there is no answer; nothing is asked about nothing.

    Args:
        patience: seconds for each; see `Ask`.
    """
    if ask is here:
        return steps.answer() if steps.configs else []
    found: list[Measured | str] = []
    for config in steps.configs:
        try:
            found += ask(replace(steps, configs=[config]), patience)
        except NoAnswer as reason:
            found.append(str(reason))
    return found


def with_device(before: Measured | str | None, found: Measured | str) -> Measured | str:
    """What runs on disk cost, with what ten steps took of a GPU; where there are no such runs, what the steps cost."""
    if not isinstance(before, Measured):
        return found
    return replace(before, device_mib=found.device_mib if isinstance(found, Measured) else None)


def most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def downloads(rounds: Rounds, *, retry: bool = False, ask: Ask = here) -> list[str]:
    """What has to be downloaded before the runs that are left, a line for each data set; none where nobody answers."""
    configs = different(run.config for each in left(rounds, retry=retry) for run in each)
    try:
        return list(ask(Downloads([config.plain for config in configs.values()]))) if configs else []
    except NoAnswer:  # the runs say it themselves
        return []
