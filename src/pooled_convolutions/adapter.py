"""What this package needs of `nn.Module` besides its documented interface, each with its reason.

`tests/pooled_convolutions/test_adapter.py` says which of them a new PyTorch has taken away.
"""

from typing import TypeVar

from torch import nn
from torch.nn.modules import module

Layer = TypeVar("Layer", bound=nn.Module)

# Where a layer keeps what listens to it.
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def listened_to(layer: nn.Module) -> bool:
    """Whether calling this layer does more than its `forward`, so that it must not be left out.

    PyTorch tells nobody whether a layer has hooks, or all layers have: it is asked as `nn.Module.__call__` asks itself.
    """
    hooks = any(getattr(layer, kind) for kind in HOOKS)
    return hooks or "forward" in vars(layer) or bool(module._has_any_global_hook())  # type: ignore[no-untyped-call]


def turn_into(layer: nn.Module, kind: type[Layer]) -> Layer:
    """Make a layer one of a subclass of its class, which adds no state of its own.

    A new layer in its place would be missed by whoever holds the old one: optimizers, hooks, networks that call it by
    name or twice. PyTorch's parametrizations change the class of a layer in the same way.
    """
    if not issubclass(kind, type(layer)):
        raise TypeError(f"{kind.__name__} is no {type(layer).__name__}")
    layer.__class__ = kind
    assert isinstance(layer, kind)
    return layer
