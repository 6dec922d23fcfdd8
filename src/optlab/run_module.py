"""What every module of a run has, optlab's own and a LightningModule of a user's: bookkeeping, and Lightning's hooks.

What is kept stands in one object, `RunState`, under the one name `run_state`; what is done stands in hooks, which call
the module's own besides (`super()`). So no name that a user's class uses is taken from it.
"""

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from lightning import LightningModule
from torch.optim.lr_scheduler import ReduceLROnPlateau

from optlab import optimizers, rates
from optlab.adapters.lightning import let_clip, load_train_batches, publish, published
from optlab.adapters.torch import random_state, seed_default, set_random_state, skip_graph_check
from optlab.config.schema import Config
from optlab.config.schema import Optimizer as Settings
from optlab.create import create
from optlab.data.arrays import DataInfo
from optlab.data.batches import DeviceBatches
from optlab.lr import Horizon
from optlab.rules.logged import standard_name
from optlab.rules.metrics import Direction
from optlab.rules.tasks import Answers
from optlab.seeds import derive
from optlab.sums import Sent, Sums

log = logging.getLogger(__name__)


class RunState:
    """What a run keeps beside its module.

    Args:
        module: whose run it is.
        network: what is trained: a part of the module, or the module itself.
        config: the config of the run.
        info: what the data set looks like.
        overrides: the command line that composed the config; it travels in checkpoints, so they can be continued.
        answers: what is counted besides the loss, of what are the sums (see `optlab.rules.tasks`).
        counts_at_once: whether answers are counted with each batch, not of several batches together.
    """

    def __init__(
        self,
        module: LightningModule,
        network: torch.nn.Module,
        config: Config,
        info: DataInfo,
        overrides: Sequence[str] = (),
        *,
        answers: Answers | None = None,
        counts_at_once: bool = False,
    ) -> None:
        self.module = module
        self.name = config.model.name if config.module is None else config.module.label
        self.network = network
        self.config = config
        self.info = info
        self.overrides = list(overrides)
        self.answers, self.counts_at_once = answers, counts_at_once
        self.engine = "eager"  # how steps are taken, for the record
        self.batches_type: type[DeviceBatches] = DeviceBatches  # of the training split
        self.validates = False  # whether there is a validation split; set with the fingerprint when the data is known
        self.fingerprint = ""
        self.sums: dict[str, Sums] = {}
        self.metrics: dict[str, float] = {}  # of the epoch under way, by name
        self.logged: dict[str, str] = {}  # what `self.log` was given in the epoch: the name, and whose column it is
        self.validated = False  # whether there was a validation in the epoch
        self.from_log: set[str] = set()  # of the names in `metrics`, those that came so
        self.epoch_done: Callable[[], None] = lambda: None  # called when nobody adds to the epoch's row any more
        self.warming_up: Callable[[], AbstractContextManager[None]] = nullcontext  # around a step that is no usual one
        self.directions: dict[str, Direction | None] = {}  # of metrics of the user's own, by the part after the slash
        self.details: dict[str, Any] = {}  # what test time adds for the record besides metrics
        self.lr: float | None = None  # that training began with, where the config does not say it
        self.rates: rates.DeviceRates | None = None
        self.kernels: dict[str, int] = {}  # how many layers of a kind `cpu_kernels` gave kernels of their own
        self.weights: dict[str, Any] = {}  # what the network's first weights came from, where they were not drawn
        self.resumed: Mapping[str, Any] | None = None  # where within an epoch the run goes on
        self._facts: str | None = None  # as JSON, which is written in no time epoch after epoch

    # -- metrics

    def open_sums(self, part: str) -> None:
        device = self.module.device
        if part in self.sums and self.sums[part].device == device:
            self.sums[part].reset()  # in place: a captured step goes on adding to these tensors
        else:
            at_once = self.counts_at_once or device.type != "cpu"  # on a GPU there is nothing to gain
            self.sums[part] = Sums(device, self.answers, at_once, self.info.outputs)

    def send_sums(self, part: str) -> Sent:
        """What was summed of a part ("train", "val" or "test") since its sums were opened, on its way to the host."""
        trainer = self.module.trainer
        sums = self.sums[part].tensor()
        if trainer.world_size > 1:
            sums = trainer.strategy.reduce(sums, reduce_op="sum")
        return Sent(sums)

    def means(self, part: str, sums: Sequence[float]) -> dict[str, float]:
        """The metrics of a part, of what it sent."""
        return {f"{part}/{kind}": mean for kind, mean in self.sums[part].means(sums).items()}

    def read_sums(self, part: str) -> dict[str, float]:
        """The metrics of a part as they are now: this waits for the device."""
        return self.means(part, self.send_sums(part).read())

    def publish(self, metrics: Mapping[str, float]) -> None:
        """Keep metrics for the record, and give them to callbacks that watch `trainer.callback_metrics`."""
        self.metrics |= metrics
        publish(self.module.trainer, metrics)

    def collect(self) -> None:
        """Take up what was logged with `self.log` in this epoch: under its name, and under optlab's for such a name.

        What optlab itself measured under a name stays.
        """
        if not self.logged:
            return
        values = published(self.module.trainer)
        for name, theirs in self.logged.items():
            if theirs in values and (name not in self.metrics or name in self.from_log):
                self.from_log.add(name)
                self.publish({name: float(values[theirs])})

    def note(self, name: str, *, forked: bool) -> None:
        """Remember that a value was logged; Lightning calls the epoch's mean of one that is logged each step apart."""
        kept = f"{name}_epoch" if forked else name
        self.logged.setdefault(kept, kept)
        self.logged.setdefault(standard_name(kept), kept)

    # -- batches

    @property
    def train_batches(self) -> DeviceBatches:
        """The training batches; Lightning loads their state only if nobody asked for the number of steps before."""
        batches = self.module.trainer.train_dataloader
        assert isinstance(batches, DeviceBatches)
        return batches

    def resume_within_epoch(self) -> None:
        """Go on where a run was interrupted within an epoch."""
        if self.resumed is None:
            return
        module = self.module
        self.open_sums("train")
        self.sums["train"].restore(self.resumed["sums"])
        self.train_batches.begin_epoch(module.current_epoch, seen=self.resumed["seen"])
        set_random_state(self.resumed["rng"], torch.device("cpu"))
        if module.device.type == "cuda" and "cuda_rng" in self.resumed:
            set_random_state(self.resumed["cuda_rng"], module.device)
        self.resumed = None

    def forget_metrics(self) -> None:
        self.metrics.clear()
        self.logged.clear()
        self.from_log.clear()
        self.validated = False

    def begin_epoch(self) -> None:
        """Open what is of one epoch: its metrics, the order of its batches, and the default random streams."""
        module = self.module
        self.forget_metrics()  # an epoch without validation must not show the last one's
        self.open_sums("train")
        self.train_batches.begin_epoch(module.current_epoch)
        # A user's own network may use dropout, which draws from the default generators.
        seed_default(derive(self.config.seed, "dropout", module.current_epoch), module.device)

    # -- optimizer and schedule

    def build_optimizer(
        self, network: torch.nn.Module | None = None, settings: Settings | None = None
    ) -> torch.optim.Optimizer:
        """The optimizer of the network's parameters, or of a copy's; the config's, or one of other settings."""
        settings, device = settings or self.config.optimizer, self.module.device
        groups = optimizers.parameter_groups(self.network if network is None else network, settings)
        arguments = settings.arguments | optimizers.device_flags(settings, device)
        optimizer: torch.optim.Optimizer = create({"_target_": settings.target, **arguments}, groups)
        optimizers.call_closure(optimizer, settings)
        optimizers.keep_flags(optimizer)
        if device.type == "cpu":
            skip_graph_check(optimizer)
        let_clip(optimizer)
        return optimizer

    def configure_optimizers(self) -> Any:
        """The config's optimizer and schedule, as Lightning's hook of this name gives them."""
        device, trainer = self.module.device, self.module.trainer
        optimizer = self.build_optimizer()
        if line := optimizers.describe(optimizer):
            log.info(line)
        if optimizers.device_flags(self.config.optimizer, device):
            optimizers.align_gradients(optimizer)
            if device.type in rates.DEVICES:
                self.rates = rates.DeviceRates(optimizer, device)
        load_train_batches(trainer)
        steps = int(trainer.estimated_stepping_batches)
        # Of data that do not say how many there are, one epoch is as long as the run.
        batches = steps if trainer.num_training_batches == math.inf else int(trainer.num_training_batches)
        horizon = Horizon(steps, steps_per_epoch=-(-batches // trainer.accumulate_grad_batches))
        schedule = create(self.config.lr.plain, optimizer, horizon)
        if isinstance(schedule, ReduceLROnPlateau):
            return [optimizer], [{"scheduler": schedule, "interval": "epoch", "monitor": "train/loss"}]
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    def step_plateau(self) -> None:
        """Step a plateau schedule. Lightning does it after checkpoints are written: a continued run would miss it."""
        schedule = self.module.lr_schedulers()
        watched = "val/loss" if self.validates else "train/loss"
        if isinstance(schedule, ReduceLROnPlateau) and watched in self.metrics:
            schedule.step(self.metrics[watched])

    # -- checkpoints hold what another program needs to use the weights: the config and the data set's looks

    def save(self, checkpoint: dict[str, Any]) -> None:
        if self._facts is None:
            facts = {"config": self.config.plain, "data": self.info.to_dict(), "overrides": self.overrides}
            self._facts = json.dumps(facts | {"fingerprint": self.fingerprint, "weights": self.weights})
        checkpoint["optlab"] = {"run": self._facts}
        if "train" in self.sums and self.train_batches.seen:
            checkpoint["optlab"]["within_epoch"] = {
                "seen": self.train_batches.seen,
                "sums": self.sums["train"].state(),
                "rng": random_state(torch.device("cpu")),
            }
            if self.module.device.type == "cuda":
                checkpoint["optlab"]["within_epoch"]["cuda_rng"] = random_state(self.module.device)

    def load(self, checkpoint: dict[str, Any]) -> None:
        self.resumed = checkpoint["optlab"].get("within_epoch")


class RunModule(LightningModule):
    """A module with a `run_state`, which callbacks, engines and the record rely on; hooks call the module's own too."""

    run_state: RunState

    def publish(self, metrics: dict[str, float]) -> None:
        """Keep metrics for the epoch's row, and give them to callbacks that watch `trainer.callback_metrics`."""
        self.run_state.publish(metrics)

    def log(
        self,
        name: str,
        value: Any,
        prog_bar: bool = False,
        logger: bool | None = None,
        on_step: bool | None = None,
        on_epoch: bool | None = None,
        *args: Any,
        **options: Any,
    ) -> None:
        """Lightning's, of which the mean over the epoch becomes a metric of the run: metrics.csv, run.json, loggers.

        Where nothing is said of steps or epochs it is that mean and nothing else, also in a training step, where
        Lightning would log each step alone. The loggers get it with the epoch's row; values of single steps, where
        they are asked for (`on_step=True`), they get from Lightning.
        """
        if on_step is None and on_epoch is None:
            on_step, on_epoch = False, True
        if not on_step:
            logger = False
        if self.trainer.world_size > 1 and not options.get("rank_zero_only"):
            options.setdefault("sync_dist", True)
        shows = prog_bar and self.trainer.progress_bar_callback is not None  # else each step waits for the device
        super().log(name, value, shows, logger, on_step, on_epoch, *args, **options)
        if on_epoch is not False:
            self.run_state.note(name, forked=bool(on_step and on_epoch))

    def on_train_start(self) -> None:
        self.run_state.resume_within_epoch()
        super().on_train_start()

    def on_train_epoch_start(self) -> None:
        self.run_state.begin_epoch()
        super().on_train_epoch_start()

    def on_train_epoch_end(self) -> None:
        super().on_train_epoch_end()
        self.run_state.collect()
        self.run_state.step_plateau()
        self.run_state.epoch_done()

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        if not self.trainer.sanity_checking:
            self.run_state.collect()
            self.run_state.validated = True

    def on_test_epoch_end(self) -> None:
        super().on_test_epoch_end()
        self.run_state.collect()

    def configure_optimizers(self) -> Any:
        return self.run_state.configure_optimizers()

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        if not isinstance(scheduler, ReduceLROnPlateau):  # which `on_train_epoch_end` has stepped
            super().lr_scheduler_step(scheduler, metric)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        self.run_state.save(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.run_state.load(checkpoint)
        super().on_load_checkpoint(checkpoint)


def state_of(module: LightningModule) -> RunState:
    """The run's state beside a module, for callbacks: Lightning gives them a module of any kind."""
    assert isinstance(module, RunModule)
    return module.run_state
