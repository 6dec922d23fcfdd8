"""How a price is printed: a line for each thing that one would ask, and a table of what each configuration takes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from optlab.adapters.process import cores
from optlab.record import shortest
from optlab.rules.words import duration, plural
from optlab.sweep.price.estimate import Part, Price
from optlab.sweep.price.machine import free_bytes, free_mib
from optlab.sweep.price.plan import Planned
from optlab.sweep.price.quote import Quote
from optlab.sweep.price.workers import Workers
from optlab.sweep.study.protocol import Protocol

LONG = 600.0  # seconds, from which on a study says how it could be shorter
RUNS_OF_A_CLUSTER = 16  # at a time, for comparison
FEWEST_TRIALS = 3  # below that there is nothing to choose among
STATES = ("finished", "diverged", "stopped", "failed", "interrupted", "running", "damaged")


def print_price(price: Price, folder: Path, console: Console) -> None:
    """What is done, and what the rest takes.

    Args:
        folder: of the sweep, for the room on its disk.
    """
    if price.parts:
        console.print(table(price.parts))
    for line in lines(price, folder):
        console.print(line, markup=False, soft_wrap=True)


def lines(price: Price, folder: Path) -> list[str]:
    """A line each: what is done, time, memory, disk, where the numbers are from."""
    said = [f"done     {done(price)}"]
    if not price.left:
        return [*said, "left     nothing"]
    said.append(f"left     {plural(price.left, 'run')}, {price.workers.words}")
    said.append(f"time     {time_of(price)}")
    if price.host_mib is not None and price.workers.here:
        said.append(f"memory   {memory(price)}")
    if price.device_mib is not None:
        said.append(f"device   {size(price.device_mib * 2**20)} of all runs side by side")
    if price.disk is not None:
        said.append(f"disk     {disk(price, folder)}")
    return [*said, *(f"known    {line}" for line in sources(price))]


def done(price: Price) -> str:
    """`3 of 8 runs: 2 finished, 1 diverged, 1 failed`."""
    there = [f"{price.states[state]} {state}" for state in STATES if price.states.get(state)]
    over = price.runs - price.left
    return f"{over} of {plural(price.runs, 'run')}{': ' if there else ''}{', '.join(there)}"


def time_of(price: Price) -> str:
    if price.seconds is None:
        unknown = ", ".join(part.label for part in price.parts if part.cost is None)
        return f"not known, as {unknown} could not be measured"
    until = datetime.now().astimezone() + timedelta(seconds=price.seconds)
    day = "" if until.date() == datetime.now().date() else f"{until:%A %d %B} "
    more = ""
    if price.workers.at_a_time > 1 and price.alone is not None:
        more = f"; one run at a time {duration(price.alone)}"
    return f"about {duration(price.seconds)}, until {day}{until:%H:%M}{more}"


def memory(price: Price) -> str:
    assert price.host_mib is not None
    n = price.workers.at_a_time
    each = f"{n} x {size(price.host_mib * 2**20 / n)} = " if n > 1 else ""
    free = free_mib()
    there = "" if free is None else f", of {size(free * 2**20)} that are free"
    short = ": too little" if free is not None and free < price.host_mib else ""
    return f"{each}{size(price.host_mib * 2**20)}{there}{short}"


def disk(price: Price, folder: Path) -> str:
    assert price.disk is not None
    free = free_bytes(folder.absolute())
    short = ": too little; callbacks=no_checkpoints keeps none" if free < price.disk else ""
    return f"{size(price.disk)} in {shortest(folder)}, of {size(free)} that are free{short}"


def sources(price: Price) -> list[str]:
    """Where the numbers come from, and what they leave out."""
    known = [part for part in price.parts if part.cost is not None]
    steps = sum(part.cost is not None and part.cost.source == "steps" for part in known)
    said = []
    if steps:
        beside = f", each {price.slower:.2f} times as long beside the others" if price.slower > 1.005 else ""
        said.append(f"from ten steps of {plural(steps, 'configuration')}{beside}; a run that ends early takes less")
    if runs := len(known) - steps:
        said.append(f"from runs on disk, of {plural(runs, 'configuration')}")
    left_out = sorted({name for part in known if part.cost is not None for name in part.cost.left_out})
    if left_out:
        said.append(f"without {', '.join(left_out)}")
    return said


def table(parts: Sequence[Part]) -> Table:
    """A row a configuration."""
    heads = ("runs", "left", "a step", "an epoch", "a run", "memory", "disk", "from")
    table = Table(*heads, title_justify="left")
    for column in table.columns[1:7]:
        column.justify = "right"
    for part in parts:
        cost = part.cost
        if cost is None:
            table.add_row(part.label, str(part.runs), *[""] * 5, part.reason)
            continue
        epoch = "" if cost.epoch_steps is None else time((cost.epoch_steps * cost.step_ms + cost.epoch_ms) / 1000)
        table.add_row(
            part.label,
            str(part.runs),
            time(cost.step_ms / 1000),
            epoch,
            time(part.seconds),
            "" if cost.host_mib is None else size(cost.host_mib * 2**20),
            size(cost.run_bytes),
            "ten steps" if cost.source == "steps" else "runs on disk",
        )
    return table


def time(seconds: float) -> str:
    """`2.4 ms`, `3.1 s`, `5 min`."""
    if seconds < 0.0995:
        return f"{1000 * seconds:.2g} ms"
    return f"{seconds:.2g} s" if seconds < 9.95 else duration(seconds)


def size(count: float) -> str:
    """Bytes as people read them: `1.2 MB`."""
    for unit in ("bytes", "kB", "MB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "bytes" or count >= 99.5 else f"{count:.2g} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


# -- before a study


def estimate_lines(seen: Quote, plan: Protocol, *, is_new: bool) -> list[str]:
    """What a study will take, before its first run; and where that is long, what would be shorter.

    Args:
        is_new: nothing of it is on disk, so that its plan may still change.
    """
    price = seen.price()
    if not price.left:
        return []
    if price.seconds is None:
        return [f"how long it will take is not known: {part.reason}" for part in price.parts if part.cost is None]
    each = [time(seconds) for seconds in sorted({part.seconds for part in price.parts})]
    one = each[0] if each[0] == each[-1] else f"{each[0]} to {each[-1]}"
    most = price.seconds * plan.most_runs / plan.fewest_runs
    span = duration(price.seconds) if plan.most_runs == plan.fewest_runs else between(price.seconds, most)
    what = "the whole study" if is_new else f"what is left ({plural(price.left, 'run')})"
    lines = [f"a run takes about {one}, so {what} {span}, {price.workers.many}"]
    if price.seconds > LONG:
        lines += [f"  {line}" for line in shorter_ways(seen, price, plan, is_new=is_new)]
    return lines


def between(low: float, high: float) -> str:
    first, second = duration(low), duration(high)
    return first if first == second else f"{first} to {second}"


def shorter_ways(seen: Quote, price: Price, plan: Protocol, *, is_new: bool) -> list[str]:
    """What would make a long study shorter, with numbers: other launchers, and fewer trials."""
    now, lines = price.workers, []
    if now.launcher == "basic" and cores() > 1:
        beside = Workers("auto", min(cores(), max(map(len, seen.left))), 1)
        if (seconds := seen.price(beside).seconds) is not None:
            lines.append(f"{duration(seconds)} with hydra/launcher=auto: {beside.many} on this machine")
    if now.here:
        many = min(RUNS_OF_A_CLUSTER, max(map(len, seen.left)))
        if many > now.at_a_time and (seconds := seen.price(Workers("submitit_slurm", many, here=False)).seconds):
            there = "hydra/launcher=submitit_slurm or ray"
            lines.append(f"{duration(seconds)} with {there}: {many} at a time on a cluster of machines like this one")
    if is_new and (trials := plan.trials // 2) >= FEWEST_TRIALS:
        fewer = [halved(runs, trials / plan.trials) for runs in seen.left]
        if (seconds := seen.price(left=fewer).seconds) is not None:
            lines.append(f"{duration(seconds)} with hydra.sweeper.trials={trials} instead of {plan.trials}")
    lines.append("Ctrl-C stops it at any time, and the same command goes on; dry_run=true says more and runs nothing")
    return lines


def halved(runs: Sequence[Planned], share: float) -> list[Planned]:
    """Of the runs that tune so large a share of each configuration, and all the others."""
    tuning = [run for run in runs if run.config.phase == "tune"]
    others = [run for run in runs if run.config.phase != "tune"]
    kept = [run for place, run in enumerate(tuning) if int((place + 1) * share) > int(place * share)]
    return [*kept, *others]
