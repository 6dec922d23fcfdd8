"""LightningModules as users write them: those of Lightning's tutorials, word for word, and some with mistakes.

`LitAutoEncoder` is of "Lightning in 15 minutes", `LitMNIST` of "Introduction to PyTorch Lightning" (both Apache-2.0).
"""

# ruff: noqa
# mypy: ignore-errors

import os

import lightning as L
import torch
from torch import nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, random_split
from torchmetrics import Accuracy
from torchvision import transforms
from torchvision.datasets import MNIST

PATH_DATASETS = os.environ.get("PATH_DATASETS", ".")
BATCH_SIZE = 256


# define the LightningModule
class LitAutoEncoder(L.LightningModule):
    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def training_step(self, batch, batch_idx):
        # training_step defines the train loop.
        # it is independent of forward
        x, _ = batch
        x = x.view(x.size(0), -1)
        z = self.encoder(x)
        x_hat = self.decoder(z)
        loss = nn.functional.mse_loss(x_hat, x)
        # Logging to TensorBoard (if installed) by default
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self):
        optimizer = optim.Adam(self.parameters(), lr=1e-3)
        return optimizer


class LitMNIST(L.LightningModule):
    def __init__(self, data_dir=PATH_DATASETS, hidden_size=64, learning_rate=2e-4):
        super().__init__()

        # Set our init args as class attributes
        self.data_dir = data_dir
        self.hidden_size = hidden_size
        self.learning_rate = learning_rate

        # Hardcode some dataset specific attributes
        self.num_classes = 10
        self.dims = (1, 28, 28)
        channels, width, height = self.dims
        self.transform = transforms.Compose(
            [
                transforms.ToTensor(),
                transforms.Normalize((0.1307,), (0.3081,)),
            ]
        )

        # Define PyTorch model
        self.model = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * width * height, hidden_size),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(hidden_size, hidden_size),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(hidden_size, self.num_classes),
        )

        self.val_accuracy = Accuracy(task="multiclass", num_classes=10)
        self.test_accuracy = Accuracy(task="multiclass", num_classes=10)

    def forward(self, x):
        x = self.model(x)
        return F.log_softmax(x, dim=1)

    def training_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        loss = F.nll_loss(logits, y)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        loss = F.nll_loss(logits, y)
        preds = torch.argmax(logits, dim=1)
        self.val_accuracy.update(preds, y)

        # Calling self.log will surface up scalars for you in TensorBoard
        self.log("val_loss", loss, prog_bar=True)
        self.log("val_acc", self.val_accuracy, prog_bar=True)

    def test_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        loss = F.nll_loss(logits, y)
        preds = torch.argmax(logits, dim=1)
        self.test_accuracy.update(preds, y)

        # Calling self.log will surface up scalars for you in TensorBoard
        self.log("test_loss", loss, prog_bar=True)
        self.log("test_acc", self.test_accuracy, prog_bar=True)

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=self.learning_rate)
        return optimizer

    ####################
    # DATA RELATED HOOKS
    ####################

    def prepare_data(self):
        # download
        MNIST(self.data_dir, train=True, download=True)
        MNIST(self.data_dir, train=False, download=True)

    def setup(self, stage=None):
        # Assign train/val datasets for use in dataloaders
        if stage == "fit" or stage is None:
            mnist_full = MNIST(self.data_dir, train=True, transform=self.transform)
            self.mnist_train, self.mnist_val = random_split(mnist_full, [55000, 5000])

        # Assign test dataset for use in dataloader(s)
        if stage == "test" or stage is None:
            self.mnist_test = MNIST(self.data_dir, train=False, transform=self.transform)

    def train_dataloader(self):
        return DataLoader(self.mnist_train, batch_size=BATCH_SIZE)

    def val_dataloader(self):
        return DataLoader(self.mnist_val, batch_size=BATCH_SIZE)

    def test_dataloader(self):
        return DataLoader(self.mnist_test, batch_size=BATCH_SIZE)


class LitDigits(L.LightningModule):
    """What optlab's own names might be taken by: metrics, loss, config, network, info, sums, state, optimizer."""

    def __init__(self, input_shape, num_classes, hidden=32, lr=0.01, dropout=0.1):
        super().__init__()
        self.save_hyperparameters()
        channels, height, width = input_shape
        self.network = nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, hidden), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, num_classes))
        self.metrics = Accuracy(task="multiclass", num_classes=num_classes)
        self.loss = nn.CrossEntropyLoss()
        self.config, self.info, self.sums, self.name, self.state = "mine", 1, [2], "mine", {}

    def forward(self, x):
        return self.head(self.network(x))

    def evaluate(self, batch, stage):
        x, y = batch
        logits = self(x)
        self.metrics(logits, y)
        self.log_dict({f"{stage}_loss": self.loss(logits, y), f"{stage}_acc": self.metrics})

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = self.loss(self(x), y)
        self.log("train_loss", loss, on_step=True, on_epoch=True, prog_bar=True)
        return {"loss": loss}

    def validation_step(self, batch, batch_idx):
        self.evaluate(batch, "val")

    def on_train_epoch_end(self):
        self.log("epoch_of_mine", float(self.current_epoch))

    def configure_optimizers(self):
        optimizer = optim.SGD(self.parameters(), lr=self.hparams.lr, momentum=0.9)
        return [optimizer], [optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)]


class Plateau(LitDigits):
    def configure_optimizers(self):
        optimizer = optim.SGD(self.parameters(), lr=0.05)
        schedule = optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", factor=0.5, patience=0, threshold=0.9)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": "val_acc"}}


class ByHand(LitDigits):
    """Manual optimization."""

    def __init__(self, input_shape, num_classes):
        super().__init__(input_shape, num_classes)
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        x, y = batch
        optimizer = self.optimizers()
        optimizer.zero_grad()
        loss = self.loss(self(x), y)
        self.manual_backward(loss)
        optimizer.step()
        self.log("train_loss", loss)


class NoSteps(L.LightningModule):
    pass


class NoLoss(LitDigits):
    def training_step(self, batch, batch_idx):
        return None


class NoOptimizer(LitDigits):
    def configure_optimizers(self):
        return None


class NoWeights(L.LightningModule):
    def training_step(self, batch, batch_idx):
        return torch.zeros(())


class Unmade(LitDigits):
    def __init__(self, input_shape, num_classes):
        raise ValueError("no such thing")


class FixedRate(LitDigits):
    def __init__(self, input_shape, num_classes):
        super().__init__(input_shape, num_classes)


class NoLossByHand(ByHand):
    def training_step(self, batch, batch_idx):
        self.log("d_loss", 1.0)


class LeavesItsSteps(ByHand):
    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.cross_entropy(self(x), y)
        self.manual_backward(loss)
        return loss
