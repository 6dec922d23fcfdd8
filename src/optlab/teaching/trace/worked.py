"""The formula of the followed weight's step, worked through with the run's numbers, beside what torch computed.

`formula` of a weight in trace.json: `name` and `source`; `values`, each symbol's number for this weight; `precision`,
in which the lines are computed; `effective` step and what it is `per`; and `lines`, each with

| key | is |
|---|---|
| `key`, `value` | the symbol that is computed, and its number by the formula |
| `symbols`, `numbers` | the line as text: in symbols, and with this run's numbers put in |
| `mathml`, `numbers_mathml` | the same as MathML, each symbol and number with its `data-symbol` |
| `tree` | the expression for whoever computes it again; null where it takes the whole parameter |
| `torch`, `ulps` | torch's own number where it keeps one, and how many numbers of the precision lie between |
| `all` | of all weights of the parameter: how many there are (`of`), have the `same` bits, are 1 ulp apart (`next`);
`most` is what any is apart, which is large where a result is next to 0 and an ulp tiny |
| `departures` | where torch departs from the textbooks in this line: `departure.<id>` in `teaching.words` |
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from optlab.teaching import formulas
from optlab.teaching.formulas import Worked, WorkedLine, ulps
from optlab.teaching.trace.record import Followed
from optlab.teaching.trace.watch import Seen

Array = NDArray[Any]

PRECISIONS = {torch.float64: "float64", torch.float32: "float32", torch.bfloat16: "bfloat16"}


def why_not(seen: Seen, followed: Followed) -> str | None:
    """The words for why no formula can be worked through; None where one can."""
    name = followed.parameter
    if (gradient := seen.read.get(name)) is None:
        return "trace.untouched"
    if formulas.find(seen.classes[name], seen.groups[name]) is None:
        return "trace.no_formula"
    if seen.weights_before[name].dtype not in PRECISIONS:
        return "trace.other_precision"
    return None if np.isfinite(array(gradient)).all() else "trace.not_finite"


def formula_of(seen: Seen, followed: Followed) -> dict[str, Any]:
    """The formula as JSON holds it, where `why_not` has nothing against it."""
    name, at = followed.parameter, tuple(followed.index)
    weight, gradient = seen.weights_before[name], seen.read[name]
    precision = PRECISIONS[weight.dtype]
    found = formulas.find(seen.classes[name], seen.groups[name])
    assert found is not None
    state = {
        key: array(value) if isinstance(value, Tensor) else value for key, value in seen.state_before[name].items()
    }
    with np.errstate(all="ignore"):
        worked = found.work(found.collect(seen.groups[name], state, array(gradient), array(weight)))
    after = {"w": array(seen.weights_after[name])}
    after |= {key: array(value) for key, value in seen.state_after[name].items() if isinstance(value, Tensor)}
    values = worked.at(at)
    return {
        "name": found.name,
        "source": found.source,
        "precision": precision,
        "values": {key: float(value) for key, value in values.items()},
        "effective": float(pick(worked.effective, at)),
        "per": found.effective.per,
        "lines": [line_of(line, worked, values, after, at, precision) for line in worked.lines],
    }


def line_of(
    line: WorkedLine,
    worked: Worked,
    values: Mapping[str, float],
    after: Mapping[str, Array],
    at: tuple[int, ...],
    precision: str,
) -> dict[str, Any]:
    """One line, beside torch's number where torch keeps one."""
    kept = after.get(line.torch_state or "")
    apart = None if kept is None else ulps(line.value, kept, precision)
    return {
        "key": line.key,
        "value": float(values[line.key]),
        "symbols": line.symbols,
        "numbers": line.numbers(values),
        "mathml": line.mathml,
        "numbers_mathml": line.numbers_mathml(values),
        "tree": line.tree,
        "torch_state": line.torch_state,
        "torch": None if kept is None else float(pick(kept, at)),
        "ulps": None if apart is None else int(pick(apart, at)),
        "all": None if apart is None else spread(apart),
        "departures": list(line.departures),
    }


def spread(apart: Any) -> dict[str, int]:
    """How far the numbers of a whole parameter are apart."""
    return {
        "of": int(np.size(apart)),
        "same": int(np.sum(apart == 0)),
        "next": int(np.sum(apart == 1)),
        "most": int(np.max(apart)),
    }


def array(tensor: Tensor) -> Array:
    """As NumPy holds it, which has no bfloat16."""
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def pick(value: Any, at: tuple[int, ...]) -> Any:
    """The number at an index; what is one number for the whole parameter is that number everywhere."""
    return value if np.ndim(value) == 0 else np.asarray(value)[at]
