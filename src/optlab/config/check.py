"""Looks at a config before anything is loaded or written, so that bad input costs one clear line and nothing else."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from lightning import Trainer
from pydantic import Field

from optlab import optimizers, tracking
from optlab.config.signature import check_call, check_value
from optlab.errors import UserError

GROUPS = ("model", "optimizer", "lr", "dataset", "loss", "trainer", "logger", "callbacks")

AtLeast1 = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]

# The top level of the config.
SETTINGS: dict[str, Any] = {
    "seed": NotNegative,
    "batch_size": AtLeast1,
    "eval_batch_size": AtLeast1,
    "shuffle": bool,
    "metric": Literal["val/acc", "val/loss", "train/acc", "train/loss"] | None,
    "test_weights": Literal["last", "best"],
    "mode": Literal["train", "test", "predict"],
    "ckpt": str | None,
    "input": str | None,
    "tf32": bool,
    "engine": Literal["auto", "graph", "loop", "eager"],
    "channels_last": bool,
    "retry": bool,
    "phase": Literal["train", "tune", "confirm"],
    "protocol": str | None,
    "traceback": bool,
}

# Keys of Lightning's Trainer whose bounds Lightning does not check itself, or only late.
TRAINER: dict[str, Any] = {
    "max_epochs": AtLeast1 | Literal[-1],
    "max_steps": AtLeast1 | Literal[-1],
    "compile": bool,
    "accumulate_grad_batches": AtLeast1,
    "gradient_clip_val": Annotated[float, Field(gt=0)] | None,
    "check_val_every_n_epoch": AtLeast1 | None,
    "limit_train_batches": AtLeast1 | Annotated[float, Field(gt=0, le=1)] | None,
    "limit_val_batches": NotNegative | Annotated[float, Field(ge=0, le=1)] | None,
    "limit_test_batches": NotNegative | Annotated[float, Field(ge=0, le=1)] | None,
}

# Keys that every data set has: how it is split and augmented. Its own arguments are those of its function.
SPLIT: dict[str, Any] = {
    "val_size": NotNegative | Annotated[float, Field(ge=0, lt=1)],
    "split_seed": NotNegative,
    "train_split": Literal["train", "test"],
    "augment": Literal["none", "crop_flip", "deepobs"],
}


def check_config(config: Mapping[str, Any]) -> None:
    """Raise UserError for the first thing in a resolved config that cannot work.

    Checks top-level values, the arguments of every group against the signature of its class or function, the
    optimizer by taking a step with it, and Lightning's keys. Knows nothing of the data yet.
    """
    unknown = sorted(set(config) - {*GROUPS, *SETTINGS, "sweep"})
    if unknown:
        raise UserError(
            f"{unknown[0]}: there is no such group or key; leave it out (python train.py --help lists them)"
        )
    for group in GROUPS:
        if not isinstance(config.get(group), Mapping):
            raise UserError(f"{group} is missing; type {group}=OPTION (python train.py --help lists them)")
    trainer, dataset = config["trainer"], config["dataset"]
    check_values("", config, SETTINGS)
    check_values("trainer.", trainer, TRAINER)
    check_values("dataset.", dataset, SPLIT)
    if trainer["max_epochs"] == -1 and trainer.get("max_steps", -1) == -1:
        raise UserError("trainer.max_epochs=-1 trains for ever; give it an end with trainer.max_steps=1000")
    for group in ("model", "optimizer", "lr", "dataset", "loss"):
        check_values(f"{group}.", config[group], {"name": str, "_target_": str})
    if "lr" not in config["optimizer"]:
        raise UserError("optimizer.lr is missing; type optimizer.lr=VALUE")
    optimizers.check(config["optimizer"])
    check_call("model", config["model"], given={"input_shape", "outputs"})
    check_call("loss", config["loss"])
    check_call("lr", config["lr"], given={"optimizer", "horizon"})
    check_call("dataset", {key: value for key, value in dataset.items() if key not in SPLIT}, given=SPLIT)
    for name, options in config["callbacks"].items():
        if options is not None:
            check_call(f"callbacks.{name}", options, given={"folder"})
            if str(options.get("monitor")).startswith("test/"):
                raise UserError(
                    f"callbacks.{name}.monitor={options['monitor']}: nothing is chosen on the test split; "
                    f"type callbacks.{name}.monitor=val/loss"
                )
    check_call("trainer", {key: value for key, value in trainer.items() if key != "compile"}, function=Trainer)
    tracking.check(config["logger"])


def check_values(prefix: str, values: Mapping[str, Any], hints: Mapping[str, Any]) -> None:
    for key, hint in hints.items():
        if key not in values:
            raise UserError(f"{prefix}{key} is missing; type {prefix}{key}=VALUE")
        check_value(f"{prefix}{key}", values[key], hint)
