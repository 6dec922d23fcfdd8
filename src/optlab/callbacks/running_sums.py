"""The two running sums that a first training loop prints: of batch losses, and of batch losses times batch size."""

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from optlab.data.batches import Batch
from optlab.run_module import state_of


class RunningSums(Callback):
    """Adds `train/sum_of_batch_losses` and `train/sum_of_sample_losses` to each epoch's row.

    The first grows with the number of batches and so depends on the batch size; the second, divided by the number
    of samples, is `train/loss`.
    """

    measures = True  # it adds to the row, so it comes before the recorder

    def __init__(self) -> None:
        self.sums = torch.zeros(2)  # of batch losses, of batch losses times batch size

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.sums = torch.zeros(2, device=pl_module.device)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        loss = outputs["loss"] * trainer.accumulate_grad_batches  # Lightning has divided it
        self.sums += torch.stack([loss, loss * batch.size])

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # The mean over processes of a batch's weighed losses is the loss of the whole batch.
        batches, samples = trainer.strategy.reduce(self.sums, reduce_op="mean").tolist()
        state_of(pl_module).publish({"train/sum_of_batch_losses": batches, "train/sum_of_sample_losses": samples})

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.sums = self.sums.to(pl_module.device)

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self.sums.cpu()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.sums = state_dict["sums"]
