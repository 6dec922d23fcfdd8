"""Reading checkpoints: what they hold besides weights, and whether a run may go on from one."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from optlab.data.arrays import DataInfo
from optlab.errors import UserError
from optlab.record import NOT_IDENTITY

# What a continued run may change; everything else would make it another run.
MAY_CHANGE = (
    *NOT_IDENTITY,
    "metric",
    "test_weights",
    "dataset.root",
    "callbacks",
    "trainer.max_epochs",
    "trainer.max_steps",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.strategy",
)
# Schedules whose lr does not depend on the length of the run, so that it may be extended.
OPEN_ENDED = ("constant", "step", "exponential", "plateau")


def read(path: str | Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU, loaded with `weights_only=True`.

    Raises:
        UserError: there is no such file, it is damaged, or another program wrote it.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"ckpt={path}: no such file; a run keeps last.ckpt and best.ckpt under its checkpoints folder")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises several types for a damaged file
        raise UserError(f"ckpt={path}: not a readable checkpoint; a run keeps last.ckpt and best.ckpt") from error
    if not isinstance(content, dict) or "run" not in content.get("optlab", ()):
        raise UserError(
            f"ckpt={path}: not a checkpoint of this version of optlab, which also holds the config and the data "
            "set's shape"
        )
    content["optlab"] |= json.loads(content["optlab"].pop("run"))
    return content


def config_of(content: Mapping[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = content["optlab"]["config"]
    return config


def data_info_of(content: Mapping[str, Any]) -> DataInfo:
    return DataInfo.from_dict(content["optlab"]["data"])


def check_model(path: str, content: Mapping[str, Any], config: Mapping[str, Any], info: DataInfo) -> None:
    """Raise UserError when the checkpoint's network is not the one that is asked for."""
    theirs, ours = config_of(content)["model"], config["model"]
    if theirs != ours:
        raise UserError(
            f"ckpt={path} holds model={theirs['name']}{options(theirs)}, and model={ours['name']}{options(ours)} "
            "is asked for; leave the model out and it comes from the checkpoint"
        )
    data = data_info_of(content)
    if (data.input_shape, data.outputs) != (info.input_shape, info.outputs):
        raise UserError(
            f"ckpt={path} was trained on {data.name} ({shape(data)}) and cannot take {info.name} ({shape(info)})"
        )


def check_continues(path: str, content: Mapping[str, Any], config: Mapping[str, Any], fingerprint: str) -> None:
    """Raise UserError when going on from a checkpoint would not be the same run on the same data."""
    theirs = config_of(content)
    if content["optlab"]["fingerprint"] != fingerprint:
        raise UserError(
            f"ckpt={path} belongs to a run on other data ({theirs['dataset']['name']} has changed since); "
            "put the data back as it was, or leave ckpt out to start a new run"
        )
    different = [
        f"{key}={show(new)} (was {show(old)})"
        for key, old, new in differences(by_name(theirs, config), by_name(config, theirs))
        if not any(key == allowed or key.startswith(allowed + ".") for allowed in MAY_CHANGE)
    ]
    if different:
        raise UserError(
            f"ckpt={path} belongs to a run with other settings: {', '.join(different)}; "
            "leave them out to continue it, or leave ckpt out to start a new run"
        )
    done, epochs = epochs_of(content), config["trainer"]["max_epochs"]
    if 0 < epochs < done:
        raise UserError(f"trainer.max_epochs={epochs}: ckpt={path} has {done} epochs already; type a larger number")
    schedule = config["lr"]
    longer = [key for key in ("max_epochs", "max_steps") if config["trainer"].get(key) != theirs["trainer"].get(key)]
    if longer and (schedule["name"] not in OPEN_ENDED or schedule.get("warmup_fraction")):
        key = longer[0]
        raise UserError(
            f"trainer.{key}={config['trainer'].get(key)}: lr={schedule['name']} was laid out for "
            f"{theirs['trainer'].get(key)}, and its end cannot be moved; start a new run of that length"
        )


def epochs_of(content: Mapping[str, Any]) -> int:
    """The completed epochs of a checkpoint."""
    return len(content["callbacks"]["Recorder"]["rows"])


def by_name(config: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The config with each group whose option differs from the other's replaced by the option's name."""

    def name(value: Any) -> Any:
        return value.get("name") if isinstance(value, Mapping) else None

    return {key: name(value) if name(value) != name(other.get(key)) else value for key, value in config.items()}


def differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, old, new) for every leaf that differs between two configs."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif old != new:
        yield path, old, new


def options(settings: Mapping[str, Any]) -> str:
    pairs = [f"{key}={value}" for key, value in settings.items() if key not in ("name", "_target_")]
    return f" ({', '.join(pairs)})" if pairs else ""


def shape(info: DataInfo) -> str:
    return f"{'x'.join(map(str, info.input_shape))} inputs, {info.outputs} outputs"


def show(value: Any) -> str:
    return "null" if value is None else str(value)
