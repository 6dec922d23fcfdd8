"""A run that ends behind an epoch of its plan and may go on later: the config key `until`."""

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from optlab.adapters.lightning import callback_of, ends
from optlab.callbacks.recorder import Recorder


class Until(Checkpoint):
    """Asks for the end behind an epoch; the schedule keeps the length of the whole run.

    Nothing but the end is different: the run that goes on from the checkpoint of that epoch has the bits of one that
    never stopped. Where anything else ends the run in the same epoch, that counts.

    It stands before `Checkpoints`, which asks whether the epoch is the last one: Lightning calls callbacks of the type
    Checkpoint behind all others, in their order.

    Args:
        epoch: the last one, from 1.
    """

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.stopped = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.look(trainer)  # a run that was broken off between its last epoch and its record

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.look(trainer)

    def look(self, trainer: Trainer) -> None:
        if len(callback_of(trainer, Recorder).rows) >= self.epoch and not ends(trainer):
            self.stopped = trainer.should_stop = True
