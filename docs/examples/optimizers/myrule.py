"""An optimizer of one's own: the sign of a running mean of gradients (Bernstein et al., 2018, arXiv:1802.04434)."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

Part = Annotated[float, Field(ge=0, lt=1)]  # what a user's mistake is answered with


class Signum(torch.optim.Optimizer):
    """Each weight moves by lr, against the sign of its momentum."""

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float = 1e-3,
        momentum: Part = 0.9,
        weight_decay: Annotated[float, Field(ge=0)] = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:  # kept here, it travels in checkpoints
                    state["mean"] = torch.zeros_like(p)
                state["mean"].lerp_(p.grad, 1 - group["momentum"])
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(state["mean"].sign(), alpha=-group["lr"])
        return loss
