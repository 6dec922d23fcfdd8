"""A LightningModule of one's own: its steps, what it logs, and an optimizer that `optimizer=own` takes."""

import lightning as L
import torch
from torch import Tensor, nn
from torchmetrics import Accuracy


class LitNet(L.LightningModule):
    """A small network with a loss that also asks for small activations."""

    def __init__(self, input_shape: tuple[int, ...], num_classes: int, hidden: int = 64, lr: float = 0.01) -> None:
        super().__init__()
        self.save_hyperparameters()
        inputs = torch.Size(input_shape).numel()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(inputs, hidden), nn.ReLU())
        self.head = nn.Linear(hidden, num_classes)
        self.accuracy = Accuracy(task="multiclass", num_classes=num_classes)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        inputs, targets = batch
        hidden = self.body(inputs)
        loss = nn.functional.cross_entropy(self.head(hidden), targets)
        self.log("train_activation", hidden.mean())
        return loss + 0.001 * hidden.square().mean()

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        inputs, targets = batch
        outputs = self.head(self.body(inputs))
        self.accuracy(outputs, targets)
        self.log("val_loss", nn.functional.cross_entropy(outputs, targets))
        self.log("val_acc", self.accuracy)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.hparams["lr"], momentum=0.9)
