"""A callback of one's own: any lightning.Callback."""

import torch
from lightning import Callback, LightningModule, Trainer


class WeightNorm(Callback):
    """Adds `train/weight_norm` to each epoch's row: the Euclidean norm over all parameters."""

    measures = True  # it adds to the epoch's row, so it comes before what writes the row

    @torch.no_grad()
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        norms = [parameter.norm() for parameter in pl_module.parameters()]
        pl_module.log("train/weight_norm", torch.stack(norms).norm())
