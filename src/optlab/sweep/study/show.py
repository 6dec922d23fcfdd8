"""What a study prints: its plan before the first run, what it will take, and what was chosen."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from optlab.record import shortest
from optlab.rules.files import PLAN_FILE
from optlab.rules.metrics import chance_level
from optlab.rules.space import Settings
from optlab.rules.tasks import TASKS
from optlab.rules.words import duration
from optlab.sweep.job import Outcome
from optlab.sweep.study import extend
from optlab.sweep.study.protocol import Arm, Protocol
from optlab.sweep.study.rounds import Tuning


def print_protocol(plan: Protocol, folder: Path, console: Console, found: Mapping[str, Any] | None = None) -> None:
    """The plan: what is compared, over which spaces, and the runs of each phase.

    Args:
        found: the protocol.yaml that the folder holds, of this plan or of one that it extends.
    """
    options = plan.options
    console.print(
        f"\n[bold]Study {folder.name}[/bold], plan {plan.hash}, {shortest(folder / PLAN_FILE)}", soft_wrap=True
    )
    if found is not None and found["hash"] != plan.hash:
        more = ", ".join(extend.added(found, plan.plan()))
        console.print(f"extends plan {found['hash']} by {more}; what it chose stays chosen", soft_wrap=True)
    table = Table(*headings(plan.arms), "tuned" if plan.trials else "set", title_justify="left")
    for arm in plan.arms:
        table.add_row(*(option for _, option in arm.factors), described(arm))
    console.print(table)
    for line in phases(plan):
        console.print(line, soft_wrap=True)
    judged = options.metric or "val/acc, or val/loss where numbers are predicted"
    if plan.trials:
        console.print(
            f"chosen by the mean of the final {judged}; a diverged run {worth(options.metric)}", soft_wrap=True
        )
    console.print()


def worth(metric: str | None) -> str:
    """What a diverged run is worth in choosing: `optlab.rules.metrics.final_value` in words."""
    if metric is None:
        return "counts as chance level, or comes last by a loss, which has none"
    # The task is known when the data are read. No kind of metric has a chance level in one task and none in another
    # that measures it.
    levels = (chance_level(metric, outputs=2, task=task) for task in TASKS)
    return "comes last" if all(level is None for level in levels) else "counts as chance level"


def headings(arms: Sequence[Arm]) -> list[str]:
    names = {"lr": "schedule", "dataset": "data set"}
    return [names.get(group, group) for group, _ in arms[0].factors]


def described(arm: Arm) -> str:
    fixed = [f"{name} = {value}" for name, value in arm.space.fixed.items()]
    return "\n".join([*(f"{name} {each}" for name, each in arm.space.ranges.items()), *fixed])


def phases(plan: Protocol) -> list[str]:
    """A line a phase, with its runs, and the total."""
    options, arms = plan.options, len(plan.arms)
    lines = []
    if plan.trials:
        tuning = arms * plan.trials * len(options.tuning_seeds)
        lines.append(
            f"tune     {plan.trials} trials ({options.sampler}) x {named(options.tuning_seeds)} x {arms} "
            f"= {tuning} runs, on validation"
        )
    if (rule := plan.stopping) is not None:
        steps = [f"the best {keep} behind epoch {rung}" for rung, keep in zip(rule.rungs, rule.kept, strict=True)]
        whole = plan.trials * rule.horizon
        lines.append(
            f"stop     of the {plan.trials} go on: {', '.join(steps)}; so a seed takes {rule.epochs(plan.trials)} "
            f"epochs and not {whole} (halving)"
        )
    if more := plan.most_runs - plan.fewest_runs:
        times = "once" if options.extensions == 1 else f"{options.extensions} times"
        lines.append(
            f"extend   a winner on an edge of its space: 2 more trials beyond it, at most {times}: up to {more} runs"
        )
    confirm = arms * len(options.confirmation_seeds)
    what = "the winners" if plan.trials else "these"
    seeds = named(options.confirmation_seeds, "fresh " if plan.trials else "")
    lines.append(f"confirm  {what} on {seeds} x {arms} = {confirm} runs, each tested once")
    total = f"{plan.fewest_runs} to {plan.most_runs}" if plan.most_runs > plan.fewest_runs else f"{plan.fewest_runs}"
    return [*lines, f"in all   {total} runs"]


def named(seeds: Sequence[int], kind: str = "") -> str:
    """`5 fresh seeds (2 to 6)`."""
    if len(seeds) == 1:
        return f"1 {kind}seed ({seeds[0]})"
    consecutive = len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1))
    listed = f"{seeds[0]} to {seeds[-1]}" if consecutive else ", ".join(map(str, seeds))
    return f"{len(seeds)} {kind}seeds ({listed})"


def print_estimate(plan: Protocol, first: Outcome, console: Console) -> None:
    """How long the study will take, from its first run."""
    if first.record is None or first.state != "finished" or first.skipped:
        return
    timing = first.record.timing
    one = (timing.get("fit_seconds") or 0.0) + (timing.get("setup_seconds") or 0.0)
    low, high = (duration(one * runs) for runs in (plan.fewest_runs, plan.most_runs))
    span = low if low == high else f"{low} to {high}"
    each = f"{one:.1f} s" if one < 10 else duration(one)
    console.print(f"a run takes about {each}, so the whole study {span}, one run at a time", soft_wrap=True)


def print_chosen(tunings: Sequence[Tuning], plan: Protocol, console: Console) -> None:
    """What tuning chose for each arm."""
    if not plan.trials:
        return
    judged = f"mean {plan.options.metric}" if plan.options.metric else "mean on validation"
    table = Table(*headings([tuning.arm for tuning in tunings]), "chosen", judged, "trials")
    for column in table.columns[-2:]:
        column.justify = "right"
    for tuning in tunings:
        chosen = "nothing: every trial failed" if tuning.winner is None else shortly(tuning.winner.settings)
        table.add_row(
            *(option for _, option in tuning.arm.factors),
            f"{chosen}  (on the edge: {', '.join(tuning.edges)})" if tuning.edges else chosen,
            "" if tuning.score is None else f"{abs(tuning.score):.4f}",
            str(len(tuning.trials)),
        )
    console.print(table)


def shortly(settings: Settings) -> str:
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in settings.items()
    )
