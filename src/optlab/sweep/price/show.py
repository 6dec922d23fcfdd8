"""How a price is printed: a line for each thing that one would ask, and a table of what each configuration takes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from optlab.record import shortest
from optlab.rules.words import duration, plural
from optlab.sweep.price.estimate import Part, Price
from optlab.sweep.price.machine import free_bytes, free_mib

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
