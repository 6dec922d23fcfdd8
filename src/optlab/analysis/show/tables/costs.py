"""The table of what each optimizer costs: memory, and the parts of a step."""

from collections.abc import Callable

from optlab.analysis.judge.costs import Cost
from optlab.analysis.judge.verdict import Standing, Verdict
from optlab.analysis.show.tables.table import Column, Row, Table, cells, named, shown


def cost_table(verdict: Verdict) -> Table:
    """One row a contender; no rows where its runs are from before costs were recorded."""
    standings = [s for s in verdict.standings if s.cost is not None]
    columns = [
        named("optimizer", lambda s: s.name),
        *(c for c in numbers() if any(c.value(s) is not None for s in standings)),
    ]
    note = (
        "Medians over all runs of each. State: what the optimizer keeps beside the weights. Memory: the most that the "
        "process of a run held, with Python, torch and the data set; the device's are its tensors. A step: its mean "
        "time by the clock of the run. Forward, backward, update: a look behind the last epoch, as Python takes a step."
    )
    return Table("cost", "What a step costs", columns, [Row(cells(columns, s)) for s in standings], note)


def numbers() -> list[Column[Standing]]:
    return [
        number("state", "state, bytes a parameter", lambda cost: cost.state_bytes_per_parameter, ".3g"),
        number("host", "memory, MiB", lambda cost: cost.peak_host_mib, ",.0f"),
        number("device", "of the device, MiB", lambda cost: cost.peak_device_mib, ",.0f"),
        number("step", "a step, ms", lambda cost: cost.step),
        number("forward", "forward, ms", lambda cost: cost.forward),
        number("backward", "backward, ms", lambda cost: cost.backward),
        number("update", "update, ms", lambda cost: cost.optimizer),
    ]


def number(name: str, heading: str, of: Callable[[Cost], float | None], form: str = "#.3g") -> Column[Standing]:
    def value(s: Standing) -> float | None:
        return None if s.cost is None else of(s.cost)

    def text(s: Standing) -> str:
        return shown(None) if (found := value(s)) is None else format(found, form).rstrip(".")

    return Column(name, heading, value, text)
