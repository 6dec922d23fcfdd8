"""The LightningModule: network, loss, optimizer, schedule and metrics."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau

from optlab import networks, optimizers
from optlab.adapters.lightning import let_clip, load_train_batches, publish
from optlab.adapters.torch import random_state, seed_default, set_random_state, skip_graph_check
from optlab.config.schema import Config
from optlab.create import create
from optlab.data.arrays import DataInfo
from optlab.data.batches import Batch, DeviceBatches
from optlab.lr import Horizon
from optlab.quality import TestQuality
from optlab.rates import DeviceRates
from optlab.seeds import default_stream, derive
from optlab.sums import Sums, means

log = logging.getLogger(__name__)


class TrainingModule(LightningModule):
    """A network with the configured loss, optimizer and schedule, its metrics, and what its checkpoints hold.

    How training steps are taken is not said here: a subclass with a `training_step` does (see `optlab.engine`).

    Args:
        config: the config of the run.
        info: what the data set looks like; the network takes its input shape and outputs from it.
        overrides: the command line that composed the config; it travels in checkpoints, so they can be continued.
    """

    counts_at_once = False  # whether correct answers are counted with each batch, not of several batches together

    def __init__(self, config: Config, info: DataInfo, overrides: Sequence[str] = ()) -> None:
        super().__init__()
        self.config = config
        self.overrides = list(overrides)
        self.info = info
        with default_stream(config.seed, "weights"):
            self.network = networks.build(config.model.plain, info)
        self.loss: torch.nn.Module = create(config.loss.plain)
        self.classifies = info.task == "classification"
        self.validates = False  # whether there is a validation split; set with the fingerprint when the data is known
        self.fingerprint = ""
        self.sums: dict[str, Sums] = {}
        self.metrics: dict[str, float] = {}
        self.quality = TestQuality(info) if self.classifies else None
        self.rates: DeviceRates | None = None
        self.kernels: dict[str, int] = {}  # how many layers of a kind `cpu_kernels` gave kernels of their own
        self._facts: str | None = None  # as JSON, which is written in no time epoch after epoch
        self._resumed: Mapping[str, Any] | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.network(inputs)
        return outputs

    # -- evaluation: it reads nothing back from the device

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        loss, outputs = self.evaluate(batch)
        self.sums["val"].add(loss, outputs, batch.targets)

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The outputs of the network, for callbacks that look at single samples in `on_test_batch_end`."""
        loss, outputs = self.evaluate(batch)
        self.sums["test"].add(loss, outputs, batch.targets)
        if self.quality is not None and len(batch.targets):
            self.quality.update(outputs, batch.targets)
        return outputs

    def evaluate(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The mean loss over the samples of this process, and the outputs."""
        outputs = self.network(batch.inputs)
        if len(batch.targets) == 0:  # the last batch held fewer samples than there are processes
            return outputs.sum() * 0.0, outputs
        return self.loss(outputs, batch.targets), outputs

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        return batch  # it lies there already

    # -- metrics

    def read_sums(self, part: str) -> dict[str, float]:
        """The metrics of a part ("train", "val" or "test") since its sums were opened: this reads the device."""
        sums = self.sums[part].tensor()
        if self.trainer.world_size > 1:
            sums = self.trainer.strategy.reduce(sums, reduce_op="sum")
        return {f"{part}/{name}": mean for name, mean in means(sums.tolist()).items()}

    def open_sums(self, part: str) -> None:
        if part in self.sums and self.sums[part].device == self.device:
            self.sums[part].reset()  # in place: a captured step goes on adding to these tensors
        else:
            at_once = self.counts_at_once or self.device.type != "cpu"  # on a GPU there is nothing to gain
            self.sums[part] = Sums(self.device, self.classifies, at_once)

    def publish(self, metrics: dict[str, float]) -> None:
        """Keep metrics for the record, and give them to callbacks that watch `trainer.callback_metrics`."""
        self.metrics |= metrics
        publish(self.trainer, metrics)

    @property
    def train_batches(self) -> DeviceBatches:
        """The training batches; Lightning loads their state only if nobody asked for the number of steps before."""
        batches = self.trainer.train_dataloader
        assert isinstance(batches, DeviceBatches)
        return batches

    def on_train_start(self) -> None:
        if self._resumed is not None:  # a run that was interrupted within an epoch goes on there
            self.open_sums("train")
            self.sums["train"].restore(self._resumed["sums"])
            self.train_batches.begin_epoch(self.current_epoch, seen=self._resumed["seen"])
            set_random_state(self._resumed["rng"], torch.device("cpu"))
            if self.device.type == "cuda" and "cuda_rng" in self._resumed:
                set_random_state(self._resumed["cuda_rng"], self.device)
            self._resumed = None

    def on_train_epoch_start(self) -> None:
        self.metrics.clear()  # an epoch without validation must not show the last one's
        self.open_sums("train")
        self.train_batches.begin_epoch(self.current_epoch)
        # A user's own network may use dropout, which draws from the default generators.
        seed_default(derive(self.config.seed, "dropout", self.current_epoch), self.device)

    def on_validation_epoch_start(self) -> None:
        self.open_sums("val")

    def on_validation_epoch_end(self) -> None:
        if not self.trainer.sanity_checking:
            self.publish(self.read_sums("val"))

    def on_train_epoch_end(self) -> None:
        # Lightning steps a plateau schedule after checkpoints are written, so that a continued run would miss it.
        schedule = self.lr_schedulers()
        watched = "val/loss" if self.validates else "train/loss"
        if isinstance(schedule, ReduceLROnPlateau) and watched in self.metrics:
            schedule.step(self.metrics[watched])

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        if not isinstance(scheduler, ReduceLROnPlateau):  # which `on_train_epoch_end` has stepped
            super().lr_scheduler_step(scheduler, metric)

    def on_test_epoch_start(self) -> None:
        self.open_sums("test")
        if self.quality is not None:
            self.quality.to(self.device)
            self.quality.reset()

    def on_test_epoch_end(self) -> None:
        extra = self.quality.compute() if self.quality is not None else {}
        self.publish(self.read_sums("test") | extra)

    # -- optimizer and schedule

    def build_optimizer(self, network: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """The optimizer of the network's parameters, or of a copy's."""
        settings = self.config.optimizer
        groups = optimizers.parameter_groups(self.network if network is None else network, settings)
        arguments = settings.arguments | optimizers.device_flags(settings, self.device)
        optimizer: torch.optim.Optimizer = create({"_target_": settings.target, **arguments}, groups)
        optimizers.keep_flags(optimizer)
        if self.device.type == "cpu":
            skip_graph_check(optimizer)
        let_clip(optimizer)
        return optimizer

    def configure_optimizers(self) -> Any:
        optimizer = self.build_optimizer()
        if line := optimizers.describe(optimizer):
            log.info(line)
        if optimizers.device_flags(self.config.optimizer, self.device):
            optimizers.align_gradients(optimizer)
            if self.device.type == "cuda":
                self.rates = DeviceRates(optimizer, self.device)
        load_train_batches(self.trainer)
        steps = int(self.trainer.estimated_stepping_batches)
        batches = int(self.trainer.num_training_batches)
        horizon = Horizon(steps, steps_per_epoch=-(-batches // self.trainer.accumulate_grad_batches))
        schedule = create(self.config.lr.plain, optimizer, horizon)
        if isinstance(schedule, ReduceLROnPlateau):
            return [optimizer], [{"scheduler": schedule, "interval": "epoch", "monitor": "train/loss"}]
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    # -- checkpoints hold what another program needs to use the weights: the config and the data set's looks

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self._facts is None:
            facts = {"config": self.config.plain, "data": self.info.to_dict(), "overrides": self.overrides}
            self._facts = json.dumps(facts | {"fingerprint": self.fingerprint})
        checkpoint["optlab"] = {"run": self._facts}
        if "train" in self.sums and self.train_batches.seen:
            checkpoint["optlab"]["within_epoch"] = {
                "seen": self.train_batches.seen,
                "sums": self.sums["train"].state(),
                "rng": random_state(torch.device("cpu")),
            }
            if self.device.type == "cuda":
                checkpoint["optlab"]["within_epoch"]["cuda_rng"] = random_state(self.device)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._resumed = checkpoint["optlab"].get("within_epoch")
