"""Prints the weights of a network of one weight and one bias: the line that was learned."""

import logging

from lightning import Callback, LightningModule, Trainer

log = logging.getLogger(__name__)


class PrintWeights(Callback):
    """At the end of training, every parameter of a network with up to `most` of them."""

    def __init__(self, most: int = 8) -> None:
        self.most = most

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        parameters = list(pl_module.named_parameters())
        if sum(p.numel() for _, p in parameters) > self.most:
            return
        for name, parameter in parameters:
            symbol = "w" if name.endswith("weight") else "b"
            values = ", ".join(f"{value:.4f}" for value in parameter.detach().flatten().tolist())
            log.info("%s = %s   (%s)", symbol, values, name)
