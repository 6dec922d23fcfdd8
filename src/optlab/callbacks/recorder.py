"""The recorder turns each epoch's sums into one row of metrics.csv, and one point for the loggers."""

import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer

from optlab.adapters.lightning import batches_done
from optlab.callbacks.costs import PeakMemory, costs, parts_of_step
from optlab.data.batches import DeviceBatches
from optlab.record import METRICS_FILE, Row, append_metrics, write_metrics
from optlab.rules.metrics import higher_is_better
from optlab.run_module import RunState, state_of

log = logging.getLogger(__name__)


class Recorder(Callback):
    """Keeps the history of a run; it is part of every run and comes first among the callbacks.

    The clock (`seconds`) counts training, not evaluation, recording or checkpoints. It leaves out what is made once: a
    process' first batch (kernels are chosen, the optimizer's state is made, a network is compiled), its first batch of
    fewer samples, and a step that is captured. These batches count as long as the others do on average; until there
    are such, as long as they took, and then the rows so far are put right.

    The history is part of the checkpoint, so a continued run's metrics.csv holds the epochs before an interruption too.
    """

    every_batch = False  # the engine may take several steps between two calls, but for those of `next_alone`

    def __init__(self) -> None:
        self.memory = PeakMemory()
        self.folder: Path | None = None
        self.metric = ""
        self.mode = ""
        self.rows: list[Row] = []
        self._lines: list[str] = []  # the rows as JSON: a checkpoint takes a text in a tenth of the time of a dict
        self.seconds = 0.0
        self.seconds_here = 0.0
        self.samples_here = 0
        self.steps_here = 0
        self.warm_up_seconds = 0.0  # of the batches that the clock left out
        self.began: float | None = None  # training in this process, in seconds since 1970
        self.ended: float | None = None
        self.costs: dict[str, float | None] = {}
        self._since = 0.0
        self._fresh = True  # whether no batch was taken in this process
        self._apart: tuple[int, ...] = ()  # batches of the epoch under way that the clock leaves out
        self._apart_since = 0.0
        self._batches = 0  # taken in this process
        self._left_out = 0  # of them by the clock
        self._owed = 0  # of these those that are not counted yet
        self._owed_rows: list[tuple[int, float, int]] = []  # written meanwhile: which, its seconds without those, those
        self._step_before = 0
        self._waits = False  # whether the last row is still to be written
        self._choose: Callable[[Sequence[str]], str] | None = None

    def aim(self, metric: str, mode: str, folder: Path | None) -> None:
        """Say what the run is judged by ("max" or "min"), and where to write; None records in memory only."""
        self.metric, self.mode, self.folder = metric, mode, folder

    def aim_when_known(self, choose: Callable[[Sequence[str]], str]) -> None:
        """Let `choose` say what the run is judged by, out of the names of what it logged, when it has validated."""
        self._choose = choose

    def decide(self, state: RunState) -> None:
        """Say what the run is judged by where that was open."""
        if self._choose is not None:
            self.metric = self._choose(list(state.metrics))
            self.mode = "max" if higher_is_better(self.metric) else "min"
            self._choose = None
            if self.metric in state.metrics:
                log.info("judged by %s, where %s is better", self.metric, {"max": "more", "min": "less"}[self.mode])
            else:  # a module that steps its optimizers itself may return no loss
                names = ", ".join(state.metrics) or "what it logs"
                log.info("judged by nothing, as no loss is returned; type metric=NAME, one of: %s", names)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.memory.begin_on(trainer.strategy.root_device)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.rows and self.folder is not None:
            write_metrics(self.folder / METRICS_FILE, self.rows)
        self.began = time.time()
        self._fresh = True
        self._step_before = trainer.global_step
        self._since = time.perf_counter()
        state = state_of(pl_module)
        # Callbacks behind this one, and the module itself, may log at the end of the epoch too.
        state.epoch_done = lambda: self.write_row(trainer, state)
        state.warming_up = lambda: self.left_out(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._since = time.perf_counter()

    # -- the clock

    def next_alone(self, trainer: Trainer, batch: int) -> int | None:
        """The next batch that the clock leaves out."""
        return next((each for each in self._apart if each >= batch), None)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if self._fresh:
            self._fresh = False
            self._apart = (batch_idx, *shorter_batch(trainer, state_of(pl_module).train_batches))
        if batch_idx in self._apart:
            self.stop_clock(trainer)
            self._apart_since = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx in self._apart:
            wait_for_device(trainer)
            self._since = time.perf_counter()
            self.leave_out(self._since - self._apart_since)

    @contextmanager
    def left_out(self, trainer: Trainer) -> Iterator[None]:
        """Within the block one step is taken that the clock leaves out; it does so anyway where it stands still."""
        runs = bool(self._since)
        with self.clock_stopped(trainer):
            began = time.perf_counter()
            yield
        if runs:
            self.leave_out(time.perf_counter() - began)

    def leave_out(self, seconds: float) -> None:
        """One more batch that took so long is to be counted as the others."""
        self.warm_up_seconds += seconds
        self._left_out += 1
        self._owed += 1

    def count_left_out(self, batches: int) -> None:
        """Let those count that the clock left out, now that so many batches of the process were taken by it or not."""
        self._batches += batches
        timed = self._batches - self._left_out
        if not self._owed or timed <= 0:
            return
        others = self._batches - self._owed  # those left out before count as the timed ones do
        each = self.seconds_here / others
        self.seconds += each * self._owed
        self.seconds_here += each * self._owed
        self._owed = 0
        if self._owed_rows:
            self.put_rows_right(each)

    def put_rows_right(self, each: float) -> None:
        """Let the rows that had nothing but batches that the clock left out count these as so many seconds each."""
        for at, seconds, owed in self._owed_rows:
            self.rows[at]["seconds"] = round(seconds + each * owed, 4)
            self._lines[at] = json.dumps(self.rows[at])
        self._owed_rows = []
        if self.folder is not None:
            write_metrics(self.folder / METRICS_FILE, self.rows)

    def owed_seconds(self) -> float:
        """What the batches took that the clock left out, where there were no others in this process to count as."""
        return self.warm_up_seconds if self._owed and self._owed == self._left_out else 0.0

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.sanity_checking:
            self.stop_clock(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == "fit":
            self._since = time.perf_counter()

    def stop_clock(self, trainer: Trainer) -> None:
        """Stop the training clock."""
        if not self._since:
            return
        wait_for_device(trainer)
        elapsed = time.perf_counter() - self._since
        self._since = 0.0
        self.seconds += elapsed
        self.seconds_here += elapsed

    @contextmanager
    def clock_stopped(self, trainer: Trainer) -> Iterator[None]:
        """Within the block the training clock stands still: for what looks at training and is no part of it."""
        runs = bool(self._since)
        self.stop_clock(trainer)
        try:
            yield
        finally:
            self._since = time.perf_counter() if runs else 0.0

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.stop_clock(trainer)
        self._apart = ()
        state = state_of(pl_module)
        self.count_left_out(batches_done(trainer) - state.train_batches.start)
        state.publish(state.read_sums("train"))
        state.collect()
        self.samples_here += state.sums["train"].samples * trainer.world_size
        self.steps_here += trainer.global_step - self._step_before
        self._step_before = trainer.global_step
        self.begin_row(trainer, state)

    def add_row(self, trainer: Trainer, state: RunState) -> None:
        """Record the epoch under way with the metrics that the state holds."""
        self.begin_row(trainer, state)
        self.write_row(trainer, state)

    def begin_row(self, trainer: Trainer, state: RunState) -> None:
        """Begin the row of the epoch under way, for those who show it or choose by it."""
        if self._owed:
            self._owed_rows.append((len(self.rows), self.seconds, self._owed))
        row: Row = {
            "epoch": trainer.current_epoch + 1,
            "step": trainer.global_step,
            "seconds": round(self.seconds + self.owed_seconds(), 4),
            "lr": float(trainer.optimizers[0].param_groups[0]["lr"]),
        }
        names = ["train/loss", "train/acc", "val/loss", "val/acc"]
        known = [name for name in names if name in state.metrics]
        row |= {name: state.metrics[name] for name in known}
        row |= {name: value for name, value in state.metrics.items() if name not in row}
        self.rows.append(row)
        self._waits = True

    def write_row(self, trainer: Trainer, state: RunState) -> None:
        """Complete the row and write it down, once."""
        if not self._waits:
            return
        self._waits = False
        row = self.rows[-1]
        row |= {name: value for name, value in state.metrics.items() if name not in row}
        if state.validated or not state.validates:
            self.decide(state)
        self._lines.append(json.dumps(row))
        if self.folder is not None:
            append_metrics(self.folder / METRICS_FILE, self.rows)
        for logger in trainer.loggers:
            numbers = {k: v for k, v in row.items() if isinstance(v, int | float)}
            logger.log_metrics(numbers, step=trainer.global_step)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.ended = time.time()
        self.costs = costs(trainer, self.memory)
        self.costs |= parts_of_step(trainer, pl_module, self.steps_here)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self.ended = time.time()
        self.costs = costs(trainer, self.memory)
        self.write_row(trainer, state_of(pl_module))

    def complete_last_row(self, state: RunState) -> None:
        """Add to the last epoch's row what was measured after it; write the history of a run with nothing left."""
        if not self.rows:
            return
        self.decide(state)
        added = set(state.metrics) - set(self.rows[-1])
        self.rows[-1] |= state.metrics
        if self.folder is not None and (added or not (self.folder / METRICS_FILE).exists()):
            write_metrics(self.folder / METRICS_FILE, self.rows)

    def best(self) -> dict[str, Any]:
        """The epoch with the best value of the metric (the first of equals); empty where none was finite."""
        best: dict[str, Any] = {}
        for row in self.rows:
            value = row.get(self.metric)
            if value is None or value != value:
                continue
            if not best or (value > best["value"] if self.mode == "max" else value < best["value"]):
                best = {"metric": self.metric, "value": value, "epoch": row["epoch"]}
        return best

    def timing(self) -> dict[str, float | None]:
        """The clock, and the speed of the training done in this process (not of the part before an interruption)."""
        owed = self.owed_seconds()
        seconds = self.seconds_here + owed
        return {
            "began": None if self.began is None else round(self.began, 3),
            "ended": None if self.ended is None else round(self.ended, 3),
            "warm_up_seconds": round(self.warm_up_seconds, 4),
            "fit_seconds": round(self.seconds + owed, 4),
            "step_milliseconds": round(1000 * seconds / self.steps_here, 4) if self.steps_here else None,
            "samples_per_second": round(self.samples_here / seconds, 1) if seconds else None,
        }

    def state_dict(self) -> dict[str, Any]:
        within = time.perf_counter() - self._since if self._since else 0.0
        owed = self.owed_seconds() if self._owed_rows else 0.0  # the clock goes on from the last row
        return {"rows": self._lines, "seconds": self.seconds + within + owed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._lines = list(state_dict["rows"])
        self.rows = [json.loads(line) for line in self._lines]
        self.seconds = state_dict["seconds"]


def shorter_batch(trainer: Trainer, batches: DeviceBatches) -> tuple[int, ...]:
    """The number of the epoch's last batch where it has fewer samples than the others."""
    count = trainer.num_training_batches
    if count == math.inf or count == 0:  # of data that do not say how many there are
        return ()
    last = int(count) - 1
    return (last,) if batches.size(last) < batches.batch_size else ()


def wait_for_device(trainer: Trainer) -> None:
    """The device has finished by the time a sum is read back, so read one."""
    state_of(trainer.lightning_module).sums["train"].loss.item()
