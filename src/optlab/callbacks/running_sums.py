"""The two running sums that a first training loop prints: of batch losses, and of batch losses times batch size."""

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from optlab.data.batches import Batch
from optlab.module import TrainingModule


class RunningSums(Callback):
    """Adds `train/sum_of_batch_losses` and `train/sum_of_sample_losses` to each epoch's row.

    The first grows with the number of batches and so depends on the batch size; the second, divided by the number
    of samples, is `train/loss`.
    """

    measures = True  # it adds to the row, so it comes before the recorder

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.batches = torch.zeros((), device=pl_module.device)
        self.samples = torch.zeros((), device=pl_module.device)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        self.batches += outputs["loss"]
        self.samples += outputs["loss"] * batch.size

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, TrainingModule)
        pl_module.publish(
            {
                "train/sum_of_batch_losses": self.batches.item(),
                "train/sum_of_sample_losses": self.samples.item(),
            }
        )
