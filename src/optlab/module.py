"""optlab's own LightningModule: network, loss, and the sums that become an epoch's metrics."""

from collections.abc import Sequence

import torch
from torch import Tensor

from optlab import networks
from optlab.config.schema import Config
from optlab.create import create
from optlab.data.arrays import DataInfo
from optlab.data.batches import Batch
from optlab.quality import TestQuality
from optlab.run_module import RunModule, RunState
from optlab.seeds import default_stream
from optlab.sums import Sums


class TrainingModule(RunModule):
    """A network with the configured loss and the metrics of its task.

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
        self.info = info
        with default_stream(config.seed, "weights"):
            self.network = networks.build(config.model.plain, info)
        self.loss: torch.nn.Module = create(config.loss.plain)
        self.classifies = info.task == "classification"
        self.quality = TestQuality(info) if self.classifies else None
        self.run_state = RunState(
            self,
            self.network,
            config,
            info,
            overrides,
            counts_correct=self.classifies,
            counts_at_once=self.counts_at_once,
        )

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.network(inputs)
        return outputs

    @property
    def sums(self) -> dict[str, Sums]:
        """By part: "train", "val" or "test"."""
        return self.run_state.sums

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

    def on_validation_epoch_start(self) -> None:
        self.run_state.open_sums("val")

    def on_validation_epoch_end(self) -> None:
        if not self.trainer.sanity_checking:
            self.publish(self.run_state.read_sums("val"))
        super().on_validation_epoch_end()

    def on_test_epoch_start(self) -> None:
        self.run_state.open_sums("test")
        if self.quality is not None:
            self.quality.to(self.device)
            self.quality.reset()

    def on_test_epoch_end(self) -> None:
        extra = self.quality.compute() if self.quality is not None else {}
        if self.quality is not None:
            self.run_state.details = self.quality.details()
        self.publish(self.run_state.read_sums("test") | extra)
        super().on_test_epoch_end()
