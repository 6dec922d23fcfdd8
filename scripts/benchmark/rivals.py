"""The loops that optlab is compared with, each written as plainly as its author would write it.

    python scripts/benchmark/rivals.py LOOP [--network cnn] [--batch 128] ...

takes part in a bench; see `protocol.py`. All train the same network on the same random images with the same loss and
optimizer; they differ in the loop alone.
"""

import argparse
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.gate import Turns
from optlab.adapters.torch import set_float32_precision
from optlab.models import CNN, CNN3C3D

Epoch = Callable[[], object]  # trains one epoch
OPTIMIZERS: dict[str, Any] = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop}


class Task:
    """What all loops share: random uint8 images with labels, the network, the loss, the optimizer."""

    def __init__(self, options: argparse.Namespace) -> None:
        torch.manual_seed(0)
        self.batch, self.bf16 = options.batch, options.bf16
        self.device = torch.device("cuda" if torch.cuda.is_available() and not options.cpu else "cpu")
        shape = (options.channels, options.size, options.size)
        self.images = torch.randint(256, (options.samples, *shape), dtype=torch.uint8)
        self.labels = torch.randint(10, (options.samples,))
        self.network: nn.Module = {"cnn": CNN, "cnn_3c3d": CNN3C3D}[options.network](shape, 10)
        self.network.to(self.device)
        self.loss = nn.CrossEntropyLoss()
        self.optimizer_class, self.lr = OPTIMIZERS[options.optimizer], 1e-3

    def optimizer(self, **settings: Any) -> torch.optim.Optimizer:
        optimizer: torch.optim.Optimizer = self.optimizer_class(self.network.parameters(), lr=self.lr, **settings)
        return optimizer

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)


def notes(task: Task) -> Epoch:
    """The study notes' loop: a data set of PIL images, ToTensor on each, a DataLoader, running sums with `item()`."""
    from torch.utils.data import DataLoader, Dataset
    from torchvision.transforms import ToTensor
    from torchvision.transforms.functional import to_pil_image

    pictures = [to_pil_image(image) for image in task.images]
    transform, labels = ToTensor(), task.labels.tolist()

    class Pictures(Dataset[tuple[Tensor, int]]):
        def __len__(self) -> int:
            return len(pictures)

        def __getitem__(self, index: int) -> tuple[Tensor, int]:
            return transform(pictures[index]), labels[index]

    loader = DataLoader(Pictures(), batch_size=task.batch)
    optimizer = task.optimizer()

    def epoch() -> float:
        running = 0.0
        for inputs, targets in loader:
            outputs = task.network(inputs.to(task.device))
            loss = task.loss(outputs, targets.to(task.device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            running += loss.item()
        return running

    return epoch


def bare(task: Task, layout: torch.memory_format = torch.contiguous_format) -> Epoch:
    """Tensors that lie on the device, a permutation, the five lines of a training step, and nothing else."""
    images = ((task.images.float() / 255 - 0.5) / 0.25).to(task.device)
    images = images.contiguous(memory_format=layout)
    labels = task.labels.to(task.device)
    task.network.to(memory_format=layout)
    optimizer = task.optimizer()

    def epoch() -> None:
        for chosen in torch.split(torch.randperm(len(images), device=task.device), task.batch):
            with task.autocast():
                loss = task.loss(task.network(images[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


def bare_channels_last(task: Task) -> Epoch:
    """As `bare`, in the memory layout that convolutions prefer."""
    return bare(task, torch.channels_last)


def textbook(task: Task) -> Epoch:
    """A LightningModule as tutorials write it: DataLoader, torchmetrics, `self.log` with `prog_bar`."""
    from lightning import LightningModule, Trainer
    from torch.utils.data import DataLoader, TensorDataset
    from torchmetrics.classification import MulticlassAccuracy

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network, self.accuracy = task.network, MulticlassAccuracy(num_classes=10)

        def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
            inputs, targets = batch
            outputs = self.network((inputs.float() / 255 - 0.5) / 0.25)
            loss: Tensor = task.loss(outputs, targets)
            self.accuracy(outputs, targets)
            self.log("train/loss", loss, prog_bar=True)
            self.log("train/acc", self.accuracy, prog_bar=True)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return task.optimizer()

        def on_train_epoch_start(self) -> None:
            turns.next(task.device)

    loader = DataLoader(TensorDataset(task.images, task.labels), batch_size=task.batch, shuffle=True)
    trainer = Trainer(
        max_epochs=-1,
        precision="bf16-mixed" if task.bf16 else "32-true",
        accelerator=task.device.type,
        devices=1,
    )
    turns = Turns()
    trainer.fit(Module(), loader)
    raise AssertionError("Turns ends the process")


def captured(task: Task, compiled: bool = False) -> Epoch:
    """The step in a CUDA graph, replayed without reading anything back: the floor of what a GPU needs."""
    set_float32_precision(tf32=True)  # as in a run
    images = ((task.images.float() / 255 - 0.5) / 0.25).to(task.device).contiguous(memory_format=torch.channels_last)
    labels = task.labels.to(task.device)
    task.network.to(memory_format=torch.channels_last)
    forward: Any = torch.compile(task.network) if compiled else task.network
    known = inspect.signature(task.optimizer_class).parameters if task.device.type == "cuda" else ()
    optimizer = task.optimizer(**{flag: True for flag in ("fused", "capturable") if flag in known})
    parameters = list(task.network.parameters())
    chosen = torch.arange(task.batch, device=task.device)

    def step() -> None:
        optimizer.zero_grad()  # before backward, which then writes gradients in place of adding to them
        with torch.autocast(task.device.type, torch.bfloat16, enabled=task.bf16, cache_enabled=False):
            loss = task.loss(forward(images[chosen]), labels[chosen])
        loss.backward()
        for p in parameters:
            if p.grad is not None and p.grad.stride() != p.stride():  # fused kernels want them alike (pytorch#106951)
                p.grad = torch.empty_like(p).copy_(p.grad)
        optimizer.step()

    replay = step if task.device.type == "cpu" else replay_of(step)

    def epoch() -> None:
        for part in torch.split(torch.randperm(len(images), device=task.device), task.batch):
            if len(part) == task.batch:
                chosen.copy_(part)
                replay()

    return epoch


def replay_of(step: Callable[[], None]) -> Callable[[], None]:
    """The step in a CUDA graph, captured as PyTorch's documentation says."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())  # the images are still on their way
    with torch.cuda.stream(side):
        for _ in range(11):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def airbench(task: Task) -> Epoch:
    """As KellerJordan/cifar10-airbench: a compiled network, a fused optimizer, no read-back, here also captured."""
    return captured(task, compiled=True)


LOOPS: dict[str, Callable[[Task], Epoch]] = {
    "notes": notes,
    "bare": bare,
    "bare_channels_last": bare_channels_last,
    "textbook": textbook,
    "captured": captured,
    "airbench": airbench,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("loop", choices=LOOPS)
    parser.add_argument("--network", choices=("cnn", "cnn_3c3d"), default="cnn")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="sgd")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--size", type=int, default=32, help="pixels")
    parser.add_argument("--bf16", action="store_true", help="autocast to bfloat16")
    parser.add_argument("--cpu", action="store_true", help="also where there is a GPU")
    task = Task(parser.parse_args())
    epoch = LOOPS[parser.parse_args().loop](task)
    for _ in Turns().epochs_of(task.device):
        epoch()


if __name__ == "__main__":
    main()
