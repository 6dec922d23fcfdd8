"""Parts of a network that do not learn."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from optlab.adapters.torch import keeps_statistics
from optlab.errors import UserError
from optlab.rules.nearest import nearest

SHOWN = 12  # names in a message


def names_of(options: Mapping[str, Any]) -> list[str]:
    """What `freeze` of a group's options names: one name, or a list of them."""
    names = options.get("freeze") or []
    return [str(each) for each in (names if isinstance(names, Sequence) and not isinstance(names, str) else [names])]


def freeze(network: nn.Module, names: Sequence[str]) -> None:
    """Make parts of a network keep their weights: they take no gradient, and no optimizer gets them.

    Norms in them keep their running mean and variance as well, and normalise by these: they stay in eval mode.

    Args:
        names: of layers, of whole parts (`features` is all that begins with `features.`) or of parameters.

    Raises:
        UserError: there is no such part, or nothing is left to learn.
    """
    if not names:
        return
    known = dict.fromkeys(name for name, _ in (*network.named_modules(), *network.named_parameters()) if name)
    for name in names:
        if name not in known:
            raise UserError(unknown(name, list(known), network))
    for name, parameter in network.named_parameters():
        if is_in(name, names):
            parameter.requires_grad_(False)
    for layer in frozen_norms(network, names):
        layer.eval()
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise UserError(f"model.freeze={', '.join(names)}: freezes all of the network; leave a part that learns")


def frozen_norms(network: nn.Module, names: Sequence[str]) -> Iterator[nn.Module]:
    """The layers with running statistics that lie in a frozen part, or all of whose parameters are frozen."""
    for name, layer in network.named_modules():
        if keeps_statistics(layer):
            own = list(layer.parameters())
            if is_in(name, names) or (own and not any(parameter.requires_grad for parameter in own)):
                yield layer


def is_in(name: str, names: Sequence[str]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in names)


def unknown(name: str, known: list[str], network: nn.Module) -> str:
    parts = network
    prefix = ""
    while len(children := list(parts.named_children())) == 1 and not list(parts.parameters(recurse=False)):
        prefix, parts = f"{prefix}{children[0][0]}.", children[0][1]
    inside = [f"{prefix}{each}" for each, _ in (*parts.named_children(), *parts.named_parameters(recurse=False))]
    close = nearest(name, known)
    hint = f"; did you mean {close[0]}?" if close else ""
    more = ", ..." if len(inside) > SHOWN else ""
    return f"model.freeze={name}: the network has no such part; it has {', '.join(inside[:SHOWN])}{more}{hint}"


def counts(network: nn.Module) -> dict[str, int]:
    """How many numbers its parameters hold, and how many of them learn."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in network.parameters()]
    return {"parameters": sum(size for size, _ in sizes), "learning": sum(size for size, learns in sizes if learns)}


def frozen_line(network: nn.Module) -> str | None:
    """`48 of 98 parameters are frozen; layers that stay in eval mode: 1`; None where all learn, in training mode."""
    count = counts(network)
    frozen = count["parameters"] - count["learning"]
    still = sum(not layer.training for layer in network.modules())
    said = [f"{frozen:,} of {count['parameters']:,} parameters are frozen"] if frozen else []
    return "; ".join([*said, *([f"layers that stay in eval mode: {still}"] if still else [])]) or None
