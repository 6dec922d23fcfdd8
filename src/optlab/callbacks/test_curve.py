"""The test split by epoch, to draw beside published test curves; nothing is chosen on it."""

from itertools import islice

import torch
from lightning import Callback, LightningModule, Trainer

from optlab.adapters.lightning import callback_of, evaluation_precision
from optlab.callbacks.contract import RunContext
from optlab.callbacks.recorder import Recorder
from optlab.data.batches import DeviceBatches
from optlab.module import TrainingModule


class TestCurve(Callback):
    """Adds `test/loss` and `test/acc` to each epoch's row of metrics.csv.

    The numbers go to the row alone and never to `trainer.callback_metrics`, so that no checkpoint, schedule or early
    stopping can look at them. The training clock stands still meanwhile, and evaluating draws no random numbers: a run
    with the curve is the run without it, bit for bit. A run of phase "tune" has no curve: it never sees the split.
    """

    __test__ = False  # not a pytest class
    measures = True  # it adds to the row, so it comes before the recorder

    def __init__(self) -> None:
        self.batches: DeviceBatches | None = None  # of the test split

    def begin_run(self, run: RunContext) -> None:
        """Take the test split, where the run may look at it."""
        self.batches = run.test_batches() if run.test_batches is not None else None

    @torch.no_grad()
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.batches is None:
            return
        assert isinstance(pl_module, TrainingModule)
        state = pl_module.run_state
        callback_of(trainer, Recorder).stop_clock(trainer)
        training = [layer for layer in pl_module.modules() if layer.training]
        pl_module.eval()
        state.open_sums("test")
        with evaluation_precision(trainer):
            for batch in islice(self.batches, limited(len(self.batches), trainer.limit_test_batches)):
                loss, outputs = pl_module.evaluate(batch)
                state.sums["test"].add(loss, outputs, batch.targets)
        for layer in training:
            layer.training = True
        state.metrics |= state.read_sums("test")


def limited(batches: int, limit: float | None) -> int:
    """The number of batches that `trainer.limit_test_batches` leaves: a number, or a share of them."""
    if limit is None:
        return batches
    return min(batches, limit) if isinstance(limit, int) else int(batches * limit)
