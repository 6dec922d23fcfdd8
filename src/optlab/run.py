"""One run: config in, record out. This file is the story of the program, from top to bottom."""

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from omegaconf import DictConfig

from optlab import checkpoint, environment, lightning_class, networks, resume, tracking
from optlab.adapters.lightning import callbacks_of
from optlab.adapters.torch import keeping_random_state, on_threads, set_float32_precision
from optlab.building import build_module, build_schedule
from optlab.callbacks import Diverged, Instruments, Interruption, Recorder
from optlab.callbacks.contract import RunContext, begin_run, check_data, in_order
from optlab.callbacks.ending import Ended, ending_of, line
from optlab.callbacks.until import Until
from optlab.check import check_config
from optlab.config import resolve
from optlab.config.schema import Config
from optlab.continued import continued_from
from optlab.data.arrays import Samples, Splits
from optlab.data.batches import DeviceBatches
from optlab.engine import Choice, choose, without_arrays
from optlab.errors import Interrupted, UserError, name_of
from optlab.folders import new_folder
from optlab.hardware import build_trainer
from optlab.inputs import Sources, batches, check_against_data, describe_data, is_streamed, load_data
from optlab.lightning_class import is_own
from optlab.objective import aim, check_watched
from optlab.record import CHECKPOINT_FOLDER, RunRecord
from optlab.rules.advice import Evidence, advise
from optlab.rules.instruments import INSTRUMENTS_FILE
from optlab.rules.instruments import read as read_instruments
from optlab.rules.tasks import task_of
from optlab.run_module import RunModule
from optlab.standard import build_callbacks, stand_in

log = logging.getLogger(__name__)


def run(
    cfg: DictConfig | Mapping[str, Any],
    folder: Path | None = None,
    *,
    overrides: Sequence[str] = (),
    sources: Sources | None = None,
) -> RunRecord:
    """Train, test and record one run.

    Args:
        cfg: the composed config (see `optlab.config.compose`).
        folder: the run folder; without one, a new folder under outputs/runs.
        overrides: the command line that composed the config, for the record.
        sources: data sets that several runs of a process share; filled as they are loaded.

    Returns:
        The record, as it stands in the folder's run.json: finished, diverged or interrupted.

    Raises:
        UserError: the input cannot be used; nothing was written.
        Exception: what else went wrong, after it was recorded as `failed`.
    """
    started = time.perf_counter()
    config = Config.parse(resolve(cfg))
    check_config(config)
    set_float32_precision(config.tf32)
    interruption = Interruption()
    with interruption.listening(), keeping_random_state(), on_threads(config.trainer.threads):
        prepared = prepare(config, folder or new_folder(config.optimizer.name), overrides, sources, interruption)
        prepared.record.timing["setup_seconds"] = round(time.perf_counter() - started, 3)
        return carry_out(prepared)


@dataclass
class Prepared:
    """A run in which nothing can be refused any more, before its first step."""

    config: Config
    folder: Path
    data: Splits
    trainer: Trainer
    module: RunModule
    engine: Choice
    recorder: Recorder
    record: RunRecord
    resumed: checkpoint.Checkpoint | None


def prepare(
    config: Config, folder: Path, overrides: Sequence[str], sources: Sources | None, interruption: Interruption
) -> Prepared:
    """Load and build everything; raises UserError for what cannot work, and writes nothing."""
    recorder = Recorder()
    stops = [] if config.until is None else [Until(config.until)]
    callbacks = [recorder, interruption, *stops, *build_callbacks(config.callbacks, folder)]
    trainer = build_trainer(config, folder, in_order(callbacks))
    engine = choose(config, trainer)
    data = load_data(config, sources)
    if is_streamed(data):
        engine = without_arrays(engine, config)
    check_against_data(config, data)
    check_data(callbacks_of(trainer), data.info)
    check_watched(config, trainer, data)
    resumed = continue_from(config, data)
    module = build_module(config, data, overrides, engine, resumed)
    if resumed is not None:
        check_state(resumed, config, data, trainer, module)
    record = RunRecord.begin(config.plain, overrides)
    record.environment = environment.describe(trainer, config.tf32) | {"engine": module.run_state.engine}
    record.numerics = environment.numerics(trainer, module.run_state)
    record.data = describe_data(data)
    record.continued_from = None if resumed is None else continued_from(resumed, record)
    record.network = networks.counts(module.run_state.network) | {"weights": module.run_state.weights}
    if ways := {name: way for name, way in module.run_state.directions.items() if way is not None}:
        record.data["directions"] = ways
    aim(recorder, config, data, module.run_state, trainer, folder if trainer.is_global_zero else None)
    if recorder.metric:  # one that is killed says what it was judged by
        record.data["metric"] = recorder.metric
    return Prepared(config, folder, data, trainer, module, engine, recorder, record, resumed)


def carry_out(prepared: Prepared) -> RunRecord:
    """Train and test, and record how it ended."""
    config, folder, record, trainer = prepared.config, prepared.folder, prepared.record, prepared.trainer
    if trainer.is_global_zero:
        folder.mkdir(parents=True, exist_ok=True)
        record.write(folder)
        if prepared.resumed is None:  # what a run before it in this folder measured is not of this one
            (folder / INSTRUMENTS_FILE).unlink(missing_ok=True)
    try:
        announce(prepared)
        if trainer.is_global_zero:
            trainer.loggers = tracking.build(config.logger, record, folder)
            carry_best_over(prepared)
        trainer.loggers = trainer.loggers or stand_in(callbacks_of(trainer))
        fit(prepared)
        record.ended = dict(conclude(prepared))
        if stopped := record.ended["reason"] == "until":
            log.info("it may go on from checkpoints/last.ckpt, to epoch %d or to its end", trainer.max_epochs)
        elif config.phase != "tune":  # choosing sees validation only
            test(prepared)
        record.status = "stopped" if stopped else "finished"
    except Diverged as result:
        record_divergence(prepared, result)
    except Interrupted as signal:
        record.status = "interrupted"
        record.error = {"type": "Interrupted", "message": str(signal)}
    except (KeyboardInterrupt, SystemExit) as stop:  # of the program that called
        record.status = "interrupted"
        record.error = {"type": name_of(stop), "message": str(stop)}
        raise
    except Exception as error:
        record.status = "failed"
        record.error = {"type": name_of(error), "message": str(error)}
        raise
    finally:
        fill(prepared)
        if trainer.is_global_zero:
            try:
                record.write(folder)
            finally:
                tracking.finish(trainer.loggers, record)
    return record


# -- the steps of the story


def continue_from(config: Config, data: Splits) -> checkpoint.Checkpoint | None:
    """The checkpoint that the run goes on from, checked to be of the same run; None for a new run."""
    if config.ckpt is None:
        return None
    saved = checkpoint.read(config.ckpt)
    checkpoint.check_model(saved, config, data.info, data.fingerprint)
    resume.check_continues(saved, config, data.fingerprint)
    resume.refuse_finished(saved, config)
    if config.test_weights == "best":
        best = Path(config.ckpt).with_name("best.ckpt")
        if not best.exists():
            raise UserError(f"test_weights=best needs best.ckpt beside {config.ckpt}; put it there, or test the last")
        checkpoint.check_model(checkpoint.read(best), config, data.info, data.fingerprint)
    return saved


def check_state(
    saved: checkpoint.Checkpoint, config: Config, data: Splits, trainer: Trainer, module: RunModule
) -> None:
    """Raise UserError where weights, optimizer, schedule or counts of the checkpoint are not of this run's form."""
    saved.check_state(module, {"name": module.run_state.name})
    if is_own(config):  # whose form only the module knows, when it is in a run
        resume.check_progress(saved, trainer)
        return
    optimizer = module.run_state.build_optimizer(deepcopy(module.run_state.network))
    schedule = build_schedule(optimizer, config, data)
    resume.check_progress(saved, trainer)
    resume.check_steps(saved, optimizer, schedule, config.optimizer.arguments)


def loader(prepared: Prepared, arrays: Samples, *, train: bool) -> DeviceBatches:
    """Batches of a split on the trainer's device, this process' share of each."""
    config, trainer = prepared.config, prepared.trainer
    kind = prepared.module.run_state.batches_type if train else DeviceBatches
    return batches(config, prepared.data.info, arrays, trainer, train=train, kind=kind)


def carry_best_over(prepared: Prepared) -> None:
    """Give a continued run the best checkpoint so far; it stays the best until an epoch beats it."""
    if prepared.resumed is None or prepared.config.ckpt is None:
        return
    source = Path(prepared.config.ckpt).with_name("best.ckpt")
    target = prepared.folder / CHECKPOINT_FOLDER / "best.ckpt"
    if source.is_file() and source.resolve() != target.resolve():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def fit(prepared: Prepared) -> None:
    trainer, data = prepared.trainer, prepared.data
    looks = lightning_class.validates(prepared.config)
    validation = loader(prepared, data.val, train=False) if looks and data.val is not None else None
    may_test = prepared.config.phase != "tune"  # choosing sees validation only
    test_batches = partial(loader, prepared, data.test, train=False) if may_test else None
    begin_run(callbacks_of(trainer), RunContext(prepared.folder, test_batches))
    trainer.fit(
        prepared.module,
        loader(prepared, data.train, train=True),
        validation,
        ckpt_path=prepared.config.ckpt if prepared.resumed else None,
        weights_only=True,
    )
    if prepared.resumed and prepared.recorder.steps_here == 0:
        log.info("nothing was left to train; trainer.max_epochs=%d trains on", 2 * (trainer.max_epochs or 1))
    state = prepared.module.run_state
    if state.validates and not state.validated:
        # The run ended within an epoch (max_steps), or between two validations: judge its last weights too.
        trainer.validate(prepared.module, validation, verbose=False)
    prepared.recorder.complete_last_row(state)


def conclude(prepared: Prepared) -> Ended:
    """Why training ended; said where that was earlier than planned."""
    ended = ending_of(prepared.trainer, len(prepared.recorder.rows))
    if (early := line(ended, prepared.config.trainer.max_epochs)) is not None:
        log.info(early)
    return ended


def test(prepared: Prepared) -> None:
    """Evaluate the chosen weights on the test split, once."""
    if not lightning_class.tests(prepared.config):
        name = prepared.module.run_state.name
        log.info("%s has neither test_step nor validation_step: the test split is not looked at", name)
        return
    if prepared.config.test_weights == "best":
        best = checkpoint.read(prepared.folder / CHECKPOINT_FOLDER / "best.ckpt")
        prepared.module.load_state_dict(best.state_dict)
    prepared.trainer.test(prepared.module, loader(prepared, prepared.data.test, train=False), verbose=False)


# -- what the record says


def record_divergence(prepared: Prepared, result: Diverged) -> None:
    """A diverged run is a result: its last row says in which epoch, with empty cells for what is no number."""
    record, recorder, state = prepared.record, prepared.recorder, prepared.module.run_state
    record.status = "diverged"
    record.error = {"type": "Diverged", "message": str(result)}
    record.diverged = {
        "metric": result.metric,
        "value": result.value,
        "epoch": result.epoch,
        "step": result.step,
    }
    if not recorder.rows or recorder.rows[-1]["epoch"] != result.epoch:
        state.metrics = {name: float("nan") for name in state.metrics or ("train/loss",)}
        recorder.add_row(prepared.trainer, state)


def fill(prepared: Prepared) -> None:
    """What is known when a run is over, however it ended."""
    record, recorder, state = prepared.record, prepared.recorder, prepared.module.run_state
    # A run that was stopped between its last epoch and its test trains no epoch when it is continued.
    last_row = recorder.rows[-1] if recorder.rows else {}
    record.metrics = {name: value for name, value in last_row.items() if "/" in name}
    record.metrics.update(state.metrics)
    record.best = recorder.best()
    record.epochs = len(recorder.rows)
    record.lr = record.lr if state.lr is None else state.lr
    record.steps = prepared.trainer.global_step
    record.timing |= recorder.timing()
    record.costs = recorder.costs
    # A step that could not be captured has made it loop, and Lightning chooses threads as it starts processes.
    late = {"engine": state.engine, "threads": torch.get_num_threads()}
    record.environment |= late
    record.numerics |= late
    record.data["metric"] = recorder.metric
    record.test = state.details
    record.advice = advice_of(prepared)


def advice_of(prepared: Prepared) -> list[dict[str, Any]] | None:
    """What the run's own numbers advise; None where no instruments measured it."""
    trainer = prepared.trainer
    if not trainer.is_global_zero or not any(isinstance(each, Instruments) for each in callbacks_of(trainer)):
        return None
    try:
        measured = read_instruments(prepared.folder)
    except UserError as error:  # of a run that was continued, say; what it came to is whole without
        log.warning("no advice: %s", error)
        return None
    return [asdict(each) for each in advise(Evidence.of(prepared.record, prepared.recorder.rows, measured))]


def announce(prepared: Prepared) -> None:
    """What was chosen, in a few lines, before the first step."""
    config, data, trainer = prepared.config, prepared.data, prepared.trainer
    info, sizes = data.info, describe_data(data)
    parameters = prepared.record.network["parameters"]
    log.info(
        "%s (%s parameters) on %s: %s train, %s val, %s test, %s inputs, %s",
        prepared.module.run_state.name,
        f"{parameters:,}",
        info.name,
        *("?" if sizes[part] is None else f"{sizes[part]:,}" for part in ("train", "val", "test")),
        "x".join(map(str, info.input_shape)),
        task_of(info.task).answered(info.outputs),
    )
    if config.module is None and (line := networks.described(config.model.plain, info)):
        log.info("model: %s", line)
    if line := networks.frozen_line(prepared.module.run_state.network):
        log.info("model: %s", line)
    settings = config.optimizer.arguments
    shown = " ".join(f"{key}={value}" for key, value in settings.items() if value is not None)
    shown = "as the module configures it" if is_own(config) else shown
    log.info(
        "%s: %s, lr=%s, batch_size=%d, seed=%d, on %s x %d, %s",
        config.optimizer.name,
        shown,
        config.lr.name,
        config.batch_size,
        config.seed,
        trainer.strategy.root_device.type,
        trainer.world_size,
        trainer.precision,
    )
    if prepared.engine.line is not None:
        log.info(prepared.engine.line)
    if data.not_guaranteed:
        log.info("not guaranteed, as the data are streamed: %s", "; ".join(data.not_guaranteed))
    if config.dataset.train_split == "test":
        log.warning(
            "dataset.train_split=test: training on the test split, so test accuracy says nothing about new data"
        )
    if (resumed := prepared.resumed) is not None:
        done = resume.epochs_of(resumed)
        log.info("continuing %s after %d epochs (step %d)", config.ckpt, done, resumed.content["global_step"])
