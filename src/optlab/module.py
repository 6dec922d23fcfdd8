"""optlab's own LightningModule: network, loss, and the sums that become an epoch's metrics."""

from collections.abc import Sequence

import torch
from torch import Tensor

from optlab import losses, networks
from optlab.config.schema import Config
from optlab.data.arrays import DataInfo
from optlab.data.batches import Batch
from optlab.quality import own, qualities
from optlab.rules.tasks import task_of
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
        self.loss = losses.build(config.loss.plain, info)
        self.of_own = own.build(config.metrics, info)
        self.qualities = qualities(config, info, self.of_own)
        self.run_state = RunState(
            self,
            self.network,
            config,
            info,
            overrides,
            answers=task_of(info.task).answers,
            counts_at_once=self.counts_at_once,
        )
        self.run_state.directions = own.directions(self.of_own)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.network(inputs)
        return outputs

    @property
    def sums(self) -> dict[str, Sums]:
        """By part: "train", "val" or "test"."""
        return self.run_state.sums

    # -- evaluation: it reads nothing back from the device

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.measure("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The outputs of the network, for callbacks that look at single samples in `on_test_batch_end`."""
        return self.measure("test", batch)

    def measure(self, part: str, batch: Batch) -> Tensor:
        """Evaluate a batch and add it to what a part is measured by; the outputs of the network."""
        loss, outputs = self.evaluate(batch)
        self.sums[part].add(loss, outputs, batch.targets)
        if part in self.qualities and len(batch.targets):
            self.qualities[part].update(outputs, batch.targets)
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
        self.begin("val")

    def on_validation_epoch_end(self) -> None:
        if not self.trainer.sanity_checking:
            self.publish(self.measured("val"))
        super().on_validation_epoch_end()

    def on_test_epoch_start(self) -> None:
        self.begin("test")

    def on_test_epoch_end(self) -> None:
        self.publish(self.measured("test"))
        self.run_state.details = self.qualities["test"].details()
        super().on_test_epoch_end()

    def begin(self, part: str) -> None:
        """Begin a pass over a part."""
        self.run_state.open_sums(part)
        if part in self.qualities:
            self.qualities[part].reset(self.device)

    def measured(self, part: str) -> dict[str, float]:
        """All metrics of the pass that ended."""
        extra = self.qualities[part].compute() if part in self.qualities else {}
        return self.run_state.read_sums(part) | extra
