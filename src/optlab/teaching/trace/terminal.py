"""A trace on the terminal: the lines of a step, each with the numbers before and after it."""

import re
from collections.abc import Mapping
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from optlab.teaching.formulas import SOURCES
from optlab.teaching.trace import sides
from optlab.teaching.trace.sides import number
from optlab.teaching.words import say

Plain = Mapping[str, Any]

MOST_PARAMETERS = 12  # of a table
MOST_OUTPUTS = 10  # of a sample
BAR = 30  # characters of the longest bar
# The lines of a program that trains, and the words beside each.
LINES = {
    1: ("output = model(input); loss = loss_fn(output, target)", "trace.line_forward"),
    2: ("optimizer.zero_grad()", "trace.line_zero_grad"),
    3: ("loss.backward()", "trace.line_backward"),
    4: ("optimizer.step()", "trace.line_step"),
    5: ("loss_fn(model(input), target)", "trace.line_again"),
    6: ("loss_fn(model(next_input), next_target)", "trace.line_next"),
}

# What the effective step of a formula is the size of.
PER = {"gradient": "trace.per_gradient", "sign": "trace.per_sign", "matrix": "trace.per_matrix"}


def show(trace: Plain, lang: str, console: Console) -> None:
    """Print a trace, as trace.json holds it."""
    Terminal(trace, lang, console).show()


class Terminal:
    """Prints one trace in one language."""

    def __init__(self, trace: Plain, lang: str, console: Console) -> None:
        self.trace, self.lang, self.console = trace, lang, console

    def say(self, key: str, **fields: object) -> str:
        return say(key, self.lang, **fields)

    def line(self, text: str, style: str = "") -> None:
        self.console.print(escape(wrapped(text, self.console.width)), style=style, soft_wrap=False)

    def code(self, number: int) -> None:
        """A line of the program, marked by its number."""
        line, key = LINES[number]
        self.console.print()
        self.console.print(f"[bold]{number}  {escape(line)}[/bold]   [dim]# {escape(self.say(key))}[/dim]")

    def show(self) -> None:
        run = self.trace["run"]
        names = {key: run[key] for key in ("optimizer", "dataset", "model")}
        self.console.print()
        self.line(self.say("trace.title", **names, parameters=number(run["parameters"])), "bold")
        facts = {key: run[key] for key in ("loss", "seed", "device", "precision")}
        self.line(
            self.say("trace.run", **facts, lr=number(run["lr"]), schedule=run["lr_schedule"], batch=run["batch_size"])
        )
        for note in self.trace["notes"]:
            self.line(self.say(note["key"], **note["fields"]))
        for step in self.trace["steps"]:
            self.step(step)
        if self.trace["compare"] is not None:
            sides.compared(self.trace, self.say, self.console)
        if self.trace["demo"] is not None:
            sides.demonstrated(self.trace, self.say, self.console)

    def step(self, step: Plain) -> None:
        self.console.print()
        keys = ("step", "epoch", "batch", "samples")
        self.console.rule(escape(self.say("trace.step", **{key: step[key] for key in keys}, lr=number(step["lr"]))))
        for key in step["unknown"]:
            self.line(self.say(key), "italic")
        self.forward(step["forward"])
        self.zero_grad(step["zero_grad"], first=step["step"] == 0)
        self.backward(step["backward"])
        self.update(step["update"])
        self.weight(step["weight"])
        self.after(step)

    # -- the lines

    def forward(self, forward: Plain) -> None:
        self.code(1)
        if forward["samples"]:
            table = Table(*map(self.say, ("trace.sample", "trace.output", "trace.target", "trace.loss")))
            table.columns[-1].justify = "right"
            for index, sample in enumerate(forward["samples"]):
                label = f" ({sample['label']})" if sample["label"] not in (None, str(sample["target"])) else ""
                table.add_row(
                    str(index),
                    escape(listed(sample["output"])),
                    escape(listed(sample["target"]) + label),
                    number(sample["loss"]),
                )
            self.console.print(table)
        loss, count = number(forward["loss"], 6), len(forward["losses"] or ())
        if forward["losses"] is None:
            self.line(self.say("trace.loss_alone", loss=loss))
        elif forward["weighted"]:
            self.line(self.say("trace.weighted", loss=loss, count=count, mean=number(forward["mean"], 6)))
        else:
            self.line(self.say("trace.mean", loss=loss, count=count))
        if forward["evaluations"] > 1:
            self.line(self.say("trace.evaluations", count=forward["evaluations"]))

    def zero_grad(self, zero: Plain, *, first: bool) -> None:
        self.code(2)
        if zero["before"] is None and first:
            self.line(self.say("trace.zero_grad_first"))
            return
        none = self.say("trace.none")
        before, after = (none if zero[key] is None else number(zero[key]) for key in ("before", "after"))
        self.line(self.say("trace.zero_grad", before=before, after=after))

    def backward(self, backward: Plain) -> None:
        self.code(3)
        heads = ("trace.gradient_of", "trace.shape", "trace.norm", "trace.largest", "trace.smallest")
        rows = [
            (row["name"], str(row["shape"]), *(number(row[key]) for key in ("norm", "largest", "smallest")))
            for row in backward["parameters"]
        ]
        self.table(heads, rows, left=2)
        self.line(self.say("trace.gradient_norm", norm=number(backward["norm"])))
        if len(backward["micro_batches"]) > 1:
            norms = ", ".join(number(each) for each in backward["micro_batches"])
            self.line(self.say("trace.gathered", count=len(backward["micro_batches"]), norms=norms))
        if backward["clipped"]:
            clip = self.trace["run"]["clip"] or {"value": None}
            self.line(self.say("trace.clipped", norm=number(backward["clipped_norm"]), value=number(clip["value"])))

    def update(self, update: Plain) -> None:
        self.code(4)
        keys = ("norm", "largest", "weight_norm", "ratio")
        rows = [(row["name"], *(number(row[key]) for key in keys)) for row in update["parameters"]]
        heads = ("trace.update_of", "trace.norm", "trace.largest", "trace.weight_norm", "trace.ratio")
        self.table(heads, rows, left=1)
        angle, cosine = number(update["angle"]), number(update["cosine"])
        self.line(self.say("trace.update_norm", norm=number(update["norm"]), angle=angle, cosine=cosine))

    def table(self, heads: tuple[str, ...], rows: list[tuple[str, ...]], left: int) -> None:
        """A row a parameter, the first `left` columns to the left."""
        table = Table(*map(self.say, heads))
        for column in table.columns[left:]:
            column.justify = "right"
        for row in rows[:MOST_PARAMETERS]:
            table.add_row(*map(escape, row))
        self.console.print(table)
        if (more := len(rows) - MOST_PARAMETERS) > 0:
            self.line(self.say("trace.more_parameters", n=more))

    def after(self, step: Plain) -> None:
        after, loss = step["after"], step["next"]["loss"]
        self.code(5)
        predicted = number(after["predicted_fall"])
        if after["loss"] is None:
            self.line(self.say("trace.predicted_alone", predicted=predicted))
        else:
            actual = number(after["actual_fall"])
            self.line(self.say("trace.after", loss=number(after["loss"], 6), actual=actual, predicted=predicted))
        if loss is not None:
            self.code(6)
            self.line(self.say("trace.next", loss=number(loss, 6)))

    # -- the weight that is followed

    def weight(self, weight: Plain) -> None:
        followed = self.trace["followed"]
        index = f"[{', '.join(map(str, followed['index']))}]" if followed["index"] else ""
        self.console.print()
        key = "trace.weight_typed" if followed["chosen"] == "typed" else "trace.weight_moved_most"
        self.line(self.say(key, weight=followed["parameter"] + index), "bold")
        values = {key: number(weight[key], 6) for key in ("before", "after", "change", "gradient")}
        self.line(self.say("trace.weight_change", **values))
        if weight["clipped_gradient"] != weight["gradient"]:
            self.line(self.say("trace.weight_clipped", gradient=number(weight["clipped_gradient"], 6)))
        self.state(weight["state_before"], weight["state_after"])
        shown = {key: value for key, value in weight["hyperparameters"].items() if value is not None}
        settings = ", ".join(
            f"{key}={listed(value) if isinstance(value, list) else number(value, 6)}" for key, value in shown.items()
        )
        self.line(self.say("trace.hyperparameters", settings=settings))
        if weight["effective_step"] is not None:
            self.line(self.say("trace.effective_step", value=number(weight["effective_step"])))
        if weight["formula"] is None:
            fields = {"cls": self.trace["run"]["class"]} if weight["no_formula"] == "trace.no_formula" else {}
            self.line(self.say(weight["no_formula"], **fields), "italic")
        else:
            self.formula(weight["formula"])
        self.histogram(weight["histogram"])

    def formula(self, formula: Plain) -> None:
        """Each line three times: in symbols, with this run's numbers, and the result beside torch's own."""
        self.line(self.say("trace.formula", name=formula["name"], source=formula["source"]), "bold")
        for line in formula["lines"]:
            letter = line["symbols"].partition(" = ")[0]
            result = f"{letter} = {number(line['value'], 9)}"
            if line["torch"] is not None:
                result += f"   {self.say('trace.torch', value=number(line['torch'], 9), n=line['ulps'])}"
            for text in (line["symbols"], line["numbers"], result):
                self.line(f"  {text}")
            for name in line["departures"]:
                sources = ", ".join(source.name for source in SOURCES[name])
                self.line(f"  ⚑ {self.say(f'departure.{name}')} [{sources}]", "italic")
            self.console.print()
        self.line(self.say(PER[formula["per"]], value=number(formula["effective"])))
        if (counts := formula["lines"][-1]["all"]) is not None:
            shown = {key: number(count) for key, count in counts.items()}
            self.line(self.say("trace.all_ulps", parameter=self.trace["followed"]["parameter"], **shown))

    def state(self, before: Plain, after: Plain) -> None:
        if not after:
            self.line(self.say("trace.no_state"))
            return
        table = Table(*map(self.say, ("trace.state", "trace.before", "trace.after_step")))
        for key in {**before, **after}:
            table.add_row(escape(key), number(before.get(key), 6), number(after.get(key), 6))
        self.console.print(table)

    def histogram(self, histogram: Plain) -> None:
        counts, edges = histogram["counts"], histogram["edges"]
        if not counts:
            return
        self.line(self.say("trace.histogram", parameter=self.trace["followed"]["parameter"]))
        for index, count in enumerate(counts):
            bar = "█" * max(int(count > 0), round(BAR * count / max(counts)))
            mark = " ◀" if index == histogram["here"] else ""
            self.console.print(f"{number(edges[index], 3):>10}  {bar} {count:,}{mark}")


# A word of letters, or one Chinese character, each with the punctuation that holds on to it.
PIECE = re.compile(r"\s+|（*(?:[^\s\u2e80-\uffef]+|[\u2e80-\uffef])[，。；：、）？！]*")


def wrapped(text: str, width: int) -> str:
    """A text with line breaks between Chinese characters too, where rich looks for spaces alone."""
    lines = [""]
    for piece in PIECE.findall(text):
        if cell_len(lines[-1] + piece.rstrip()) > width and lines[-1].strip():
            lines.append("")
        if lines[-1] or not piece.isspace() or len(lines) == 1:
            lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def listed(value: Any) -> str:
    """Outputs or a target in one cell."""
    if value is None:
        return "–"
    if not isinstance(value, list):
        return number(value)
    shown = " ".join(listed(each) if isinstance(each, list) else number(each, 3) for each in value[:MOST_OUTPUTS])
    return f"{shown} …" if len(value) > MOST_OUTPUTS else shown
