"""`trace.demo=...`: the same batches with a line left out, beside the run as it should be.

| demo | the other run |
|---|---|
| `no_zero_grad` | gradients are added to those of the steps before |
| `no_step` | nothing changes |
| `two_backwards` | `backward()` twice: torch's error, and with retain_graph=True the gradient twice over |
| `accumulate` | the batch in parts, whose gradients are gathered: that of the whole batch |

`demo` in trace.json: its `name`; `correct` and `other`, rows with `step`, `loss`, `gradient_norm`, `weight` (the one
followed) and `update_norm`, the weight behind the step; and `facts`, which each demo has its own of: `error`, `once`,
`twice`, `ratio` and `difference` of two_backwards; `parts`, `sizes`, `norms`, `whole`, `difference` and `relative` of
accumulate, of the first step; the weighted sum of the parts' mean losses is the loss of the whole batch, unless one of
`batch_norm`, `draws` (dropout), `weighted` (samples that weigh differently) says that parts are not mere shares.
"""

import inspect
import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from optlab.adapters.torch import normalises_batches, random_state
from optlab.config.schema import Config
from optlab.config.signature import locate
from optlab.data.batches import Batch
from optlab.errors import UserError
from optlab.teaching.trace.bench import Bench, Taken, check_own, gradients_of, trained
from optlab.teaching.trace.record import Followed, Trace
from optlab.teaching.trace.watch import Seen, Tensors, copies, norm

PARTS = 4  # of a batch, where the run does not accumulate

NEEDS_CLOSURE = "computes the loss several times within step(), so no line around it can be left out"
Step = Callable[[Bench, nn.Module, Optimizer, Seen], Taken]


def check_demo(config: Config) -> None:
    """Raise UserError where no line of the program can be left out."""
    if config.trace.demo is None:
        return
    check_own(config, "demo")
    cls = locate("optimizer", config.optimizer.target)
    closure = inspect.signature(cls.step).parameters.get("closure")  # type: ignore[attr-defined]
    if closure is not None and closure.default is closure.empty:
        name = config.trace.demo
        raise UserError(f"trace.demo={name}: {cls.__name__} {NEEDS_CLOSURE}; type another one, as in optimizer=sgd")


def demo(bench: Bench, name: str, trace: Trace) -> dict[str, Any]:
    """The demonstration, as JSON holds it."""
    correct, other = (run(bench, step, trace.followed) for step in (Bench.step, OTHERS[name]))
    facts = FACTS[name](bench) if name in FACTS else {}
    if name == "accumulate":
        facts["weighted"] = trace.steps[0].forward.weighted
    return {"name": name, "correct": correct, "other": other, "facts": facts}


def run(bench: Bench, step: Step, followed: Followed) -> list[dict[str, Any]]:
    """A step on each of the batches, from the weights and the optimizer's state before the first."""
    network = bench.network(bench.config.optimizer)
    optimizer = bench.optimizer(network, bench.config.optimizer)
    optimizer.load_state_dict(deepcopy(bench.kept))  # which steps change in place
    at = tuple(followed.index)
    rows = []
    for seen in bench.seen:
        bench.keep_up(optimizer, seen)
        taken = step(bench, network, optimizer, seen)
        rows.append(
            {
                "step": seen.step,
                "loss": taken.loss,
                "gradient_norm": taken.gradient_norm,
                "update_norm": taken.update_norm,
                "weight": float(taken.weights[followed.parameter][at]),
                "after": taken.after,
            }
        )
    return rows


# -- the other runs


def by_hand(
    bench: Bench,
    network: nn.Module,
    optimizer: Optimizer,
    seen: Seen,
    backward: Callable[[], float],
    *,
    steps: bool = True,
) -> Taken:
    """A step whose gradients `backward` makes."""
    taken = Taken(before=copies(trained(network)), evaluations=1)
    taken.loss = backward()
    taken.gradients = gradients_of(network)
    bench.clip(network)
    if steps:
        optimizer.step(lambda: taken.loss)  # type: ignore[arg-type, return-value]
    taken.weights = copies(trained(network))
    taken.after = bench.again(network, seen)
    return taken


def no_zero_grad(bench: Bench, network: nn.Module, optimizer: Optimizer, seen: Seen) -> Taken:
    return by_hand(bench, network, optimizer, seen, lambda: bench.backward(network, seen))


def no_step(bench: Bench, network: nn.Module, optimizer: Optimizer, seen: Seen) -> Taken:
    optimizer.zero_grad()
    return by_hand(bench, network, optimizer, seen, lambda: bench.backward(network, seen), steps=False)


def two_backwards(bench: Bench, network: nn.Module, optimizer: Optimizer, seen: Seen) -> Taken:
    optimizer.zero_grad()
    return by_hand(bench, network, optimizer, seen, lambda: twice(bench, network, seen))


def accumulate(bench: Bench, network: nn.Module, optimizer: Optimizer, seen: Seen) -> Taken:
    optimizer.zero_grad()
    return by_hand(bench, network, optimizer, seen, lambda: gather(bench, network, seen)[0])


OTHERS: dict[str, Step] = {
    "no_zero_grad": no_zero_grad,
    "no_step": no_step,
    "two_backwards": two_backwards,
    "accumulate": accumulate,
}


# -- backward twice


def twice(bench: Bench, network: nn.Module, seen: Seen) -> float:
    """Backward through the same graph two times; returns the loss."""
    losses = []
    for batch, random in zip(seen.batches, seen.random, strict=True):
        loss = bench.loss_of(network, batch, random)
        for _ in range(2):
            torch.autograd.backward(loss / len(seen.batches), retain_graph=True)
        losses.append(float(loss.detach()))
    return math.fsum(losses) / len(losses)


def facts_of_two(bench: Bench) -> dict[str, Any]:
    """What torch says without retain_graph, and the gradient once and twice."""
    seen = bench.seen[0]
    network = bench.network(bench.config.optimizer)
    loss = bench.loss_of(network, seen.batches[0], seen.random[0])
    torch.autograd.backward(loss)
    said = ""
    try:
        torch.autograd.backward(loss)
    except RuntimeError as error:
        said = f"{type(error).__name__}: {error}"
    network.zero_grad()
    bench.backward(network, seen)
    once = gradients_of(network)
    network.zero_grad()
    twice(bench, network, seen)
    both = gradients_of(network)
    first, second = norm([*once.values()]), norm([*both.values()])
    return {
        "error": said or None,
        "once": first,
        "twice": second,
        "ratio": second / first if first and second is not None else None,
        "difference": largest({name: both[name].double() - 2 * each.double() for name, each in once.items()}),
    }


# -- a batch in parts


def parts_of(bench: Bench, seen: Seen) -> list[tuple[Batch, float]]:
    """The parts of a step, each with its share of the samples: the run's own batches, or each of them cut in some."""
    if len(seen.batches) > 1:
        return [(batch, 1 / len(seen.batches)) for batch in seen.batches]
    [batch] = seen.batches
    pieces = list(zip(batch.inputs.chunk(PARTS), batch.targets.chunk(PARTS), strict=True))
    return [(Batch(x, y, len(y)), len(y) / len(batch.targets)) for x, y in pieces]


def gather(bench: Bench, network: nn.Module, seen: Seen) -> tuple[float, list[float | None]]:
    """Gathers the gradients of the parts; returns the loss, and the norm after each part."""
    total, norms = [], []
    for index, (part, share) in enumerate(parts_of(bench, seen)):
        loss = bench.loss_of(network, part, seen.random[0] if index == 0 else None) * share
        torch.autograd.backward(loss)
        total.append(float(loss.detach()))
        norms.append(norm([*gradients_of(network).values()]))
    return math.fsum(total), norms


def facts_of_parts(bench: Bench) -> dict[str, Any]:
    """How the gathered gradient compares with that of the whole, in the first step."""
    seen = bench.seen[0]
    network = bench.network(bench.config.optimizer)
    _, norms = gather(bench, network, seen)
    gathered = gradients_of(network)
    network = bench.network(bench.config.optimizer)
    parts = parts_of(bench, seen)
    inputs = torch.cat([part.inputs for part, _ in parts])
    targets = torch.cat([part.targets for part, _ in parts])
    loss = bench.loss_of(network, Batch(inputs, targets, len(targets)), seen.random[0])
    drawn = seen.random[0] is not None and not torch.equal(random_state(bench.device), seen.random[0])
    torch.autograd.backward(loss)
    whole = gradients_of(network)
    difference = {name: gathered[name].double() - each.double() for name, each in whole.items()}
    length, apart = norm([*whole.values()]), norm([*difference.values()])
    return {
        "parts": len(parts),
        "sizes": [len(part.targets) for part, _ in parts],
        "norms": norms,
        "whole": length,
        "difference": largest(difference),
        "relative": apart / length if length and apart is not None else None,
        "batch_norm": normalises_batches(network),
        "draws": drawn,
    }


def largest(tensors: Tensors) -> float:
    """The largest absolute number in any of them."""
    return max((float(each.abs().max()) for each in tensors.values() if each.numel()), default=0.0)


FACTS: dict[str, Callable[[Bench], dict[str, Any]]] = {"two_backwards": facts_of_two, "accumulate": facts_of_parts}
