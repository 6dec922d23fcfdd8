"""`mode=find_lr`: range tests of a config, their figure and the suggestion."""

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from optlab import checkpoint
from optlab.adapters.torch import on_threads, set_float32_precision
from optlab.callbacks import Interruption
from optlab.check import check_config
from optlab.config import resolve
from optlab.config.schema import Config
from optlab.config.signature import locate
from optlab.console import console_for
from optlab.data.arrays import Splits
from optlab.errors import UserError
from optlab.hardware import build_trainer
from optlab.inputs import Sources, check_against_data, load_data
from optlab.lightning_class import RATES, is_own, rates
from optlab.record import model_of
from optlab.teaching.finder.finding import Finding
from optlab.teaching.finder.measure import prepared, range_test

log = logging.getLogger(__name__)

OF_THE_TEST = (
    "mode",
    "find_lr",
    "ckpt",
    "sweep",
    "hydra",
    "retry",
    "dry_run",
    "report",
    "trust",
)  # not of a run with its lr


def find_lr(cfg: DictConfig | Mapping[str, Any], folder: Path, overrides: Sequence[str] = ()) -> Finding:
    """Find an lr: writes find_lr.json, find_lr.png and find_lr.html into the folder, and prints what they say.

    Raises:
        UserError: the config cannot be used; nothing was written.
    """
    from optlab.teaching.finder.write import print_findings, write  # matplotlib takes a second

    finding = measured(cfg, overrides)
    folder.mkdir(parents=True, exist_ok=True)
    finding.write(folder)
    write([finding], folder)
    print_findings([finding], folder, console_for("words"))
    return finding


def measured(
    cfg: DictConfig | Mapping[str, Any], overrides: Sequence[str] = (), sources: Sources | None = None
) -> Finding:
    """The range tests of a config, one a seed, from its own seed on; nothing is written.

    Raises:
        UserError: the config cannot be used.
        Interrupted: Ctrl-C.
    """
    config = Config.parse(resolve(cfg))
    check(config)
    check_config(config)
    set_float32_precision(config.tf32)
    interruption = Interruption()
    with interruption.listening(), on_threads(config.trainer.threads):
        data = load_data(config, sources)
        check_against_data(prepared(config, config.seed), data)
        saved = None
        if config.ckpt is not None:
            saved = checkpoint.read(config.ckpt)
            checkpoint.check_model(saved, config, data.info, data.fingerprint)
            saved.check_finite()
        seeds = range(config.seed, config.seed + config.find_lr.seeds)
        tests = [range_test(config, data, seed, saved, interruption) for seed in seeds]
    options = {key: getattr(config.find_lr, key) for key in ("low", "high", "steps")}
    return Finding(facts_of(config, data), options, tests, scaled(config), words_of(config, overrides))


def check(config: Config) -> None:
    """Raise UserError for what a range test cannot begin with."""
    if config.optimizer.lr == 0 and not is_own(config):
        raise UserError(
            "optimizer.lr=0: a range test scales the lr of all parameter groups together, and 0 has no scale; type "
            "optimizer.lr=0.01"
        )
    if config.trainer.plain.get("fast_dev_run"):
        raise UserError("trainer.fast_dev_run: takes a step or two, and a range test needs hundreds; leave it out")


def facts_of(config: Config, data: Splits) -> dict[str, Any]:
    """What the tests are of, for find_lr.json."""
    trainer = build_trainer(prepared(config, config.seed), Path())
    return {
        "optimizer": config.optimizer.name,
        "class": config.optimizer.target,
        "lr": config.optimizer.lr,
        "model": model_of(config.plain),
        "dataset": data.info.name,
        "loss": config.loss.name,
        "batch_size": config.batch_size,
        "accumulate_grad_batches": config.trainer.accumulate_grad_batches,
        "gradient_clip_val": config.trainer.gradient_clip_val,
        "ckpt": config.ckpt,
        "device": trainer.strategy.root_device.type,
        "precision": str(trainer.precision),
        "first_step_only": first_step_only(config),
    }


def first_step_only(config: Config) -> bool:
    """Whether the optimizer's lr is the length of its first step alone, as Rprop's."""
    from torch.optim import Rprop

    cls = locate("optimizer", config.optimizer.target)
    return isinstance(cls, type) and issubclass(cls, Rprop)


# -- the command that uses it


def scaled(config: Config) -> dict[str, float]:
    """The keys that say the lrs of the parameter groups, each with its share of the suggested lr; {} for none.

    The lr of a module's own optimizer is what its constructor is given.
    """
    if is_own(config):
        assert config.module is not None
        typed = [key for key in RATES if key in config.module.arguments]
        if typed:
            return {f"module.{typed[0]}": 1.0}
        return {"optimizer.lr": 1.0} if rates(config.module, 1.0) else {}
    others = {key: value for key, value in config.optimizer.arguments.items() if key.endswith("_lr")}
    ours = {f"optimizer.{key}": value / config.optimizer.lr for key, value in others.items() if is_rate(value)}
    return {"optimizer.lr": 1.0} | ours


def is_rate(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def words_of(config: Config, overrides: Sequence[str]) -> list[str]:
    """The words that were typed, as far as they are of a run; it begins with the weights of the checkpoint."""
    lrs = scaled(config)
    kept = []
    for word in overrides:
        key = word.lstrip("+~").partition("=")[0]
        if key not in lrs and re.split(r"[./@]", key)[0] not in OF_THE_TEST:
            kept.append(word)
    if config.ckpt is not None and config.module is None:
        kept.append(f"model.weights={config.ckpt}")
    return kept
