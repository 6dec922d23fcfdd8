"""One run: config in, record out. This file is the story of the program, from top to bottom."""

import inspect
import json
import logging
import time
import traceback
from collections.abc import Mapping, MutableMapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, Trainer
from omegaconf import DictConfig

from optlab import checkpoint, environment, optimizers, tracking
from optlab.callbacks import Diverged, Interruption, Recorder
from optlab.check import SPLIT, check_config
from optlab.config import resolve
from optlab.create import create
from optlab.data.arrays import Arrays, Source, Splits
from optlab.data.augment import augmentation
from optlab.data.batches import DeviceBatches
from optlab.data.split import split
from optlab.errors import Interrupted, UserError
from optlab.hardware import build_trainer
from optlab.module import TrainingModule
from optlab.record import CHECKPOINT_FOLDER, RunRecord
from optlab.signature import locate

log = logging.getLogger(__name__)

Sources = MutableMapping[str, Source]


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
    config = resolve(cfg)
    check_config(config)
    folder = folder or new_folder(config)
    environment.set_float32_precision(config["tf32"])

    interruption = Interruption()
    with interruption.listening(), torch.random.fork_rng(devices=[]):
        recorder = Recorder()
        trainer = build_trainer(config, folder, in_order(recorder, interruption, *build_callbacks(config, folder)))
        data = load_data(config, sources)
        check_against_data(config, data)
        module = build_module(config, data, overrides)
        resumed = continue_from(config, data)
        record = RunRecord.begin(config, overrides)
        record.environment = environment.describe(trainer, config["tf32"])
        record.data = describe_data(data)
        recorder.aim(*objective_of(config, data), folder=folder if trainer.is_global_zero else None)
        if trainer.is_global_zero:
            folder.mkdir(parents=True, exist_ok=True)
            record.write(folder)
        try:
            announce(config, data, module, trainer, resumed)
            if trainer.is_global_zero:
                trainer.loggers = tracking.build(config["logger"], record, folder)
            record.timing["setup_seconds"] = round(time.perf_counter() - started, 3)
            fit(trainer, module, data, config, resumed)
            recorder.complete_last_row(module)
            if config["phase"] != "tune":  # choosing sees validation only
                test(trainer, module, data, config, folder)
            record.status = "finished"
        except Diverged as result:
            record_divergence(record, result, trainer, module, recorder)
        except Interrupted as signal:
            record.status = "interrupted"
            record.error = {"type": "Interrupted", "message": str(signal)}
        except Exception as error:
            record.status = "failed"
            record.error = {"type": type(error).__name__, "message": str(error)}
            log.debug("%s", traceback.format_exc())
            raise
        finally:
            fill(record, trainer, module, recorder)
            if trainer.is_global_zero:
                record.write(folder)
                tracking.finish(trainer.loggers, record)
    return record


# -- the steps of the story


def new_folder(config: Mapping[str, Any]) -> Path:
    name = config["optimizer"]["name"]
    return Path("outputs", "runs", f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}-{name}")


def load_data(config: Mapping[str, Any], sources: Sources | None = None) -> Splits:
    """The data set of the config, split; loaded once for all runs that share `sources`."""
    settings = dict(config["dataset"])
    keys = {key: settings.pop(key) for key in SPLIT}
    if "split_seed" in inspect.signature(locate("dataset", settings["_target_"])).parameters:
        settings["split_seed"] = keys["split_seed"]  # a folder without a test part holds one out by the same seed
    key = json.dumps(settings, sort_keys=True)
    source = (sources or {}).get(key) or create(settings)
    if sources is not None:
        sources.clear()  # a sweep over data sets keeps one in memory at a time
        sources[key] = source
    keys.pop("augment")
    return split(source, **keys)


def check_against_data(config: Mapping[str, Any], data: Splits) -> None:
    """Raise UserError for what only the data set shows to be impossible."""
    name = data.info.name
    if config["batch_size"] > len(data.train):
        raise UserError(
            f"batch_size={config['batch_size']}: {name} has {len(data.train):,} training samples; "
            f"type batch_size={len(data.train)} or less"
        )
    if data.info.task == "regression" and config["loss"]["name"] == "cross_entropy":
        raise UserError(f"loss=cross_entropy needs classes, and {name} has numbers as targets; type loss=mse")
    keeps_best = any((options or {}).get("best") for options in config["callbacks"].values())
    if config["test_weights"] == "best" and not keeps_best:
        raise UserError("test_weights=best needs callbacks.checkpoint.best=true, or type test_weights=last")
    if config["test_weights"] == "best" and data.val is None:
        raise UserError("test_weights=best needs a validation split to choose on; type test_weights=last")


def build_module(config: dict[str, Any], data: Splits, overrides: Sequence[str] = ()) -> TrainingModule:
    module = TrainingModule(config, data.info, overrides)
    if config["channels_last"] and config["optimizer"].get("channels_last", True) and data.info.is_image:
        module.network.to(memory_format=torch.channels_last)
    # Built here once, so that what an optimizer refuses (muon without hidden layers) is refused before a run begins.
    optimizers.parameter_groups(module.network, config["optimizer"])
    return module


def continue_from(config: Mapping[str, Any], data: Splits) -> dict[str, Any] | None:
    """The checkpoint that the run goes on from, checked to be of the same run; None for a new run."""
    if config["ckpt"] is None:
        return None
    content = checkpoint.read(config["ckpt"])
    checkpoint.check_model(config["ckpt"], content, config, data.info)
    checkpoint.check_continues(config["ckpt"], content, config)
    return content


def build_callbacks(config: Mapping[str, Any], folder: Path) -> list[Callback]:
    callbacks = []
    for options in config["callbacks"].values():
        if options is None:
            continue
        given = {"folder": folder / CHECKPOINT_FOLDER} if options["_target_"].endswith(".Checkpoints") else {}
        callbacks.append(create(options, **given))
    return callbacks


def in_order(*callbacks: Callback) -> list[Callback]:
    """What measures comes before the recorder, which the others read."""
    return sorted(callbacks, key=lambda callback: not getattr(callback, "measures", False))


def loader(arrays: Arrays, trainer: Trainer, config: Mapping[str, Any], data: Splits, *, train: bool) -> DeviceBatches:
    """Batches of a split on the trainer's device, this process' share of each."""
    device = trainer.strategy.root_device
    return DeviceBatches(
        Arrays(arrays.inputs.to(device), arrays.targets.to(device)),
        augmentation(config["dataset"]["augment"], data.info),
        batch_size=config["batch_size"] if train else config["eval_batch_size"],
        seed=config["seed"],
        train=train,
        shuffle=train and config["shuffle"],
        rank=trainer.global_rank,
        world_size=trainer.world_size,
    )


def fit(
    trainer: Trainer,
    module: TrainingModule,
    data: Splits,
    config: Mapping[str, Any],
    resumed: dict[str, Any] | None,
) -> None:
    trainer.fit(
        module,
        loader(data.train, trainer, config, data, train=True),
        loader(data.val, trainer, config, data, train=False) if data.val is not None else None,
        ckpt_path=config["ckpt"] if resumed else None,
        weights_only=True,
    )
    if data.val is not None and "val/loss" not in module.metrics and config["trainer"]["limit_val_batches"] != 0:
        # The run ended within an epoch (max_steps), or between two validations: judge its last weights too.
        trainer.validate(module, loader(data.val, trainer, config, data, train=False), verbose=False)


def test(trainer: Trainer, module: TrainingModule, data: Splits, config: Mapping[str, Any], folder: Path) -> None:
    """Evaluate the chosen weights on the test split, once."""
    if config["test_weights"] == "best":
        module.load_state_dict(checkpoint.read(folder / CHECKPOINT_FOLDER / "best.ckpt")["state_dict"])
    trainer.test(module, loader(data.test, trainer, config, data, train=False), verbose=False)


# -- what the record says


def objective_of(config: Mapping[str, Any], data: Splits) -> tuple[str, str]:
    """The metric that a run is judged by, and whether it is to be "max" or "min".

    By default accuracy for classes and loss for numbers, on validation, or on training where there is no validation.
    """
    part = "val" if data.val is not None and config["trainer"].get("limit_val_batches") != 0 else "train"
    known = [f"{p}/{kind}" for p in dict.fromkeys([part, "train"]) for kind in ("loss", "acc")]
    if data.info.task == "regression":
        known = [name for name in known if name.endswith("loss")]
    metric = config["metric"] or f"{part}/{'acc' if data.info.task == 'classification' else 'loss'}"
    if metric not in known:
        raise UserError(f"metric={metric}: this run has {', '.join(known)}")
    return metric, "max" if metric.endswith("acc") else "min"


def objective(record: RunRecord) -> float | None:
    """What a sweeper gets: the final value of the run's metric; at chance level for a diverged run."""
    metric = record.data["metric"]
    if record.status == "diverged":
        return 1 / record.data["outputs"] if metric.endswith("acc") else float("inf")
    return record.metrics.get(metric)


def describe_data(data: Splits) -> dict[str, Any]:
    return {
        "train": len(data.train),
        "val": len(data.val) if data.val is not None else 0,
        "test": len(data.test),
        "split_seed": data.split_seed,
        "fingerprint": data.fingerprint,
        **data.info.to_dict(),
    }


def record_divergence(
    record: RunRecord, result: Diverged, trainer: Trainer, module: TrainingModule, recorder: Recorder
) -> None:
    """A diverged run is a result: its last row says in which epoch, with empty cells for what is no number."""
    record.status = "diverged"
    record.error = {"type": "Diverged", "message": str(result)}
    record.diverged = {
        "metric": result.metric,
        "value": result.value,
        "epoch": result.epoch,
        "step": result.step,
    }
    if not recorder.rows or recorder.rows[-1]["epoch"] != result.epoch:
        module.metrics = {name: float("nan") for name in module.metrics or ("train/loss",)}
        recorder.add_row(trainer, module)


def fill(record: RunRecord, trainer: Trainer, module: TrainingModule, recorder: Recorder) -> None:
    """What is known when a run is over, however it ended."""
    record.metrics = dict(module.metrics)
    record.best = recorder.best()
    record.epochs = len(recorder.rows)
    record.steps = trainer.global_step
    record.timing |= recorder.timing()
    record.data["metric"] = recorder.metric
    record.test = module.quality.details() if module.quality is not None else {}


def announce(
    config: Mapping[str, Any],
    data: Splits,
    module: TrainingModule,
    trainer: Trainer,
    resumed: Mapping[str, Any] | None,
) -> None:
    """What was chosen, in a few lines, before the first step."""
    info, sizes = data.info, describe_data(data)
    parameters = sum(p.numel() for p in module.network.parameters())
    log.info(
        "%s (%s parameters) on %s: %s train, %s val, %s test, %s inputs%s",
        config["model"]["name"],
        f"{parameters:,}",
        info.name,
        *(f"{sizes[part]:,}" for part in ("train", "val", "test")),
        "x".join(map(str, info.input_shape)),
        f", {info.outputs} classes" if info.classes else "",
    )
    settings = optimizers.arguments(config["optimizer"])
    shown = " ".join(f"{key}={value}" for key, value in settings.items() if value is not None)
    log.info(
        "%s: %s, lr=%s, batch_size=%d, seed=%d, on %s x %d, %s",
        config["optimizer"]["name"],
        shown,
        config["lr"]["name"],
        config["batch_size"],
        config["seed"],
        trainer.strategy.root_device.type,
        trainer.world_size,
        trainer.precision,
    )
    if config["dataset"]["train_split"] == "test":
        log.warning(
            "dataset.train_split=test: training on the test split, so test accuracy says nothing about new data"
        )
    if resumed is not None:
        log.info("continuing %s after epoch %d, step %d", config["ckpt"], resumed["epoch"], resumed["global_step"])
