"""The one weight that is followed through a step: which it is, and what the optimizer keeps about it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from optlab.errors import UserError
from optlab.optimizers import COMPUTES_BY
from optlab.rules.nearest import nearest
from optlab.teaching.trace.record import Followed, Histogram, Weight
from optlab.teaching.trace.watch import Seen

WEIGHT = re.compile(r"(?P<name>[^\[\]]+?)\s*(?:\[(?P<index>[^\[\]]*)\])?")
MOST_NAMES = 12  # in a message
BINS = 20
NOT_SHOWN = (*COMPUTES_BY, "initial_lr", "use_muon")  # of a group: how a step is computed, and notes of others


def typed(text: str, parameters: Mapping[str, Tensor]) -> Followed:
    """The weight that `trace.weight=layers.0.weight[3,0,2,2]` names.

    Raises:
        UserError: no such parameter, or an index outside its shape; the parameters and shapes that there are.
    """
    match = WEIGHT.fullmatch(text.strip())
    name = match["name"] if match else text
    if name not in parameters:
        close = nearest(name, parameters)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise UserError(f"trace.weight={text}: there is no such parameter; known: {shapes_of(parameters)}{hint}")
    shape = list(parameters[name].shape)
    written = (match["index"] if match else None) or ""
    try:
        index = [int(part) for part in written.split(",")] if written.strip() else []
    except ValueError:
        index = [-1] * (len(shape) + 1)
    inside = len(index) == len(shape) and all(0 <= i < n for i, n in zip(index, shape, strict=True))
    if not inside:
        first, last = (",".join(str(each) for each in place) for place in ([0 for _ in shape], [n - 1 for n in shape]))
        raise UserError(
            f"trace.weight={text}: {name} has the shape {shape}, so its weights are {name}[{first}] to {name}[{last}]; "
            "type one of these"
        )
    return Followed(name, index, "typed", shape)


def shapes_of(parameters: Mapping[str, Tensor]) -> str:
    """`layers.0.weight [32, 1, 5, 5], layers.0.bias [32], ...`."""
    named = [f"{name} {list(p.shape)}" for name, p in parameters.items()]
    more = f" and {len(named) - MOST_NAMES} more" if len(named) > MOST_NAMES else ""
    return ", ".join(named[:MOST_NAMES]) + more


def moved_most(seen: Seen) -> Followed:
    """The weight with the largest change in a step, the first of equals; one of a gradient that is 0 if none moved."""
    best, place = -1.0, ("", 0)
    for name, after in seen.weights_after.items():
        moved = (after.double() - seen.weights_before[name].double()).abs().reshape(-1)
        if moved.numel() and float(moved.max()) > best:
            best, place = float(moved.max()), (name, int(moved.argmax()))
    name, flat = place
    shape = list(seen.weights_after[name].shape)
    index = [int(i) for i in np.unravel_index(flat, shape)] if shape else []
    return Followed(name, index, "moved_most", shape)


def weight_of(seen: Seen, followed: Followed) -> Weight:
    """The followed weight in a step, without its formula."""
    name, at = followed.parameter, tuple(followed.index)
    before, after = number(seen.weights_before[name], at), number(seen.weights_after[name], at)
    gradient = number(seen.gradients.get(name), at)
    change = None if before is None or after is None else after - before
    return Weight(
        before=before,
        after=after,
        change=change,
        gradient=gradient,
        clipped_gradient=number(seen.read.get(name), at),
        state_before=state_of_weight(seen.state_before.get(name, {}), seen.weights_before[name].shape, at),
        state_after=state_of_weight(seen.state_after.get(name, {}), seen.weights_before[name].shape, at),
        hyperparameters={key: value for key, value in seen.groups.get(name, {}).items() if key not in NOT_SHOWN},
        effective_step=-change / gradient if change is not None and gradient else None,
        histogram=histogram(seen.weights_after[name].double() - seen.weights_before[name].double(), change),
    )


def number(tensor: Tensor | None, at: Sequence[int]) -> float | None:
    """One element; None where the parameter has no such tensor."""
    return None if tensor is None else float(tensor[tuple(at)])


def state_of_weight(state: Mapping[str, Any], shape: torch.Size, at: Sequence[int]) -> dict[str, Any]:
    """Of a parameter's state what is about this weight: its element, or what holds for the whole parameter."""
    found: dict[str, Any] = {}
    for key, value in state.items():
        if not isinstance(value, Tensor):
            found[key] = value
        elif value.shape == shape and value.ndim:
            found[key] = float(value[tuple(at)])
        elif value.numel() == 1:
            found[key] = float(value)
    return found


def histogram(updates: Tensor, change: float | None) -> Histogram:
    """The updates of a whole parameter in `BINS` bins of equal width, from the smallest to the largest.

    One bin alone where these are the same number, or next to each other."""
    values = updates.cpu().numpy().reshape(-1)
    values = values[np.isfinite(values)]
    if not len(values):
        return Histogram([], [], None)
    low, high = float(values.min()), float(values.max())
    if low == high:
        return Histogram([low, high], [len(values)], None if change is None else 0)
    fits = len(np.unique(np.linspace(low, high, BINS + 1))) == BINS + 1  # float64 has numbers enough between the two
    counts, edges = np.histogram(values, bins=BINS if fits else 1)
    here = None
    if change is not None and edges[0] <= change <= edges[-1]:
        here = min(int(np.searchsorted(edges, change, side="right")) - 1, len(counts) - 1)
    return Histogram([float(e) for e in edges], [int(n) for n in counts], here)
