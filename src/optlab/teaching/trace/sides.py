"""Runs beside each other on the terminal: several optimizers, or a run with a line left out beside the correct one."""

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

Plain = Mapping[str, Any]
Say = Callable[..., str]

ROOMY = 100  # characters; where there are fewer, columns stand close to each other


def number(value: Any, digits: int = 4) -> str:
    """A number with that many significant digits; a dash for what is not known or not finite."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    text = f"{value:,}" if isinstance(value, int) else f"{value:.{digits}g}"
    return text.replace("-", "−", 1) if text.startswith("-") else text


def table_of(heads: list[str], rows: list[tuple[str, ...]], left: int) -> Table:
    """The first `left` columns to the left, numbers to the right."""
    table = Table(*map(escape, heads))
    for column in table.columns[left:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*map(escape, row))
    return table


# -- trace.compare


def compared(trace: Plain, say: Say, console: Console) -> None:
    """A table a step, a row an optimizer."""
    console.print()
    console.print(escape(say("trace.compare.title")), style="bold")
    console.print(escape(say("trace.compare.what")))
    keys = ("lr", "update_norm", "angle", "loss", "after", "fall", "predicted_fall")
    heads = [
        say("trace.compare.optimizer"),
        say("trace.compare.lr"),
        say("trace.compare.update_norm"),
        say("trace.compare.angle"),
        say("trace.compare.loss"),
        say("trace.compare.after"),
        say("trace.compare.fall"),
        say("trace.compare.predicted"),
    ]
    entered = trace["compare"]["optimizers"]
    for index, step in enumerate(trace["steps"]):
        console.print()
        console.print(escape(say("trace.compare.step", step=step["step"], batch=step["batch"], epoch=step["epoch"])))
        rows = [(each["name"], *(cell(each["steps"][index], key) for key in keys)) for each in entered]
        table = table_of(heads, rows, left=1)
        table.columns[0].no_wrap = True
        if console.width < ROOMY:
            table.padding = (0, 0)
        console.print(table)
    for each in entered:
        if (count := each["steps"][0]["evaluations"]) > 1:
            console.print(escape(say("trace.compare.evaluations", name=each["name"], count=count)))


def cell(step: Plain, key: str) -> str:
    """An angle with one decimal; the loss with the digits in which optimizers differ."""
    value = step[key]
    if key == "angle" and value is not None:
        return f"{value:.1f}"
    return number(value, 4 if key in ("loss", "after") else 3)


# -- trace.demo

TITLES = {
    "no_zero_grad": ("trace.demo.no_zero_grad", "trace.demo.no_zero_grad.what"),
    "no_step": ("trace.demo.no_step", "trace.demo.no_step.what"),
    "two_backwards": ("trace.demo.two_backwards", "trace.demo.two_backwards.what"),
    "accumulate": ("trace.demo.accumulate", "trace.demo.accumulate.what"),
}


def demonstrated(trace: Plain, say: Say, console: Console) -> None:
    """The correct run and the other one, step by step."""
    demo = trace["demo"]
    title, what = TITLES[demo["name"]]
    console.print()
    console.print(escape(say(title)), style="bold")
    console.print(escape(say(what)))
    columns = [
        ("loss", say("trace.demo.loss")),
        ("gradient_norm", say("trace.demo.gradient_norm")),
        ("weight", say("trace.demo.weight")),
    ]
    right, wrong = say("trace.demo.correct"), say("trace.demo.other")
    heads = [say("trace.demo.step"), *(f"{name}\n{side}" for _, name in columns for side in (right, wrong))]
    rows = [
        (str(ours["step"]), *(number(each[key], 5) for key, _ in columns for each in (ours, theirs)))
        for ours, theirs in zip(demo["correct"], demo["other"], strict=True)
    ]
    console.print(table_of(heads, rows, left=0))
    facts = demo["facts"]
    if demo["name"] == "two_backwards":
        console.print(escape(say("trace.demo.error")))
        console.print(f"  {escape(facts['error'] or say('trace.demo.no_error'))}")
        values = {key: number(facts[key], 6) for key in ("once", "twice", "ratio", "difference")}
        console.print(escape(say("trace.demo.doubled", **values)))
    if demo["name"] == "accumulate":
        norms = ", ".join(number(each) for each in facts["norms"])
        sizes = ", ".join(map(str, facts["sizes"]))
        console.print(escape(say("trace.demo.parts", n=facts["parts"], sizes=sizes, norms=norms)))
        values = {key: number(facts[key]) for key in ("whole", "difference", "relative")}
        console.print(escape(say("trace.demo.difference", **values)))
        for key in ("batch_norm", "draws", "weighted"):
            if facts[key]:
                console.print(escape(say(f"trace.demo.{key}")))
