"""`trace.compare=[sgd,momentum,adam]`: the same weights and the same batches given to several optimizers.

Each begins anew, with an empty state, from the weights before the first step shown. The run's own optimizer has the
run's arguments; every other those of its yaml, or another lr as in `sgd:0.5`. Rates are scaled as the schedule scales
that of the run in the same step, and gradients are clipped as the run clips them.

`compare` in trace.json: `optimizers`, each with `name`, `class`, `lr` and `steps`, of which each has the `lr` in force,
`loss` before and `after` on the same batch, `fall`, `gradient_norm`, `update_norm`, `cosine` and `angle` (degrees) to
the negative gradient, `predicted_fall` (-g.dw) and the number of `evaluations`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optlab import optimizers
from optlab.config import places
from optlab.config.groups import unknown_option
from optlab.config.schema import Config, Optimizer
from optlab.errors import UserError
from optlab.teaching.trace.bench import Bench, Taken, check_own
from optlab.teaching.trace.watch import Seen

NOT_COMPARED = {"own": "it is of a module of yours", "custom": "it names no class; give yours a yaml"}


@dataclass(frozen=True)
class Entrant:
    """An optimizer to compare."""

    name: str
    settings: Optimizer
    own: bool = False  # the run's optimizer as the run has it


def entrants(config: Config) -> list[Entrant]:
    """The optimizers that `trace.compare` names.

    Raises:
        UserError: there is no such optimizer, or it cannot be compared; a rate that is none.
    """
    if config.trace.compare is None:
        return []
    check_own(config, "compare")
    found = [entrant(text, config) for text in config.trace.compare]
    names = [each.name for each in found]
    if not found:
        raise UserError("trace.compare=[]: names no optimizer; type trace.compare=[sgd,momentum,adam]")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"trace.compare: {twice[0]} stands there twice; give one of them another lr, as in sgd:0.5")
    return found


def entrant(text: str, config: Config) -> Entrant:
    """`adam`, or `sgd:0.5` with its lr."""
    name, colon, rate = text.partition(":")
    own, target, options = config.optimizer.name, config.optimizer.target, places.options("optimizer")
    by_class = own == target and name not in options and name.lower() == target.rpartition(".")[2].lower()
    same = name in (own, target) or by_class
    if not same and "." in name and not colon:
        how = f"give it a yaml, conf/optimizer/NAME.yaml, or make it the run's own with optimizer._target_={name}"
        raise UserError(f"trace.compare: {name} is a class, and options are compared; {how}")
    if not same and name not in options:
        raise UserError(f"trace.compare: {unknown_option('optimizer', name)}")
    if not same and name in NOT_COMPARED:
        instead = f"type {own}, the run's" if name == "custom" and own == target else "leave it out"
        raise UserError(f"trace.compare: {name} cannot be compared, as {NOT_COMPARED[name]}; {instead}")
    settings = config.optimizer if same else Optimizer.parse(places.whole("optimizer", name), "optimizer.")
    if colon:
        try:
            lr = float(rate)
        except ValueError:
            lr = math.nan
        if not (math.isfinite(lr) and lr >= 0):
            raise UserError(f"trace.compare: {text}: behind the colon stands an lr; type {name}:0.1")
        settings = settings.with_(lr=lr)
    optimizers.check(settings)
    return Entrant(text, settings, own=same and not colon)


def compare(bench: Bench, entered: Sequence[Entrant]) -> dict[str, Any]:
    """The comparison, as JSON holds it."""
    factors = bench.factors()
    rows = []
    for each in entered:
        network = bench.network(each.settings)
        optimizer = bench.optimizer(network, each.settings)
        initial = [group["lr"] for group in optimizer.param_groups]
        taken = []
        for seen, factor in zip(bench.seen, factors, strict=True):
            if each.own:
                bench.keep_up(optimizer, seen)
            else:
                for group, lr in zip(optimizer.param_groups, initial, strict=True):
                    group["lr"] = lr * factor
            now = float(optimizer.param_groups[0]["lr"])
            taken.append(row(bench.step(network, optimizer, seen), seen, now))
        rows.append(
            {"name": each.name, "class": each.settings.target, "lr": each.settings.lr, "steps": taken}
            | {"arguments": each.settings.arguments}
        )
    return {"optimizers": rows}


def row(taken: Taken, seen: Seen, lr: float) -> dict[str, Any]:
    cosine = taken.cosine
    known = taken.loss is not None and taken.after is not None
    return {
        "step": seen.step,
        "lr": lr,
        "loss": taken.loss,
        "after": taken.after,
        "fall": taken.loss - taken.after if known else None,  # type: ignore[operator]
        "predicted_fall": -taken.dot,
        "gradient_norm": taken.gradient_norm,
        "update_norm": taken.update_norm,
        "cosine": cosine,
        "angle": None if cosine is None else math.degrees(math.acos(cosine)),
        "evaluations": taken.evaluations,
    }
