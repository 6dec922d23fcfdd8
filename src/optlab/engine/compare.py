"""Whether a replayed step is the step: what both leave, against what two steps from the same state leave."""

import math

import torch
from torch import Tensor

from optlab.engine.snapshot import COUNTS, Snapshot

# A step may differ from itself: kernels add with atomic operations in any order, and RMSprop and Adagrad divide small
# gradients by their own size, so that 1e-6 to 1e-5 of a gradient become 1 to 4 % of the step's length. And a capture
# may choose other kernels than the step, which differ by rounding where two steps agree: so there is a floor.
FLOOR = 0.01  # of the length of the change
MULTIPLE = 5.0  # of the distance between two steps
# Few entries make most of that: a gradient near 0 whose sign the noise turns. Two steps may show none where a replay
# has one, which then is within this of the length, and without these few below the floor. A wrong number is in all.
FEW, LARGEST = 0.01, 0.1


def fault(before: Snapshot, replayed: list[Tensor], once: list[Tensor], again: list[Tensor]) -> str | None:
    """What tells a replayed step from the step, as a reason; None where nothing does.

    Args:
        before: the state that all began from.
        replayed: the values that the replay left, as `before.values()` gives them.
        once, again: those that two steps left.
    """
    for kind in dict.fromkeys(before.kinds):
        places = [i for i, each in enumerate(before.kinds) if each == kind]
        start, theirs, one, two = ([values[i] for i in places] for values in (before.copies, replayed, once, again))
        if all(map(same_bits, theirs, one)):
            continue
        apart, spread, moved = distance(theirs, one), distance(one, two), distance(one, start)
        if kind == COUNTS:  # an answer may stand on the edge
            allowed = max(1.0, MULTIPLE * spread)
        elif is_inexact(start[0]):
            if not math.isfinite(moved) and not math.isfinite(apart):
                continue  # a run that diverges at once does so in either way
            allowed = max(FLOOR * moved, MULTIPLE * spread) if math.isfinite(moved) else 0.0
        else:
            allowed = 0.0
        if not apart <= allowed and not few_apart(theirs, one, moved):
            return (
                f"a replay leaves another {kind} than the step: {apart:.2g} apart, where the step moves by {moved:.2g}"
            )
    return None


def few_apart(some: list[Tensor], others: list[Tensor], moved: float) -> bool:
    """Whether only few entries are apart, and not far."""
    if not is_inexact(some[0]) or not distance(some, others) <= LARGEST * moved:
        return False
    entries = torch.cat([each.abs().double().flatten() for each in differences(some, others)]).sort().values
    few = int(len(entries) * FEW)
    return few > 0 and float(entries[:-few].norm()) <= FLOOR * moved


def distance(some: list[Tensor], others: list[Tensor]) -> float:
    """The Euclidean distance over all tensors together."""
    apart = differences(some, others)
    norms: list[Tensor] = [torch.linalg.vector_norm(each.abs(), dtype=torch.float64) for each in apart]
    return float(torch.stack(norms).square().sum().sqrt())


def differences(some: list[Tensor], others: list[Tensor]) -> list[Tensor]:
    return [a - b if is_inexact(a) else a.double() - b.double() for a, b in zip(some, others, strict=True)]


def is_inexact(tensor: Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def same_bits(a: Tensor, b: Tensor) -> bool:
    return bool(((a == b) | ((a != a) & (b != b))).all())
