"""A formula on file: the lines of one optimizer's step, and the step worked through with a run's numbers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from optlab.teaching.formulas import mathml as pages
from optlab.teaching.formulas import text as terminal
from optlab.teaching.formulas.evaluate import Array, Given, Value, branch, evaluate, holds
from optlab.teaching.formulas.language import Choice, Compared, Node, Tree, is_whole_parameter, names_in, parse, tree_of
from optlab.teaching.formulas.symbols import SYMBOLS


@dataclass(frozen=True)
class Line:
    """One line of a step.

    Attributes:
        code: `name = expression` in the language of formulas.
        torch_state: what torch keeps the result as, under its own name: an entry of the state, or `w`, the weight.
            None: torch keeps it nowhere.
        departures: where torch departs from the textbooks in this line: keys of `teaching.words`, `departure.<id>`.
        departures_then: those of the first branch alone, where the line is a choice.
    """

    code: str
    torch_state: str | None = None
    departures: tuple[str, ...] = ()
    departures_then: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The name of what is computed."""
        return parse(self.code).name

    @property
    def expression(self) -> Node:
        return parse(self.code).expression

    @property
    def symbols(self) -> str:
        """The line for a terminal; a choice with both its branches."""
        return f"{SYMBOLS[self.key].text} = {terminal.text(self.expression)}"

    @property
    def mathml(self) -> str:
        """The line for a page, a `<math>` of its own."""
        return pages.equation(self.key, self.expression)


@dataclass(frozen=True)
class Effective:
    """The effective step of a weight, where a formula has one.

    Attributes:
        code: `effective = expression` over what is given and computed.
        per: what it is the size of: `gradient` (step per unit of a gradient that stays as it is), `sign` (every weight
            moves by it), `matrix` (what an orthogonal matrix is multiplied by).
    """

    code: str
    per: str = "gradient"


@dataclass(frozen=True)
class Formula:
    """The step of one optimizer in one variant.

    Attributes:
        name: what the variant is called: `Adam`, `SGD with Nesterov momentum`.
        lines: what is computed, in order; the last is the new weight.
        state: each entry of torch's state that is needed, with what torch begins it with.
        source: the paper, with its equation or algorithm.
        effective: how large a step is.
    """

    name: str
    lines: tuple[Line, ...]
    state: Mapping[str, float]
    source: str
    effective: Effective

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The names of the symbols that have to be given, in the order in which they are needed."""
        computed: set[str] = set()
        found: dict[str, None] = {}
        for line in self.lines:
            for name in names_in(line.expression):
                if name not in computed:
                    found[name] = None
            computed.add(line.key)
        for name in names_in(parse(self.effective.code).expression):
            if name not in computed:
                found[name] = None
        return tuple(found)

    @cached_property
    def given(self) -> tuple[str, ...]:
        """What has to be given, by torch's names: `g`, `w`, entries of the state before the step, hyperparameters.

        `first` is 1.0 in a weight's first step and else 0.0, `rows` and `columns` are the shape of its matrix.
        """
        return tuple(_torch_name(name) for name in self.inputs)

    @cached_property
    def hyperparameters(self) -> tuple[str, ...]:
        """Those of `given` that are hyperparameters."""
        return tuple(_torch_name(name) for name in self.inputs if SYMBOLS[name].kind == "hyperparameter")

    def collect(
        self, group: Mapping[str, object], state: Mapping[str, object], gradient: Array, weight: Array
    ) -> Given:
        """What `work` needs, from a parameter group, one parameter's state before the step, its gradient and itself.

        Entries of the state are NumPy arrays or numbers; what is missing, as before the first step, is what torch
        begins with. Values of the group may be numbers or tensors of one.
        """
        options = flat(group)
        rows = weight.shape[0] if weight.ndim else 1
        own: dict[str, Value] = {
            "g": gradient,
            "w": weight,
            "first": float(not any(state.get(entry) is not None for entry in self.state)),
            "rows": float(rows),
            "columns": float(weight.size / rows) if rows else 0.0,
        }
        for entry, start in self.state.items():
            before = state.get(entry)
            if entry in SCALAR_STATE:
                own[entry] = _number(start if before is None else before)
            else:
                own[entry] = np.full_like(weight, start) if before is None else np.asarray(before)
        return {name: own[name] if name in own else _number(options[name]) for name in self.given}

    def work(self, given: Given) -> "Worked":
        """The step with a run's numbers: every line's value, over the whole parameter.

        Args:
            given: what `self.given` names, as arrays of the parameter's shape, in their precision, or numbers.

        Raises:
            KeyError: something that is needed is not given.
        """
        values: dict[str, Value] = {name: given[_torch_name(name)] for name in self.inputs}
        lines = []
        for line in self.lines:
            value = evaluate(line.expression, values)
            values[line.key] = value
            lines.append(WorkedLine(line, value, values))
        return Worked(self, values, tuple(lines), evaluate(parse(self.effective.code).expression, values))


SCALAR_STATE = frozenset({"step", "mu_product"})  # entries that are one number for the parameter


@dataclass(frozen=True)
class WorkedLine:
    """A line with its value.

    Attributes:
        line: the line as it is on file.
        value: the result over the whole parameter, or one number.
        values: everything that was known when the step was done, by the names of symbols.
    """

    line: Line
    value: Value
    values: Mapping[str, Value] = field(repr=False)

    @property
    def key(self) -> str:
        return self.line.key

    @property
    def torch_state(self) -> str | None:
        return self.line.torch_state

    @property
    def taken(self) -> Node:
        """The expression, of a choice the branch that these numbers take."""
        return branch(self.line.expression, self.values)

    @property
    def condition(self) -> Compared | None:
        """What is true of these numbers, so that this branch was taken; None for a line without a choice."""
        choice = self.line.expression
        if not isinstance(choice, Choice) or not isinstance(choice.test, Compared):
            return None
        return choice.test if holds(choice.test, self.values) else choice.test.opposite

    @property
    def departures(self) -> tuple[str, ...]:
        choice = self.line.expression
        first = isinstance(choice, Choice) and holds(choice.test, self.values)
        return self.line.departures + (self.line.departures_then if first else ())

    @property
    def symbols(self) -> str:
        """`m_t = β₁·m_{t-1} + (1 − β₁)·g_t`; of a choice the branch with its condition, `r_t = 1 (ρ_t ≤ 5)`."""
        return self._text({})

    @property
    def mathml(self) -> str:
        """The same as a `<math>`."""
        return pages.equation(self.key, self.taken, condition=self.condition)

    @property
    def tree(self) -> Tree | None:
        """The expression for JSON (see `language.tree_of`), a choice with both branches; None where only the whole
        parameter gives the value, which then has to be taken as it is."""
        return None if is_whole_parameter(self.line.expression) else tree_of(self.line.expression)

    def numbers(self, at: Mapping[str, float]) -> str:
        """The line with one weight's numbers put in: `m_t = 0.9·0 + (1 − 0.9)·(−0.0123)`.

        What only the whole parameter gives keeps its symbols: `O_t = NewtonSchulz(u_t, 5)`.
        """
        return self._text(self._shown(at))

    def numbers_mathml(self, at: Mapping[str, float]) -> str:
        """The same as a `<math>`; each number has the `data-symbol` of what it stands for."""
        return pages.equation(self.key, self.taken, self._shown(at), self.condition)

    def _text(self, shown: Mapping[str, float]) -> str:
        when = f" ({terminal.condition_text(self.condition, shown)})" if self.condition else ""
        return f"{SYMBOLS[self.key].text} = {terminal.text(self.taken, shown)}{when}"

    def _shown(self, at: Mapping[str, float]) -> dict[str, float]:
        whole = is_whole_parameter(self.line.expression)
        names = names_in(self.line.expression)
        return {name: at[name] for name in names if not (whole and np.ndim(self.values[name])) and name in at}


@dataclass(frozen=True)
class Worked:
    """A step worked through.

    Attributes:
        formula: the formula.
        values: what was given and computed, by the names of symbols.
        lines: the lines with their values, in order.
        effective: the effective step, over the whole parameter or one number.
    """

    formula: Formula
    values: Mapping[str, Value]
    lines: tuple[WorkedLine, ...]
    effective: Value

    def at(self, index: tuple[int, ...]) -> dict[str, float]:
        """The numbers of one weight, by the names of symbols: what is given first, then line by line."""
        return {name: pick(value, index) for name, value in self.values.items()}

    def after(self) -> dict[str, Value]:
        """What torch should have after the step: entries of the state and `w`, by torch's names."""
        return {line.torch_state: line.value for line in self.lines if line.torch_state is not None}


def pick(value: Value, index: tuple[int, ...]) -> float:
    """The number at an index of a parameter; a quantity that is one number for all is that number everywhere."""
    return float(value) if np.ndim(value) == 0 else float(np.asarray(value)[index])


def flat(group: Mapping[str, object]) -> dict[str, object]:
    """A parameter group with `betas` taken apart into `beta1` and `beta2`."""
    options = dict(group)
    betas = options.pop("betas", None)
    if isinstance(betas, Iterable):
        options["beta1"], options["beta2"] = betas
    return options


def _torch_name(name: str) -> str:
    torch = SYMBOLS[name].torch
    if torch is None:
        raise KeyError(f"{name} is used before it is computed")
    return torch


def _number(value: object) -> float:
    return float(value)  # type: ignore[arg-type]  # a number, or whatever has one: a tensor, an array of one
